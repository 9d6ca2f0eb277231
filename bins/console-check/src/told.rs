//! What a process was told besides files, as settings; and ours laid over it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use console_config::Sources;

use crate::command::with_settings;

/// Where a service's settings come from, besides files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) flags: Vec<String>,
    /// What its relative paths begin at.
    pub(crate) directory: PathBuf,
}

impl Told {
    /// The settings that it means.
    pub(crate) fn sources(&self) -> Sources {
        let matches = read(self.flags.clone());
        let mut sources = console_flags::sources(&matches, self.environment.iter().cloned());
        sources.file = self.directory.join(&sources.file);
        sources
    }
}

/// Our own settings over a service's, key by key.
pub(crate) fn over(ours: &Sources, mut theirs: Sources) -> Sources {
    let own: Vec<_> = ours
        .environment
        .iter()
        .filter(|(name, value)| is_setting(name) && !value.is_empty())
        .collect();
    let flags: Vec<_> = ours.flags.iter().map(|flag| flag.key).collect();
    let variables: Vec<_> = own.iter().map(|(name, _)| name.as_str()).collect();
    // `listen` says all that `host` and `port` say, and no source may have both.
    for (few, others) in
        [(&["host", "port"][..], &["listen"][..]), (&["listen"], &["host", "port"])]
    {
        if few.iter().any(|key| flags.contains(key)) {
            theirs.flags.retain(|flag| !others.contains(&flag.key));
        }
        if few.iter().any(|key| variables.contains(&&*variable(key))) {
            theirs.environment.retain(|(name, _)| !others.iter().any(|key| *name == variable(key)));
        }
    }
    theirs.environment.extend(own.into_iter().cloned());
    theirs.flags.extend(ours.flags.iter().cloned());
    theirs
}

/// Whether a variable is one of ours, or may be meant to be.
pub(crate) fn is_setting(name: &str) -> bool {
    name.starts_with("WS_")
}

fn variable(key: &str) -> String {
    format!("WS_{}", key.to_ascii_uppercase())
}

/// A service's flags; those that are not of the settings, or of another version, are passed over.
fn read(mut flags: Vec<String>) -> ArgMatches {
    let others = ["verbose", "debug", "print-config"].map(|name| {
        let short = matches!(name, "verbose" | "debug").then(|| name.chars().next()).flatten();
        let arg = Arg::new(name).long(name).action(ArgAction::Count);
        match short {
            Some(short) => arg.short(short),
            None => arg,
        }
    });
    let command = with_settings(Command::new("service").no_binary_name(true)).args(others);
    for _ in 0..MAX_UNKNOWN {
        let error = match command.clone().try_get_matches_from(&flags) {
            Ok(matches) => return matches,
            Err(error) if error.kind() == ErrorKind::UnknownArgument => error,
            Err(_) => break,
        };
        let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { break };
        if !remove(&mut flags, unknown) {
            break;
        }
    }
    command.get_matches_from([""; 0])
}

/// Whether it was there.
fn remove(flags: &mut Vec<String>, unknown: &str) -> bool {
    let is_it = |flag: &String| {
        flag.strip_prefix(unknown).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    if let Some(at) = flags.iter().position(is_it) {
        flags.remove(at);
        return true;
    }
    // A letter behind those of other switches.
    let Some(letter) = unknown.strip_prefix('-') else { return false };
    for flag in flags {
        let Some((before, after)) = flag.strip_prefix('-').and_then(|it| it.split_once(letter))
        else {
            continue;
        };
        if before.chars().all(|known| "vd".contains(known)) {
            *flag = format!("-{before}{after}");
            return true;
        }
    }
    false
}

/// More flags than another version of the service has.
const MAX_UNKNOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use console_config::Flag;

    fn told(flags: &[&str], environment: &[(&str, &str)]) -> Sources {
        let environment = environment.iter().map(|&(name, value)| (name.into(), value.into()));
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        Told { environment: environment.collect(), flags, directory: "/srv".into() }.sources()
    }

    fn shown(sources: &Sources) -> Vec<(&str, &str)> {
        sources.flags.iter().map(|Flag { key, value }| (*key, value.as_str())).collect()
    }

    #[test]
    fn a_services_flags_are_its_settings() {
        let found = told(&["-v", "--config", "/c", "-p", "6081"], &[("WS_HOST", "::1")]);
        assert_eq!((found.file.to_str(), found.file_required), (Some("/c"), true));
        assert_eq!(shown(&found), [("port", "6081")]);
        assert_eq!(found.environment, [("WS_HOST".to_owned(), "::1".to_owned())]);
        assert_eq!(told(&["--config", "c.toml"], &[]).file.to_str(), Some("/srv/c.toml"));
        assert_eq!(told(&[], &[]).file, Sources::default().file);
    }

    #[test]
    fn what_this_version_does_not_know_is_passed_over() {
        for unknown in ["--new", "--new=1", "-x", "-vx", "-xd", "word"] {
            let found = told(&["-p", "6081", unknown, "--config", "/c", "-v"], &[]);
            assert_eq!(shown(&found), [("port", "6081")], "{unknown}");
            assert!(found.file_required, "{unknown}");
        }
        assert_eq!(shown(&told(&["--new", "value", "-p", "1"], &[])), [("port", "1")]);
        let many = vec!["--new"; MAX_UNKNOWN + 1];
        assert!(shown(&told(&many, &[])).is_empty());
    }

    #[test]
    fn ours_count_where_both_say_something() {
        let theirs = told(
            &["--config", "/c", "-p", "1", "--public-host", "x"],
            &[("WS_LISTEN", "a:1"), ("WS_CERT", "/1"), ("HOME", "/h")],
        );
        let mut ours = told(&["-p", "2"], &[("WS_CERT", "/2"), ("WS_HOST", "h"), ("WS_KEY", "")]);
        ours.environment.push(("PATH".into(), "/bin".into()));
        let both = over(&ours, theirs);
        assert_eq!(both.file.to_str(), Some("/c"));
        assert_eq!(shown(&both), [("port", "1"), ("public_host", "x"), ("port", "2")]);
        let names: Vec<_> = both.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["WS_CERT", "HOME", "WS_CERT", "WS_HOST"]);
        let both = over(&told(&["--listen", "a:1"], &[]), told(&["-p", "1", "-H", "h"], &[]));
        assert_eq!(shown(&both), [("listen", "a:1")]);
    }
}
