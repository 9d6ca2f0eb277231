//! The seam to whatever knows the guests: [`Resolve`].

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use console_backend::SshHost;
use console_route::ConsoleKind;
use console_token::ConsoleToken;

/// Where a console is, with all that it takes to log in at an SSH server on the way.
pub type Route = console_route::Route<Arc<SshHost>>;

/// Turns a token into a console. The proxy asks anew for every session and every page: what was true a minute ago may be
/// another guest's port now.
pub trait Resolve: Send + Sync + 'static {
    /// Looks the console up: the first, or the first of the `wanted` kind.
    ///
    /// Dropping the future must stop or abandon the work; the proxy does so when the client leaves, and shortly after the
    /// `lookup_timeout` of its settings.
    fn resolve(
        &self,
        token: ConsoleToken,
        wanted: Option<ConsoleKind>,
    ) -> impl Future<Output = Result<Target, Refusal>> + Send;

    /// The console of this token could not be opened where the last answer said, or was lost: whatever is remembered of it may be wrong.
    fn forget(&self, token: ConsoleToken) {
        let _ = token;
    }
}

/// Shared with others, who look after it.
impl<R: Resolve> Resolve for Arc<R> {
    fn resolve(
        &self,
        token: ConsoleToken,
        wanted: Option<ConsoleKind>,
    ) -> impl Future<Output = Result<Target, Refusal>> + Send {
        (**self).resolve(token, wanted)
    }

    fn forget(&self, token: ConsoleToken) {
        (**self).forget(token);
    }
}

/// A console that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The guest's name, shown on the page and in the log.
    pub guest_name: String,
    /// Which protocol its console speaks.
    pub kind: ConsoleKind,
    /// Where it is.
    pub route: Route,
}

/// What is wrong, as far as the client's close code or HTTP status tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There is no such host or guest: close code 4404, HTTP 404.
    NotFound,
    /// The guest has no console to reach: 4409, HTTP 409.
    NoConsole,
    /// The guest's console is for clients that speak TLS: 4409, HTTP 409.
    NeedsTls,
    /// Who should know does not answer: 4503, HTTP 503.
    Unavailable,
    /// The resolver's own fault: 1011, HTTP 500.
    Internal,
}

/// Why a token leads to no console: two texts, one for the client and one for the log.
#[derive(Debug)]
pub struct Refusal {
    /// The kind of fault.
    pub fault: Fault,
    /// Which protocol the client speaks most likely; without it the client's first bytes must tell.
    pub kind: Option<ConsoleKind>,
    /// For the person in front of the browser: short, plain, without host names, paths or secrets.
    pub reason: String,
    /// For the log: what to do about it; may be empty.
    pub remedy: String,
    /// For the log: the cause with its sources.
    pub cause: Box<dyn Error + Send + Sync>,
}

impl Refusal {
    /// A fault of the resolver's own; the client is told no more than that.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            fault: Fault::Internal,
            kind: None,
            reason: "the console proxy failed; its log says why".into(),
            remedy: String::new(),
            cause: cause.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}
