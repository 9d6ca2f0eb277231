//! The command line, made of the settings' own definitions.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};
use console_config::Sources;
use console_flags::Flags;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct CommandLine {
    pub(crate) sources: Sources,
    pub(crate) verbose: bool,
    pub(crate) debug: bool,
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Serve,
    PrintConfig,
    Generate(String),
}

impl CommandLine {
    /// The process's own; ends the process where clap answers it (`--help`, `--version`, wrong use).
    pub(crate) fn parse() -> Self {
        Self::of(&command().get_matches(), std::env::vars_os())
    }

    fn of(matches: &ArgMatches, environment: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let task = match matches.get_one::<String>("generate") {
            Some(what) => Task::Generate(what.clone()),
            None if matches.get_flag("print-config") => Task::PrintConfig,
            None => Task::Serve,
        };
        let (verbose, debug) = (matches.get_flag("verbose"), matches.get_flag("debug"));
        Self { sources: console_flags::sources(matches, environment), verbose, debug, task }
    }
}

/// The command with all its flags.
pub(crate) fn command() -> Command {
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let command = Command::new("webvirtmgr-console")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Carries a virtual machine's VNC or SPICE screen from libvirt into a browser")
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .disable_help_flag(true)
        .disable_version_flag(true);
    Flags::ALL
        .iter()
        .fold(command, |command, flags| flags.add_to(command))
        .arg(
            switch("print-config")
                .help("Print every setting, its value and where it comes from, and exit"),
        )
        .next_help_heading("Log")
        .arg(
            switch("verbose")
                .short('v')
                .conflicts_with("debug")
                .help("Say more: each request and its cause"),
        )
        .arg(switch("debug").short('d').help("Say everything, the libraries' messages included"))
        .next_help_heading("Other")
        .args(console_flags::other_flags())
}

const AFTER_HELP: &str = "\
Flags are stronger than the environment, where every setting is called WS_ and its name in
capitals (WS_HOST, WS_PORT, WS_PUBLIC_HOST); the environment is stronger than the configuration
file, and that than the panel's settings.py.

  A console:        http://HOST:6080/console?token=<host id>-<domain uuid>
  All settings:     webvirtmgr-console --print-config
  What is wrong:    console-check
  The manual page:  webvirtmgr-console --generate man | man -l -
  New certificate:  taken up by itself; SIGHUP does it at once
  Exit codes:       0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong flags, 64 wrong settings";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_takes_the_definitions() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_the_settings_and_its_own_are_told_apart() {
        let line = ["x", "--config", "/f", "-p", "1", "-v"];
        let found = CommandLine::of(&command().get_matches_from(line), std::iter::empty());
        assert!(found.verbose && !found.debug && found.sources.file_required);
        assert_eq!(found.sources.flags.len(), 1);
        assert_eq!((found.sources.file.to_str(), found.task), (Some("/f"), Task::Serve));
    }
}
