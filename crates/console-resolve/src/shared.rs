//! What the channels of one SPICE console share: spice-html5 opens 4 to 9 WebSockets with one token within a moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How old a lookup may be that another channel of the same SPICE console is given, counted from when it began.
pub const SPICE_SHARE: Duration = Duration::from_secs(2);

/// Lookups of a moment ago.
pub(crate) struct SharedLookups<K, V>(Mutex<HashMap<K, (V, Instant)>>);

impl<K: Eq + Hash, V: Clone> SharedLookups<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let found = self.lock();
        let (value, since) = found.get(key)?;
        is_fresh(*since, now).then(|| value.clone())
    }

    /// Keeps what was asked for at `since`.
    pub(crate) fn keep(&self, key: K, value: V, since: Instant) {
        let mut kept = self.lock();
        // As many entries as SPICE consoles of the last moment, so looking at all of them is cheap.
        let now = Instant::now();
        kept.retain(|_, (_, since)| is_fresh(*since, now));
        if is_fresh(since, now) {
            kept.insert(key, (value, since));
        }
    }

    pub(crate) fn forget(&self, is_it: impl Fn(&K) -> bool) {
        self.lock().retain(|key, _| !is_it(key));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, (V, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < SPICE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_is_shared_for_a_moment_and_forgotten_on_demand() {
        let (shared, now) = (SharedLookups::new(), Instant::now());
        assert_eq!(shared.get(&1, now), None);
        shared.keep(1, "xml", now);
        assert_eq!(shared.get(&1, now + SPICE_SHARE - Duration::from_millis(1)), Some("xml"));
        assert_eq!(shared.get(&1, now + SPICE_SHARE), None);
        assert_eq!(shared.get(&2, now), None);
        shared.forget(|key| *key == 1);
        assert_eq!(shared.get(&1, now), None);
    }

    #[test]
    fn old_ones_are_cleared_away() {
        let shared = SharedLookups::new();
        let Some(old) = Instant::now().checked_sub(SPICE_SHARE) else { return };
        shared.keep(1, "xml", old);
        shared.keep(2, "xml", old);
        assert_eq!(shared.lock().len(), 0, "too old to be kept at all");
        shared.keep(3, "xml", Instant::now());
        assert_eq!(shared.lock().len(), 1);
    }
}
