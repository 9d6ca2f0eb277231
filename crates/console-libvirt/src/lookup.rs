//! One lookup on a worker's thread: the connection opened if need be, the question asked.

use std::time::Duration;

use tracing::{debug, info};
use virt::connect::Connect;

use crate::connect;
use crate::endpoint::Endpoint;
use crate::error::LookupError;
use crate::request::{Answer, Question};
use crate::shown::shown;

/// A worker's connection to one libvirt.
pub(crate) struct Connection {
    endpoint: Endpoint,
    limit: Duration,
    keepalive: (i32, u32),
    open: Option<Connect>,
}

impl Connection {
    pub(crate) const fn new(endpoint: Endpoint, limit: Duration, keepalive: (i32, u32)) -> Self {
        Self { endpoint, limit, keepalive, open: None }
    }

    /// Asks. A connection that turns out to be dead is reopened, once.
    pub(crate) fn ask<Q: Question>(&mut self, question: &Q) -> Answer<Q> {
        let kept = self.open.take().filter(is_alive);
        let was_kept = kept.is_some();
        let connection = match kept {
            Some(kept) => kept,
            None => self.connect()?,
        };
        match question.ask(&connection) {
            Err(error) if was_kept && !is_alive(&connection) => {
                info!(
                    uri = shown(&self.endpoint.uri),
                    cause = error.message(),
                    "libvirt's connection died, reopening it"
                );
                drop(connection);
                let connection = self.connect()?;
                let answer = question.ask(&connection);
                self.keep(connection, question, answer)
            }
            answer => self.keep(connection, question, answer),
        }
    }

    fn keep<Q: Question>(
        &mut self,
        connection: Connect,
        question: &Q,
        answer: Result<Q::Answer, virt::error::Error>,
    ) -> Answer<Q> {
        self.open = Some(connection);
        answer.map_err(|error| LookupError::refused(&self.endpoint.uri, question.domain(), &error))
    }

    fn connect(&self) -> Result<Connect, LookupError> {
        // Half of what who asked will wait: then the reason still reaches them.
        let connection = connect::open(&self.endpoint, self.limit / 2)?;
        let (interval, count) = self.keepalive;
        // Drivers inside the process (test:///) have no keep-alive and need none.
        if let Err(error) = connection.set_keep_alive(interval, count) {
            debug!(uri = shown(&self.endpoint.uri), cause = error.message(), "no keep-alive");
        }
        debug!(uri = shown(&self.endpoint.uri), "connected to libvirt");
        Ok(connection)
    }
}

/// Only the connection's own state is asked; this does not block.
pub(crate) fn is_alive(connection: &Connect) -> bool {
    connection.is_alive().unwrap_or(false)
}
