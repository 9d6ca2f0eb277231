//! The async side.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use crate::endpoint::Endpoint;
use crate::error::LookupError;
use crate::events;
use crate::queue::Queue;
use crate::shown::shown;

/// How patient to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibvirtSettings {
    /// The longest a lookup takes, with waiting for others and opening the connection. Default 10 s.
    pub timeout: Duration,
    /// How often libvirt's daemon is pinged on an idle connection, in whole seconds. Default 5 s.
    pub keepalive_interval: Duration,
    /// How many pings without an answer make the connection dead. Default 3, so 20 s after the daemon went silent.
    pub keepalive_count: u32,
}

impl Default for LibvirtSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(5),
            keepalive_count: 3,
        }
    }
}

/// Connections to any number of libvirts, one for each [`Endpoint`]. Dropping it ends their threads.
pub struct Libvirt {
    settings: LibvirtSettings,
    queues: Mutex<HashMap<Endpoint, Arc<Queue>>>,
}

impl Libvirt {
    /// Nothing is connected yet.
    pub fn new(settings: LibvirtSettings) -> Self {
        events::start();
        Self { settings, queues: Mutex::default() }
    }

    /// The live XML (`virDomainGetXMLDesc` without flags) of the domain `uuid` at `endpoint`.
    ///
    /// A connection is kept for every endpoint that was ever asked for: take them from a fixed inventory, not from clients. While one
    /// cannot be opened, the next attempt is made after a pause ([`FIRST_PAUSE`](crate::FIRST_PAUSE) up to
    /// [`LAST_PAUSE`](crate::LAST_PAUSE)); who asks meanwhile gets the last attempt's error at once.
    ///
    /// # Errors
    ///
    /// [`LookupError`]; after [`LibvirtSettings::timeout`] at the latest.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the request; a call that libvirt works on already is finished and its answer thrown away.
    pub async fn domain_xml(
        &self,
        endpoint: &Endpoint,
        uuid: Uuid,
    ) -> Result<Arc<str>, LookupError> {
        let limit = self.settings.timeout;
        let answer = self.queue(endpoint).submit(uuid)?;
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            // The queue was closed, or its worker died: nobody will answer.
            Ok(Err(_)) | Err(_) => Err(LookupError::TimedOut { uri: shown(&endpoint.uri), limit }),
        }
    }

    fn queue(&self, endpoint: &Endpoint) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(endpoint) {
            return queue.clone();
        }
        let seconds = self.settings.keepalive_interval.as_secs().max(1);
        let interval = i32::try_from(seconds).unwrap_or(i32::MAX);
        let keepalive = (interval, self.settings.keepalive_count);
        let queue = Queue::new(endpoint.clone(), self.settings.timeout, keepalive);
        queues.insert(endpoint.clone(), queue.clone());
        queue
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        let queues = self.queues.get_mut().unwrap_or_else(PoisonError::into_inner);
        queues.values().for_each(|queue| queue.close());
    }
}

impl fmt::Debug for Libvirt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Libvirt").field("settings", &self.settings).finish_non_exhaustive()
    }
}
