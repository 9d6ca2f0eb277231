//! Planted faults: each has one finding that is the first, and nothing else is said to be broken but what follows from it.

use std::cell::RefCell;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use harness::certificates::{Authority, Issued};
use harness::check::{Checked, Found};
use harness::{Bed, Guest, Proxy, ProxyBuilder, Result};

/// A fault, and what `console-check` says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) planted: &'static str,
    /// The check that tells.
    pub(crate) finds: &'static str,
    /// Whether that is an error; otherwise it is a warning.
    pub(crate) is_broken: bool,
    /// What may be told besides, since it follows.
    follows: &'static [&'static str],
}

/// A fault that is an error.
pub(crate) const fn broken(planted: &'static str, finds: &'static str) -> Fault {
    Fault { planted, finds, is_broken: true, follows: &[] }
}

/// A fault that is a warning.
pub(crate) const fn warned(planted: &'static str, finds: &'static str) -> Fault {
    Fault { planted, finds, is_broken: false, follows: &[] }
}

impl Fault {
    /// The same with what follows from it.
    pub(crate) const fn with(self, follows: &'static [&'static str]) -> Self {
        Self { follows, ..self }
    }
}

/// Counts which faults of a table have been planted.
pub(crate) struct Bench {
    faults: &'static [Fault],
    planted: RefCell<Vec<&'static str>>,
}

impl Bench {
    pub(crate) fn new(faults: &'static [Fault]) -> Self {
        Self { faults, planted: RefCell::default() }
    }

    /// That the check says of this fault what the table has; returns the finding.
    pub(crate) fn finds(&self, planted: &str, checked: &Checked) -> Result<Found> {
        let fault = self.faults.iter().find(|fault| fault.planted == planted);
        let fault = fault.with_context(|| format!("{planted:?} is not in the table"))?;
        self.planted.borrow_mut().push(fault.planted);
        let shown = || format!("{planted}: {}", checked.shown());
        let first = checked.first().with_context(shown)?;
        let status = if fault.is_broken { "error" } else { "warning" };
        ensure!(first.id == fault.finds && first.status == status, "{}", shown());
        let others = checked.with_status(status);
        let follows =
            |found: &Found| found.id == fault.finds || fault.follows.contains(&&*found.id);
        ensure!(others.iter().all(follows), "{}", shown());
        ensure!(first.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()), "{}", shown());
        ensure!(checked.code == i32::from(fault.is_broken), "exit {}: {}", checked.code, shown());
        Ok(first)
    }

    /// That each one was.
    pub(crate) fn finish(self) -> Result<()> {
        let planted = self.planted.into_inner();
        let left = self.faults.iter().find(|fault| !planted.contains(&fault.planted));
        ensure!(left.is_none(), "{left:?} was not planted");
        Ok(())
    }
}

/// A bed where all is well: a guest, a proxy that other machines reach, and a certificate of an authority that this one trusts.
pub(crate) struct Well {
    // Dropped in this order.
    pub(crate) proxy: Proxy,
    pub(crate) guest: Guest,
    pub(crate) bed: Bed,
    pub(crate) authority: Authority,
    pub(crate) identity: Issued,
}

impl Well {
    pub(crate) fn start() -> Result<Self> {
        let bed = Bed::start()?;
        let guest = bed.guest("well").start()?;
        let authority = Authority::new("test bed")?;
        let ca = bed.dir().join("ca.pem");
        std::fs::write(&ca, authority.certificate())?;
        let identity = authority.server(&["localhost", "console.invalid"])?;
        identity.write(&bed.dir().join("console.pem"), &[])?;
        let proxy = front(&bed).setting(&cert(&bed, "console.pem")).start()?;
        Ok(Self { proxy, guest, bed, authority, identity })
    }

    /// The settings of its proxy but for the certificate.
    pub(crate) fn plain(&self) -> ProxyBuilder {
        front(&self.bed)
    }

    /// The settings of its proxy.
    pub(crate) fn settings(&self) -> ProxyBuilder {
        self.plain().setting(&cert(&self.bed, "console.pem"))
    }

    /// With another certificate's file of this name in the bed's folder.
    pub(crate) fn with_cert(&self, name: &str) -> ProxyBuilder {
        self.plain().setting(&cert(&self.bed, name))
    }

    pub(crate) fn port(&self) -> u16 {
        self.proxy.address().port()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.bed.dir().join(name)
    }
}

fn front(bed: &Bed) -> ProxyBuilder {
    let ca = bed.dir().join("ca.pem");
    bed.proxy().listen("0.0.0.0", 0).env("SSL_CERT_FILE", &ca.display().to_string())
}

fn cert(bed: &Bed, name: &str) -> String {
    format!("cert = \"{}\"", bed.dir().join(name).display())
}

/// A port that nobody listens on and that nobody else gets.
pub(crate) struct Closed(socket2::Socket);

impl Closed {
    pub(crate) fn new() -> Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        // Bound and not listening: connections are refused.
        socket.bind(&std::net::SocketAddr::from(([0, 0, 0, 0], 0)).into())?;
        Ok(Self(socket))
    }

    pub(crate) fn port(&self) -> Result<u16> {
        let address = self.0.local_addr()?.as_socket();
        Ok(address.context("no address")?.port())
    }
}

/// A folder that everybody may pass, unlike the bed's, which goes when it is dropped.
pub(crate) struct Shared(PathBuf);

impl Shared {
    pub(crate) fn new(bed: &Bed, name: &str) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let bed = bed.dir().file_name().context("no name")?.to_string_lossy().into_owned();
        let folder = std::env::temp_dir().join(format!("console-check-{name}-{bed}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self(folder))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with this text that everybody may read.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.file(name);
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))?;
        Ok(file)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
