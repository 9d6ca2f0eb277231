//! How long a libvirt that could not be connected to is left alone.

use std::time::{Duration, Instant};

use crate::error::LookupError;

/// The pause after the first failed attempt; each further one doubles it.
pub const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause between two attempts, and so the longest that a host which is back is taken for dead.
pub const LAST_PAUSE: Duration = Duration::from_secs(4);

/// The attempts that failed in a row.
#[derive(Default)]
pub(crate) struct Pauses {
    last: Option<(LookupError, Instant, Duration)>,
}

impl Pauses {
    /// The last attempt's error, as long as it is too early for another.
    pub(crate) fn last_failure(&self, now: Instant) -> Option<LookupError> {
        let (error, since, pause) = self.last.as_ref()?;
        (now.saturating_duration_since(*since) < *pause).then(|| error.clone())
    }

    pub(crate) fn failed(&mut self, error: LookupError, now: Instant) {
        let pause = match &self.last {
            Some((.., pause)) => (*pause * 2).min(LAST_PAUSE),
            None => FIRST_PAUSE,
        };
        self.last = Some((error, now, pause));
    }

    pub(crate) fn succeeded(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_end_with_success() {
        let error = LookupError::Busy { uri: "qemu:///system".into() };
        let (mut pauses, mut now) = (Pauses::default(), Instant::now());
        let mut waited = Vec::new();
        for _ in 0..6 {
            assert_eq!(pauses.last_failure(now), None);
            pauses.failed(error.clone(), now);
            let start = now;
            while pauses.last_failure(now).is_some() {
                now += Duration::from_millis(250);
            }
            waited.push((now - start).as_millis());
        }
        assert_eq!(waited, [250, 500, 1000, 2000, 4000, 4000]);
        pauses.failed(error, now);
        pauses.succeeded();
        assert_eq!(pauses.last_failure(now), None);
    }
}
