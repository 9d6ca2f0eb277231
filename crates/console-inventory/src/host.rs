//! One hypervisor.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;

use console_route::{HostAccess, Tunnel};
use console_token::HostId;
use host_endpoint::Endpoint;
use secrecy::SecretString;

use crate::libvirt_uri;
use crate::ssh_access::SshAccess;
use crate::ssh_config::SshConfig;

/// How libvirt on a hypervisor is reached: the four connection types of WebVirtMgr and WebVirtCloud. An endpoint's port is that of libvirt or SSH,
/// never of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// libvirt's UNIX socket on this machine.
    Socket,
    /// libvirt's TCP port, 16509 unless another is given.
    Tcp(Endpoint),
    /// libvirt's TLS port, 16514 unless another is given.
    Tls(Endpoint),
    /// SSH, port 22 unless another is given here or in ssh_config; the name may be an alias of ssh_config.
    Ssh(Endpoint, SshOptions),
}

/// What SSH is told beyond ssh_config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshOptions {
    /// The private key.
    pub key: Option<PathBuf>,
    /// The file of known host keys.
    pub known_hosts: Option<PathBuf>,
    /// Whether the configuration is not the service user's own, which is what libvirt's ssh reads.
    pub own_config: bool,
    /// What is done about a host without a known key; ssh_config's `StrictHostKeyChecking` decides where nothing is said here.
    pub host_keys: Option<HostKeys>,
    /// Which consoles go through the tunnel.
    pub tunnel: Tunnel,
}

/// What is done about an SSH server of which no key is known. Another key than the known ones is refused in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeys {
    /// It is refused.
    #[default]
    Strict,
    /// Its key is believed and remembered; if that fails, it is refused.
    AcceptNew,
    /// Its key is believed, and remembered if that can be: ssh_config's `StrictHostKeyChecking no`.
    Unchecked,
}

/// Who we are at a hypervisor.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The login; SSH takes it from ssh_config without one.
    pub name: Option<String>,
    /// The password, for SASL or SSH.
    pub password: Option<SecretString>,
}

/// One hypervisor: who it is and how it is reached.
#[derive(Clone, Debug)]
pub struct Host {
    id: HostId,
    name: String,
    login: Login,
    libvirt_uri: String,
    libvirt_address: Option<(String, u16)>,
    access: HostAccess<Arc<SshAccess>>,
}

/// Why a host cannot be reached as its settings say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// libvirt leaves jump hosts to the ssh program, which cannot be told of other files.
    #[error(
        "host {name}: ssh_config puts it behind a jump host, and libvirt can then use neither a password nor ssh_known_hosts, ssh_config or \
         ssh_host_keys: have key and known hosts in the service user's ~/.ssh instead, or write the uri yourself"
    )]
    Jump {
        /// The host's name.
        name: String,
    },
    /// Its jump hosts are of no use.
    #[error(
        "host {name}: its ProxyJump in ssh_config is malformed, leads in a circle, or over more than 8 hosts"
    )]
    JumpCircle {
        /// The host's name.
        name: String,
    },
}

impl Host {
    /// A host with the libvirt URI that `connection` implies, or with `uri` (`test:///…`, `qemu:///session`, a socket elsewhere, a `pkipath`): what
    /// that leaves open of an SSH host's login, key and known hosts is added. `ssh` is asked for SSH hosts only.
    ///
    /// # Errors
    ///
    /// [`HostError`]: the settings contradict ssh_config.
    pub fn new(
        id: HostId,
        name: impl Into<String>,
        connection: &Connection,
        login: Login,
        ssh: &SshConfig,
        uri: Option<&str>,
    ) -> Result<Self, HostError> {
        let name = name.into();
        let (libvirt_uri, libvirt_address, access) = match connection {
            Connection::Socket => ("qemu:///system".to_owned(), None, HostAccess::Local),
            Connection::Tcp(at) => {
                (libvirt_uri::tcp(at), Some(libvirt_uri::listens(at, TCP_PORT)), remote(at))
            }
            Connection::Tls(at) => {
                let uri = libvirt_uri::tls(at, login.name.as_deref());
                (uri, Some(libvirt_uri::listens(at, TLS_PORT)), remote(at))
            }
            Connection::Ssh(at, options) => {
                let found = ssh.host(&at.host, login.name.as_deref(), at.port);
                let needs_more = login.password.is_some()
                    || options.known_hosts.is_some()
                    || options.own_config
                    || options.host_keys.is_some_and(|keys| keys != HostKeys::Strict);
                if needs_more && found.proxied && uri.is_none() {
                    return Err(HostError::Jump { name });
                }
                let uri = if needs_more {
                    libvirt_uri::libssh2(at, &login, options, &found)
                } else {
                    libvirt_uri::ssh(at, login.name.as_deref(), options)
                };
                let tunnel = if found.proxied { Tunnel::Always } else { options.tunnel };
                let circle = || HostError::JumpCircle { name: name.clone() };
                let proxied = found.proxied;
                let via = SshAccess::new(at, &login, options, ssh, found).ok_or_else(circle)?;
                let address = (!proxied).then(|| (via.hostname.clone(), via.port.get()));
                let hostname = via.hostname.clone();
                (uri, address, HostAccess::Ssh { via: Arc::new(via), hostname, tunnel })
            }
        };
        let (libvirt_uri, libvirt_address) = match (uri, connection) {
            (None, _) => (libvirt_uri, libvirt_address),
            (Some(uri), Connection::Ssh(_, options)) => {
                let uri = libvirt_uri::completed(uri, &login, options);
                let address = libvirt_uri::address(&uri);
                (uri, address)
            }
            (Some(uri), _) => (uri.to_owned(), libvirt_uri::address(uri)),
        };
        Ok(Self { id, name, login, libvirt_uri, libvirt_address, access })
    }

    /// Its number.
    pub const fn id(&self) -> HostId {
        self.id
    }

    /// Its name, for logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URI to open with libvirt (libvirt, "Connection URIs"); no password is in it.
    pub fn libvirt_uri(&self) -> &str {
        &self.libvirt_uri
    }

    /// The host and TCP port that a connection to libvirt goes to, where that is known.
    pub fn libvirt_address(&self) -> Option<(&str, u16)> {
        self.libvirt_address.as_ref().map(|(host, port)| (host.as_str(), *port))
    }

    /// What libvirt there may ask for.
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// How this machine reaches it, for the decision where its consoles are.
    pub const fn access(&self) -> &HostAccess<Arc<SshAccess>> {
        &self.access
    }
}

fn remote(at: &Endpoint) -> HostAccess<Arc<SshAccess>> {
    HostAccess::Remote { hostname: at.host.clone() }
}

/// The ports of libvirtd (libvirtd.conf) and of SSH (RFC 4251 section 4).
pub(crate) const TCP_PORT: u16 = 16509;
pub(crate) const TLS_PORT: u16 = 16514;
pub(crate) const SSH_PORT: NonZeroU16 = NonZeroU16::new(22).expect("22 is not zero");
