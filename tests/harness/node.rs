//! libvirt's test driver over a file: a hypervisor whose guests' consoles are wherever a test listens.
//!
//! It is libvirt's own code, in the proxy's process. It serves where a real QEMU cannot be made to fail on command: a console that
//! says nothing, that resets, or that sends a gigabyte.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use uuid::Uuid;

/// A file for `test:///…` with one running domain for each console.
#[derive(Debug)]
pub struct Node {
    file: PathBuf,
    domains: String,
    count: u128,
}

impl Node {
    /// A node without domains, in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { file: dir.join("node.xml"), domains: String::new(), count: 0 }
    }

    /// Adds a domain whose VNC console is at `address`; returns its uuid.
    pub fn vnc_at(&mut self, address: SocketAddr) -> Uuid {
        let (ip, port) = (address.ip(), address.port());
        self.domain(&format!("<graphics type='vnc' port='{port}' listen='{ip}'/>"))
    }

    /// Adds a domain with these devices; returns its uuid.
    pub fn domain(&mut self, devices: &str) -> Uuid {
        self.count += 1;
        let uuid = Uuid::from_u128(0x0a00_0000_0000_4000_8000_0000_0000_0000 + self.count);
        // Writing to a string cannot fail.
        let _ = write!(
            self.domains,
            "<domain type='test'><name>guest-{}</name><uuid>{uuid}</uuid><memory>1024</memory>\
             <os><type>hvm</type></os><devices>{devices}</devices></domain>",
            self.count
        );
        uuid
    }

    /// Writes the file; returns the URI.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn uri(&self) -> Result<String> {
        let file = &self.file;
        fs::write(file, format!("<node>{}</node>", self.domains))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(format!("test://{}", file.display()))
    }
}
