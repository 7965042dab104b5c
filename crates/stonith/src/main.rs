//! `stonith`, `meatclient` and `stonith-device`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    stonith::main()
}
