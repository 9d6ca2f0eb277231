//! In place of the panels' own proxies: their databases, their settings files, and their pages' ways of connecting, with nothing else said.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use harness::database::{Engine, Host, Panel, PanelDatabase};
use harness::reverse_proxy::ReverseProxy;
use harness::site::Site;
use harness::websocket::{Client, Message};
use harness::{Bed, Browser, Guest, Proxy, ProxyBuilder, Remote, Result, packages};
use uuid::Uuid;

use crate::PATIENCE;
use crate::remote::{at, spice, vnc};

/// The panels' connection types.
pub(crate) const TCP: i64 = 1;
pub(crate) const SSH: i64 = 2;
pub(crate) const TLS: i64 = 3;
pub(crate) const SOCKET: i64 = 4;

/// A host's number in the database is ten times its connection type: it has more than one digit.
pub(crate) fn host_id(kind: i64) -> i64 {
    10 * kind
}

/// This machine with a libvirt, another one, and what the panel's user has at home.
pub(crate) struct Machines {
    // Dropped in this order.
    pub(crate) remote: Remote,
    pub(crate) bed: Bed,
    home: PathBuf,
}

impl Machines {
    pub(crate) fn start() -> Result<Self> {
        let bed = Bed::start()?;
        let remote = bed.remote()?;
        let home = bed.dir().join("home");
        let ssh = home.join(".ssh");
        DirBuilder::new().recursive(true).mode(0o700).create(&ssh)?;
        fs::copy(remote.ssh_key(), ssh.join("id_ed25519"))?;
        // As WebVirtMgr's own instructions have it.
        fs::write(ssh.join("config"), "StrictHostKeyChecking=no\nUserKnownHostsFile=/dev/null\n")?;
        Ok(Self { remote, bed, home })
    }

    /// The row of the host that is reached so.
    pub(crate) async fn add_host(&self, database: &PanelDatabase, kind: i64) -> Result<()> {
        let (v4, password) = (self.remote.v4().to_string(), Some(self.remote.password()));
        let login = harness::remote::LOGIN;
        let row = match kind {
            SOCKET => {
                Host { name: "local", hostname: "localhost", login: "", password: None, kind }
            }
            SSH => Host { name: "by ssh", hostname: &v4, login: "root", password: Some(""), kind },
            TCP => Host { name: "by tcp", hostname: &v4, login, password, kind },
            _ => Host { name: "by tls", hostname: &v4, login, password, kind },
        };
        database.add_host(host_id(kind), row).await
    }

    /// A proxy in the making with this settings file, the database's URL, and no configuration.
    pub(crate) fn drop_in(&self, settings: &str, database: &PanelDatabase) -> Result<ProxyBuilder> {
        let file = self.bed.dir().join("settings.py");
        fs::write(&file, settings)?;
        let sockets = self.bed.libvirtd().dir().join("run");
        Ok(ProxyBuilder::new(self.bed.dir())
            .without_file()
            .home(&self.home)
            .libvirt(&sockets)
            .pki(self.remote.pki())
            .arg("--django-settings")
            .arg(&file.display().to_string())
            .env("WS_DATABASE_URL", &database.url()))
    }
}

/// What each panel's settings file looks like around the lines that count here.
pub(crate) fn settings(panel: Panel) -> &'static str {
    match panel {
        Panel::WebVirtMgr => {
            "# Django settings for webvirtmgr project.\nimport os\nPROJECT_PATH = os.path.abspath(os.path.join(os.path.dirname(__file__), '..'))\n\
             DEBUG = False\nDATABASES = {\n    'default': {\n        'ENGINE': 'django.db.backends.sqlite3',\n        \
             'NAME': os.path.join(PROJECT_PATH, '..', 'webvirtmgr.sqlite3'),\n    }\n}\n\
             # WebSock port\nWS_PORT = 0\n# WebSock host\nWS_HOST = '127.0.0.1'\n# Websock public host\nWS_PUBLIC_HOST = None\n\
             # Websock SSL connection\nWS_CERT = None\nWS_KEY = None\n\
             try:\n    from local.local_settings import *\nexcept ImportError:\n    pass\n"
        }
        Panel::WebVirtCloud => {
            "\"\"\"Django settings for webvirtcloud project.\"\"\"\nfrom pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n\
             SECRET_KEY = \"\"\nDATABASES = {\n    \"default\": {\n        \"ENGINE\": \"django.db.backends.sqlite3\",\n        \
             \"NAME\": BASE_DIR / \"db.sqlite3\",\n    }\n}\n\
             # WebSock port\nWS_PORT = 0\nWS_HOST = \"127.0.0.1\"\n# Websock public port - 80 or 443 if reverse-proxy else 6080\n\
             WS_PUBLIC_PORT = 80\nWS_PUBLIC_HOST = None\nWS_PUBLIC_PATH = \"/novncd/\"\nWS_CERT = None\n\
             SOCKETIO_PORT = 6081\nSOCKETIO_HOST = \"0.0.0.0\"\n"
        }
    }
}

