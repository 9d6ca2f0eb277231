//! Every check there is: its id and what it looks at. The one list that `--list`, the report and docs/troubleshooting.md are made of.

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Check {
    /// Its name, stable from version to version: an area and a word, with a dot between.
    pub id: &'static str,
    /// What is well when it passes.
    pub what: &'static str,
}

impl Check {
    /// How long the longest id is, in characters.
    pub const LONGEST: usize = 20;

    /// The anchor of its paragraph in docs/troubleshooting.md, as GitHub makes it of the heading.
    pub fn anchor(&self) -> String {
        self.id.replace('.', "")
    }
}

macro_rules! checks {
    ($($name:ident = $id:literal: $what:literal;)*) => {
        $(pub(crate) const $name: Check = Check { id: $id, what: $what };)*

        /// All checks, in the order in which they are made.
        pub const CHECKS: &[Check] = &[$($name),*];
    };
}

checks! {
    CONFIG_USER = "config.user": "the checks are made as the service's user";
    CONFIG_FILE = "config.file": "the configuration file can be read, and is TOML";
    CONFIG_VALUES = "config.values": "every key is known, every value is allowed";
    CONFIG_NOTES = "config.notes": "nothing that somebody wrote counts for nothing";
    CONFIG_HOSTS = "config.hosts": "there is a hypervisor, in the configuration or in the panel's database";
    CONFIG_SSH = "config.ssh": "ssh_config can be read, and does not contradict the settings";
    LISTEN_ADDRESS = "listen.address": "the address to listen on is this machine's";
    LISTEN_LOOPBACK = "listen.loopback": "browsers on other machines reach the address, or a reverse proxy does";
    LISTEN_PORT = "listen.port": "no other program has the port";
    LISTEN_RUNNING = "listen.running": "webvirtmgr-console listens there and answers";
    CERTIFICATE_NONE = "certificate.none": "there is a certificate, for pages that are loaded by https";
    CERTIFICATE_FILE = "certificate.file": "the certificate's file can be read, and has certificates in it";
    CERTIFICATE_KEY = "certificate.key": "the private key is there and can be used";
    CERTIFICATE_PAIR = "certificate.pair": "the private key is the certificate's";
    CERTIFICATE_ORDER = "certificate.order": "the certificates are in order, the server's own first";
    CERTIFICATE_DATES = "certificate.dates": "the certificate holds now and for three more weeks";
    CERTIFICATE_CHAIN = "certificate.chain": "the chain is whole, up to an authority that this system trusts";
    CERTIFICATE_NAMES = "certificate.names": "the certificate is for the name that browsers connect to";
    CERTIFICATE_STRENGTH = "certificate.strength": "key and signature are strong enough for browsers";
    CERTIFICATE_PRIVATE = "certificate.private": "not everybody on this machine can read the private key";
    CERTIFICATE_CLIENTS = "certificate.clients": "the authority for clients' certificates can be used";
    CERTIFICATE_SERVED = "certificate.served": "the running proxy serves the certificate that is in the file";
    BROWSER_PLAIN = "browser.plain": "a plain WebSocket is answered with 101, or refused as ssl_only wants it";
    BROWSER_TLS = "browser.tls": "an encrypted WebSocket is answered with 101";
    BROWSER_SUBPROTOCOL = "browser.subprotocol": "binary is answered exactly if it is offered";
    BROWSER_IDLE = "browser.idle": "a console that nobody touches survives 65 seconds (--slow)";
    PUBLIC_NAME = "public.name": "public_host has an address";
    PUBLIC_REACH = "public.reach": "public_host leads to this proxy";
    PUBLIC_CERTIFICATE = "public.certificate": "a browser believes the certificate that is shown at public_host";
    PUBLIC_UPGRADE = "public.upgrade": "a WebSocket through public_host is answered with 101";
    PUBLIC_COOKIE = "public.cookie": "the panel's page has the same host name, so that its cookie arrives";
    INVENTORY_DATABASE = "inventory.database": "the panel's database answers";
    INVENTORY_NUMBERS = "inventory.numbers": "no number means a host of the configuration and another of the database";
    INVENTORY_ROWS = "inventory.rows": "the rows of hosts and guests make sense";
    INVENTORY_UUIDS = "inventory.uuids": "no guest is listed twice";
    TOKEN_FORM = "token.form": "the token is <host id>-<domain uuid>";
    HOST_KNOWN = "host.known": "the token's host is in the configuration or in the database";
    HOST_NAME = "host.name": "the host's name has an address";
    SSH_CONFIG = "ssh.config": "ssh_config leads to the host by a way that can be gone";
    SSH_REACH = "ssh.reach": "an SSH server answers there";
    SSH_HOST_KEY = "ssh.host_key": "the SSH server's key is the known one";
    SSH_LOGIN = "ssh.login": "the SSH server takes the login";
    HOST_PORT = "host.port": "libvirt's port is open";
    HOST_LIBVIRT = "host.libvirt": "libvirt there takes the connection and the credentials";
    SSH_FORWARD_TCP = "ssh.forward.tcp": "the SSH server tunnels to TCP ports";
    SSH_FORWARD_SOCKET = "ssh.forward.socket": "the SSH server tunnels to UNIX sockets";
    DOMAIN_LISTED = "domain.listed": "the panel's database lists the guest on this host";
    DOMAIN_UUID = "domain.uuid": "the database's uuid of the guest is libvirt's";
    DOMAIN_KNOWN = "domain.known": "libvirt on the host knows the guest";
    DOMAIN_XML = "domain.xml": "the guest's XML can be read";
    DOMAIN_STATE = "domain.state": "the guest runs";
    DOMAIN_GRAPHICS = "domain.graphics": "it has a VNC or SPICE console";
    DOMAIN_LISTEN = "domain.listen": "its console listens where this machine reaches it";
    DOMAIN_PORT = "domain.port": "its console has a port";
    DOMAIN_TLS = "domain.tls": "its console takes connections without TLS";
    DOMAIN_WEBSOCKET = "domain.websocket": "its <graphics> has no websocket=, which panels would send browsers to";
    DOMAIN_PASSWORD = "domain.password": "its console's password has not expired";
    DOMAIN_ROUTE = "domain.route": "there is exactly one way to its console";
    BACKEND_OPEN = "backend.open": "the console can be connected to";
    BACKEND_GREETING = "backend.greeting": "what answers speaks VNC or SPICE, and speaks in time";
    BACKEND_SECURITY = "backend.security": "it offers a security type that browsers' clients know";
    SYSTEM_FILES = "system.files": "enough files may be open for max_sessions";
    SYSTEM_CLOCK = "system.clock": "this machine's clock is not behind its own files";
    SYSTEM_FIREWALL = "system.firewall": "no packet filter of this machine seems to drop the port";
    URL_FORM = "url.form": "the address is one of a WebSocket";
    URL_NAME = "url.name": "its name has an address";
    URL_CONNECT = "url.connect": "something listens there";
    URL_TLS = "url.tls": "TLS can be spoken there";
    URL_CERTIFICATE = "url.certificate": "a browser believes the certificate";
    URL_UPGRADE = "url.upgrade": "the WebSocket is answered with 101";
    URL_SUBPROTOCOL = "url.subprotocol": "binary is answered exactly if it is offered, through all that is in between";
    URL_PING = "url.ping": "a ping is answered";
    URL_IDLE = "url.idle": "the connection survives 65 seconds of silence (--slow)";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_an_area_and_a_word_and_unique() {
        let mut seen = HashSet::new();
        for check in CHECKS {
            assert!(seen.insert(check.id) && seen.insert(check.what), "{} twice", check.id);
            let plain = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '_');
            assert!(check.id.chars().all(plain) && check.id.contains('.'), "{}", check.id);
            assert!(!check.what.ends_with('.'), "{}", check.id);
        }
        assert_eq!(CHECKS.iter().map(|check| check.id.len()).max(), Some(Check::LONGEST));
        let anchors: HashSet<_> = CHECKS.iter().map(Check::anchor).collect();
        assert_eq!(anchors.len(), CHECKS.len());
    }
}
