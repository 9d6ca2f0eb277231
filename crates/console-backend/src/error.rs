//! Why a console could not be opened.

use std::io;
use std::time::Duration;

use console_route::Route;

use crate::denied::Denied;
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
    /// This version cannot open such a route.
    #[error("{route} needs an SSH tunnel, which this version does not open")]
    Unsupported {
        /// The route as it prints.
        route: String,
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
    pub(crate) fn new(route: &Route, source: io::Error, limit: Duration) -> Self {
        let route = route.to_string();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { route, source },
            io::ErrorKind::TimedOut => Self::TimedOut { route, limit },
            _ => Self::Failed { route, source },
        }
    }

    pub(crate) fn unix(route: &Route, failure: Failure, limit: Duration) -> Self {
        match failure {
            Failure::NotASocket(found) => Self::NotASocket { route: route.to_string(), found },
            Failure::Denied(denied) => Self::Denied { route: route.to_string(), denied },
            Failure::System(source) => Self::new(route, source, limit),
        }
    }
}
