//! A QEMU guest that boots our own boot sector: started by libvirt, its console wherever libvirt put it.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use crate::boot::floppy_image;
use crate::domain::{Console, DomainSpec};
use crate::lease::as_root;
use crate::virsh::Virsh;
use crate::{process, wait};

/// From power-on to `ready`: 1 s on an idle machine, much more on a busy one.
const BOOT: Duration = Duration::from_secs(60);

/// A guest in the making.
#[derive(Clone, Debug)]
pub struct GuestBuilder {
    virsh: Virsh,
    name: String,
    consoles: Option<Vec<Console>>,
    devices: String,
    uuid: Option<Uuid>,
    dir: PathBuf,
}

impl GuestBuilder {
    /// A guest called `name` at the libvirtd of `virsh`; its files go to a folder of its name in `dir`.
    pub fn new(virsh: Virsh, name: &str, dir: &Path) -> Self {
        Self {
            virsh,
            name: name.to_owned(),
            consoles: None,
            devices: String::new(),
            uuid: None,
            dir: dir.join(name),
        }
    }

    /// Adds a console. Without any call of this there is one: VNC on 127.0.0.1.
    #[must_use]
    pub fn console(mut self, console: Console) -> Self {
        self.consoles.get_or_insert_default().push(console);
        self
    }

    /// Adds a device as libvirt's XML says it.
    #[must_use]
    pub fn device(mut self, xml: &str) -> Self {
        self.devices.push_str(xml);
        self
    }

    /// Gives it this UUID; a hypervisor knows each one once.
    #[must_use]
    pub fn uuid(mut self, uuid: Uuid) -> Self {
        self.uuid = Some(uuid);
        self
    }

    /// A guest without any console.
    #[must_use]
    pub fn no_console(mut self) -> Self {
        self.consoles = Some(Vec::new());
        self
    }

    /// Makes it known to libvirt, shut off.
    ///
    /// # Errors
    ///
    /// The name cannot be shown (see [`BootError`](crate::boot::BootError)), or libvirt refuses; the error has its words.
    pub fn define(self) -> Result<Guest> {
        let name = &self.name;
        ensure!(!name.contains('/'), "guest name {name:?} has a slash: it is also a folder's name");
        let path = &self.dir;
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let dir = self.dir.canonicalize()?;
        let floppy = dir.join("floppy.img");
        fs::write(&floppy, floppy_image(&self.name)?)?;
        // Made here, so that it stays readable for us where QEMU runs as somebody else.
        let serial_log = dir.join("serial.log");
        File::create(&serial_log)?.set_permissions(Permissions::from_mode(0o666))?;

        let spec = DomainSpec {
            name: self.name,
            uuid: self.uuid.map_or_else(random_uuid, Ok)?,
            consoles: self.consoles.unwrap_or_else(|| vec![Console::vnc()]),
            devices: self.devices,
            floppy,
            com1: dir.join("com1.sock"),
            serial_log,
        };
        let xml = dir.join("domain.xml");
        fs::write(&xml, spec.xml())?;
        self.virsh.run(&["define".as_ref(), xml.as_os_str()])?;
        Ok(Guest { virsh: self.virsh, spec })
    }

    /// Defines it, starts it and waits until its screen stands.
    ///
    /// # Errors
    ///
    /// See [`define`](Self::define) and [`Guest::start`].
    pub fn start(self) -> Result<Guest> {
        let guest = self.define()?;
        guest.start()?;
        Ok(guest)
    }
}

/// A guest that libvirt knows. Dropping it ends and forgets it.
#[derive(Debug)]
pub struct Guest {
    virsh: Virsh,
    spec: DomainSpec,
}

impl Guest {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its UUID.
    pub fn uuid(&self) -> Uuid {
        self.spec.uuid
    }

    /// Switches it on and waits until its screen stands.
    ///
    /// # Errors
    ///
    /// libvirt refuses, or it does not boot.
    pub fn start(&self) -> Result<()> {
        File::create(&self.spec.serial_log)?;
        self.virsh.run(&["start", &self.id()])?;
        self.wait_for_serial(&format!("ready {}\r\n", self.spec.name), BOOT)
    }

