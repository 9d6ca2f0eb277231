//! Why a console could not be opened.

use std::io;
use std::time::Duration;

use console_route::Route;

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
    /// Anything else: no such name, no route to the host, no such socket, permission denied.
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
    pub(crate) fn new(route: &Route, source: io::Error) -> Self {
        let route = route.to_string();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused { route, source },
            io::ErrorKind::Unsupported => Self::Unsupported { route },
            _ => Self::Failed { route, source },
        }
    }
}
