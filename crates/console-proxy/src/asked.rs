//! What a request asks for: a token, and perhaps a kind of console.

use console_route::ConsoleKind;
use console_token::{ConsoleToken, TokenError, find_token};
use hyper::Request;
use hyper::header;

use crate::ending::Failure;

/// What a request asks for, as far as it is well-formed.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) token: Result<Option<ConsoleToken>, TokenError>,
    graphics: Result<Option<ConsoleKind>, String>,
}

impl Asked {
    /// The query's token, or a cookie's, and the query's `graphics`.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query();
        let token = find_token(query, request.headers().get_all(header::COOKIE));
        Self { token, graphics: graphics(query.unwrap_or_default()) }
    }

    /// The token and the kind of console.
    pub(crate) fn complete(self) -> Result<(ConsoleToken, Option<ConsoleKind>), Failure> {
        let token = self.token.map_err(Failure::Token)?.ok_or(Failure::NoToken)?;
        Ok((token, self.graphics.map_err(Failure::Graphics)?))
    }

    /// The kind of console, if one was asked for.
    pub(crate) fn kind(&self) -> Option<ConsoleKind> {
        self.graphics.as_ref().ok().copied().flatten()
    }
}

/// The first `graphics` of a query.
fn graphics(query: &str) -> Result<Option<ConsoleKind>, String> {
    let wanted = query.split('&').find_map(|pair| pair.strip_prefix("graphics="));
    match wanted {
        None | Some("") => Ok(None),
        Some("vnc") => Ok(Some(ConsoleKind::Vnc)),
        Some("spice") => Ok(Some(ConsoleKind::Spice)),
        Some(other) => Err(other.chars().take(MAX_SHOWN).collect()),
    }
}

/// How much of a wrong value the log shows, in characters.
const MAX_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphics_is_vnc_or_spice() {
        for (query, expected) in [
            ("", Ok(None)),
            ("token=1", Ok(None)),
            ("graphics=", Ok(None)),
            ("token=1&graphics=vnc", Ok(Some(ConsoleKind::Vnc))),
            ("graphics=spice&graphics=vnc", Ok(Some(ConsoleKind::Spice))),
            ("xgraphics=spice", Ok(None)),
            ("graphics=VNC", Err("VNC".into())),
            ("graphics=0123456789012345678901", Err("01234567890123456789".into())),
        ] {
            assert_eq!(graphics(query), expected, "{query}");
        }
    }
}
