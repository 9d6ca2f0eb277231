//! The manual page and the shells' completions, made of the same definitions as `--help`.

use std::io::{self, Write};

use console_diagnosis::CHECKS;
use console_flags::{Section, generate};

use crate::command::command;

/// Writes one of [`KINDS`](console_flags::KINDS).
pub(crate) fn write(kind: &str, to: &mut dyn Write) -> io::Result<()> {
    let checks = CHECKS.iter().map(|check| (check.id, check.what.to_owned())).collect();
    let text = |title, text: &str| Section {
        title,
        paragraphs: vec![text.to_owned()],
        ..Section::default()
    };
    let sections = [
        Section { title: "CHECKS", entries: checks, ..Section::default() },
        text(
            "EXIT STATUS",
            "0: all well. 1: something is broken. 2: wrong use. 3: there are warnings, with --strict. 130: interrupted before anything was found broken.",
        ),
        text(
            "SEE ALSO",
            "webvirtmgr-console(1), virsh(1), ssh_config(5), and /usr/share/doc/webvirtmgr-console/troubleshooting.md, which has more on each check",
        ),
    ];
    generate(kind, command(), &sections, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use console_flags::KINDS;

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
