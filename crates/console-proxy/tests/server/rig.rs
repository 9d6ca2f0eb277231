//! A server on a port of its own, its scripted resolver, and a backend that a test holds in its hands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use console_config::ServerSettings;
use console_proxy::{
    ConsoleKind, ConsoleToken, Fault, Listener, Opener, Refusal, Resolve, Route, SshLimits, Target,
    Tls, run,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A well-formed token; the resolver answers every one alike.
pub(crate) const TOKEN: &str = "1-0a000000-0000-4000-8000-000000000001";

/// What the resolver answers.
pub(crate) enum Answer {
    Console(ConsoleKind, Route),
    Refuse(Fault),
    Never,
}

impl Resolve for Answer {
    async fn resolve(
        &self,
        _token: ConsoleToken,
        _wanted: Option<ConsoleKind>,
    ) -> Result<Target, Refusal> {
        match self {
            Self::Console(kind, route) => {
                Ok(Target { guest_name: "web-1 <b>&".into(), kind: *kind, route: route.clone() })
            }
            Self::Refuse(fault) => Err(Refusal {
                fault: *fault,
                kind: None,
                reason: "as the test wants it".into(),
                remedy: "none".into(),
                cause: "secret-host.example said no".into(),
            }),
            Self::Never => std::future::pending().await,
        }
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(settings: ServerSettings, resolver: impl Resolve) -> Self {
        Self::with(settings, resolver, false, None).await
    }

    /// A server whose listener may expect the PROXY protocol, and which may have a certificate.
    pub(crate) async fn with(
        settings: ServerSettings,
        resolver: impl Resolve,
        proxy_protocol: bool,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Listener::from(listener).proxy_protocol(proxy_protocol);
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let opener = Opener::new(settings.connect_timeout, SshLimits::default());
        let task = tokio::spawn(run(vec![listener], tls, settings, opener, resolver, shutdown));
        Self { address, stop, task }
    }

    /// A server whose every token leads to the listener that is returned.
    pub(crate) async fn with_backend(settings: ServerSettings) -> (Self, TcpListener) {
        let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let route = tcp(backend.local_addr().unwrap());
        (Self::start(settings, Answer::Console(ConsoleKind::Vnc, route)).await, backend)
    }

    /// Asks for the end and waits for it.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(30), self.task).await.unwrap().unwrap();
    }
}

pub(crate) fn tcp(address: SocketAddr) -> Route {
    Route::Tcp {
        host: address.ip().to_string(),
        port: address.port().try_into().unwrap(),
        prefer: None,
    }
}

/// The settings of the tests: none of the defaults' patience.
pub(crate) fn quick() -> ServerSettings {
    ServerSettings {
        header_timeout: Duration::from_millis(500),
        lookup_timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_millis(500),
        close_timeout: Duration::from_millis(500),
        ..ServerSettings::default()
    }
}

/// The backend's end of the next session.
pub(crate) async fn accept(backend: &TcpListener) -> TcpStream {
    tokio::time::timeout(Duration::from_secs(30), backend.accept()).await.unwrap().unwrap().0
}

/// The path of a session with the token in its query.
pub(crate) fn path() -> String {
    format!("/?token={TOKEN}")
}
