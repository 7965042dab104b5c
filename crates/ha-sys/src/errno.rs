//! Error texts as the C library words them.

use std::ffi::CStr;
use std::io;

/// The system's text for an error, without Rust's `(os error N)`: log lines and messages on the terminal carry exactly
/// the words of `strerror(3)`, which operators know and scripts grep for.
pub fn errno_text(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else {
        return error.to_string();
    };
    let mut text = [0 as libc::c_char; 256];
    // SAFETY: the buffer is writable and its true length is given; the XSI variant always terminates what it writes.
    let failed = unsafe { libc::strerror_r(code, text.as_mut_ptr(), text.len()) } != 0;
    if failed {
        return format!("Unknown error {code}");
    }
    // SAFETY: `strerror_r` succeeded, so `text` holds a terminated string.
    unsafe { CStr::from_ptr(text.as_ptr()) }
        .to_string_lossy()
        .into_owned()
}

/// Turns the -1 of a system call into an error.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_like_the_c_library() {
        assert_eq!(
            errno_text(&io::Error::from_raw_os_error(libc::ENODEV)),
            "No such device"
        );
        assert_eq!(
            errno_text(&io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)),
            "Cannot assign requested address"
        );
        assert_eq!(errno_text(&io::Error::other("spoken")), "spoken");
    }
}
