//! The manual page and the shells' completions, made of the same definitions as `--help`.

use std::io::{self, Write};

use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use console_diagnosis::CHECKS;

use crate::command::command;

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
    clap_complete::generate(shell, &mut command(), "console-check", &mut script);
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
    roff.control("SH", ["CHECKS"]);
    for check in CHECKS {
        roff.control("TP", []);
        roff.text([bold(check.id)]);
        roff.text([roman(check.what)]);
    }
    for (title, text) in [
        (
            "EXIT STATUS",
            "0: all well. 1: something is broken. 2: wrong use. 3: there are warnings, with --strict. 130: interrupted before anything was found broken.",
        ),
        (
            "SEE ALSO",
            "webvirtmgr-console(1), virsh(1), ssh_config(5), and /usr/share/doc/webvirtmgr-console/troubleshooting.md, which has more on each check",
        ),
    ] {
        roff.control("SH", [title]);
        roff.text([roman(text)]);
    }
    roff.to_writer(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_check_and_each_kind_is_written() {
        for kind in KINDS {
            let mut text = Vec::new();
            write(kind, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap().replace("\\-", "-").replace("\\*(Aq", "'");
            assert!(text.contains("strict"), "{kind}");
            if kind == "man" {
                for check in CHECKS {
                    assert!(text.contains(check.id), "{}", check.id);
                    assert!(text.contains(&format!("\n{}", check.what)), "{}", check.id);
                }
            }
        }
    }
}