    /// Switches it off at once, as by pulling the plug.
    ///
    /// # Errors
    ///
    /// libvirt refuses: it may be off.
    pub fn stop(&self) -> Result<()> {
        self.virsh.run(&["destroy", &self.id()]).map(drop)
    }

    /// Stops its CPU; its console stays.
    ///
    /// # Errors
    ///
    /// It is off.
    pub fn pause(&self) -> Result<()> {
        self.virsh.run(&["suspend", &self.id()]).map(drop)
    }

    /// Kills its QEMU (SIGKILL), and waits until libvirt knows.
    ///
    /// # Errors
    ///
    /// It is off.
    pub fn kill(&self) -> Result<()> {
        let id = self.id();
        let qemu = process::with_argument(&format!("-uuid\0{id}\0"))
            .with_context(|| format!("guest {} has no QEMU", self.name()))?;
        as_root("kill").args(["-KILL", &qemu.to_string()]).status().context("cannot run kill")?;
        wait::until("libvirt to notice", BOOT, || {
            Ok((self.virsh.run(&["domstate", &id])?.trim() == "shut off").then_some(()))
        })
    }

    /// The live domain XML, passwords included.
    ///
    /// # Errors
    ///
    /// libvirt does not answer.
    pub fn live_xml(&self) -> Result<String> {
        self.virsh.run(&["dumpxml", "--security-info", &self.id()])
    }

    /// Where libvirt says its first console of `kind` (`vnc` or `spice`) is: `127.0.0.1:20001`, for instance.
    ///
    /// # Errors
    ///
    /// It is off, or has no such console on TCP.
    pub fn display(&self, kind: &str) -> Result<(String, u16)> {
        let uri = self.virsh.run(&["domdisplay", "--type", kind, &self.id()])?;
        let place = uri.trim().strip_prefix(kind).and_then(|rest| rest.strip_prefix("://"));
        let (address, number) = place
            .and_then(|place| place.rsplit_once(':'))
            .with_context(|| format!("guest {} has no {kind} on TCP: {uri:?}", self.name()))?;
        // virsh writes VNC's display number, not its port (RFC 6143 section 6 names 5900 + N).
        let base: u16 = if kind == "vnc" { 5900 } else { 0 };
        let number: u16 = number.parse().with_context(|| format!("odd port in {uri:?}"))?;
        Ok((address.to_owned(), base + number))
    }

    /// All that the guest wrote to COM1 since it was switched on: `ready NAME`, then each typed character.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn serial(&self) -> Result<String> {
        let log = &self.spec.serial_log;
        let bytes = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until the guest has written `text` to COM1.
    ///
    /// # Errors
    ///
    /// It has not within `bound`; the error has what it wrote.
    pub fn wait_for_serial(&self, text: &str, bound: Duration) -> Result<()> {
        let what = format!("guest {} to write {text:?} to COM1", self.name());
        let found = wait::until(&what, bound, || Ok(self.serial()?.contains(text).then_some(())));
        found.with_context(|| format!("it wrote {:?}", self.serial().unwrap_or_default()))
    }

    /// Sends bytes into COM1: the guest shows them on its screen.
    ///
    /// # Errors
    ///
    /// It is off.
    pub fn send_serial(&self, bytes: &[u8]) -> Result<()> {
        let path = &self.spec.com1;
        if !process::is_root() {
            // QEMU made it, as root; the folder around it is open to us alone.
            as_root("chmod").arg("0666").arg(path).status().context("cannot run sudo")?;
        }
        let mut com1 = UnixStream::connect(path)
            .with_context(|| format!("cannot connect to {}", path.display()))?;
        com1.write_all(bytes)?;
        Ok(())
    }

    fn id(&self) -> String {
        self.spec.uuid.to_string()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.stop();
        let _ = self.virsh.run(&["undefine", &self.id()]);
    }
}

/// A new UUID, from the kernel.
fn random_uuid() -> Result<Uuid> {
    let text = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(text.trim().parse()?)
}
