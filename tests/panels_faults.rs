//! The panel's database is changed, switched off, locked, stopped and replaced while consoles are opened all the time: open sessions stay, new ones
//! see what is there now or are told why not, and nobody ever sees another guest than the database says.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use harness::database::{Engine, Host, Panel, PanelDatabase};
use harness::websocket::{Client, Message};
use harness::{Proxy, Result, wait};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::time::timeout;
use uuid::Uuid;

use crate::PATIENCE;
use crate::panels::{Machines, SOCKET, TCP, guest_name, settings};
use crate::remote::{at, vnc};

/// What came of opening a console: a guest, or a close code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Outcome {
    Guest(String),
    Code(u16),
}

fn guest(name: &str) -> Outcome {
    Outcome::Guest(name.into())
}

const DOWN: Outcome = Outcome::Code(4503);
const UNKNOWN: Outcome = Outcome::Code(4404);

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
struct Rig {
    proxy: Arc<Proxy>,
    database: PanelDatabase,
    phases: Arc<Phases>,
    held: Vec<Held>,
    stop: Arc<AtomicBool>,
    load: Vec<tokio::task::JoinHandle<Result<HashSet<Outcome>>>>,
    there: String,
    password: String,
    moving: Uuid,
    // Dropped last.
    _guests: Vec<harness::Guest>,
    _machines: Machines,
}

const MOVING: i64 = 10;
const STAYING: i64 = 20;

impl Rig {
    async fn start(engine: Engine) -> Result<Self> {
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

    fn host_there(&self) -> Host<'_> {
        let (hostname, password) = (self.there.as_str(), Some(self.password.as_str()));
        Host { name: "10", hostname, login: harness::remote::LOGIN, password, kind: TCP }
    }

    /// From here on these may come, while something is being done.
    fn changing(&self, moving: &[Outcome], staying: &[Outcome]) {
        self.phases.begin(moving, staying);
    }

