//! The console proxy's settings as flags of a program, made of console-config's own definitions.
//!
//! What it is: [`Flags`] puts the flags of [`KEYS`](console_config::KEYS) and `--config` into a clap command, under headings, and reads what a
//! command line and an environment say as [`Sources`](console_config::Sources). So every program that takes the settings takes them alike. [`generate`]
//! makes a manual page and completions of such a command.
//!
//! What it is not: it parses no command line by itself and reads no environment; it has no opinion on a program's other flags.
//!
//! # Example
//!
//! ```
//! use clap::Command;
//! use console_flags::{Flags, sources};
//!
//! let command = Flags::ALL.iter().fold(Command::new("example"), |command, flags| flags.add_to(command));
//! let matches = command.get_matches_from(["example", "-H", "::1", "--public-host", "console.example.org"]);
//! let sources = sources(&matches, [("WS_PORT".into(), "6081".into())].into_iter());
//! let settings = console_config::Settings::load(sources)?.settings;
//! assert_eq!(settings.server.listen[0].address.to_string(), "[::1]:6081");
//! # Ok::<(), console_config::ConfigError>(())
//! ```

#![forbid(unsafe_code)]

mod flags;
mod generate;

pub use flags::{Flags, sentence, sources};
pub use generate::{KINDS, Section, generate, other_flags};
