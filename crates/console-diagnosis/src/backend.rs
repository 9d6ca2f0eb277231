//! A console's first bytes, as far as they go without anybody noticing: no viewer is taken its place, no password is tried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use console_backend::{Backend, OpenError, Opener, SshError, SshHost};
use console_greeting::{GreetingError, rfb, spice};
use console_route::{ConsoleKind, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::checks::{BACKEND_GREETING, BACKEND_OPEN, BACKEND_SECURITY, Check};
use crate::report::Branch;
use crate::wording::{chain, shown};

/// What is needed to try consoles.
pub(crate) struct Trial<'a> {
    pub(crate) opener: &'a Opener,
    pub(crate) limit: Duration,
    /// What to do about a QEMU that is silent: a command to paste.
    pub(crate) silent: String,
    /// What to do about a console that refuses.
    pub(crate) refused: String,
}

/// Opens the route and speaks until the console has shown that it is one; `true` if it has.
pub(crate) async fn examine(
    branch: &Branch,
    trial: &Trial<'_>,
    kind: ConsoleKind,
    route: &Route<Arc<SshHost>>,
) -> bool {
    let start = Instant::now();
    let opening = branch.during(format!("opening {route}"), trial.opener.open(route)).await;
    let backend = match opening {
        Ok(backend) => backend,
        Err(error) => {
            let (text, remedy) = refusal(&error, trial);
            branch.fail(BACKEND_OPEN, text, remedy);
            return false;
        }
    };
    branch.ok(BACKEND_OPEN, format!("{route}, {}", shown(start.elapsed())));
    let greeting = async {
        match kind {
            ConsoleKind::Vnc => vnc(backend).await,
            ConsoleKind::Spice => spice(backend).await,
        }
    };
    let greeted = timeout(trial.limit, branch.during(format!("listening to {route}"), greeting));
    match greeted.await.unwrap_or(Err(Silence::TimedOut)) {
        Ok(greeted) => {
            branch.ok(BACKEND_GREETING, greeted.banner);
            match greeted.security {
                Ok(text) => branch.ok(BACKEND_SECURITY, text),
                Err((text, remedy)) => {
                    branch.fail(BACKEND_SECURITY, text, remedy);
                    return false;
                }
            }
            true
        }
        Err(silence) => {
            let (check, text, remedy) = silence.told(kind, trial);
            branch.fail(check, text, remedy);
            false
        }
    }
}

/// What a console has said.
struct Greeted {
    banner: String,
    security: Result<String, (String, &'static str)>,
}

/// Why it has not.
enum Silence {
    TimedOut,
    Closed,
    Lost(std::io::Error),
    Foreign(String),
}

impl From<std::io::Error> for Silence {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Lost(error),
        }
    }
}

impl From<GreetingError> for Silence {
    fn from(error: GreetingError) -> Self {
        Self::Foreign(error.to_string())
    }
}

impl Silence {
    fn told(self, kind: ConsoleKind, trial: &Trial<'_>) -> (Check, String, String) {
        let other = "see what listens there on the host: ss -ltnp, ss -lxp".to_owned();
        let (text, remedy) = match self {
            Self::TimedOut => (
                format!(
                    "the connection was taken, but nothing was said within {:?}: QEMU is stopped or hangs",
                    trial.limit
                ),
                trial.silent.clone(),
            ),
            Self::Closed => {
                ("it closed the connection without a word".to_owned(), trial.refused.clone())
            }
            Self::Lost(error) => {
                (format!("it ended the connection: {error}"), trial.refused.clone())
            }
            Self::Foreign(what) => (format!("what answers does not speak {kind}: {what}"), other),
        };
        (BACKEND_GREETING, text, remedy)
    }
}

