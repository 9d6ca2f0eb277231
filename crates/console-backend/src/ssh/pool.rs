//! The connections to all servers: one to each, and more when it is full.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use super::connect::{Greeted, Memory, greet, within};
use super::driver::{self, Health};
use super::error::{Lost, SshError, SshStep};
use super::host::{SshHost, SshProxy};
use super::limits::SshLimits;
use super::openings::{NoChannel, Request};
use super::stream::SshStream;
use super::target::Target;
use crate::{Backend, tcp};

pub(crate) struct Pool {
    limits: SshLimits,
    servers: Mutex<HashMap<Arc<SshHost>, Connections>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    memory: Memory,
}

/// The connections to one server.
#[derive(Default)]
struct Connections {
    open: Vec<Arc<Connection>>,
    /// The one that is being opened, for all who wait for it.
    flight: Option<Flight>,
}

type Flight = Shared<BoxFuture<'static, Result<(), Arc<SshError>>>>;

struct Connection {
    requests: mpsc::Sender<Request>,
    places: Arc<Semaphore>,
    health: Arc<Health>,
}

/// A place for one channel in a connection.
struct Place {
    connection: Arc<Connection>,
    permit: OwnedSemaphorePermit,
    /// There can be no further connection.
    is_last_resort: bool,
}

