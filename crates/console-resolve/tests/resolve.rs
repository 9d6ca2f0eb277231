//! Tokens to routes over libvirt's test driver, which reads its guests from a file.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use console_inventory::{Connection, Host, HostId, Inventory, Login, SshConfig};
use console_libvirt::{Libvirt, LibvirtSettings};
use console_resolve::{Console, ResolveError, ResolveFault, Resolver};
use console_route::ConsoleKind;

const UUID: &str = "0a000000-0000-4000-8000-000000000001";

/// One domain with these devices; the driver reads the file when a connection is opened.
fn write(node: &Path, devices: &str) {
    let xml = format!(
        "<node><domain type='test'><name>web-1</name><uuid>{UUID}</uuid><memory>1024</memory><os><type>hvm</type></os>\
         <devices>{devices}</devices></domain></node>"
    );
    std::fs::write(node, xml).unwrap();
}

fn resolver(node: &Path) -> Resolver {
    let uri = format!("test://{}", node.display());
    let (id, login, ssh) = (HostId::new(1), Login::default(), SshConfig::default());
    let host = Host::new(id, "hv1", &Connection::Socket, login, &ssh, Some(&uri)).unwrap();
    Resolver::new(Inventory::new([host]), Libvirt::new(LibvirtSettings::default()))
}

async fn ask(resolver: &Resolver, wanted: Option<ConsoleKind>) -> Result<Console, ResolveError> {
    resolver.resolve(format!("1-{UUID}").parse().unwrap(), wanted).await
}

#[tokio::test]
async fn the_first_console_or_the_one_that_is_asked_for() {
    let node = tempfile::NamedTempFile::new().unwrap();
    write(node.path(), "<graphics type='spice' port='5901'/><graphics type='vnc' port='5902'/>");
    let resolver = resolver(node.path());
    for (wanted, expected) in [
        (None, "spice tcp 127.0.0.1:5901"),
        (Some(ConsoleKind::Spice), "spice tcp 127.0.0.1:5901"),
        // Also while the SPICE console's lookup is still shared.
        (Some(ConsoleKind::Vnc), "vnc tcp 127.0.0.1:5902"),
    ] {
        let console = ask(&resolver, wanted).await.unwrap();
        assert_eq!(
            (console.domain.as_str(), format!("{} {}", console.kind, console.route).as_str()),
            ("web-1", expected)
        );
    }
}

#[tokio::test]
async fn what_fails_is_sorted_by_whose_fault_it_is() {
    let node = tempfile::NamedTempFile::new().unwrap();
    write(node.path(), "<graphics type='vnc' port='5901'/>");
    let resolver = resolver(node.path());
    let missed = ask(&resolver, Some(ConsoleKind::Spice)).await.unwrap_err();
    assert_eq!(
        (missed.fault(), missed.kind()),
        (ResolveFault::NoConsole, Some(ConsoleKind::Spice))
    );
    let unknown = format!("2-{UUID}").parse().unwrap();
    let error = resolver.resolve(unknown, None).await.unwrap_err();
    assert_eq!((error.fault(), error.kind()), (ResolveFault::NotFound, None));
}
