//! Consoles that are opened all the time beside some that stay open, while a test does things to the panel's database.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use harness::database::{Engine, Host, Panel, PanelDatabase};
use harness::websocket::{Client, Message};
use harness::{Proxy, Result, wait};
use tokio::time::timeout;
use uuid::Uuid;

use crate::PATIENCE;
use crate::panels::{Machines, SOCKET, TCP, guest_name, settings};
use crate::remote::{at, vnc};

/// What came of opening a console: a guest, or a close code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Guest(String),
    Code(u16),
}

pub(crate) fn guest(name: &str) -> Outcome {
    Outcome::Guest(name.into())
}

pub(crate) const DOWN: Outcome = Outcome::Code(4503);
pub(crate) const UNKNOWN: Outcome = Outcome::Code(4404);

/// What may come of opening the moving guest and the one that stays, in one phase of the test.
struct Phase {
    moving: Vec<Outcome>,
    staying: Vec<Outcome>,
    /// How many were opened and done in it.
    done: AtomicUsize,
}

/// The phases so far; the last one is now.
#[derive(Default)]
struct Phases(Mutex<Vec<Arc<Phase>>>);

impl Phases {
    fn begin(&self, moving: &[Outcome], staying: &[Outcome]) -> Arc<Phase> {
        let phase = Phase { moving: moving.into(), staying: staying.into(), done: 0.into() };
        let phase = Arc::new(phase);
        self.all().push(phase.clone());
        phase
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Phase>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> usize {
        self.all().len() - 1
    }
}

/// A console that is open all the time.
struct Held(Client);

impl Held {
    async fn open(proxy: &Proxy, token: &str, name: &str) -> Result<Self> {
        let mut client = Client::open(proxy.address(), &format!("/?token={token}"), &[]).await?;
        ensure!(guest_name(&mut client).await? == name);
        Ok(Self(client))
    }

    /// A pixel of its screen (RFC 6143 sections 7.5.3 and 7.6.1).
    async fn is_alive(&mut self) -> Result<()> {
        let request = [3, 0, 0, 0, 0, 0, 0, 1, 0, 1];
        self.0.send(Message::binary(request.to_vec())).await?;
        self.0.read(20).await.context("an open session is lost")?;
        Ok(())
    }
}

/// A panel whose host 10 has the guest `moving`, of which there is one here and one there, and whose host 20 has `staying`.
pub(crate) struct Rig {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) database: PanelDatabase,
    phases: Arc<Phases>,
    held: Vec<Held>,
    stop: Arc<AtomicBool>,
    load: Vec<tokio::task::JoinHandle<Result<HashSet<Outcome>>>>,
    there: String,
    password: String,
    pub(crate) moving: Uuid,
    // Dropped last.
    _guests: Vec<harness::Guest>,
    _machines: Machines,
}

pub(crate) const MOVING: i64 = 10;
const STAYING: i64 = 20;

impl Rig {
    pub(crate) async fn start(engine: Engine) -> Result<Self> {
        let machines = Machines::start()?;
        let here = machines.bed.guest("here").start()?;
        let staying = machines.bed.guest("staying").start()?;
        let there = machines.remote.guest("there").uuid(here.uuid());
        let there = there.console(vnc(at("0.0.0.0"))).start()?;
        let database =
            PanelDatabase::start(engine, Panel::WebVirtCloud, machines.bed.dir()).await?;
        for (id, guest) in [(MOVING, &here), (STAYING, &staying)] {
            let name = id.to_string();
            let host = Host {
                name: &name,
                hostname: "localhost",
                login: "",
                password: None,
                kind: SOCKET,
            };
            database.add_host(id, host).await?;
            database.add_instance(id, guest.name(), &guest.uuid().to_string()).await?;
        }
        let proxy = machines.drop_in(settings(Panel::WebVirtCloud), &database)?;
        let proxy = Arc::new(proxy.env("WS_DATABASE_TIMEOUT", "1.5").start()?);
        let tokens = [(MOVING, &here), (STAYING, &staying)]
            .map(|(id, guest)| format!("{id}-{}", guest.uuid()));
        let mut held = Vec::new();
        for (token, name) in tokens.iter().zip(["here", "staying"]) {
            held.push(Held::open(&proxy, token, name).await?);
        }
        let phases = Arc::new(Phases::default());
        phases.begin(&[guest("here")], &[guest("staying")]);
        let stop = Arc::new(AtomicBool::new(false));
        let load = (0..6)
            .map(|number| {
                let (proxy, phases, stop) = (proxy.clone(), phases.clone(), stop.clone());
                let token = tokens[number % 2].clone();
                tokio::spawn(open_all_the_time(proxy, phases, stop, token, number % 2 == 0))
            })
            .collect();
        let (there_at, password) =
            (machines.remote.v4().to_string(), machines.remote.password().to_owned());
        let moving = here.uuid();
        let guests = vec![here, staying, there];
        Ok(Self {
            proxy,
            database,
            phases,
            held,
            stop,
            load,
            there: there_at,
            password,
            moving,
            _guests: guests,
            _machines: machines,
        })
    }

