//! Brings PostgreSQL of the major versions that are named into the cache, so that the tests have them.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut failed = false;
    for major in std::env::args().skip(1) {
        let fetched = major.parse().map_err(|_| format!("`{major}` is no major version"));
        match fetched.and_then(|major| reconcile_scratch::fetch(major).map_err(|error| error.to_string())) {
            Ok(installation) => {
                println!("PostgreSQL {} in {}", installation.version(), installation.bin_dir().display());
            }
            Err(error) => {
                eprintln!("PostgreSQL {major}: {error}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