    /// It is done: only this may come, for consoles that are opened from now on; waits until some were, and looks after the open ones.
    async fn settled(&mut self, moving: Outcome, staying: Outcome) -> Result<()> {
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

    async fn end(self) -> Result<HashSet<Outcome>> {
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

/// What every engine goes through.
async fn everything(engine: Engine) -> Result<()> {
    let mut rig = Rig::start(engine).await?;
    let staying = || guest("staying");
    rig.settled(guest("here"), staying()).await?;

    // Another host gets the number.
    rig.changing(&[guest("here"), guest("there")], &[staying()]);
    rig.database.change_host(MOVING, rig.host_there()).await?;
    rig.settled(guest("there"), staying()).await?;

    // The guest is struck off the list, and put on it again.
    let uuid = rig.moving.to_string();
    rig.changing(&[guest("there"), UNKNOWN], &[staying()]);
    rig.database.remove_instance(&uuid).await?;
    rig.settled(UNKNOWN, staying()).await?;
    rig.changing(&[guest("there"), UNKNOWN], &[staying()]);
    rig.database.add_instance(MOVING, "there", &uuid).await?;
    rig.settled(guest("there"), staying()).await?;

    // Switched off and on; then it hangs.
    let both = [guest("there"), DOWN];
    rig.changing(&both, &[staying(), DOWN]);
    switch_off(&mut rig)?;
    rig.settled(DOWN, DOWN).await?;
    rig.changing(&both, &[staying(), DOWN]);
    switch_on(&mut rig)?;
    rig.settled(guest("there"), staying()).await?;
    if engine != Engine::Sqlite {
        rig.changing(&both, &[staying(), DOWN]);
        rig.database.database_mut().server()?.pause()?;
        rig.settled(DOWN, DOWN).await?;
        rig.changing(&both, &[staying(), DOWN]);
        rig.database.database_mut().server()?.resume()?;
        // Those that wait for it go on.
        rig.settled(guest("there"), staying()).await?;
    }

    // Somebody locks the table of hosts for longer than we wait.
    let url = rig.database.url();
    rig.changing(&both, &[staying(), DOWN]);
    let lock = Lock::take(engine, &url).await?;
    rig.settled(DOWN, DOWN).await?;
    rig.changing(&both, &[staying(), DOWN]);
    lock.release().await?;
    rig.settled(guest("there"), staying()).await?;

    // Another one is put in its place, where the number is the first host's again.
    // MariaDB's list of tables has neither for a moment.
    rig.changing(&[guest("there"), guest("here"), DOWN], &[staying(), DOWN]);
    replace(&rig).await?;
    rig.settled(guest("here"), staying()).await?;

    let log = rig.proxy.log();
    let seen = rig.end().await?;
    assert_eq!(seen.len(), 5, "{seen:?}");
    let down: Vec<_> = log.lines().filter(|line| line.contains("code=4503")).collect();
    for line in &down {
        let is_told =
            line.contains("the panel's database cannot be asked: ") && line.contains("remedy=\"");
        ensure!(is_told, "{line}");
    }
    ensure!(!down.is_empty());
    Ok(())
}

fn moved(rig: &Rig) -> Result<[std::path::PathBuf; 2]> {
    let url = rig.database.url();
    let path = url.strip_prefix("sqlite://").context("no file")?;
    Ok([path.into(), format!("{path}.moved").into()])
}

fn switch_off(rig: &mut Rig) -> Result<()> {
    if let Ok(server) = rig.database.database_mut().server() {
        return server.stop();
    }
    let [place, other] = moved(rig)?;
    Ok(fs::rename(place, other)?)
}

fn switch_on(rig: &mut Rig) -> Result<()> {
    if let Ok(server) = rig.database.database_mut().server() {
        return server.start_again();
    }
    let [place, other] = moved(rig)?;
    Ok(fs::rename(other, place)?)
}

/// A file for a file; on a server, what a restored dump does.
async fn replace(rig: &Rig) -> Result<()> {
    let change = format!(
        "UPDATE computes_compute SET hostname = 'localhost', type = {SOCKET} WHERE id = {MOVING}"
    );
    match rig.database.database().engine() {
        Engine::Sqlite => {
            let [place, other] = moved(rig)?;
            fs::copy(&place, &other)?;
            let url = format!("sqlite://{}", other.display());
            let mut new = sqlx::SqliteConnection::connect(&url).await?;
            // The kind of file that leaves others beside it.
            new.execute("PRAGMA journal_mode = WAL").await?;
            new.execute(AssertSqlSafe(change)).await?;
            new.close().await?;
            fs::rename(other, place)?;
        }
        Engine::Postgres => {
            let swap = "BEGIN; ALTER TABLE computes_compute RENAME TO old; ALTER TABLE new RENAME TO computes_compute; COMMIT";
            let new = "CREATE TABLE new AS SELECT * FROM computes_compute";
            rig.database.run(new).await?;
            rig.database.run(&change.replace("computes_compute", "new")).await?;
            rig.database.run(swap).await?;
        }
        Engine::MariaDb => {
            rig.database.run("CREATE TABLE new AS SELECT * FROM computes_compute").await?;
            rig.database.run(&change.replace("computes_compute", "new")).await?;
            rig.database
                .run("RENAME TABLE computes_compute TO old, new TO computes_compute")
                .await?;
        }
    }
    Ok(())
}

/// A lock that readers wait for, too.
enum Lock {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
    MariaDb(sqlx::MySqlConnection),
}

impl Lock {
    async fn take(engine: Engine, url: &str) -> Result<Self> {
        Ok(match engine {
            Engine::Sqlite => {
                let mut connection = sqlx::SqliteConnection::connect(url).await?;
                connection.execute("BEGIN EXCLUSIVE").await?;
                Self::Sqlite(connection)
            }
            Engine::Postgres => {
                let mut connection = sqlx::PgConnection::connect(url).await?;
                connection
                    .execute("BEGIN; LOCK TABLE computes_compute IN ACCESS EXCLUSIVE MODE")
                    .await?;
                Self::Postgres(connection)
            }
            Engine::MariaDb => {
                let mut connection = sqlx::MySqlConnection::connect(url).await?;
                connection.execute("LOCK TABLES computes_compute WRITE").await?;
                Self::MariaDb(connection)
            }
        })
    }

    async fn release(self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
            Self::MariaDb(connection) => connection.close().await?,
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_under_load() -> Result<()> {
    everything(Engine::Sqlite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_under_load() -> Result<()> {
    everything(Engine::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mariadb_under_load() -> Result<()> {
    everything(Engine::MariaDb).await
}