    pub(crate) fn host_there(&self) -> Host<'_> {
        let (hostname, password) = (self.there.as_str(), Some(self.password.as_str()));
        Host { name: "10", hostname, login: harness::remote::LOGIN, password, kind: TCP }
    }

    /// From here on these may come, while something is being done.
    pub(crate) fn changing(&self, moving: &[Outcome], staying: &[Outcome]) {
        self.phases.begin(moving, staying);
    }

    /// It is done: only this may come, for consoles that are opened from now on; waits until some were, and looks after the open ones.
    pub(crate) async fn settled(&mut self, moving: Outcome, staying: Outcome) -> Result<()> {
        let phase = self.phases.begin(&[moving], &[staying]);
        let what = format!("consoles to be opened in phase {}", self.phases.now());
        let (load, log) = (&self.load, self.proxy.log());
        wait::until(&what, PATIENCE, || {
            ensure!(load.iter().all(|one| !one.is_finished()), "the load has ended: {log}");
            Ok((phase.done.load(SeqCst) >= 12).then_some(()))
        })?;
        for held in &mut self.held {
            held.is_alive().await?;
        }
        Ok(())
    }

    pub(crate) async fn end(self) -> Result<HashSet<Outcome>> {
        self.stop.store(true, SeqCst);
        let mut seen = HashSet::new();
        for load in self.load {
            seen.extend(load.await??);
        }
        ensure!(!self.proxy.log().contains(&self.password));
        Ok(seen)
    }
}

async fn open_all_the_time(
    proxy: Arc<Proxy>,
    phases: Arc<Phases>,
    stop: Arc<AtomicBool>,
    token: String,
    is_moving: bool,
) -> Result<HashSet<Outcome>> {
    let mut seen = HashSet::new();
    while !stop.load(SeqCst) {
        let first = phases.now();
        let path = format!("/?token={token}");
        let mut client = Client::open(proxy.address(), &path, &[]).await?;
        let outcome = timeout(PATIENCE, outcome(&mut client)).await.context("no answer")??;
        let last = phases.now();
        let all = phases.all().clone();
        let allowed = |phase: &Arc<Phase>| {
            let allowed = if is_moving { &phase.moving } else { &phase.staying };
            allowed.contains(&outcome)
        };
        ensure!(
            all[first..=last].iter().any(allowed),
            "{outcome:?} in phases {first} to {last}, token {token}: {}",
            proxy.log()
        );
        if first == last {
            all[first].done.fetch_add(1, SeqCst);
        }
        seen.insert(outcome);
    }
    Ok(seen)
}

/// Shakes hands as far as ServerInit, which has the guest's name, or to the Close frame.
async fn outcome(client: &mut Client) -> Result<Outcome> {
    // A client that speaks is told at once why there is no console.
    client.send(Message::binary(&b"RFB 003.008\n"[..])).await?;
    let (mut bytes, mut sent) = (Vec::new(), 0);
    loop {
        match client.stream.next().await.context("no Close frame")?? {
            Message::Binary(more) => bytes.extend_from_slice(&more),
            Message::Close(frame) => {
                return Ok(Outcome::Code(frame.context("no close code")?.code.into()));
            }
            _ => {}
        }
        // The banner and one security type; SecurityResult; 24 bytes of ServerInit, then its name.
        for (at, answer) in [(14, 1_u8), (18, 1)].into_iter().skip(sent) {
            if bytes.len() >= at && bytes.get(12) == Some(&1) {
                client.send(Message::binary(vec![answer])).await?;
                sent += 1;
            }
        }
        if let Some(length) = bytes.get(38..42) {
            let length = u32::from_be_bytes(length.try_into()?).try_into()?;
            if let Some(name) = bytes.get(42..).filter(|name| name.len() >= length) {
                let name = String::from_utf8_lossy(name).into_owned();
                let name = name.strip_prefix("QEMU (").and_then(|name| name.strip_suffix(')'));
                return Ok(Outcome::Guest(name.context("the server is no QEMU")?.to_owned()));
            }
        }
    }
}
