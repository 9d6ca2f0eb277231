//! The two buffers that libssh2 takes for a socket.

#![allow(unsafe_code, reason = "libssh2 calls back with bare pointers")]

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;

use bytes::{Buf, BytesMut};
use libssh2_sys::LIBSSH2_SESSION;
use secrecy::{ExposeSecret, SecretString};
use ssh2::{KeyboardInteractivePrompt, Prompt};

#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
    /// No more input will come.
    pub(crate) closed: bool,
    /// What to answer when the server asks.
    pub(crate) answer: Option<SecretString>,
    /// The server's last words, once it has said goodbye.
    pub(crate) goodbye: Option<String>,
}

impl KeyboardInteractivePrompt for Pipe {
    fn prompt(&mut self, _user: &str, _text: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        let answer = self.answer.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        // A question whose answer may be seen does not ask for a password.
        prompts
            .iter()
            .map(|prompt| if prompt.echo { String::new() } else { answer.into() })
            .collect()
    }
}

/// A pipe at an address that stays: libssh2 has it.
pub(crate) struct PipeBox(NonNull<Pipe>);

impl PipeBox {
    pub(crate) fn new() -> Self {
        Self(NonNull::from(Box::leak(Box::default())))
    }

    pub(crate) fn as_ptr(&self) -> *mut Pipe {
        self.0.as_ptr()
    }

    pub(crate) fn get(&mut self) -> &mut Pipe {
        // SAFETY: it is alive until we are dropped. The callbacks below run only inside calls of libssh2, during which nobody holds
        // what we return here.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for PipeBox {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and whoever had its address is gone (the engine's order of fields).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// recv(2) for libssh2.
pub(crate) unsafe extern "C" fn receive(
    _socket: c_int,
    into: *mut c_void,
    length: usize,
    _flags: c_int,
    data: *mut *mut c_void,
) -> isize {
    // SAFETY: libssh2 hands out the pointer that it was given, a live pipe's, and no other reference to it is in use (see `get`).
    let pipe = unsafe { &mut *(*data).cast::<Pipe>() };
    if pipe.input.is_empty() {
        return if pipe.closed { 0 } else { -AGAIN };
    }
    let length = length.min(pipe.input.len());
    // SAFETY: libssh2's buffer has room for `length` bytes and is not ours.
    unsafe { into.cast::<u8>().copy_from_nonoverlapping(pipe.input.as_ptr(), length) };
    pipe.input.advance(length);
    length.cast_signed()
}

/// send(2) for libssh2; it always takes everything, so no packet is ever half sent.
pub(crate) unsafe extern "C" fn send(
    _socket: c_int,
    from: *const c_void,
    length: usize,
    _flags: c_int,
    data: *mut *mut c_void,
) -> isize {
    // SAFETY: as above.
    let pipe = unsafe { &mut *(*data).cast::<Pipe>() };
    // SAFETY: libssh2 gives `length` bytes of its own.
    pipe.output.extend_from_slice(unsafe { std::slice::from_raw_parts(from.cast(), length) });
    length.cast_signed()
}

/// The server's goodbye (RFC 4253 section 11.1), which libssh2 itself forgets.
pub(crate) unsafe extern "C" fn disconnected(
    _session: *mut LIBSSH2_SESSION,
    _reason: c_int,
    message: *const c_char,
    length: c_int,
    _language: *const c_char,
    _language_length: c_int,
    data: *mut *mut c_void,
) {
    // SAFETY: as above.
    let pipe = unsafe { &mut *(*data).cast::<Pipe>() };
    let length = usize::try_from(length).unwrap_or(0).min(MAX_GOODBYE);
    let message = if message.is_null() {
        Vec::new()
    } else {
        // SAFETY: libssh2 gives as many bytes, and we take no more.
        unsafe { std::slice::from_raw_parts(message.cast::<u8>(), length) }.to_vec()
    };
    pipe.goodbye = Some(String::from_utf8_lossy(&message).escape_debug().to_string());
}

/// More of a goodbye is not kept, in bytes.
const MAX_GOODBYE: usize = 500;

/// EAGAIN, of which libssh2 expects the negative.
const AGAIN: isize = libc::EAGAIN as isize;
