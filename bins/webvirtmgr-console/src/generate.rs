//! The manual page and the shells' completions, made of the same definitions as `--help`.

use std::io::{self, Write};

use console_config::{DEFAULT_CONFIG_FILE, KEYS, Key};
use console_flags::{Section, generate, sentence};

use crate::cli::command;

/// Writes one of [`KINDS`](console_flags::KINDS).
pub(crate) fn write(kind: &str, to: &mut dyn Write) -> io::Result<()> {
    let text = |title, text: &str| Section {
        title,
        paragraphs: vec![text.to_owned()],
        ..Section::default()
    };
    let settings = "Each can stand in the configuration file under its name, and in the environment or the panel's settings.py under WS_ and its name in capitals. Later ones are stronger: defaults, settings.py, configuration file, environment, flags. Lists are written with commas where there is no TOML. Times are in seconds.";
    let sections = [
        Section {
            entries: KEYS.iter().map(|key| (key.name, meaning(key))).collect(),
            ..text("SETTINGS", settings)
        },
        text(
            "HYPERVISORS",
            "One [[hosts]] each in the configuration file: id (the number in front of the token's dash), connection (socket, tcp, tls or ssh), hostname, login, password or password_file, and further keys that docs/operations.md explains.",
        ),
        text(
            "SIGNALS",
            "SIGTERM and SIGINT stop accepting, close the sessions and end the program within shutdown_timeout. SIGHUP reads certificate and key again; if they are not right, the old ones stay in use.",
        ),
        text(
            "EXIT STATUS",
            "0: stopped by SIGTERM or SIGINT. 1: failed. 2: wrong flags. 64: wrong settings.",
        ),
        text("FILES", DEFAULT_CONFIG_FILE),
        text("SEE ALSO", "console-check(1), virsh(1), ssh_config(5), systemd.socket(5)"),
    ];
    generate(kind, command(), &sections, to)
}

fn meaning(key: &Key) -> String {
    let mut text = format!("{}.", sentence(key.what));
    text.push_str(&format!(" Allowed: {}.", key.allowed.replace('`', "")));
    if !key.default.is_empty() {
        text.push_str(&format!(" Default: {}.", key.default));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_setting() {
        let mut text = Vec::new();
        write("man", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for key in KEYS {
            assert!(
                text.contains(&format!("\\fB{}\\fR", key.name.replace('-', "\\-"))),
                "{}",
                key.name
            );
        }
        for title in ["SYNOPSIS", "WHERE IT LISTENS", "SETTINGS", "SIGNALS", "EXIT STATUS", "FILES"]
        {
            assert!(text.contains(title), "{title}");
        }
    }
}
