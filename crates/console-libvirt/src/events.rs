//! libvirt's event loop: without it keep-alive messages are neither sent nor missed.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tracing::warn;
use virt::error::clear_error_callback;
use virt::event::{event_register_default_impl, event_run_default_impl};

/// Starts the loop on a thread of its own, once for the process; it must be there before the first connection is opened. The
/// thread lives as long as the process, as libvirt wants it.
pub(crate) fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        // Errors are returned; libvirt would print them, too.
        clear_error_callback();
        if let Err(error) = event_register_default_impl() {
            warn!(
                error = error.message(),
                "libvirt has no event loop, connections are not kept alive"
            );
            return;
        }
        let started = thread::Builder::new().name("libvirt-events".into()).spawn(|| {
            loop {
                if event_run_default_impl().is_err() {
                    thread::sleep(PAUSE_AFTER_ERROR);
                }
            }
        });
        if let Err(error) = started {
            warn!(%error, "libvirt has no event loop, connections are not kept alive");
        }
    });
}

/// An error that stays must not burn a core.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);
