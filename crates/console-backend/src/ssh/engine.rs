//! libssh2 without a socket: bytes from the server go in, bytes for the server come out, and no call ever waits.
//!
//! libssh2's own way with a socket has traps (a read for one channel drains the socket for all, a half-sent packet blocks whoever did not
//! send it); over buffers in memory they are gone. Channels live and die in here: one that outlived its session, or was closed on
//! another thread, would be a use of freed memory.

#![allow(
    unsafe_code,
    reason = "libssh2's callbacks and channels; ssh2 wraps neither buffers nor windows"
)]

use std::collections::HashMap;
use std::ffi::{c_int, c_long, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::NonNull;
use std::task::Poll;

use bytes::BytesMut;
use libssh2_sys::{LIBSSH2_CHANNEL, LIBSSH2_SESSION};
use secrecy::SecretString;
use ssh2::{ErrorCode, Session};

mod channel;

pub(crate) use channel::FIRST_WINDOW;

use super::error::Lost;
use super::pipe::PipeBox;
use super::sign::Signing;

/// One of a connection's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelId(u64);

/// An SSH client's end of a connection.
pub(crate) struct Engine {
    /// Freed before the pipe, which it still writes to.
    session: Session,
    pipe: PipeBox,
    channels: HashMap<ChannelId, NonNull<LIBSSH2_CHANNEL>>,
    opened: u64,
}

// SAFETY: nothing of it is shared: libssh2 keeps no thread-local state, the session, its channels and the pipe are reached through
// `&mut Engine` only, and `Session` itself is `Send`.
unsafe impl Send for Engine {}

/// What a call says: done, not yet (feed more bytes, then call again with the same arguments), or failed.
pub(crate) type Step<T> = Poll<Result<T, ssh2::Error>>;

impl Engine {
    /// An end that has not said anything yet.
    pub(crate) fn new() -> io::Result<Self> {
        let mut session = Session::new()?;
        let pipe = PipeBox::new();
        // libssh2 asks whether its socket blocks, and leaves it alone if not.
        session.set_tcp_stream(no_socket()?);
        session.set_blocking(false);
        // SAFETY: the session is alive and no call is under way; the pipe outlives it (the order of our fields), and both callbacks have
        // the types that libssh2 expects for these numbers.
        unsafe {
            let raw = raw(&session);
            *libssh2_sys::libssh2_session_abstract(raw) = pipe.as_ptr().cast();
            libssh2_session_callback_set(
                raw,
                CALLBACK_DISCONNECT,
                super::pipe::disconnected as *mut c_void,
            );
            libssh2_session_callback_set(raw, CALLBACK_SEND, super::pipe::send as *mut c_void);
            libssh2_session_callback_set(raw, CALLBACK_RECV, super::pipe::receive as *mut c_void);
            libssh2_session_set_read_timeout(raw, NEVER);
        }
        session.set_keepalive(true, KEEPALIVE_SECONDS);
        Ok(Self { session, pipe, channels: HashMap::new(), opened: 0 })
    }

    /// Bytes from the server that have not been looked at yet.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.pipe.get().input
    }

    /// Bytes for the server.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        &mut self.pipe.get().output
    }

    /// No more will come from the server: calls that would wait for it fail from now on.
    pub(crate) fn close_input(&mut self) {
        self.pipe.get().closed = true;
    }

    /// Why the connection is over, as the server said it, or else as `error` has it.
    pub(crate) fn lost(&mut self, error: ssh2::Error) -> Lost {
        match self.pipe.get().goodbye.clone() {
            Some(goodbye) => Lost::Goodbye(goodbye),
            None => error.into(),
        }
    }

    /// Whether the server has said goodbye.
    pub(crate) fn is_over(&mut self) -> bool {
        self.pipe.get().goodbye.is_some()
    }

    /// A call that concerns no channel.
    pub(crate) fn call<T>(
        &mut self,
        mut call: impl FnMut(&mut Session) -> Result<T, ssh2::Error>,
    ) -> Step<T> {
        self.through(|engine| step(call(&mut engine.session)))
    }

    /// Calls until it is done or wants no more of the input. At the end of a chunk that it has copied out of the input libssh2 says "not
    /// yet" without asking for more, and when that end is in the middle of a packet it does so before it asks, too.
    fn through<T>(&mut self, mut call: impl FnMut(&mut Self) -> Step<T>) -> Step<T> {
        let mut was_still = false;
        loop {
            let before = self.input().len();
            let outcome = call(self);
            let left = self.input().len();
            let is_still = left == before;
            if outcome.is_ready() || left == 0 || (is_still && was_still) {
                return outcome;
            }
            was_still = is_still;
        }
    }

    /// Answers whatever the server asks for with `password`.
    pub(crate) fn keyboard_interactive(&mut self, user: &str, password: &SecretString) -> Step<()> {
        self.pipe.get().answer = Some(password.clone());
        let answered = self.through(|engine| {
            // During this call libssh2 gives its callbacks the prompter in the pipe's place, so the pipe is the prompter.
            step(engine.session.userauth_keyboard_interactive(user, engine.pipe.get()))
        });
        self.pipe.get().answer = None;
        answered
    }

    /// Logs in with the public key `blob`, whose private half is somewhere else: while `signing` has nothing to show, its data must be
    /// signed and the call be made again.
    pub(crate) fn signed_by(&mut self, user: &str, blob: &[u8], signing: &mut Signing) -> Step<()> {
        self.through(|engine| {
            let raw = raw(&engine.session);
            // SAFETY: the session is alive, no other call is under way.
            let code = unsafe { super::sign::userauth(raw, user, blob, signing) };
            engine.checked(code)
        })
    }

    fn counted(&self, count: isize) -> Step<usize> {
        match usize::try_from(count) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(_) => self
                .checked(c_int::try_from(count).unwrap_or(c_int::MIN))
                .map(|code| code.map(|_| 0)),
        }
    }

    fn checked(&self, code: c_int) -> Step<()> {
        match code {
            AGAIN => Poll::Pending,
            0.. => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(ssh2::Error::from_session_error(&self.session, code))),
        }
    }

    fn last_error(&self) -> Poll<ssh2::Error> {
        let unknown =
            || ssh2::Error::new(ErrorCode::Session(c_int::MIN), "libssh2 does not say why");
        let error = ssh2::Error::last_session_error(&self.session).unwrap_or_else(unknown);
        if is_again(&error) { Poll::Pending } else { Poll::Ready(error) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Freeing the session frees the channels that are left, and would wait for the server's agreement.
        self.close_input();
    }
}

