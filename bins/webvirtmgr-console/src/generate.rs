//! The manual page and the shells' completions, made of the same definitions as `--help`.

use std::io::{self, Write};

use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use console_config::{DEFAULT_CONFIG_FILE, KEYS};
use console_flags::sentence;

use crate::cli::command;

/// What can be made.
pub(crate) const KINDS: [&str; 4] = ["man", "bash", "zsh", "fish"];

/// Writes one of [`KINDS`].
pub(crate) fn write(kind: &str, to: &mut dyn Write) -> io::Result<()> {
    let shell = match kind {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => return manual(to),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "webvirtmgr-console", &mut script);
    to.write_all(&script)
}

fn manual(to: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command());
    man.render_title(to)?;
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    man.render_options_section(to)?;

    let mut roff = Roff::new();
    section(
        &mut roff,
        "SETTINGS",
        &[
            "Each can stand in the configuration file under its name, and in the environment or the panel's settings.py under WS_ and its name in capitals. Later ones are stronger: defaults, settings.py, configuration file, environment, flags. Lists are written with commas where there is no TOML. Times are in seconds.",
        ],
    );
    for key in KEYS {
        roff.control("TP", []);
        roff.text([bold(key.name)]);
        let mut text = format!("{}.", sentence(key.what));
        text.push_str(&format!(" Allowed: {}.", key.allowed.replace('`', "")));
        if !key.default.is_empty() {
            text.push_str(&format!(" Default: {}.", key.default));
        }
        roff.text([roman(text)]);
    }
    section(
        &mut roff,
        "HYPERVISORS",
        &[
            "One [[hosts]] each in the configuration file: id (the number in front of the token's dash), connection (socket, tcp, tls or ssh), hostname, login, password or password_file, and further keys that docs/operations.md explains.",
        ],
    );
    section(
        &mut roff,
        "SIGNALS",
        &[
            "SIGTERM and SIGINT stop accepting, close the sessions and end the program within shutdown_timeout. SIGHUP reads certificate and key again; if they are not right, the old ones stay in use.",
        ],
    );
    section(
        &mut roff,
        "EXIT STATUS",
        &["0: stopped by SIGTERM or SIGINT. 1: failed. 2: wrong flags. 64: wrong settings."],
    );
    section(&mut roff, "FILES", &[DEFAULT_CONFIG_FILE]);
    section(
        &mut roff,
        "SEE ALSO",
        &["console-check(1), virsh(1), ssh_config(5), systemd.socket(5)"],
    );
    roff.to_writer(to)
}

fn section(roff: &mut Roff, title: &str, paragraphs: &[&str]) {
    roff.control("SH", [title]);
    for paragraph in paragraphs {
        roff.text([roman(*paragraph)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_knows_every_flag() {
        for kind in KINDS {
            let mut text = Vec::new();
            write(kind, &mut text).unwrap();
            // roff has a backslash before each hyphen.
            let text = String::from_utf8(text).unwrap().replace("\\-", "-");
            for key in KEYS.iter().filter(|key| key.flag.is_some()) {
                assert!(text.contains(&key.long()), "{kind} has no {}", key.name);
            }
        }
    }

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
