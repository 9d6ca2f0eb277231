//! The log.

use std::io::{self, IsTerminal};

/// To standard error, where systemd's journal and supervisor look; `RUST_LOG` overrides the flags.
pub(crate) fn start(verbose: bool, debug: bool) {
    let default = match (debug, verbose) {
        (true, _) => "debug",
        (_, true) => {
            "info,console_proxy=debug,console_resolve=debug,console_libvirt=debug,console_backend=debug,console_tls=debug,webvirtmgr_console=debug"
        }
        _ => "info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(debug)
        .init();
}
