//! Why a console could not be opened.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use console_route::Route;
use permission_denied::Denied;

use crate::ssh::SshError;
use crate::unix::Failure;

/// Why a console could not be opened. The route stands in each text: it is for the log, not for the browser.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing listens there.
    #[error("{route} refused the connection: nothing listens there")]
    Refused {
        /// The route as it prints.
        route: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No answer within the time-out; for TCP most often a firewall that drops packets.
    #[error("{route} did not answer within {limit:?}")]
    TimedOut {
        /// The route as it prints.
        route: String,
        /// The time-out.
        limit: Duration,
    },
    /// The SSH server that should carry it does not.
    #[error("{route}")]
    Ssh {
        /// The route as it prints.
        route: String,
        /// Which step failed.
        #[source]
        source: Arc<SshError>,
    },
    /// The socket, or a folder on the way to it, is not for us.
    #[error("{route}: permission denied: {denied}")]
    Denied {
        /// The route as it prints.
        route: String,
        /// What is in the way, whose it is, and who we are.
        denied: Denied,
    },
    /// What should be a socket is not one. A symbolic link is not followed.
    #[error("{route} is {found}, not a socket")]
    NotASocket {
        /// The route as it prints.
        route: String,
        /// What it is: `a symbolic link`, `a file`.
        found: &'static str,
    },
    /// Anything else: no such name, no route to the host, no such socket.
    #[error("{route} cannot be opened")]
    Failed {
        /// The route as it prints.
        route: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn new<Via: fmt::Display>(
        route: &Route<Via>,
        source: io::Error,
        limit: Duration,
    ) -> Self {
        let route = route.to_string();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { route, source },
            io::ErrorKind::TimedOut => Self::TimedOut { route, limit },
            _ => Self::Failed { route, source },
        }
    }

    pub(crate) fn unix<Via: fmt::Display>(
        route: &Route<Via>,
        failure: Failure,
        limit: Duration,
    ) -> Self {
        match failure {
            Failure::NotASocket(found) => Self::NotASocket { route: route.to_string(), found },
            Failure::Denied(denied) => Self::Denied { route: route.to_string(), denied },
            Failure::System(source) => Self::new(route, source, limit),
        }
    }
}
