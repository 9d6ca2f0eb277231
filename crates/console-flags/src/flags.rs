//! Flags under their headings, and back.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use console_config::{DEFAULT_CONFIG_FILE, Flag, KEYS, Key, Sources};

/// The flags that stand under one heading of a program's help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flags {
    /// `host`, `port`, `listen`.
    Listening,
    /// `cert`, `key`, `ssl_only`.
    Encryption,
    /// `public_host`, `public_port`, `public_path`.
    Browsers,
    /// `--config`, and where other settings come from.
    Configuration,
}

impl Flags {
    /// In the order in which people read them.
    pub const ALL: [Self; 4] =
        [Self::Listening, Self::Encryption, Self::Browsers, Self::Configuration];

    /// The heading.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Listening => "Where it listens",
            Self::Encryption => "Encryption",
            Self::Browsers => "What browsers connect to",
            Self::Configuration => "Configuration",
        }
    }

    /// The command with these flags, and their heading for what is added next.
    pub fn add_to(self, command: Command) -> Command {
        let flags = KEYS.iter().filter(|key| key.flag.is_some() && Self::of(key) == self);
        let command = command.next_help_heading(self.heading());
        let command = if self == Self::Configuration { command.arg(config()) } else { command };
        command.args(flags.map(argument))
    }

    fn of(key: &Key) -> Self {
        match key.name {
            "host" | "port" | "listen" => Self::Listening,
            "cert" | "key" | "ssl_only" => Self::Encryption,
            "public_host" | "public_port" | "public_path" => Self::Browsers,
            _ => Self::Configuration,
        }
    }
}

/// What a command line with these flags and an environment say.
pub fn sources(
    matches: &ArgMatches,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Sources {
    let config = matches.get_one::<PathBuf>(CONFIG);
    let mut flags = Vec::new();
    for key in KEYS.iter().filter(|key| key.flag.is_some()) {
        let value = match key.flag.and_then(|flag| flag.value) {
            Some(_) => matches.get_one::<String>(key.name).cloned(),
            None => matches.get_flag(key.name).then(|| "true".to_owned()),
        };
        flags.extend(value.map(|value| Flag { key: key.name, value }));
    }
    Sources {
        file: config.cloned().unwrap_or_else(|| DEFAULT_CONFIG_FILE.into()),
        file_required: config.is_some(),
        environment: environment.filter_map(text_variable).collect(),
        flags,
    }
}

/// A definition's text as a sentence without Markdown.
pub fn sentence(text: &str) -> String {
    let text = text.replace('`', "");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A value that is not UTF-8 is kept with marks in it, to be refused where it is ours.
fn text_variable((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
}

fn config() -> Arg {
    Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::FilePath)
        .help(format!("Configuration file (TOML) [default: {DEFAULT_CONFIG_FILE}, if it is there]"))
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

const CONFIG: &str = "config";

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Flags::ALL.iter().fold(Command::new("x"), |command, flags| flags.add_to(command))
    }

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
        ];
        let found = sources(&command().get_matches_from(line), std::iter::empty());
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
            found.flags.iter().map(|flag| (flag.key, flag.value.as_str())).collect();
        assert_eq!(flags, expected);
        assert_eq!(flags.len(), KEYS.iter().filter(|key| key.flag.is_some()).count());
        assert!(found.file_required && found.file.to_str() == Some("/f"));
    }

    #[test]
    fn without_flags_there_is_nothing() {
        let found = sources(&command().get_matches_from(["x"]), std::iter::empty());
        assert!(found.flags.is_empty() && !found.file_required);
    }
}
