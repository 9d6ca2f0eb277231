//! Waiting with a bound: ask again until it is so, or say what did not happen.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, bail};

/// Between two questions. Short beside everything that is waited for, long beside the cost of asking.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Asks `attempt` until it answers `Some`, for at most `bound`; blocks the thread.
///
/// `what` completes the sentence "waited 5 s for …".
///
/// # Errors
///
/// The first error of `attempt`, or the bound has passed.
pub fn until<T>(
    what: &str,
    bound: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt()? {
            return Ok(found);
        }
        if start.elapsed() >= bound {
            bail!("waited {} s for {what}", bound.as_secs_f32());
        }
        thread::sleep(PAUSE);
    }
}

/// Lines of a log that [`with_log`] shows.
const SHOWN: usize = 20;

/// The same failure, followed by the end of the log of `whose`: that is where the cause stands.
pub fn with_log(error: &Error, whose: &str, log: &str) -> Error {
    match tail(log).as_str() {
        "" => anyhow!("{error:#}; {whose} logged nothing"),
        end => anyhow!("{error:#}\n{whose}'s log ends:\n{end}"),
    }
}

/// The last lines of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_and_gives_up() {
        let mut asked = 0;
        let found = until("three", Duration::from_secs(5), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(found.unwrap(), 3);

        let late = until::<()>("rain", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(late.to_string(), "waited 0 s for rain");

        let failed = until::<()>("rain", Duration::from_secs(5), || bail!("no sky")).unwrap_err();
        assert_eq!(failed.to_string(), "no sky");
    }
}
