//! A host's row, and the host that it describes.

use console_token::HostId;
use host_endpoint::{Endpoint, is_login};
use secrecy::SecretString;
use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::host::{Connection, Host, Login, SshOptions};
use crate::inventory::InventoryError;
use crate::ssh_config::SshConfig;

/// One row of `servers_compute` or `computes_compute`.
#[derive(Debug)]
pub(crate) struct HostRow {
    id: i64,
    name: Option<String>,
    hostname: Option<String>,
    login: Option<String>,
    password: Option<SecretString>,
    kind: Option<i64>,
    /// How many guests it has of those that were asked for.
    pub(crate) instances: i64,
}

/// The panels' connection types, in their column `type`.
const TCP: i64 = 1;
const SSH: i64 = 2;
const TLS: i64 = 3;
const SOCKET: i64 = 4;

impl HostRow {
    /// The columns in the queries' order.
    pub(crate) fn decode<R: Row>(row: &R) -> Result<Self, sqlx::Error>
    where
        for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
        for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
        usize: ColumnIndex<R>,
    {
        let text = |index: usize| row.try_get::<Option<String>, _>(index);
        Ok(Self {
            id: row.try_get(0)?,
            name: text(1)?,
            hostname: text(2)?,
            login: text(3)?,
            password: text(4)?.filter(|text| !text.is_empty()).map(SecretString::from),
            kind: row.try_get(5)?,
            instances: row.try_get(6)?,
        })
    }

    /// Its number; nothing for a negative one, which no token can have.
    pub(crate) fn host_id(&self) -> Option<HostId> {
        u64::try_from(self.id).ok().map(HostId::new)
    }

    /// Its name, fit for one line of a log.
    pub(crate) fn shown_name(&self) -> String {
        plain_name(self.name.as_deref(), MAX_NAME)
            .map_or_else(|| format!("host {}", self.id), str::to_owned)
    }

    /// The host that it describes, reached as the panels reach it.
    pub(crate) fn into_host(
        self,
        ssh: &SshConfig,
        options: &SshOptions,
    ) -> Result<Host, InventoryError> {
        let name = self.shown_name();
        let id = self.host_id().unwrap_or_else(|| HostId::new(0));
        let unusable = |what: String| InventoryError::UnusableRow { id, host: name.clone(), what };
        let at = || {
            let text = self.hostname.as_deref().unwrap_or_default().trim();
            text.parse::<Endpoint>().map_err(|_| {
                unusable(format!(
                    "its hostname is {}, which is no name or address, with or without the port of libvirt or SSH",
                    shown(text)
                ))
            })
        };
        let given = self.login.as_deref().map(str::trim).filter(|login| !login.is_empty());
        let user = match given {
            Some(login) if !is_login(login) => {
                return Err(unusable(format!("its login is {}, which is none", shown(login))));
            }
            login => login.map(str::to_owned),
        };
        let sasl = || Login { name: user.clone(), password: self.password.clone() };
        let (connection, login) = match self.kind {
            Some(TCP) => (Connection::Tcp(at()?), sasl()),
            Some(TLS) => (Connection::Tls(at()?), sasl()),
            Some(SSH) => {
                // The panels have keys for SSH; a password that a row may still have is another connection's.
                let login = Login { name: user.clone(), password: None };
                (Connection::Ssh(at()?, options.clone()), login)
            }
            Some(SOCKET) => (Connection::Socket, Login::default()),
            other => {
                let found = other.map_or_else(|| "missing".to_owned(), |kind| kind.to_string());
                return Err(unusable(format!(
                    "its connection type is {found}, allowed is 1 (TCP), 2 (SSH), 3 (TLS) or 4 (socket)"
                )));
            }
        };
        Host::new(id, name.clone(), &connection, login, ssh, None)
            .map_err(|error| unusable(error.to_string()))
    }
}

/// A name that is fit for one line of a log and has at most `max` characters; nothing for any other.
pub(crate) fn plain_name(name: Option<&str>, max: usize) -> Option<&str> {
    let name = name.unwrap_or_default().trim();
    let is_plain = (1..=max).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    is_plain.then_some(name)
}

