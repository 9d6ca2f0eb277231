//! What systemd is told (sd_notify(3)): that we are ready, that we are alive, and that we are stopping. Without systemd nobody is told.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Connections are accepted now.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The sessions are being ended, which takes `limit` at the most, whatever the unit's own limit is.
pub(crate) fn stopping(limit: Duration) {
    let limit = u32::try_from((limit + MARGIN).as_micros()).unwrap_or(u32::MAX);
    let status = NotifyState::Status("shutting down");
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(limit), status]);
}

/// Gives the signs of life that the unit's `WatchdogSec` asks for. Never returns.
pub(crate) async fn keep_alive() {
    // For this process only: WATCHDOG_PID says so.
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut pause = tokio::time::interval(limit / 2);
    loop {
        pause.tick().await;
        // Only a worker that is not stuck gets here again.
        if tokio::spawn(async {}).await.is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!("systemd cannot be told of our state: {error}");
    }
}

/// From the last session's end to the process's.
const MARGIN: Duration = Duration::from_secs(5);
