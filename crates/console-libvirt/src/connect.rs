//! Opening a connection: the one place that speaks with libvirt's C functions itself.
//!
//! The `virt` crate's own way to answer for credentials takes a plain function without state, and reads a prompt's challenge even where
//! libvirt gives none (a null pointer).

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ptr;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use crate::endpoint::{Credentials, Endpoint};
use crate::error::LookupError;

/// Opens the endpoint's libvirt. Blocks.
pub(crate) fn open(endpoint: &Endpoint, limit: Duration) -> Result<Connect, LookupError> {
    if let Some((host, port)) = &endpoint.listens_on {
        knock(host, *port, limit)
            .map_err(|error| LookupError::silent(&endpoint.uri, host, *port, &error))?;
    }
    let opened = match &endpoint.credentials {
        None => Connect::open(Some(&endpoint.uri)),
        Some(credentials) => open_as(&endpoint.uri, credentials),
    };
    opened.map_err(|error| LookupError::unreachable(&endpoint.uri, &error))
}

/// Whether anything accepts connections there.
fn knock(host: &str, port: u16, limit: Duration) -> io::Result<()> {
    knock_at(&(host, port).to_socket_addrs()?.collect::<Vec<_>>(), Instant::now() + limit)
}

/// libvirt tries the addresses in the same order, but waits minutes for one that is silent: that it would be answered by a later one does
/// not help.
fn knock_at(addresses: &[SocketAddr], deadline: Instant) -> io::Result<()> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut silent = None;
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        // Zero would be an error of its own.
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(_) => match silent {
                None => return Ok(()),
                Some(silent) => {
                    return Err(io::Error::other(format!(
                        "{address} answers, but {silent}, another address of that name, does not, and libvirt would wait for it: write \
                         {} as hostname",
                        address.ip()
                    )));
                }
            },
            Err(error) => {
                if error.kind() == io::ErrorKind::TimedOut {
                    silent = Some(address.ip());
                }
                failure = error;
            }
        }
    }
    Err(failure)
}

fn open_as(uri: &str, credentials: &Credentials) -> Result<Connect, Error> {
    let Ok(uri) = CString::new(uri) else {
        // Without the part behind the NUL it would be another URI; none at all is an error of libvirt's.
        return Connect::open(Some(""));
    };
    let mut answers = Answers { credentials, password_given: false };
    let mut kinds = [sys::VIR_CRED_AUTHNAME, sys::VIR_CRED_PASSPHRASE]
        .map(|kind| c_int::try_from(kind).unwrap_or_default());
    let mut auth = sys::virConnectAuth {
        credtype: kinds.as_mut_ptr(),
        ncredtype: c_uint::try_from(kinds.len()).unwrap_or_default(),
        cb: Some(answer),
        cbdata: ptr::from_mut(&mut answers).cast::<c_void>(),
    };
    // SAFETY: the URI is a C string, `auth` and all that it points to outlive the call, and libvirt keeps neither beyond it
    // (virConnectOpenAuth). What it returns is a new reference, which `Connect` owns from here on.
    #[allow(unsafe_code, reason = "virt's open_auth can carry no credentials")]
    unsafe {
        let connection = sys::virConnectOpenAuth(uri.as_ptr(), &raw mut auth, 0);
        if connection.is_null() {
            Err(Error::last_error())
        } else {
            Ok(Connect::from_ptr(connection))
        }
    }
}

/// What the callback finds behind its pointer.
struct Answers<'a> {
    credentials: &'a Credentials,
    password_given: bool,
}

impl Answers<'_> {
    /// The answer to a prompt of this kind; none refuses.
    fn to(&mut self, kind: c_int) -> Option<&str> {
        match c_uint::try_from(kind).ok()? {
            sys::VIR_CRED_AUTHNAME => self.credentials.login.as_deref(),
            // Once: a wrong one is not right the second time, and servers lock accounts that keep trying.
            sys::VIR_CRED_PASSPHRASE if !self.password_given => {
                self.password_given = true;
                Some(self.credentials.password.expose_secret())
            }
            _ => None,
        }
    }
}

/// libvirt's `virConnectAuthCallbackPtr`: fills in `count` results, or returns -1.
///
/// # Safety
///
/// `prompts` points to `count` prompts, and `data` to an [`Answers`] that nobody else uses meanwhile.
#[allow(unsafe_code, reason = "called by libvirt")]
unsafe extern "C" fn answer(
    prompts: sys::virConnectCredentialPtr,
    count: c_uint,
    data: *mut c_void,
) -> c_int {
    // SAFETY: `data` is the pointer that `open_as` gave to libvirt, and libvirt calls back on the same thread during that call.
    let Some(answers) = (unsafe { data.cast::<Answers<'_>>().as_mut() }) else { return -1 };
    for index in 0..usize::try_from(count).unwrap_or_default() {
        // SAFETY: libvirt gives `count` prompts, which are its own and initialised.
        let Some(prompt) = (unsafe { prompts.add(index).as_mut() }) else { return -1 };
        let Some(text) = answers.to(prompt.type_) else { return -1 };
        let Ok(text) = CString::new(text) else { return -1 };
        // SAFETY: strdup copies a C string into memory of malloc's, which libvirt frees.
        let copy: *mut c_char = unsafe { libc::strdup(text.as_ptr()) };
        if copy.is_null() {
            return -1;
        }
        prompt.result = copy;
        prompt.resultlen = c_uint::try_from(text.as_bytes().len()).unwrap_or_default();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_silent_address_before_one_that_answers_is_named() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = open.local_addr().unwrap();
        // A listener whose queue is full drops what comes, as a firewall does.
        let deaf = TcpListener::bind("127.0.0.2:0").unwrap();
        rustix::net::listen(&deaf, 0).unwrap();
        let silent = deaf.local_addr().unwrap();
        let short = Duration::from_millis(100);
        let _held: Vec<_> = (0..4).map(|_| TcpStream::connect_timeout(&silent, short)).collect();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let knock = |addresses: &[SocketAddr]| knock_at(addresses, Instant::now() + 4 * short);
        assert!(knock(&[answers]).is_ok());
        // What refuses at once costs libvirt nothing either.
        assert!(knock(&[closed, answers]).is_ok());
        let error = knock(&[silent, answers]).unwrap_err().to_string();
        assert!(
            error.contains("127.0.0.2") && error.contains("write 127.0.0.1 as hostname"),
            "{error}"
        );
        assert!(knock(&[closed]).is_err() && knock(&[silent]).is_err() && knock(&[]).is_err());
    }
}
