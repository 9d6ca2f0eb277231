//! Logging in with a key that is somewhere else (in an agent): libssh2 asks for a signature, which may take its time.

#![allow(unsafe_code, reason = "libssh2-sys does not have this call")]

use std::ffi::{CString, c_char, c_int, c_uchar, c_void};

use libssh2_sys::LIBSSH2_SESSION;

/// What is to be signed, and the signature.
#[derive(Debug, Default)]
pub(crate) enum Signing {
    /// libssh2 has not asked yet.
    #[default]
    NotAsked,
    /// It wants a signature of these bytes.
    Wanted(Vec<u8>),
    /// The signature, without its algorithm's name.
    Made(Vec<u8>),
    /// There is none, and why.
    Refused(String),
}

/// # Safety
///
/// The session is alive, and no other call on it is under way.
pub(crate) unsafe fn userauth(
    session: *mut LIBSSH2_SESSION,
    user: &str,
    blob: &[u8],
    signing: &mut Signing,
) -> c_int {
    let Ok(user) = CString::new(user) else { return libssh2_sys::LIBSSH2_ERROR_INVAL };
    let mut data: *mut c_void = std::ptr::from_mut(signing).cast();
    // SAFETY: by our own contract; the pointers are valid during the call, and libssh2 keeps none of them.
    unsafe {
        libssh2_userauth_publickey(
            session,
            user.as_ptr(),
            blob.as_ptr(),
            blob.len(),
            sign,
            &raw mut data,
        )
    }
}

unsafe extern "C" fn sign(
    _session: *mut LIBSSH2_SESSION,
    signature: *mut *mut c_uchar,
    signature_length: *mut usize,
    bytes: *const c_uchar,
    length: usize,
    data: *mut *mut c_void,
) -> c_int {
    // SAFETY: `userauth` gave this pointer, and its caller's reference is not in use meanwhile.
    let signing = unsafe { &mut *(*data).cast::<Signing>() };
    match signing {
        Signing::Made(made) => {
            // libssh2 frees it.
            // SAFETY: malloc is always allowed; the copy is within what it gave, and both results have a place.
            unsafe {
                let copy: *mut c_uchar = libc::malloc(made.len().max(1)).cast();
                if copy.is_null() {
                    return libssh2_sys::LIBSSH2_ERROR_ALLOC;
                }
                copy.copy_from_nonoverlapping(made.as_ptr(), made.len());
                *signature = copy;
                *signature_length = made.len();
            }
            0
        }
        Signing::Refused(_) => libssh2_sys::LIBSSH2_ERROR_AUTHENTICATION_FAILED,
        Signing::NotAsked | Signing::Wanted(_) => {
            // SAFETY: libssh2 gives `length` bytes.
            *signing =
                Signing::Wanted(unsafe { std::slice::from_raw_parts(bytes, length) }.to_vec());
            libssh2_sys::LIBSSH2_ERROR_EAGAIN
        }
    }
}

type SignCallback = unsafe extern "C" fn(
    *mut LIBSSH2_SESSION,
    *mut *mut c_uchar,
    *mut usize,
    *const c_uchar,
    usize,
    *mut *mut c_void,
) -> c_int;

unsafe extern "C" {
    fn libssh2_userauth_publickey(
        session: *mut LIBSSH2_SESSION,
        user: *const c_char,
        public_key: *const c_uchar,
        public_key_length: usize,
        sign: SignCallback,
        data: *mut *mut c_void,
    ) -> c_int;
}
