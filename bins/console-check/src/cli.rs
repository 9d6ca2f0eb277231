//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use console_config::Sources;
use console_diagnosis::XmlConnection;

use crate::command::command;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct CommandLine {
    pub(crate) task: Task,
    /// From our own flags and environment.
    pub(crate) sources: Sources,
    pub(crate) user: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) is_slow: bool,
    pub(crate) is_strict: bool,
    pub(crate) all: bool,
    pub(crate) json: bool,
    pub(crate) verbose: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Everything,
    Console(String),
    Xml(PathBuf, XmlConnection),
    Url(String),
    List,
    Generate(String),
}

impl Task {
    /// Its name in the JSON report.
    pub(crate) const fn mode(&self) -> &'static str {
        match self {
            Self::Console(_) => "console",
            Self::Xml(..) => "xml",
            Self::Url(_) => "url",
            _ => "everything",
        }
    }

    /// Whether it looks at this machine's files and hosts, for which it matters who looks.
    pub(crate) const fn needs_service(&self) -> bool {
        matches!(self, Self::Everything | Self::Console(_))
    }
}

impl CommandLine {
    /// The process's own; ends the process where clap answers it (`--help`, `--version`, wrong use).
    pub(crate) fn parse() -> Self {
        Self::understood(std::env::args_os().collect()).unwrap_or_else(|answer| answer.exit())
    }

    fn understood(args: Vec<OsString>) -> Result<Self, Error> {
        let matches = match command().try_get_matches_from(&args) {
            Ok(matches) => matches,
            Err(error) => return Err(explained(error, &args)),
        };
        // No token is such a word.
        if let Some(word @ ("help" | "version")) =
            matches.get_one::<String>("token").map(String::as_str)
        {
            command().try_get_matches_from(["console-check", &format!("--{word}")])?;
        }
        let line = Self::of(&matches);
        if matches!(line.task, Task::Url(_)) && line.has_settings() {
            return Err(not_with_url("a setting"));
        }
        Ok(line)
    }

    fn of(matches: &ArgMatches) -> Self {
        let text = |name| matches.get_one::<String>(name).cloned();
        let url = matches.subcommand_matches("url");
        let task = if let Some(what) = text("generate") {
            Task::Generate(what)
        } else if matches.get_flag("list") {
            Task::List
        } else if let Some(url) = url.and_then(|url| url.get_one::<String>("url")) {
            Task::Url(url.clone())
        } else if let Some(file) = matches.get_one::<PathBuf>("xml") {
            Task::Xml(file.clone(), connection(text("connection").as_deref(), text("hostname")))
        } else {
            text("token").map_or(Task::Everything, Task::Console)
        };
        let mut sources = console_flags::sources(matches, std::env::vars_os());
        // Who looks in the end stands elsewhere.
        if let Ok(absolute) = std::path::absolute(&sources.file) {
            sources.file = absolute;
        }
        let timeout = matches.get_one::<f64>("timeout").copied();
        Self {
            task,
            sources,
            user: text("user"),
            timeout: timeout.map(Duration::from_secs_f64),
            is_slow: matches.get_flag("slow"),
            is_strict: matches.get_flag("strict"),
            all: matches.get_flag("all"),
            json: matches.get_flag("json"),
            verbose: matches.get_flag("verbose"),
        }
    }

    /// Whether settings were given by flags.
    pub(crate) fn has_settings(&self) -> bool {
        self.sources.file_required || !self.sources.flags.is_empty()
    }

    /// Whether flags say where all the settings are: then the running service's do not count. Others only say which service, or what would be if.
    pub(crate) fn has_own_settings(&self) -> bool {
        let is_whole = |key| ["django_settings", "database_url"].contains(&key);
        self.sources.file_required || self.sources.flags.iter().any(|flag| is_whole(flag.key))
    }
}

fn connection(kind: Option<&str>, hostname: Option<String>) -> XmlConnection {
    let hostname = hostname.unwrap_or_else(|| "HOST".into());
    match kind {
        Some("ssh") => XmlConnection::Ssh { hostname },
        Some("tcp") => XmlConnection::Tcp { hostname },
        Some("tls") => XmlConnection::Tls { hostname },
        _ => XmlConnection::Socket,
    }
}

