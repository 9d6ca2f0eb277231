//! The command line.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use console_config::Sources;
use console_diagnosis::XmlConnection;
use console_flags::Flags;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct CommandLine {
    pub(crate) task: Task,
    /// From our own flags and environment.
    pub(crate) sources: Sources,
    /// Whether settings were given by flags: then the running service's do not count.
    pub(crate) has_settings: bool,
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
        Self::of(&command().get_matches())
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
        let sources = console_flags::sources(matches, std::env::vars_os());
        let timeout = matches.get_one::<f64>("timeout").copied();
        Self {
            has_settings: sources.file_required || !sources.flags.is_empty(),
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
}

/// The settings that the flags of another process of ours and its environment mean; flags that are not of the settings are passed over.
pub(crate) fn settings_of(flags: &[String], environment: Vec<(OsString, OsString)>) -> Sources {
    let others = ["verbose", "debug", "print-config"].map(|name| {
        let short = matches!(name, "verbose" | "debug").then(|| name.chars().next()).flatten();
        let arg = Arg::new(name).long(name).action(ArgAction::SetTrue);
        match short {
            Some(short) => arg.short(short),
            None => arg,
        }
    });
    let command = with_settings(Command::new("service").no_binary_name(true)).args(others);
    let matches = command.clone().try_get_matches_from(flags);
    let matches = matches.unwrap_or_else(|_| command.get_matches_from([""; 0]));
    console_flags::sources(&matches, environment.into_iter())
}

/// A file's content, or with `-` what comes in; of bounded size.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_XML_FILE + 1;
    let read = if file == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    let is_small = u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_XML_FILE);
    ensure!(is_small, "{} has more than {MAX_XML_FILE} bytes, which no domain has", file.display());
    Ok(bytes)
}

fn connection(kind: Option<&str>, hostname: Option<String>) -> XmlConnection {
    let hostname = hostname.unwrap_or_else(|| "HOST".into());
    match kind {
        Some("ssh") => XmlConnection::Ssh { hostname },
        Some("tcp" | "tls") => XmlConnection::Remote { hostname },
        _ => XmlConnection::Socket,
    }
}

fn with_settings(command: Command) -> Command {
    Flags::ALL.iter().fold(command, |command, flags| flags.add_to(command))
}

/// The command with all its flags.
pub(crate) fn command() -> Command {
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let value =
        |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let global = |arg: Arg| arg.global(true);
    let command = Command::new("console-check")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Says why a guest's console does not open in a browser, and what to change")
        .override_usage(USAGE)
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(false)
        .arg(Arg::new("token").value_name("TOKEN").help("Follow one console, step by step: <host id>-<domain uuid>"))
        .subcommand(
            Command::new("url")
                .about("From where a browser stands: DNS, TCP, TLS, 101, subprotocol, ping")
                .disable_help_flag(true)
                .arg(Arg::new("url").value_name("URL").required(true).help("ws:// or wss://, as the panel's page opens it").value_hint(ValueHint::Url)),
        )
        .next_help_heading("What to check")
        .arg(
            value("xml", "FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .conflicts_with("token")
                .help("Say what would be decided for this domain XML; nothing is opened (- reads it from standard input)"),
        )
        .arg(
            value("connection", "HOW")
                .requires("xml")
                .value_parser(["socket", "tcp", "tls", "ssh"])
                .help("How the domain's host is reached [default: socket]"),
        )
        .arg(value("hostname", "NAME").requires("xml").help("The host's name or address, with --xml"))
        .arg(switch("all").help("Also guests that are shut off"))
        .arg(global(switch("slow").help("Also whether an idle connection survives 65 seconds")))
        .next_help_heading("How to check")
        .arg(value("user", "NAME").help("Look with this user's eyes [default: the service's user, when run as root]"))
        .arg(global(
            value("timeout", "SECONDS")
                .value_parser(timeout)
                .help("The longest that one check takes, 0.1 to 600 [default: 10, or less as the settings have it]"),
        ))
        .next_help_heading("Output")
        .arg(global(switch("json").help("Print the report as JSON (docs/console-check.schema.json)")))
        .arg(global(switch("strict").help("Exit with 3 if there are warnings and nothing is broken")))
        .arg(global(switch("verbose").short('v').help("Show every check of every guest")))
        .arg(switch("list").help("Print every check's id and what it looks at, and exit"));
    with_settings(command)
        .next_help_heading("Other")
        .arg(
            Arg::new("generate")
                .long("generate")
                .value_name("WHAT")
                .value_parser(crate::generate::KINDS)
                .hide_possible_values(true)
                .help("Print the manual page (man) or a shell's completions (bash, zsh, fish), and exit"),
        )
        .arg(global(Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print this help")))
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version"),
        )
}

fn timeout(text: &str) -> Result<f64, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .filter(|seconds| (0.1..=600.0).contains(seconds))
        .ok_or_else(|| "allowed is 0.1 to 600 seconds".to_owned())
}

const USAGE: &str =
    "console-check [OPTIONS]                  everything that can be checked on this machine
       console-check [OPTIONS] TOKEN            one console, step by step
       console-check --xml FILE [--connection HOW]   what would be decided for this domain XML
       console-check url URL                    from where a browser stands";

const AFTER_HELP: &str = "\
Run it as root on the proxy's machine: it then looks as the service would, with the running
service's settings and its user's eyes. It changes nothing and prints no secret.

  Marks:        ✓ well   ! a warning   ✗ broken   – not tried
  More on each: docs/troubleshooting.md (/usr/share/doc/webvirtmgr-console), by the check's id
  Exit codes:   0 all well, 1 something is broken, 2 wrong use, 3 warnings only (--strict),
                130 interrupted before anything was found broken";

/// Larger than any domain's XML, which libvirt-graphics bounds itself.
const MAX_XML_FILE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use console_config::KEYS;

    fn parsed(line: &[&str]) -> CommandLine {
        CommandLine::of(&command().get_matches_from([&["x"], line].concat()))
    }

    #[test]
    fn clap_takes_the_definitions() {
        command().debug_assert();
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
        assert!(parsed(&["--strict"]).is_strict && parsed(&["-p", "1"]).has_settings);
        for wrong in [&["--timeout", "0"][..], &["--connection", "ssh"], &["url"], &["a", "b"]] {
            assert!(command().try_get_matches_from([&["x"], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_services_flags_are_its_settings() {
        let flags = ["-v", "--config", "/c", "-p", "6081"].map(str::to_owned);
        let sources = settings_of(&flags, vec![("WS_HOST".into(), "::1".into())]);
        assert_eq!((sources.file.to_str(), sources.file_required), (Some("/c"), true));
        assert_eq!(sources.flags.len(), 1);
        assert_eq!(sources.environment, [("WS_HOST".to_owned(), "::1".to_owned())]);
        assert!(KEYS.iter().any(|key| key.name == sources.flags[0].key));
        // One that this version does not know.
        assert!(settings_of(&["--new".to_owned()], Vec::new()).flags.is_empty());
    }
}
