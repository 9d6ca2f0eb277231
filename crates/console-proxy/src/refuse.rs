//! Telling a failure in the client's own protocol. Few clients show a WebSocket's close reason: noVNC shows an RFB security failure, spice-html5 a
//! link error.

use std::time::Duration;

use console_greeting::{Greeting, recognise, rfb, spice};
use console_route::ConsoleKind;
use console_websocket::{ClientEnd, ClientSocket};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::ending::Told;

/// Says why there is no console; the caller closes the WebSocket next. Without a `kind` the client's first bytes tell what it speaks.
pub(crate) async fn refuse<S>(
    client: &mut ClientSocket<S>,
    kind: Option<ConsoleKind>,
    told: &Told,
) -> Result<(), ClientEnd>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let kind = match kind {
        Some(kind) => kind,
        None => speaks(client).await?,
    };
    match kind {
        // The client has spoken first, or will; its words change nothing.
        ConsoleKind::Spice => client.send(spice::refusal(told.link_error)).await,
        ConsoleKind::Vnc => {
            // Old clients want each in a message of its own.
            client.send(rfb::SERVER_VERSION.to_vec()).await?;
            let answer = client.first_bytes(rfb::VERSION_LEN, ANSWER).await?;
            // Whoever does not answer in time still gets what nearly all of them understand.
            let version = rfb::Version::from_client(&answer).unwrap_or(rfb::Version::V3_8);
            client.send(rfb::refusal(version, told.reason.as_str())).await
        }
    }
}

/// SPICE clients speak first, VNC clients never do.
async fn speaks<S>(client: &mut ClientSocket<S>) -> Result<ConsoleKind, ClientEnd>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let first = client.first_bytes(spice::MAGIC.len(), FIRST_WORD).await?;
    Ok(match recognise(&first) {
        Greeting::Spice => ConsoleKind::Spice,
        _ => ConsoleKind::Vnc,
    })
}

/// How long a client is listened to whose kind is unknown.
const FIRST_WORD: Duration = Duration::from_millis(200);

/// How long a VNC client may take to tell its version: a round trip over a slow line.
const ANSWER: Duration = Duration::from_secs(1);
