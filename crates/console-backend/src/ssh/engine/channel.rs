//! The engine's calls that concern channels.

use std::ptr::NonNull;
use std::task::Poll;

use libssh2_sys::LIBSSH2_CHANNEL;
use ssh2::ErrorCode;

use super::{AGAIN, ChannelId, Engine, Step, raw};

impl Engine {
    /// Opens a channel of this kind (RFC 4254 section 5.1) with `message` as the data that is specific to it. The server may send
    /// [`FIRST_WINDOW`] bytes; more have to be [granted](Self::grant).
    pub(crate) fn open(&mut self, kind: &str, message: &[u8]) -> Step<ChannelId> {
        self.through(|engine| {
            let raw = raw(&engine.session);
            // SAFETY: the session is alive; pointers and lengths belong together and are only read.
            let channel = unsafe {
                libssh2_sys::libssh2_channel_open_ex(
                    raw,
                    kind.as_ptr().cast(),
                    short(kind.len()),
                    FIRST_WINDOW,
                    MAX_PACKET,
                    message.as_ptr().cast(),
                    short(message.len()),
                )
            };
            let Some(channel) = NonNull::new(channel) else {
                return engine.last_error().map(Err);
            };
            engine.opened += 1;
            let id = ChannelId(engine.opened);
            engine.channels.insert(id, channel);
            Poll::Ready(Ok(id))
        })
    }

    /// Lets the server send so many bytes more. If it is not done yet, the next call must be for as many.
    pub(crate) fn grant(&mut self, id: ChannelId, bytes: u32) -> Step<()> {
        let channel = self.channel(id)?;
        self.through(|engine| {
            // SAFETY: the channel is of our session and not freed; nothing is to be stored at the null pointer.
            let code = unsafe {
                libssh2_sys::libssh2_channel_receive_window_adjust2(
                    channel,
                    bytes.into(),
                    1,
                    std::ptr::null_mut(),
                )
            };
            engine.checked(code)
        })
    }

    /// Reads what has come on a channel; 0 at its end. The last bytes that were granted stay where they are until more are granted:
    /// asked for them, libssh2 would grant more by itself, so that the server could send on and on.
    pub(crate) fn read(&mut self, id: ChannelId, into: &mut [u8]) -> Step<usize> {
        let channel = self.channel(id)?;
        // SAFETY: the channel is of our session and not freed; null pointers stand for what is not asked.
        let granted = unsafe {
            let nothing = std::ptr::null_mut();
            libssh2_sys::libssh2_channel_window_read_ex(channel, nothing, nothing)
        };
        let most = usize::try_from(granted).unwrap_or(usize::MAX).saturating_sub(KEPT_BACK);
        let most = most.min(into.len());
        let Some(into) = into.get_mut(..most).filter(|into| !into.is_empty()) else {
            return Poll::Pending;
        };
        self.through(|engine| {
            // SAFETY: the channel is of our session and not freed; `into` is writable for its length.
            let read = unsafe {
                libssh2_sys::libssh2_channel_read_ex(
                    channel,
                    0,
                    into.as_mut_ptr().cast(),
                    into.len(),
                )
            };
            // SAFETY: the channel is of our session and not freed.
            if read == 0 && unsafe { libssh2_sys::libssh2_channel_eof(channel) } == 0 {
                return Poll::Pending;
            }
            engine.counted(read)
        })
    }

    /// Writes one packet's worth of `bytes`. If it is not done yet, the next call must begin with the same bytes.
    pub(crate) fn write(&mut self, id: ChannelId, bytes: &[u8]) -> Step<usize> {
        let channel = self.channel(id)?;
        self.through(|engine| {
            // SAFETY: as above; `bytes` is only read.
            let written = unsafe {
                libssh2_sys::libssh2_channel_write_ex(
                    channel,
                    0,
                    bytes.as_ptr().cast(),
                    bytes.len(),
                )
            };
            engine.counted(written)
        })
    }

    /// Tells the server that no more will be written.
    pub(crate) fn send_eof(&mut self, id: ChannelId) -> Step<()> {
        let channel = self.channel(id)?;
        self.through(|engine| {
            // SAFETY: the channel is of our session and not freed.
            let code = unsafe { libssh2_sys::libssh2_channel_send_eof(channel) };
            engine.checked(code)
        })
    }

    /// Whether the server has closed a channel whose end has been read: nothing that is written reaches anybody.
    pub(crate) fn is_closed_by_server(&mut self, id: ChannelId) -> bool {
        let Ok(channel) = self.channel(id) else { return true };
        // SAFETY: the channel is of our session and not freed.
        unsafe { libssh2_sys::libssh2_channel_wait_closed(channel) == 0 }
    }

    /// Closes a channel and forgets it once the server has agreed.
    pub(crate) fn close(&mut self, id: ChannelId) -> Step<()> {
        let channel = self.channel(id)?;
        self.through(|engine| {
            // SAFETY: the channel is of our session and not freed; if the call frees it, it leaves our map and is not called again.
            let code = unsafe { libssh2_sys::libssh2_channel_free(channel) };
            if code != AGAIN {
                engine.channels.remove(&id);
            }
            engine.checked(code)
        })
    }

    /// Looks at what has come while no channel is read: a new exchange of keys, say, or the answer to a keep-alive.
    pub(crate) fn attend(&mut self) {
        let _ = self.through(|engine| {
            for channel in engine.channels.values() {
                // SAFETY: the channel is of our session and not freed. The call reads packets until there are none, or at once if this
                // channel is at its end.
                if unsafe { libssh2_sys::libssh2_channel_wait_eof(channel.as_ptr()) } == AGAIN {
                    return Poll::Pending;
                }
            }
            Step::Ready(Ok(()))
        });
    }

    fn channel(&self, id: ChannelId) -> Result<*mut LIBSSH2_CHANNEL, ssh2::Error> {
        let closed = || {
            ssh2::Error::from_errno(ErrorCode::Session(libssh2_sys::LIBSSH2_ERROR_CHANNEL_CLOSED))
        };
        self.channels.get(&id).map(|channel| channel.as_ptr()).ok_or_else(closed)
    }
}

fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// How many bytes a server may send at first: a console's greeting, so that it need not wait for a grant.
pub(crate) const FIRST_WINDOW: u32 = 2 * 1024;

/// With no more than so many bytes left beyond those that are asked for, libssh2 grants more.
const KEPT_BACK: usize = FIRST_WINDOW as usize / 4 * 3;

/// The largest packet that the server may send (RFC 4253 section 6.1).
const MAX_PACKET: u32 = 32 * 1024;