/// libssh2's own pointer. ssh2's lock is not held on: nobody else has the session, and the calls that follow may take it.
fn raw(session: &Session) -> *mut LIBSSH2_SESSION {
    let mut locked = session.raw();
    &raw mut *locked
}

fn step<T>(result: Result<T, ssh2::Error>) -> Step<T> {
    match result {
        Err(error) if is_again(&error) => Poll::Pending,
        done => Poll::Ready(done),
    }
}

fn is_again(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(AGAIN)
}

fn no_socket() -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/null")
}

const AGAIN: c_int = libssh2_sys::LIBSSH2_ERROR_EAGAIN;

/// libssh2 sends no keep-alive sooner than this after the last; the driver has the real interval, which is longer.
const KEEPALIVE_SECONDS: u32 = 2;

/// In seconds. libssh2 would take a server that works on one request for a minute for a dead one, and with it all its channels.
const NEVER: c_long = i32::MAX as c_long;

/// Numbers of libssh2.h that libssh2-sys does not have.
const CALLBACK_DISCONNECT: c_int = 2;
const CALLBACK_SEND: c_int = 5;
const CALLBACK_RECV: c_int = 6;

unsafe extern "C" {
    fn libssh2_session_set_read_timeout(session: *mut LIBSSH2_SESSION, seconds: c_long);
    fn libssh2_session_callback_set(
        session: *mut LIBSSH2_SESSION,
        kind: c_int,
        callback: *mut c_void,
    ) -> *mut c_void;
}