/// The name of the guest at the other end of a VNC session (RFC 6143 sections 7.1 and 7.3.2: ServerInit has it).
pub(crate) async fn guest_name(client: &mut Client) -> Result<String> {
    client.read(12).await?;
    let mut init = Vec::new();
    for (answer, length) in [(&b"RFB 003.008\n"[..], 2), (&[1], 4), (&[1], 24)] {
        client.send(Message::binary(answer)).await?;
        init = client.read(length).await?;
    }
    let length = init.get(20..24).and_then(|length| length.try_into().ok()).context("no length")?;
    let length = u32::from_be_bytes(length).try_into()?;
    let mut name = init.split_off(24);
    while name.len() < length {
        name.extend(client.message().await?);
    }
    let name = String::from_utf8(name)?;
    let name = name.strip_prefix("QEMU (").and_then(|name| name.strip_suffix(")"));
    name.map(str::to_owned).context("the server is no QEMU")
}

pub(crate) fn cookie(kind: i64, guest: Uuid) -> String {
    format!("Cookie: csrftoken=x; sessionid=\"a b\"; token={}-{guest}", host_id(kind))
}

/// WebVirtCloud's own locations: upstreams by name, no Host, no X-Forwarded-anything.
fn webvirtclouds_nginx(machines: &Machines, proxy: &Proxy) -> Result<ReverseProxy> {
    let location: String = ["novncd/", "websockify"]
        .map(|path| {
            format!(
                "location /{path} {{ proxy_pass http://wsnovncd; proxy_http_version 1.1; \
                 proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; }}\n"
            )
        })
        .concat();
    let around = format!("{location}}}\nupstream wsnovncd {{ server {};", proxy.address());
    ReverseProxy::nginx(machines.bed.dir(), &around, None)
}

/// Every panel on every engine, every kind of host, every page's way; each session is the right guest's.
#[tokio::test(flavor = "multi_thread")]
async fn settings_and_database_are_all_that_is_needed() -> Result<()> {
    let machines = Machines::start()?;
    let (bed, remote) = (&machines.bed, &machines.remote);
    let guests = [
        (SOCKET, bed.guest("at home").start()?),
        (SSH, remote.guest("tunnelled").console(vnc(at("127.0.0.1"))).start()?),
        (TCP, remote.guest("far").console(vnc(at("0.0.0.0"))).start()?),
        (TLS, remote.guest("far and safe").console(vnc(at(remote.v4()))).start()?),
    ];
    for engine in Engine::ALL {
        for panel in Panel::ALL {
            let database = PanelDatabase::start(engine, panel, bed.dir()).await?;
            for (kind, guest) in &guests {
                machines.add_host(&database, *kind).await?;
                let uuid = guest.uuid().to_string();
                database.add_instance(host_id(*kind), guest.name(), &uuid).await?;
            }
            let proxy = machines.drop_in(settings(panel), &database)?.start()?;
            let nginx = webvirtclouds_nginx(&machines, &proxy)?;
            let told = format!("{panel:?}'s database");
            ensure!(proxy.log().contains(&told), "{engine:?}: {}", proxy.log());
            // WebVirtMgr's page; WebVirtCloud's lite and full pages, through their own nginx.
            let ways: [(SocketAddr, &str); 3] = match panel {
                Panel::WebVirtMgr => [
                    (proxy.address(), "/"),
                    (proxy.address(), "/websockify"),
                    (nginx.address(), "/novncd/"),
                ],
                Panel::WebVirtCloud => [
                    (nginx.address(), "//novncd/"),
                    (nginx.address(), "/websockify"),
                    (proxy.address(), "/"),
                ],
            };
            for (kind, guest) in &guests {
                for (address, path) in ways {
                    let headers = [&*cookie(*kind, guest.uuid()), "Sec-WebSocket-Protocol: binary"];
                    let mut client = Client::open(address, path, &headers).await?;
                    let found = guest_name(&mut client).await;
                    let found = found.with_context(|| {
                        format!("{engine:?} {panel:?} {kind} {path}: {}", proxy.log())
                    })?;
                    assert_eq!(found, guest.name());
                }
            }
            // A guest that the panel does not list there, and a host that it does not know.
            let (_, other) = &guests[1];
            for (id, reason) in [
                (host_id(SOCKET), "the panel lists no such guest on this host"),
                (77, "the console proxy does not know this host"),
            ] {
                let path = format!("/?token={id}-{}", other.uuid());
                let closed = Client::open(proxy.address(), &path, &[]).await?.closed().await?;
                assert_eq!((closed.code, closed.reason.as_str()), (4404, reason));
            }
            let url = database.url();
            let of_database = url.split_once('@').and_then(|(login, _)| login.rsplit_once(':'));
            for secret in
                of_database.map(|(_, secret)| secret).into_iter().chain([remote.password()])
            {
                ensure!(!proxy.log().contains(secret), "{}", proxy.log());
            }
        }
    }
    Ok(())
}

