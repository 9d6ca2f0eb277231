//! What a diagnosis is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use console_assembly::ServiceUser;
use console_config::{Settings, Sources};
use console_listen::Holder;

/// The time that one check may take, if nobody says: as long as the proxy itself waits for libvirt and for consoles.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a diagnosis is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the settings come from.
    pub sources: Sources,
    /// Who runs this process, for ssh_config and keys.
    pub user: ServiceUser,
    /// What somebody with more rights saw of who listens where ([`console_listen::who_listens`]); looked at before our own eyes.
    pub holders: Vec<(SocketAddr, Vec<Holder>)>,
    /// The proxy's process, if it is known: its limits are looked at instead of ours.
    pub proxy_pid: Option<u32>,
    /// The longest that a single check takes, instead of the settings' own bounds and, where they have none, [`DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// How many files the service may have open by its unit, if it does not run.
    pub open_files: Option<u64>,
    /// Also what takes more than a minute.
    pub is_slow: bool,
    /// Also guests that are shut off.
    pub all_domains: bool,
    /// Where the system's configuration is, for the hints about its packet filter: `/etc`.
    pub etc: PathBuf,
}

impl Options {
    /// As the proxy would do it with these settings, by this user.
    pub fn new(sources: Sources, user: ServiceUser) -> Self {
        Self {
            sources,
            user,
            holders: Vec::new(),
            proxy_pid: None,
            timeout: None,
            open_files: None,
            is_slow: false,
            all_domains: false,
            etc: "/etc".into(),
        }
    }

    /// The longest that a single check takes.
    pub(crate) fn limit(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT)
    }

    /// The proxy's own bounds, or that time for all of them, if somebody says it.
    pub(crate) fn bounded(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        if let (Some(database), Some(timeout)) = (&mut settings.database, self.timeout) {
            database.timeout = timeout;
        }
        let server = &mut settings.server;
        for bound in [
            &mut server.lookup_timeout,
            &mut server.connect_timeout,
            &mut server.ssh.connect_timeout,
            &mut server.ssh.handshake_timeout,
            &mut server.ssh.auth_timeout,
            &mut server.ssh.channel_timeout,
        ] {
            *bound = self.timeout.unwrap_or(*bound);
        }
        settings
    }
}
