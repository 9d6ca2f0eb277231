//! The byte stream under an SSH connection, with acknowledgements that do not wait.
//!
//! A server sets TCP's no-delay only for connections with a shell (OpenSSH, `ssh_packet_set_interactive`); on those that only tunnel, its
//! small packets wait for the acknowledgement of the last one, which Linux delays by 40 ms unless there is something to send.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Backend;

#[derive(Debug)]
pub(crate) struct Quick(pub(crate) Backend);

impl AsyncRead for Quick {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        if read.is_ready()
            && let Backend::Tcp(stream) = &self.0
        {
            // For this once (tcp(7), TCP_QUICKACK); without it all is only slower.
            let _ = SockRef::from(stream).set_tcp_quickack(true);
        }
        read
    }
}

impl AsyncWrite for Quick {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