/// noVNC's and spice-html5's own pages, the token in the cookie that the panel sets; WebVirtCloud's through its nginx.
#[tokio::test(flavor = "multi_thread")]
async fn the_clients_pages_show_the_guests() -> Result<()> {
    let machines = Machines::start()?;
    let (bed, remote) = (&machines.bed, &machines.remote);
    let home = bed.guest("at home").start()?;
    let far = remote.guest("far").console(vnc(at("127.0.0.1"))).start()?;
    let spicy = remote.guest("spicy").console(spice(at("127.0.0.1"))).start()?;
    let database = PanelDatabase::start(Engine::Sqlite, Panel::WebVirtCloud, bed.dir()).await?;
    for (kind, guests) in [(SOCKET, vec![&home]), (SSH, vec![&far, &spicy])] {
        machines.add_host(&database, kind).await?;
        for guest in guests {
            let uuid = guest.uuid().to_string();
            database.add_instance(host_id(kind), guest.name(), &uuid).await?;
        }
    }
    let proxy = machines.drop_in(settings(Panel::WebVirtCloud), &database)?.start()?;
    let nginx = webvirtclouds_nginx(&machines, &proxy)?;
    let browser = Browser::start(bed.dir()).await?;
    let novnc = Site::start(&packages::novnc()?)?;
    let spice_html5 = Site::start(&packages::spice_html5()?)?;
    let at = |address: SocketAddr, path: &str| {
        format!("host={}&port={}&path={path}", address.ip(), address.port())
    };
    let opened = |guest: &Guest| {
        let started = "session opened";
        let name = format!("domain={:?}", guest.name());
        proxy.log().lines().filter(|line| line.contains(started) && line.contains(&name)).count()
    };
    for (kind, guest, url) in [
        (SOCKET, &home, novnc.url(&format!("vnc.html?autoconnect=1&{}", at(proxy.address(), "")))),
        (
            SSH,
            &far,
            novnc.url(&format!("vnc.html?autoconnect=1&{}", at(nginx.address(), "/novncd/"))),
        ),
        (
            SSH,
            &far,
            novnc.url(&format!("vnc.html?autoconnect=1&{}", at(nginx.address(), "websockify"))),
        ),
        (
            SSH,
            &spicy,
            spice_html5.url(&format!("spice_auto.html?{}", at(nginx.address(), "novncd/"))),
        ),
    ] {
        // Cookies know no ports.
        browser.open(&novnc.url("core/base64.js")).await?;
        browser
            .run(&format!("document.cookie = 'token={}-{}; path=/'", host_id(kind), guest.uuid()))
            .await?;
        let before = opened(guest);
        browser.open(&url).await?;
        browser
            .wait_for("a picture", "(() => { const c = document.querySelector('canvas'); if (!c || !c.width) return false; \
                const p = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer); \
                return p.some((one) => one !== p[0]); })()", PATIENCE)
            .await
            .with_context(|| proxy.log())?;
        ensure!(opened(guest) > before, "{url}: {}", proxy.log());
    }
    Ok(())
}