/// RFC 6143 sections 7.1.1 and 7.1.2. Before ClientInit no other viewer is disconnected.
async fn vnc(mut backend: Backend) -> Result<Greeted, Silence> {
    let start = Instant::now();
    let mut banner = [0; rfb::VERSION_LEN];
    backend.read_exact(&mut banner).await?;
    let shown_banner = String::from_utf8_lossy(&banner).trim_end().to_owned();
    let Some(version) = rfb::Version::of_server(&banner) else {
        return Err(Silence::Foreign(format!("it begins with {shown_banner:?}")));
    };
    let waited = start.elapsed();
    let answer: &[u8; rfb::VERSION_LEN] = match version {
        rfb::Version::V3_3 => b"RFB 003.003\n",
        rfb::Version::V3_7 => b"RFB 003.007\n",
        rfb::Version::V3_8 => &rfb::SERVER_VERSION,
    };
    backend.write_all(answer).await?;
    let mut bytes = Vec::new();
    let security = loop {
        if let Some(security) = rfb::security(version, &bytes)? {
            break security;
        }
        let mut buffer = [0; 512];
        match backend.read(&mut buffer).await? {
            0 => return Err(Silence::Closed),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    };
    // The way down would be cut in the middle of a word otherwise, which QEMU logs.
    let _ = backend.shutdown().await;
    let security = match security {
        rfb::Security::Refused { reason } => Err((
            format!("it refuses: {reason}"),
            "see the guest's log on its host: /var/log/libvirt/qemu",
        )),
        rfb::Security::Offered(types) => judged(&types),
    };
    Ok(Greeted { banner: format!("{shown_banner}, {}", shown(waited)), security })
}

/// noVNC's own limits: no TLS inside of RFB, no SASL.
fn judged(types: &[rfb::SecurityType]) -> Result<String, (String, &'static str)> {
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let is_known = |one: &rfb::SecurityType| {
        matches!(one, rfb::SecurityType::None | rfb::SecurityType::VncAuthentication)
    };
    if types.iter().any(is_known) {
        return Ok(match types.contains(&rfb::SecurityType::None) {
            true => "it asks for no password (security type None)".to_owned(),
            false => format!("it offers {names}: the page will ask for the password"),
        });
    }
    let remedy = if types.contains(&rfb::SecurityType::Sasl) && types.len() == 1 {
        "on the host, write vnc_sasl = 0 into /etc/libvirt/qemu.conf, systemctl restart libvirtd, and start the guest anew"
    } else {
        "on the host, write vnc_tls = 0 (and vnc_sasl = 0) into /etc/libvirt/qemu.conf, systemctl restart libvirtd, and start the guest anew; reach it through SSH to keep it encrypted"
    };
    Err((format!("it offers {names} only, which browsers' clients do not know"), remedy))
}

/// The link stage on the main channel, up to the reply; no ticket is sent.
async fn spice(mut backend: Backend) -> Result<Greeted, Silence> {
    let start = Instant::now();
    backend.write_all(&spice::link(spice::Channel(1), 0)).await?;
    let mut bytes = Vec::new();
    let reply = loop {
        if let Some(reply) = spice::link_reply(&bytes)? {
            break reply;
        }
        let mut buffer = [0; 512];
        match backend.read(&mut buffer).await? {
            0 => return Err(Silence::Closed),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    };
    let waited = start.elapsed();
    let _ = backend.shutdown().await;
    let security = match reply {
        spice::LinkError::Ok => Ok("it takes plain connections".to_owned()),
        spice::LinkError::NeedSecured => Err((
            "it wants TLS for its main channel, which browsers' clients do not speak".to_owned(),
            "remove <channel name='main' mode='secure'/> and defaultMode='secure' from its <graphics>, and start it anew",
        )),
        other => Err((
            format!("it refuses the link: {other:?} ({})", other.code()),
            "see the guest's log on its host: /var/log/libvirt/qemu",
        )),
    };
    Ok(Greeted { banner: format!("SPICE link reply, {}", shown(waited)), security })
}

fn refusal(error: &OpenError, trial: &Trial<'_>) -> (String, String) {
    let text = chain(error);
    let remedy = match error {
        OpenError::Ssh { source, .. } => match &**source {
            SshError::Refused { is_socket: false, .. } => trial.refused.clone(),
            source => source.remedy(),
        },
        OpenError::TimedOut { .. } => {
            "a firewall between drops the port: let this machine reach the console's ports (5900 to 5999) on that host, or reach the host by SSH with ssh_tunnel = \"always\"".into()
        }
        OpenError::Denied { denied, .. } => format!(
            "{} # and systemctl restart webvirtmgr-console; for all guests: let QEMU run with a group that {} is in (group in /etc/libvirt/qemu.conf)",
            denied.remedy(denied.path()),
            denied.user()
        ),
        OpenError::NotASocket { .. } => "see what has been put into its place".into(),
        _ => trial.refused.clone(),
    };
    (text, remedy)
}
