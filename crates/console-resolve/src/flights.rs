//! Single flight: however many ask for one domain at the same moment, libvirt is asked once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// The lookups under way. One that has ended is never handed out again: this is no cache.
pub(crate) struct Flights<K, V: Clone>(Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>);

impl<K: Eq + Hash, V: Clone> Flights<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// The flight for `key` that is under way, or a new one that `start` makes. When everybody who waits for it is gone, it is
    /// dropped.
    pub(crate) fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> Shared<BoxFuture<'static, V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As many entries as lookups under way, so looking at all of them is cheap.
        flights.retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        if let Some(flight) = flights.get(&key).and_then(WeakShared::upgrade) {
            return flight;
        }
        let flight = start().boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key, weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn many_at_once_share_one_flight_and_the_next_starts_anew() {
        let (flights, starts) = (Flights::new(), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let start = || {
            let (gate, starts) = (gate.clone(), starts.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                starts.fetch_add(1, Relaxed)
            }
        };
        let waiting: Vec<_> = (0..100).map(|_| flights.join("web-1", start)).collect();
        let other = flights.join("web-2", start);
        gate.add_permits(2);
        let results = futures_util::future::join_all(waiting).await;
        assert!(results.iter().all(|result| *result == results[0]));
        other.await;
        assert_eq!(starts.load(Relaxed), 2);
        gate.add_permits(1);
        flights.join("web-1", start).await;
        assert_eq!(starts.load(Relaxed), 3, "an ended flight was handed out again");
    }

    #[tokio::test]
    async fn a_flight_nobody_waits_for_is_dropped() {
        let flights = Flights::new();
        let alive = Arc::new(());
        let held = alive.clone();
        let flight = flights.join(1, || async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        assert!(flight.clone().now_or_never().is_none());
        drop(flight);
        assert_eq!(Arc::strong_count(&alive), 1);
        flights.join(2, || async {}).await;
        assert!(flights.0.lock().unwrap().len() <= 1);
    }
}
