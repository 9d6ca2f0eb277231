//! Why a libvirt guest's console does not open in a browser: every step from the settings to the console's first bytes, checked and explained.
//!
//! What it is: [`everything`] checks all that can be checked on this machine, [`console`] follows one token, [`xml`] says what would be decided for a
//! domain's XML, and [`url`] goes a browser's way. They put what they find into a [`Report`], which can be shown while it grows ([`Text`]) or
//! written as JSON ([`json`]). [`CHECKS`] lists the checks.
//!
//! What it is not: it has no rules of its own about settings, certificates, routes or SSH; it asks the crates that the proxy is made of. It does not
//! print, and it does not change users.
//!
//! Invariants:
//!
//! - Nothing is changed: no key is written into known_hosts, no database is written to, no guest is touched, no viewer loses its console.
//! - Every finding that is an error or a warning has a remedy. No text has a secret in it.
//! - Every wait is bounded: by [`Options::timeout`], or [`DEFAULT_TIMEOUT`] and the settings' own bounds; the database's is `database_timeout`.
//! - Nothing is sent anywhere but to what the settings, the token or the address name.
//!
//! # Example
//!
//! ```
//! use console_diagnosis::{Report, Status, XmlConnection, xml};
//!
//! let domain = b"<domain id='1'><name>web-1</name><uuid>0a000000-0000-4000-8000-000000000001</uuid>
//!     <devices><graphics type='vnc' port='5900' listen='127.0.0.1'/></devices></domain>";
//! let report = Report::default();
//! xml(&report, domain, &XmlConnection::Tcp { hostname: "hv2.example.org".into() });
//! let sections = report.sections();
//! let broken = sections[0].all().into_iter().find(|finding| finding.status == Status::Error).unwrap();
//! assert_eq!(broken.check.id, "domain.listen");
//! assert!(broken.remedy.as_ref().unwrap().contains("virsh -c 'qemu+tcp://hv2.example.org/system' edit 'web-1'"));
//! ```

#![forbid(unsafe_code)]

mod answer;
mod backend;
mod browser;
mod certificate;
mod checks;
mod console;
mod domain;
mod everything;
mod firewall;
mod guests;
mod host;
mod inventory;
mod json;
mod listening;
mod options;
mod public;
mod report;
mod running;
mod settings;
mod ssh;
mod system;
mod text;
mod thread;
mod token;
mod tunnels;
mod url;
mod wording;
mod xml;

pub use checks::{CHECKS, Check};
pub use console::console;
pub use everything::everything;
pub use json::{Head, SCHEMA, json};
pub use options::{DEFAULT_TIMEOUT, Options};
pub use report::{Branch, Finding, Report, Section, Status};
pub use settings::who_looks;
pub use text::{Style, Text};
pub use url::url;
pub use xml::{XmlConnection, xml};
