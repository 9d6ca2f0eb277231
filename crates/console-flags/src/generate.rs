//! A program's manual page and its shells' completions, made of the same definitions as its `--help`.

use std::io::{self, Write};

use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// What [`generate`] makes: a manual page, or the completions of bash, zsh and fish.
pub const KINDS: [&str; 4] = ["man", "bash", "zsh", "fish"];

/// A section of a manual page behind the options.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// In capitals, as manual pages have it.
    pub title: &'static str,
    /// Its paragraphs.
    pub paragraphs: Vec<String>,
    /// And then names with what they mean.
    pub entries: Vec<(&'static str, String)>,
}

/// Writes one of [`KINDS`] for the program that `command` is of; `sections` stand at the end of its manual page.
///
/// # Errors
///
/// It cannot be written.
pub fn generate(
    kind: &str,
    mut command: Command,
    sections: &[Section],
    to: &mut dyn Write,
) -> io::Result<()> {
    let shell = match kind {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => return manual(command, sections, to),
    };
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    to.write_all(&script)
}

/// The flags that stand at the end of every program's help: `--generate`, which is read as a text, `--help` and `--version`.
pub fn other_flags() -> [Arg; 3] {
    [
        Arg::new("generate")
            .long("generate")
            .value_name("WHAT")
            .value_parser(KINDS)
            .hide_possible_values(true)
            .help(
                "Print the manual page (man) or a shell's completions (bash, zsh, fish), and exit",
            ),
        Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print this help"),
        Arg::new("version")
            .short('V')
            .long("version")
            .action(ArgAction::Version)
            .help("Print the version"),
    ]
}

fn manual(command: Command, sections: &[Section], to: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command);
    man.render_title(to)?;
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    man.render_options_section(to)?;
    let mut roff = Roff::new();
    for Section { title, paragraphs, entries } in sections {
        roff.control("SH", [*title]);
        for paragraph in paragraphs {
            roff.text([roman(paragraph.as_str())]);
        }
        for (name, meaning) in entries {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(meaning.as_str())]);
        }
    }
    roff.to_writer(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flags;
    use console_config::KEYS;

    #[test]
    fn each_kind_knows_every_flag() {
        let command =
            Flags::ALL.iter().fold(Command::new("x"), |command, flags| flags.add_to(command));
        let section =
            Section { title: "MORE", entries: vec![("a", "b".into())], ..Section::default() };
        for kind in KINDS {
            let mut text = Vec::new();
            generate(kind, command.clone(), std::slice::from_ref(&section), &mut text).unwrap();
            // roff has a backslash before each hyphen.
            let text = String::from_utf8(text).unwrap().replace("\\-", "-");
            for key in KEYS.iter().filter(|key| key.flag.is_some()) {
                assert!(text.contains(&key.long()), "{kind} has no {}", key.name);
            }
            assert_eq!(text.contains(".SH MORE"), kind == "man");
        }
    }
}
