//! The address of the console page, for the log.

use std::net::SocketAddr;

use console_config::ServerSettings;

/// The page's address as people type it, with a place for the token; `listening` is where connections are accepted.
pub(crate) fn console(settings: &ServerSettings, listening: &[SocketAddr]) -> Option<String> {
    let public = &settings.public;
    let own = listening.first();
    let port = public.port.map(std::num::NonZeroU16::get).or_else(|| own.map(SocketAddr::port));
    let host = match (&public.host, own.map(SocketAddr::ip)) {
        (Some(host), _) => host.to_string(),
        (None, Some(ip)) if ip.is_unspecified() => {
            rustix::system::uname().nodename().to_string_lossy().into_owned()
        }
        (None, Some(ip)) if ip.is_ipv6() => format!("[{ip}]"),
        (None, ip) => ip?.to_string(),
    };
    // Behind a reverse proxy that has the certificate, the port tells.
    let is_encrypted = settings.tls.is_some() || settings.ssl_only || port == Some(443);
    let (scheme, usual) = if is_encrypted { ("https", 443) } else { ("http", 80) };
    let port =
        port.filter(|port| *port != usual).map(|port| format!(":{port}")).unwrap_or_default();
    let path = public.path.as_ref().map_or("/", |path| path.as_str());
    Some(format!("{scheme}://{host}{port}{path}console?token=<host id>-<domain uuid>"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use console_config::{Settings, Sources};

    #[test]
    fn as_browsers_see_it() {
        for (variables, listening, expected) in [
            (&[][..], "127.0.0.1:6080", "http://127.0.0.1:6080/console"),
            (&[], "[::1]:80", "http://[::1]/console"),
            (&[("WS_CERT", "/c")], "192.0.2.1:6080", "https://192.0.2.1:6080/console"),
            (&[("WS_CERT", "/c")], "192.0.2.1:443", "https://192.0.2.1/console"),
            (
                &[("WS_PUBLIC_HOST", "c.example.org")],
                "0.0.0.0:6080",
                "http://c.example.org:6080/console",
            ),
            (
                &[("WS_PUBLIC_HOST", "c.example.org:443")],
                "0.0.0.0:6080",
                "https://c.example.org/console",
            ),
            (
                &[
                    ("WS_PUBLIC_HOST", "c.example.org"),
                    ("WS_PUBLIC_PORT", "80"),
                    ("WS_PUBLIC_PATH", "/novncd/"),
                ],
                "127.0.0.1:6080",
                "http://c.example.org/novncd/console",
            ),
            // On a UNIX socket.
            (&[("WS_PUBLIC_HOST", "c.example.org")], "", "http://c.example.org/console"),
            (
                &[
                    ("WS_PUBLIC_HOST", "c.example.org"),
                    ("WS_SSL_ONLY", "1"),
                    ("WS_TRUSTED_PROXIES", "unix"),
                ],
                "",
                "https://c.example.org/console",
            ),
        ] {
            let environment = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let sources =
                Sources { file: "/nonexistent".into(), environment, ..Sources::default() };
            let settings = Settings::load(sources).unwrap().settings.server;
            let listening: Vec<_> = listening.parse().into_iter().collect();
            let url = console(&settings, &listening).unwrap();
            assert_eq!(url, format!("{expected}?token=<host id>-<domain uuid>"));
        }
    }
}
