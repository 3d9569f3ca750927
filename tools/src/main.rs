//! `cargo bulkhead`: hands the command line over and ends with its exit code.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    bulkhead_tools::cli::main()
}
