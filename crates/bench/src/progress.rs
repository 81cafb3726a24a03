//! Says on standard error what goes on.

use std::time::Instant;

use crate::failure::Failure;

/// Does something and says how long it took.
pub(crate) fn timed<T>(what: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let start = Instant::now();
    let done = work()?;
    eprintln!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    Ok(done)
}
