//! What reads files: on a thread of its own, for a file system may hang.

use std::time::Duration;

use tokio::time::timeout;

use crate::checks::Check;
use crate::report::Branch;

/// What `work` says of files, unless that takes longer than `limit`: then `check` has failed. A thread that hangs is left behind.
pub(crate) async fn apart<T: Send + 'static>(
    branch: &Branch,
    check: Check,
    limit: Duration,
    work: impl FnOnce(&Branch) -> T + Send + 'static,
) -> Option<T> {
    let own = branch.clone();
    let working = timeout(limit, tokio::task::spawn_blocking(move || work(&own)));
    match branch.during("reading files", working).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(_)) => {
            branch.fail(check, "the check itself failed", "report this, with the whole output");
            None
        }
        Err(_) => {
            branch.fail(
                check,
                format!("reading its files took longer than {limit:?}"),
                "see whether their file system hangs (a network's, most often): df, mount",
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CONFIG_FILE;
    use crate::report::{Report, Status};
    use std::sync::mpsc;

    #[tokio::test]
    async fn what_hangs_is_told_and_left_behind() {
        let report = Report::default();
        let (let_go, held) = mpsc::channel::<()>();
        let branch = report.section("x");
        let waited = apart(&branch, CONFIG_FILE, Duration::from_millis(10), move |_| held.recv());
        assert!(waited.await.is_none());
        assert_eq!(report.sections()[0].findings[0].status, Status::Error);
        let_go.send(()).unwrap();
        assert_eq!(apart(&branch, CONFIG_FILE, Duration::from_secs(60), |_| 7).await, Some(7));
    }
}
