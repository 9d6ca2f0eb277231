//! The async side.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::time::timeout;
use uuid::Uuid;

use crate::about::{About, AboutIt};
use crate::domains::{Domains, Listed};
use crate::endpoint::Endpoint;
use crate::error::LookupError;
use crate::events;
use crate::queue::Queue;
use crate::request::{Answer, Question};
use crate::shown::shown;
use crate::xml::{DomainXml, DomainXmlWithPasswords};

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
    queues: Mutex<HashMap<Endpoint, Kept>>,
}

/// A libvirt's requests, and when the last one came.
struct Kept {
    queue: Arc<Queue>,
    used_at: Instant,
}

/// A connection that nobody has asked for so long is closed when another host's is opened: its host has been removed or changed.
pub const UNUSED_FOR: Duration = Duration::from_secs(600);

impl Libvirt {
    /// Nothing is connected yet.
    pub fn new(settings: LibvirtSettings) -> Self {
        events::start();
        Self { settings, queues: Mutex::default() }
    }

    /// The live XML (`virDomainGetXMLDesc` without flags) of the domain `uuid` at `endpoint`.
    ///
    /// A connection is kept for every endpoint that was asked for, at the least for [`UNUSED_FOR`]: take them from an inventory, not from
    /// clients. While one
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
        self.ask(endpoint, DomainXml(uuid)).await
    }

    /// The same with what `VIR_DOMAIN_XML_SECURE` shows besides: the passwords of consoles, and until when they hold. For diagnosis only; the whole
    /// text is a secret.
    ///
    /// # Errors
    ///
    /// As [`domain_xml`](Self::domain_xml). A libvirtd with access control of its own (polkit) may refuse this and not that.
    ///
    /// # Cancel safety
    ///
    /// As [`domain_xml`](Self::domain_xml).
    pub async fn domain_xml_with_passwords(
        &self,
        endpoint: &Endpoint,
        uuid: Uuid,
    ) -> Result<SecretString, LookupError> {
        self.ask(endpoint, DomainXmlWithPasswords(uuid)).await
    }

    /// What the libvirt at `endpoint` says of itself, and how long it takes to say something. What it does not know is left out.
    ///
    /// # Errors
    ///
    /// As [`domain_xml`](Self::domain_xml), but for a missing domain.
    ///
    /// # Cancel safety
    ///
    /// As [`domain_xml`](Self::domain_xml).
    pub async fn about(&self, endpoint: &Endpoint) -> Result<About, LookupError> {
        self.ask(endpoint, AboutIt).await
    }

    /// All domains, running and defined, at most [`MAX_LISTED`](crate::MAX_LISTED), sorted by name. Two calls to libvirt, however many they are.
    ///
    /// # Errors
    ///
    /// As [`domain_xml`](Self::domain_xml), but for a missing domain.
    ///
    /// # Cancel safety
    ///
    /// As [`domain_xml`](Self::domain_xml).
    pub async fn domains(&self, endpoint: &Endpoint) -> Result<Vec<Listed>, LookupError> {
        self.ask(endpoint, Domains).await
    }

    async fn ask<Q: Question>(&self, endpoint: &Endpoint, question: Q) -> Answer<Q> {
        let limit = self.settings.timeout;
        let answer = self.queue(endpoint).submit(question)?;
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => answer,
            // The queue was closed, or its worker died: nobody will answer.
            Ok(Err(_)) | Err(_) => Err(LookupError::TimedOut { uri: shown(&endpoint.uri), limit }),
        }
    }

    fn queue(&self, endpoint: &Endpoint) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(kept) = queues.get_mut(endpoint) {
            kept.used_at = now;
            return kept.queue.clone();
        }
        close_unused(&mut queues, now);
        let seconds = self.settings.keepalive_interval.as_secs().max(1);
        let interval = i32::try_from(seconds).unwrap_or(i32::MAX);
        let keepalive = (interval, self.settings.keepalive_count);
        let queue = Queue::new(endpoint.clone(), self.settings.timeout, keepalive);
        queues.insert(endpoint.clone(), Kept { queue: queue.clone(), used_at: now });
        queue
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        let queues = self.queues.get_mut().unwrap_or_else(PoisonError::into_inner);
        queues.values().for_each(|kept| kept.queue.close());
    }
}

impl fmt::Debug for Libvirt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Libvirt").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn close_unused(queues: &mut HashMap<Endpoint, Kept>, now: Instant) {
    queues.retain(|_, kept| {
        let is_used = now.saturating_duration_since(kept.used_at) < UNUSED_FOR;
        if !is_used {
            kept.queue.close();
        }
        is_used
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_of_hosts_that_are_gone_are_closed() {
        let start = Instant::now();
        let minutes = |count: u64| start + Duration::from_secs(60 * count);
        let kept = |uri: &str, used_at| {
            let queue = Queue::new(uri.into(), Duration::from_secs(1), (5, 3));
            (Endpoint::from(uri), Kept { queue, used_at })
        };
        let mut queues =
            HashMap::from([kept("test:///gone", start), kept("test:///here", minutes(1))]);
        let gone = queues[&"test:///gone".into()].queue.clone();
        close_unused(&mut queues, minutes(10) - Duration::from_millis(1));
        assert_eq!(queues.len(), 2);
        close_unused(&mut queues, minutes(10));
        assert!(queues.len() == 1 && queues.contains_key(&"test:///here".into()));
        assert!(gone.is_closed());
    }
}
