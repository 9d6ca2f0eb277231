//! The talk with an SSH server before there are channels: one call of libssh2 at a time.

use std::io;
use std::task::Poll;

use bytes::Buf as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::engine::{Engine, Step};
use super::error::Lost;
use super::quick::Quick;

/// An SSH client's end and the byte stream under it.
pub(crate) struct Dialogue {
    pub(crate) engine: Engine,
    pub(crate) io: Quick,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The server or libssh2 says no; the connection is still there.
    Refused(ssh2::Error),
    /// There is no connection any more.
    Lost(Lost),
}

impl CallError {
    /// As the end of the connection.
    pub(crate) fn into_lost(self) -> Lost {
        match self {
            Self::Refused(error) => error.into(),
            Self::Lost(lost) => lost,
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.into())
    }
}

impl Dialogue {
    /// Calls until it is done, carrying bytes both ways meanwhile. The caller bounds the time.
    pub(crate) async fn call<T>(
        &mut self,
        mut step: impl FnMut(&mut Engine) -> Step<T>,
    ) -> Result<T, CallError> {
        let mut closed = false;
        loop {
            let outcome = step(&mut self.engine);
            while self.engine.output().has_remaining() {
                let output = self.engine.output();
                self.io.write_buf(output).await?;
            }
            match outcome {
                Poll::Ready(Ok(done)) => return Ok(done),
                Poll::Ready(Err(error)) if self.engine.is_over() => {
                    return Err(CallError::Lost(self.engine.lost(error)));
                }
                // Whatever libssh2 makes of it: there was nothing more to read.
                Poll::Ready(Err(_)) | Poll::Pending if closed => {
                    return Err(CallError::Lost(Lost::Closed));
                }
                Poll::Ready(Err(error)) => return Err(CallError::Refused(error)),
                Poll::Pending => {}
            }
            let input = self.engine.input();
            input.reserve(READ_SIZE);
            if self.io.read_buf(input).await? == 0 {
                self.engine.close_input();
                closed = true;
            }
        }
    }
}

const READ_SIZE: usize = 16 * 1024;
