//! The XML of a test guest's domain (<https://libvirt.org/formatdomain.html>).
//!
//! Emulated, not virtualised (`type='qemu'`): it works without /dev/kvm, and 16-bit code runs faster so.

use std::path::{Path, PathBuf};

use uuid::Uuid;

/// What is asked of libvirt.
#[derive(Clone, Debug)]
pub struct DomainSpec {
    /// The guest's name, also on its screen.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its consoles, in this order; none is allowed.
    pub consoles: Vec<Console>,
    /// Further devices, as XML.
    pub devices: String,
    /// The image of its floppy disk.
    pub floppy: PathBuf,
    /// The socket of its COM1: what is written there comes to the guest.
    pub com1: PathBuf,
    /// The file that keeps what the guest wrote to COM1.
    pub serial_log: PathBuf,
}

/// One `<graphics>` element.
#[derive(Clone, Debug)]
pub enum Console {
    /// VNC.
    Vnc {
        /// Where it listens.
        listen: Listen,
        /// At most 8 characters count in VNC's own authentication.
        password: Option<String>,
        /// Also QEMU's own WebSocket, on a port that libvirt chooses.
        websocket: bool,
    },
    /// SPICE.
    Spice {
        /// Where it listens.
        listen: Listen,
        /// The ticket.
        password: Option<String>,
    },
}

impl Console {
    /// VNC on 127.0.0.1, the port chosen by libvirt, no password.
    pub fn vnc() -> Self {
        Self::Vnc { listen: Listen::loopback(), password: None, websocket: false }
    }

    /// SPICE on 127.0.0.1, the port chosen by libvirt, no password.
    pub fn spice() -> Self {
        Self::Spice { listen: Listen::loopback(), password: None }
    }

    fn xml(&self) -> String {
        let (kind, listen, password, websocket) = match self {
            Self::Vnc { listen, password, websocket } => ("vnc", listen, password, *websocket),
            Self::Spice { listen, password } => ("spice", listen, password, false),
        };
        let port = match listen {
            Listen::Address(_) => " port='-1' autoport='yes'".to_owned(),
            Listen::AddressPort(_, port) => format!(" port='{port}' autoport='no'"),
            Listen::Socket(_) | Listen::None => String::new(),
        };
        let websocket = if websocket { " websocket='-1'" } else { "" };
        let password = match password {
            Some(password) => format!(" passwd='{}'", escaped(password)),
            None => String::new(),
        };
        format!("<graphics type='{kind}'{port}{websocket}{password}>{}</graphics>", listen.xml())
    }
}

/// Where a console listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP on this address, the port chosen by libvirt.
    Address(String),
    /// TCP on this address and port.
    AddressPort(String, u16),
    /// A UNIX socket; without a path libvirt chooses one in its own folder, which is not visible outside the bed.
    Socket(Option<PathBuf>),
    /// Nowhere: only libvirt itself could open it.
    None,
}

impl Listen {
    /// TCP on 127.0.0.1, the port chosen by libvirt.
    pub fn loopback() -> Self {
        Self::Address("127.0.0.1".into())
    }

    fn xml(&self) -> String {
        match self {
            Self::Address(address) | Self::AddressPort(address, _) => {
                format!("<listen type='address' address='{}'/>", escaped(address))
            }
            Self::Socket(Some(path)) => format!("<listen type='socket' socket='{}'/>", file(path)),
            Self::Socket(None) => "<listen type='socket'/>".into(),
            Self::None => "<listen type='none'/>".into(),
        }
    }
}

impl DomainSpec {
    /// The XML to define.
    pub fn xml(&self) -> String {
        let consoles: String = self.consoles.iter().map(Console::xml).collect();
        format!(
            "\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='fd'/></os>
  <devices>
    <disk type='file' device='floppy'>
      <driver name='qemu' type='raw'/><source file='{floppy}'/><target dev='fda'/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='unix'>
      <source mode='bind' path='{com1}'/><log file='{serial}' append='on'/>
    </serial>
    {consoles}
    {devices}
    <video><model type='vga'/></video>
    <memballoon model='none'/>
  </devices>
</domain>
",
            name = escaped(&self.name),
            uuid = self.uuid,
            devices = self.devices,
            floppy = file(&self.floppy),
            com1 = file(&self.com1),
            serial = file(&self.serial_log),
        )
    }
}

fn file(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// For text and for attributes in single quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_are_written_as_libvirt_reads_them() {
        assert_eq!(
            Console::vnc().xml(),
            "<graphics type='vnc' port='-1' autoport='yes'><listen type='address' address='127.0.0.1'/></graphics>"
        );
        let socket = Console::Vnc {
            listen: Listen::Socket(Some("/a'b".into())),
            password: Some("<&>".into()),
            websocket: false,
        };
        assert_eq!(
            socket.xml(),
            "<graphics type='vnc' passwd='&lt;&amp;>'><listen type='socket' socket='/a&apos;b'/></graphics>"
        );
    }
}
