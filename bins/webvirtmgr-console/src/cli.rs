//! The command line, made of the settings' own definitions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use console_config::{DEFAULT_CONFIG_FILE, Flag, KEYS, Key, Sources};

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
        let config = matches.get_one::<PathBuf>("config");
        let mut flags = Vec::new();
        for key in KEYS.iter().filter(|key| key.flag.is_some()) {
            let value = match key.flag.and_then(|flag| flag.value) {
                Some(_) => matches.get_one::<String>(key.name).cloned(),
                None => matches.get_flag(key.name).then(|| "true".to_owned()),
            };
            flags.extend(value.map(|value| Flag { key: key.name, value }));
        }
        let sources = Sources {
            file: config.cloned().unwrap_or_else(|| DEFAULT_CONFIG_FILE.into()),
            file_required: config.is_some(),
            environment: environment.filter_map(text_variable).collect(),
            flags,
        };
        let task = match matches.get_one::<String>("generate") {
            Some(what) => Task::Generate(what.clone()),
            None if matches.get_flag("print-config") => Task::PrintConfig,
            None => Task::Serve,
        };
        let (verbose, debug) = (matches.get_flag("verbose"), matches.get_flag("debug"));
        Self { sources, verbose, debug, task }
    }
}

/// A value that is not UTF-8 is kept with marks in it, to be refused where it is ours.
fn text_variable((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
}

/// The command with all its flags.
pub(crate) fn command() -> Command {
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .help(format!(
            "Configuration file (TOML) [default: {DEFAULT_CONFIG_FILE}, if it is there]"
        ));
    let under = |heading: &'static str| {
        KEYS.iter()
            .filter(move |key| key.flag.is_some() && self::heading(key) == heading)
            .map(argument)
    };
    Command::new("webvirtmgr-console")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Carries a virtual machine's VNC or SPICE screen from libvirt into a browser")
        .after_help(AFTER_HELP)
        .max_term_width(100)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .next_help_heading(LISTENING)
        .args(under(LISTENING))
        .next_help_heading(ENCRYPTION)
        .args(under(ENCRYPTION))
        .next_help_heading(BROWSERS)
        .args(under(BROWSERS))
        .next_help_heading(SETTINGS)
        .arg(config)
        .args(under(SETTINGS))
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
        .arg(
            Arg::new("generate")
                .long("generate")
                .value_name("WHAT")
                .value_parser(crate::generate::KINDS)
                .hide_possible_values(true)
                .help("Print the manual page (man) or a shell's completions (bash, zsh, fish), and exit"),
        )
        .arg(Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print this help"))
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help("Print the version"),
        )
}

const LISTENING: &str = "Where it listens";
const ENCRYPTION: &str = "Encryption";
const BROWSERS: &str = "What browsers connect to";
const SETTINGS: &str = "Configuration";

fn heading(key: &Key) -> &'static str {
    match key.name {
        "host" | "port" | "listen" => LISTENING,
        "cert" | "key" | "ssl_only" => ENCRYPTION,
        "public_host" | "public_port" | "public_path" => BROWSERS,
        _ => SETTINGS,
    }
}

fn argument(key: &Key) -> Arg {
    let mut help = sentence(key.what);
    if !key.default.is_empty() && key.flag.is_some_and(|flag| flag.value.is_some()) {
        help.push_str(&format!(" [default: {}]", key.default.trim_matches('"')));
    }
    let argument = Arg::new(key.name).long(key.long()).help(help);
    let argument = match key.flag.and_then(|flag| flag.short) {
        Some(short) => argument.short(short),
        None => argument,
    };
    match key.flag.and_then(|flag| flag.value) {
        Some(value) => {
            let hint = if value == "FILE" { ValueHint::FilePath } else { ValueHint::Other };
            // A value such as -1 is refused by its key's rule, which says more.
            argument.value_name(value).value_hint(hint).allow_hyphen_values(true)
        }
        None => argument.action(ArgAction::SetTrue),
    }
}

/// A definition's text as a sentence without Markdown.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.replace('`', "");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

const AFTER_HELP: &str = "\
Flags are stronger than the environment, where every setting is called WS_ and its name in
capitals (WS_HOST, WS_PORT, WS_PUBLIC_HOST); the environment is stronger than the configuration
file, and that than the panel's settings.py.

  A console:        http://HOST:6080/console?token=<host id>-<domain uuid>
  All settings:     webvirtmgr-console --print-config
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
    fn every_flag_reaches_its_key() {
        let line = [
            "x",
            "--config",
            "/f",
            "-H",
            "h",
            "-p",
            "1",
            "--listen",
            "a:1,b:2",
            "-c",
            "/c",
            "-k",
            "/k",
            "--ssl-only",
            "--public-host",
            "ph",
            "--public-port",
            "2",
            "--public-path",
            "/p",
            "--django-settings",
            "/d",
            "--database-url",
            "sqlite:///x",
            "-v",
        ];
        let found = CommandLine::of(&command().get_matches_from(line), std::iter::empty());
        let expected = [
            ("host", "h"),
            ("port", "1"),
            ("listen", "a:1,b:2"),
            ("cert", "/c"),
            ("key", "/k"),
            ("ssl_only", "true"),
            ("public_host", "ph"),
            ("public_port", "2"),
            ("public_path", "/p"),
            ("django_settings", "/d"),
            ("database_url", "sqlite:///x"),
        ];
        let flags: Vec<_> =
            found.sources.flags.iter().map(|flag| (flag.key, flag.value.as_str())).collect();
        assert_eq!(flags, expected);
        assert_eq!(flags.len(), KEYS.iter().filter(|key| key.flag.is_some()).count());
        assert!(found.verbose && !found.debug && found.sources.file_required);
        assert_eq!((found.sources.file.to_str(), found.task), (Some("/f"), Task::Serve));
    }

    #[test]
    fn without_flags_there_is_nothing() {
        let found = CommandLine::of(&command().get_matches_from(["x"]), std::iter::empty());
        assert!(found.sources.flags.is_empty() && !found.sources.file_required);
    }
}
