//! Asking a libvirtd through the `virsh` command: the harness links no libvirt.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// `virsh` connected to one URI.
#[derive(Clone, Debug)]
pub struct Virsh {
    uri: String,
}

impl Virsh {
    /// For the libvirtd at `uri`; connects with each command.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into() }
    }

    /// The URI.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Runs one command and returns what it wrote to stdout.
    ///
    /// # Errors
    ///
    /// `virsh` is missing or fails; the error has its words.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String> {
        // A libvirtd that hangs must not keep the tests: timeout(1) ends virsh.
        let output = Command::new("timeout")
            .args([BOUND, "virsh", "-q", "-c", &self.uri])
            .args(args)
            .env("LC_ALL", "C")
            .output()
            .context("cannot run virsh (package libvirt-clients)")?;
        if !output.status.success() {
            let command = args.first().map(|arg| arg.as_ref().to_string_lossy());
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("virsh {} at {}: {}", command.unwrap_or_default(), self.uri, words.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether a libvirtd answers.
    pub fn answers(&self) -> bool {
        self.run(&["version"]).is_ok()
    }
}

/// In seconds. A guest's end takes two of them where nobody reaps QEMU at once.
const BOUND: &str = "40";
