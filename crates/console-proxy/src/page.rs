//! The console page: our own files, and the two templates filled in.

use bytes::Bytes;
use console_config::PublicAddress;
use console_websocket::CloseCode;

use crate::client_files::Client;
use crate::ending::Told;
use crate::resolve::Target;

/// The page for a console that was found.
pub(crate) fn console(target: &Target, public: &PublicAddress) -> Bytes {
    let text = |part: Option<String>| part.unwrap_or_default();
    fill(
        include_str!("../page/console.html"),
        &[
            ("guest_name", &target.guest_name),
            ("kind", &target.kind.to_string()),
            ("public_host", &text(public.host.as_ref().map(ToString::to_string))),
            ("public_port", &text(public.port.map(|port| port.to_string()))),
            ("public_path", &text(public.path.as_ref().map(ToString::to_string))),
        ],
    )
}

/// The page for one that was not.
pub(crate) fn failure(told: &Told) -> Bytes {
    let (title, remedy) = match told.code {
        CloseCode::BAD_TOKEN => {
            ("This console link does not work", "Open the console from the web panel again.")
        }
        CloseCode::NOT_FOUND => (
            "There is no such guest",
            "It may have been removed or moved. Go back to the web panel and open its console from there.",
        ),
        CloseCode::NO_CONSOLE => (
            "This guest has no console to show",
            "Start the guest or change its settings in the web panel, then try again.",
        ),
        CloseCode::LOOKUP_FAILED => (
            "The hypervisor does not answer",
            "Try again in a moment. If it stays like this, ask your administrator: the log of the console proxy says more.",
        ),
        _ => (
            "The console cannot be opened",
            "Try again in a moment. If it stays like this, ask your administrator: the log of the console proxy says more.",
        ),
    };
    error(told.status().as_u16(), title, told.reason.as_str(), remedy)
}

/// The page while the client's files are missing.
pub(crate) fn without_client(client: &Client) -> Bytes {
    let remedy = format!("For the administrator: {}.", client.how_to_get);
    let reason = format!("{}'s files are missing on the server", client.name);
    error(503, "The console page is not set up", &reason, &remedy)
}

fn error(status: u16, title: &str, reason: &str, remedy: &str) -> Bytes {
    fill(
        include_str!("../page/error.html"),
        &[
            ("status", &status.to_string()),
            ("title", title),
            ("reason", reason),
            ("remedy", remedy),
        ],
    )
}

/// One of our own files by its name under `/console/`: content type and content.
pub(crate) fn file(name: &str) -> Option<(&'static str, &'static str)> {
    FILES.iter().find(|(known, _, _)| *known == name).map(|(_, kind, content)| (*kind, *content))
}

/// Replaces each `{{name}}` by its value, escaped for HTML text and quoted attributes; in one pass, so that a value that looks
/// like a placeholder stays what it is.
fn fill(template: &str, values: &[(&str, &str)]) -> Bytes {
    let mut page = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else { break };
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            escape(value, &mut page);
        }
        rest = behind;
    }
    page.push_str(rest);
    page.into()
}

fn escape(text: &str, into: &mut String) {
    for found in text.chars() {
        match found {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            plain => into.push(plain),
        }
    }
}

const FILES: [(&str, &str, &str); 6] = [
    ("console.css", "text/css; charset=utf-8", include_str!("../page/console.css")),
    ("console.js", JAVASCRIPT, include_str!("../page/console.js")),
    ("endings.js", JAVASCRIPT, include_str!("../page/endings.js")),
    ("session.js", JAVASCRIPT, include_str!("../page/session.js")),
    ("spice.js", JAVASCRIPT, include_str!("../page/spice.js")),
    ("vnc.js", JAVASCRIPT, include_str!("../page/vnc.js")),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Route;
    use console_route::ConsoleKind;

    #[test]
    fn values_are_escaped_and_not_filled_again() {
        let page = fill(
            "<p title=\"{{a}}\">{{b}}</p>{{unknown}}",
            &[("a", "\"><script>'&"), ("b", "{{a}}")],
        );
        assert_eq!(page, "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\">{{a}}</p>");
    }

    #[test]
    fn the_templates_have_every_placeholder_and_no_inline_script() {
        let target = Target {
            guest_name: "web-1".into(),
            kind: ConsoleKind::Vnc,
            route: Route::Unix { path: "/secret/path".into() },
        };
        let page = String::from_utf8(console(&target, &PublicAddress::default()).to_vec()).unwrap();
        assert!(page.contains("web-1"));
        assert!(!page.contains("/secret/path"));
        let error =
            String::from_utf8(without_client(&crate::client_files::NOVNC).to_vec()).unwrap();
        assert!(error.contains("503") && error.contains("@novnc/novnc"));
        for page in [page, error] {
            assert!(!page.contains("{{") && !page.contains("<style") && !page.contains("onclick"));
            // The content security policy allows no inline script.
            assert!(page.split("<script").skip(1).all(|tag| tag.contains("src=")));
        }
    }
}