impl Pool {
    pub(crate) fn new(limits: SshLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            servers: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            memory: Memory::KnownHosts,
        })
    }

    /// One with the same limits and none of the connections, which writes nothing down. It ends with this one.
    pub(crate) fn apart(&self) -> Arc<Self> {
        Arc::new(Self {
            limits: self.limits.clone(),
            servers: Mutex::default(),
            tasks: self.tasks.clone(),
            stop: self.stop.child_token(),
            memory: Memory::None,
        })
    }

    pub(crate) const fn limits(&self) -> &SshLimits {
        &self.limits
    }

    /// Connects to `target` through `host`. Each step has its time-out, jump hosts' steps their own.
    pub(crate) fn open(
        self: Arc<Self>,
        host: Arc<SshHost>,
        target: Target,
    ) -> BoxFuture<'static, Result<SshStream, Arc<SshError>>> {
        // Boxed: a jump host is reached by the same way.
        async move {
            let mut pauses = if target.is_socket() { SOCKET_PAUSES } else { &[] }.iter();
            let mut detours = 0;
            loop {
                let place = self.place(&host, &target).await?;
                match self.ask(place, &target).await {
                    Ok(stream) => return Ok(stream),
                    Err(NoChannel::Elsewhere) if detours < self.max_detours() => detours += 1,
                    Err(NoChannel::Elsewhere) => {
                        let (server, source) = (host.address(), Lost::Closed);
                        return Err(Arc::new(SshError::Lost { server, source }));
                    }
                    Err(NoChannel::Because(error)) => match pauses.next() {
                        Some(pause) if matches!(error, SshError::Refused { .. }) => {
                            sleep(*pause).await;
                        }
                        _ => return Err(error.into()),
                    },
                }
            }
        }
        .boxed()
    }

    /// Ends all connections in order, and waits for them to end.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.servers().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn ask(&self, place: Place, target: &Target) -> Result<SshStream, NoChannel> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            target: target.clone(),
            place: place.permit,
            deadline: Instant::now() + self.limits.channel_timeout,
            is_patient: place.is_last_resort,
            reply,
        };
        // As many may wait as there are places, so there is room unless it has ended.
        let sent = place.connection.requests.try_send(request);
        sent.map_err(|_| NoChannel::Elsewhere)?;
        answer.await.unwrap_or(Err(NoChannel::Elsewhere))
    }

    /// A place in a connection, which is opened if need be.
    async fn place(
        self: &Arc<Self>,
        host: &Arc<SshHost>,
        target: &Target,
    ) -> Result<Place, Arc<SshError>> {
        // Others may take the places of a new connection, or the server may end it at once: not for ever.
        for _ in 0..self.max_detours() {
            let flight = {
                let mut servers = self.servers();
                let connections = servers.entry(host.clone()).or_default();
                connections.open.retain(|connection| !connection.health.is_over.load(Relaxed));
                let is_full = connections.open.len() >= self.limits.connections_per_host;
                if let Some(found) = connections.free(target, is_full) {
                    return Ok(found);
                }
                match &connections.flight {
                    Some(flight) if flight.peek().is_none() => flight.clone(),
                    _ if is_full => {
                        return Err(Arc::new(SshError::Full {
                            server: host.address(),
                            connections: self.limits.connections_per_host,
                            channels: self.limits.channels_per_connection,
                        }));
                    }
                    _ => {
                        let flight = self.start(host.clone());
                        connections.flight = Some(flight.clone());
                        flight
                    }
                }
            };
            flight.await?;
        }
        Err(Arc::new(SshError::Lost { server: host.address(), source: Lost::Closed }))
    }

    /// Each connection may be held up by another console at that moment, and some may end.
    fn max_detours(&self) -> usize {
        self.limits.connections_per_host + MAX_ENDS
    }

    /// Opens one more connection, in a task of its own: whoever asked for it may leave, others may wait for it, too.
    fn start(self: &Arc<Self>, host: Arc<SshHost>) -> Flight {
        let pool = self.clone();
        let server = host.address();
        let opening = self.tasks.spawn(async move {
            let stopped = Lost::Unused;
            let opened = tokio::select! {
                opened = pool.connect(&host) => opened,
                () = pool.stop.cancelled() => {
                    Err(Arc::new(SshError::Lost { server: host.address(), source: stopped }))
                }
            };
            let mut servers = pool.servers();
            let Some(connections) = servers.get_mut(&host) else { return Ok(()) };
            connections.flight = None;
            let opened = opened.map(|connection| connections.open.push(connection));
            if connections.open.is_empty() {
                servers.remove(&host);
            }
            opened
        });
        let ended = move |_| Err(Arc::new(SshError::Lost { server, source: Lost::Unused }));
        opening.map(|done| done.unwrap_or_else(ended)).boxed().shared()
    }

    async fn connect(
        self: &Arc<Self>,
        host: &Arc<SshHost>,
    ) -> Result<Arc<Connection>, Arc<SshError>> {
        let start = Instant::now();
        let io = self.reach(host).await?;
        let Greeted { dialogue, login, .. } = greet(io, host, &self.limits, self.memory).await?;
        info!(
            server = host.address(),
            user = host.user,
            ms = start.elapsed().as_millis(),
            "SSH connection opened"
        );
        debug!(server = host.address(), method = login.method, "logged in");
        let places = self.limits.channels_per_connection;
        let (requests, asked) = mpsc::channel(places.max(1));
        let health = Arc::<Health>::default();
        let run = driver::run(
            dialogue,
            host.address(),
            self.limits.clone(),
            asked,
            health.clone(),
            self.stop.clone(),
        );
        let server = host.address();
        let (pool, key) = (Arc::downgrade(self), host.clone());
        self.tasks.spawn(async move {
            let lost = run.await;
            debug!(server, cause = %lost, "SSH connection ended");
            if let Some(pool) = pool.upgrade() {
                pool.forget(&key);
            }
        });
        Ok(Arc::new(Connection { requests, places: Arc::new(Semaphore::new(places)), health }))
    }

    /// The server's port, by TCP or through another server.
    pub(crate) async fn reach(self: &Arc<Self>, host: &SshHost) -> Result<Backend, Arc<SshError>> {
        let server = host.address();
        match &host.proxy {
            SshProxy::Command => Err(Arc::new(SshError::ProxyCommand { server })),
            SshProxy::Jump(jump) => {
                let target = Target::Tcp { host: host.hostname.clone(), port: host.port.get() };
                let opened = self.clone().open(jump.clone(), target).await;
                let behind = |source| Arc::new(SshError::Jump { server, source });
                opened.map(Backend::Ssh).map_err(behind)
            }
            SshProxy::None => {
                let limit = host.connect_timeout.unwrap_or(self.limits.connect_timeout);
                let connect = tcp::connect(&host.hostname, host.port, None, Instant::now() + limit);
                within(limit, &server, SshStep::Connect, connect)
                    .await?
                    .map(Backend::Tcp)
                    .map_err(|failure| Arc::new(failed(failure, host, limit)))
            }
        }
    }

    /// Removes what has ended of a server.
    fn forget(&self, host: &Arc<SshHost>) {
        let mut servers = self.servers();
        if let Some(connections) = servers.get_mut(host) {
            connections.open.retain(|connection| !connection.health.is_over.load(Relaxed));
            if connections.open.is_empty() && connections.flight.is_none() {
                servers.remove(host);
            }
        }
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<Arc<SshHost>, Connections>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(failure: tcp::Failure, host: &SshHost, limit: Duration) -> SshError {
    let server = host.address();
    match failure {
        tcp::Failure::Resolve(source) => SshError::Resolve { name: host.hostname.clone(), source },
        tcp::Failure::Connect(source) if source.kind() == io::ErrorKind::TimedOut => {
            SshError::TimedOut { server, step: SshStep::Connect, limit }
        }
        tcp::Failure::Connect(source) => SshError::Connect { server, source },
    }
}

impl Connections {
    /// A place in the first connection that has one; in a doubtful one only if there can be `no_other`, or behind one that is on its way
    /// to the same `target` already: a console that does not answer holds up one connection, however often it is asked for.
    fn free(&self, target: &Target, no_other: bool) -> Option<Place> {
        let place = |is_last_resort| {
            move |connection: &Arc<Connection>| {
                let permit = connection.places.clone().try_acquire_owned().ok()?;
                Some(Place { connection: connection.clone(), permit, is_last_resort })
            }
        };
        let is_slow_with = |connection: &&Arc<Connection>| connection.health.is_slow_with(target);
        if let Some(behind) = self.open.iter().filter(is_slow_with).find_map(place(true)) {
            return Some(behind);
        }
        let is_good = |connection: &&Arc<Connection>| !connection.health.is_doubtful.load(Relaxed);
        let good = self.open.iter().filter(is_good).find_map(place(false));
        good.or_else(|| self.open.iter().filter(|_| no_other).find_map(place(true)))
    }
}

/// How many connections may end at the moment when they are asked for a console.
const MAX_ENDS: usize = 3;

/// QEMU's VNC sockets let one connection wait (listen backlog 1), and a server tells that like any refusal.
const SOCKET_PAUSES: &[Duration] =
    &[Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];