/// Without clap's tip about `--`, behind which there is nothing of use here.
fn explained(mut error: Error, args: &[OsString]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    error.remove(ContextKind::Suggested);
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let is_one = |long: &str| unknown.strip_prefix("--") == Some(long);
    let command = command();
    let is_ours = command.get_arguments().any(|arg| {
        arg.get_long().is_some_and(is_one)
            || arg.get_short().is_some_and(|short| *unknown == format!("-{short}"))
    });
    if is_ours && args.iter().any(|arg| arg == "url") { not_with_url(unknown) } else { error }
}

fn not_with_url(what: &str) -> Error {
    let text = format!(
        "{what} says nothing to url, which goes a browser's way and looks at no settings of this machine\n"
    );
    command().error(ErrorKind::ArgumentConflict, text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(line: &[&str]) -> Result<CommandLine, Error> {
        CommandLine::understood([&["x"], line].concat().into_iter().map(Into::into).collect())
    }

    fn parsed(line: &[&str]) -> CommandLine {
        understood(line).unwrap()
    }

    #[test]
    fn each_task_has_its_words() {
        let token = "1-0a000000-0000-4000-8000-000000000001";
        for (line, expected) in [
            (&[][..], Task::Everything),
            (&["--all", "-p", "6081"], Task::Everything),
            (&[token], Task::Console(token.into())),
            (&["--json", token], Task::Console(token.into())),
            (&["url", "wss://x"], Task::Url("wss://x".into())),
            (&["url", "wss://x", "--json", "--slow"], Task::Url("wss://x".into())),
            (&["--xml", "f"], Task::Xml("f".into(), XmlConnection::Socket)),
            (
                &["--xml", "f", "--connection", "ssh", "--hostname", "h"],
                Task::Xml("f".into(), XmlConnection::Ssh { hostname: "h".into() }),
            ),
            (&["--list"], Task::List),
        ] {
            assert_eq!(parsed(line).task, expected, "{line:?}");
        }
        assert!(parsed(&["url", "wss://x", "--json"]).json);
        assert!(parsed(&["--strict"]).is_strict);
    }

    #[test]
    fn which_flags_are_settings_and_which_are_all_of_them() {
        for (line, has_settings, has_own) in [
            (&["--user", "x"][..], false, false),
            (&["-p", "1"], true, false),
            (&["--public-host", "x", "-c", "/c"], true, false),
            (&["--config", "f"], true, true),
            (&["-p", "1", "--database-url", "sqlite:///x"], true, true),
            (&["--django-settings", "/x"], true, true),
        ] {
            let line = parsed(line);
            assert_eq!((line.has_settings(), line.has_own_settings()), (has_settings, has_own));
        }
        let file = parsed(&["--config", "f/../g"]).sources.file;
        assert_eq!(file, std::env::current_dir().unwrap().join("f/../g"));
    }

    #[test]
    fn words_and_misplaced_flags_are_answered() {
        for (line, kind, words) in [
            (&["help"][..], ErrorKind::DisplayHelp, "TOKEN"),
            (&["version"], ErrorKind::DisplayVersion, env!("CARGO_PKG_VERSION")),
            (&["url", "wss://x", "--config", "f"], ErrorKind::ArgumentConflict, "--config says"),
            (&["url", "wss://x", "-p", "1"], ErrorKind::ArgumentConflict, "-p says nothing to url"),
            (&["-p", "1", "url", "wss://x"], ErrorKind::ArgumentConflict, "a setting says nothing"),
            (&["--nonsense"], ErrorKind::UnknownArgument, "--nonsense"),
        ] {
            let answer = understood(line).unwrap_err();
            let text = answer.to_string();
            assert!(answer.kind() == kind && text.contains(words), "{line:?}: {text}");
            assert!(!text.contains("as a value"), "{text}");
        }
    }
}
