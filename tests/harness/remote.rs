//! Another hypervisor: a machine of its own as far as the network goes.
//!
//! Its libvirtd, its SSH server and its guests are in a network namespace whose loopback nothing else reaches, behind a cable that a
//! test can pull. libvirtd listens on TCP (with SASL) and TLS (with SASL and client certificates).

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::guest::GuestBuilder;
use crate::libvirtd::{Libvirtd, Network};
use crate::packages::{self, Emulator};
use crate::pki::Authority;
use crate::ssh_server::{self, SSH_PORT, SshServer};

/// Who may log in by SASL.
pub const LOGIN: &str = "tester";

/// A running remote hypervisor. Dropping it ends all of it.
#[derive(Debug)]
pub struct Remote {
    libvirtd: Libvirtd,
    dir: PathBuf,
    password: String,
    pki: Authority,
    stranger: Authority,
}

impl Remote {
    /// Starts one in a new folder.
    ///
    /// # Errors
    ///
    /// A package is missing, root cannot be had, or something does not start.
    pub fn start(dir: &Path, emulator: &Emulator) -> Result<Self> {
        fs::create_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let sshd = packages::sshd()?;
        let pki = Authority::new(&dir.join("pki"), "test bed")?;
        pki.client()?;
        let stranger = Authority::new(&dir.join("stranger"), "stranger")?;
        stranger.client()?;
        // It trusts our server, and libvirt looks first whether it would trust its own certificate.
        let [ours, own] = [&pki, &stranger].map(|one| fs::read(one.dir().join("cacert.pem")));
        fs::write(stranger.dir().join("cacert.pem"), [ours?, own?].concat())?;
        // Its SSH server can be reached by anybody on this machine.
        // As long as the panels' databases have room for.
        let random = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        let password: String = random.chars().take(14).collect();
        sasl(&dir.join("sasl"), &password)?;
        ssh_server::prepare(dir, &password)?;
        let conf = conf(pki.dir());
        let network = Network { conf, sshd: Some(sshd) };
        let prepare = |index: u16| {
            pki.server(&[v4(index).to_string(), v6(index).to_string()])?;
            let public = fs::read_to_string(dir.join("host_key.pub"))?;
            let hosts = format!("{},{} {public}", v4(index), v6(index));
            fs::write(dir.join("known_hosts"), hosts).context("cannot write known_hosts")
        };
        let libvirtd = Libvirtd::launch(dir, emulator, &network, prepare)?;
        let remote = Self { libvirtd, dir: dir.to_owned(), password, pki, stranger };
        ssh_server::wait_for(remote.v4(), SSH_PORT, dir)?;
        Ok(remote)
    }

    /// The password of [`LOGIN`] for SASL, and root's for SSH.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// One more SSH server on it, with these lines in its sshd_config in front of the usual ones (the first value of an option counts).
    ///
    /// # Errors
    ///
    /// It does not start; the error has its log.
    pub fn ssh_server(&mut self, options: &str) -> Result<SshServer> {
        SshServer::start(&self.dir, options, &mut self.libvirtd)
    }

    /// Its IPv4 address.
    pub fn v4(&self) -> Ipv4Addr {
        v4(self.libvirtd.ports().index())
    }

    /// Its IPv6 address.
    pub fn v6(&self) -> Ipv6Addr {
        v6(self.libvirtd.ports().index())
    }

    /// The address of this machine on its cable.
    pub fn near_v4(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.v4().octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    /// The same in IPv6.
    pub fn near_v6(&self) -> Ipv6Addr {
        let [a, b, c, ..] = self.v6().segments();
        Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 1)
    }

    /// Its libvirtd, to look behind the scenes, to pause or to kill it.
    pub fn libvirtd_mut(&mut self) -> &mut Libvirtd {
        &mut self.libvirtd
    }

    /// A guest in the making on it.
    pub fn guest(&self, name: &str) -> GuestBuilder {
        GuestBuilder::new(self.libvirtd.virsh().clone(), name, &self.dir.join("guests"))
    }

    /// A folder with a client's certificate that libvirtd accepts, for `pkipath`.
    pub fn pki(&self) -> &Path {
        self.pki.dir()
    }

    /// The same with one of another authority.
    pub fn stranger_pki(&self) -> &Path {
        self.stranger.dir()
    }

    /// The private key that root's account takes.
    pub fn ssh_key(&self) -> PathBuf {
        self.dir.join("id_ed25519")
    }

    /// A known_hosts file with its SSH server's key.
    pub fn ssh_known_hosts(&self) -> PathBuf {
        self.dir.join("known_hosts")
    }

    /// Pulls the cable: from now on its answers vanish, without an error to anybody.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn unplug(&mut self) -> Result<()> {
        self.libvirtd.call("unplug", "unplugged")
    }

    /// Puts the cable back.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn plug(&mut self) -> Result<()> {
        self.libvirtd.call("plug", "plugged")
    }
}

/// As libvirtd.sh gives them.
fn v4(index: u16) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, u8::try_from(index).unwrap_or(u8::MAX), 2)
}

fn v6(index: u16) -> Ipv6Addr {
    // libvirtd.sh writes the decimal number as if it were a hexadecimal one.
    let group = u16::from_str_radix(&index.to_string(), 16).unwrap_or(u16::MAX);
    Ipv6Addr::new(0xfd77, 0x6374, group, 0, 0, 0, 0, 2)
}

fn conf(pki: &Path) -> String {
    let pki = pki.display();
    format!(
        "\
listen_tcp = 1
listen_tls = 1
auth_tcp = \"sasl\"
auth_tls = \"sasl\"
key_file = \"{pki}/serverkey.pem\"
cert_file = \"{pki}/servercert.pem\"
ca_file = \"{pki}/cacert.pem\"
"
    )
}

/// libvirtd finds it by `SASL_CONF_PATH`. Over plain TCP libvirt wants a mechanism that encrypts: of those in Debian's packages that is DIGEST-MD5
/// alone.
fn sasl(dir: &Path, password: &str) -> Result<()> {
    fs::create_dir(dir)?;
    let database = dir.join("passwd.db");
    let conf = format!("mech_list: digest-md5\nsasldb_path: {}\n", database.display());
    fs::write(dir.join("libvirt.conf"), conf)?;
    let mut saslpasswd = Command::new(packages::saslpasswd()?)
        .args(["-c", "-p", "-f"])
        .arg(&database)
        .args(["-a", "libvirt", LOGIN])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run saslpasswd2")?;
    if let Some(mut input) = saslpasswd.stdin.take() {
        std::io::Write::write_all(&mut input, password.as_bytes())?;
    }
    let status = saslpasswd.wait()?;
    ensure!(status.success(), "saslpasswd2: {status}");
    Ok(())
}
