//! A library to be preloaded (ld.so(8)): processes see a calendar that is ahead of the kernel's, or behind it.
//!
//! The kernel has one calendar for all its namespaces, and a laboratory must not change that of the machine. Here the
//! three functions by which programs ask for the time of day add a number of seconds that stands in a file and may change
//! at any time. All other clocks, timers and time-outs are the kernel's own, as after a step of the real calendar.

use std::ffi::c_int;
use std::sync::atomic::{AtomicI64, Ordering};

use libc::{clockid_t, time_t, timespec, timeval};

/// Where the number of seconds stands, such as `3600` or `-7`. Without the file nothing is added.
const FILE: &[u8] = b"/etc/calendar-offset\0";

/// The file is read again after this time, in nanoseconds.
const KEPT: i64 = 100_000_000;

/// When the file was read last, in nanoseconds of the monotonic clock; 0 if never.
static READ: AtomicI64 = AtomicI64::new(0);

/// What it said.
static OFFSET: AtomicI64 = AtomicI64::new(0);

/// As `clock_gettime(2)`, with another calendar.
///
/// # Safety
/// As there: `time` is null or points to room for a `timespec`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the caller's pointer goes to the kernel, which checks it.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    let calendar = clock == libc::CLOCK_REALTIME || clock == libc::CLOCK_REALTIME_COARSE;
    if result == 0 && calendar {
        // SAFETY: the kernel has just written there.
        unsafe { (*time).tv_sec += offset() };
    }
    c_int::try_from(result).unwrap_or(-1)
}

/// As `gettimeofday(2)`, with another calendar. There is no time zone in it.
///
/// # Safety
/// As there: `time` is null or points to room for a `timeval`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut timeval, _zone: *mut libc::c_void) -> c_int {
    if !time.is_null() {
        let now = calendar();
        // SAFETY: the caller says that there is room.
        unsafe {
            (*time).tv_sec = now.tv_sec;
            (*time).tv_usec = now.tv_nsec / 1000;
        }
    }
    0
}

/// As `time(2)`, with another calendar.
///
/// # Safety
/// As there: `time` is null or points to room for a `time_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(time: *mut time_t) -> time_t {
    let now = calendar().tv_sec;
    if !time.is_null() {
        // SAFETY: the caller says that there is room.
        unsafe { *time = now };
    }
    now
}

fn calendar() -> timespec {
    let mut now = kernel(libc::CLOCK_REALTIME);
    now.tv_sec += offset();
    now
}

/// What the kernel's own clock says.
fn kernel(clock: clockid_t) -> timespec {
    let mut now = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is room for a timespec.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut now) };
    now
}

/// The seconds to add.
fn offset() -> i64 {
    let now = kernel(libc::CLOCK_MONOTONIC);
    let now = now.tv_sec * 1_000_000_000 + now.tv_nsec;
    let read = READ.load(Ordering::Relaxed);
    if read == 0 || now - read > KEPT {
        OFFSET.store(from_file(), Ordering::Relaxed);
        READ.store(now, Ordering::Relaxed);
    }
    OFFSET.load(Ordering::Relaxed)
}

/// Reads the file without anything that allocates or locks: the caller may be in the middle of either.
fn from_file() -> i64 {
    let mut text = [0_u8; 24];
    // SAFETY: a path that ends with 0, room of the length told, and errno is this thread's own.
    let length = unsafe {
        let errno = *libc::__errno_location();
        let file = libc::open(FILE.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        let length = if file >= 0 {
            libc::read(file, text.as_mut_ptr().cast(), text.len())
        } else {
            0
        };
        if file >= 0 {
            libc::close(file);
        }
        *libc::__errno_location() = errno;
        length
    };
    let text = text.get(..usize::try_from(length).unwrap_or(0));
    let text = text.and_then(|text| str::from_utf8(text).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
