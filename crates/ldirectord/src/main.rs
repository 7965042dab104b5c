//! The ldirectord daemon. Everything is in the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    ldirectord::main()
}