/// What may be a login with its password, put into the wrong field, is not repeated.
fn shown(text: &str) -> String {
    if text.contains([':', '@']) {
        return "something with : or @ (not shown)".to_owned();
    }
    let cut: String = text.chars().take(MAX_SHOWN).collect();
    format!("{cut:?}")
}

/// The longest name, in characters; the panels' columns hold 64.
const MAX_NAME: usize = 100;

/// The most characters of a value that a message repeats.
const MAX_SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn row(kind: i64, hostname: &str, login: &str, password: &str) -> HostRow {
        HostRow {
            id: 7,
            name: Some("kvm-1".into()),
            hostname: Some(hostname.into()),
            login: Some(login.into()),
            password: (!password.is_empty()).then(|| password.into()),
            kind: Some(kind),
            instances: 1,
        }
    }

    fn uri(row: HostRow) -> Result<String, String> {
        row.into_host(&SshConfig::default(), &SshOptions::default())
            .map(|host| host.libvirt_uri().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_four_connections_are_the_panels_own() {
        for (row, expected) in [
            (row(1, "hv1", "admin", "pw"), "qemu+tcp://hv1/system"),
            (row(1, " 192.0.2.1:16510 ", "", ""), "qemu+tcp://192.0.2.1:16510/system"),
            (row(1, "2001:db8::1", "", ""), "qemu+tcp://[2001:db8::1]/system"),
            (row(2, "hv1", "root", "left over"), "qemu+ssh://root@hv1/system?no_tty=1"),
            (row(2, "hv1:2222", "root", ""), "qemu+ssh://root@hv1:2222/system?no_tty=1"),
            (row(3, "hv1", "admin", "pw"), "qemu+tls://admin@hv1/system"),
            (row(4, "localhost", "", ""), "qemu:///system"),
            (row(4, "", "", "x"), "qemu:///system"),
        ] {
            assert_eq!(uri(row).unwrap(), expected);
        }
        let host =
            row(1, "hv1", "admin", "pw").into_host(&SshConfig::default(), &SshOptions::default());
        let host = host.unwrap();
        assert_eq!(host.login().name.as_deref(), Some("admin"));
        assert_eq!(host.login().password.as_ref().unwrap().expose_secret(), "pw");
        for kind in [2, 4] {
            let row = row(kind, "hv1", "root", "pw");
            let host = row.into_host(&SshConfig::default(), &SshOptions::default()).unwrap();
            assert!(host.login().password.is_none());
        }
    }

    #[test]
    fn a_row_that_makes_no_sense_is_told_and_its_password_is_not() {
        let mut without_type = row(1, "hv1", "", "");
        without_type.kind = None;
        for (row, expected) in [
            (
                row(1, "", "", "s3cret"),
                "host kvm-1 (7) in the panel's database: its hostname is \"\", which is no name",
            ),
            (row(1, "-oProxyCommand=x", "", "s3cret"), "its hostname is \"-oProxyCommand=x\""),
            (
                row(1, "root:s3cret@hv1", "", ""),
                "its hostname is something with : or @ (not shown)",
            ),
            (row(1, "hv1", "root:s3cret", ""), "its login is something with : or @ (not shown)"),
            (row(2, "hv1; reboot", "root", "s3cret"), "its hostname is \"hv1; reboot\""),
            (row(2, "hv1", "-oX=y", "s3cret"), "its login is \"-oX=y\", which is none"),
            (row(3, "hv1", "a b", "s3cret"), "its login is \"a b\", which is none"),
            (row(5, "hv1", "root", "s3cret"), "its connection type is 5, allowed is 1 (TCP)"),
            (without_type, "its connection type is missing"),
        ] {
            let said = uri(row).unwrap_err();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
        assert!(!format!("{:?}", row(1, "hv1", "a", "s3cret")).contains("s3cret"));
    }

    #[test]
    fn a_name_is_fit_for_a_log() {
        for (name, expected) in [(" kvm 1 ", "kvm 1"), ("", "host 7"), ("a\nb", "host 7")] {
            let row = HostRow { name: Some(name.into()), ..row(4, "", "", "") };
            assert_eq!(row.shown_name(), expected);
        }
    }
}
