//! The command's definition: its flags, and its help.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use console_flags::Flags;

/// The flags of the settings, under their headings.
pub(crate) fn with_settings(command: Command) -> Command {
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
                .help("The longest that one check takes, 0.1 to 600 [default: as the settings have it, else 10]"),
        ))
        .next_help_heading("Output")
        .arg(global(switch("json").help("Print the report as JSON (docs/console-check.schema.json)")))
        .arg(global(switch("strict").help("Exit with 3 if there are warnings and nothing is broken")))
        .arg(global(switch("verbose").short('v').help("Show every check of every guest")))
        .arg(switch("list").help("Print every check's id and what it looks at, and exit"));
    // Also behind `url`.
    let other = console_flags::other_flags().map(|arg| {
        let is_help = arg.get_id() == "help";
        arg.global(is_help)
    });
    with_settings(command).next_help_heading("Other").args(other)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_takes_the_definitions() {
        command().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in [&["--timeout", "0"][..], &["--connection", "ssh"], &["url"], &["a", "b"]] {
            assert!(command().try_get_matches_from([&["x"], wrong].concat()).is_err(), "{wrong:?}");
        }
    }
}
