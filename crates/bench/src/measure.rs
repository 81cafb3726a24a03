//! Runs a process to its end and says what it took. What to run, and how often, is left to `size`.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4 as _;

use crate::failure::Failure;

/// What one process took, from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// By the clock on the wall.
    pub(crate) wall: Duration,
    /// Of processors, in user space and in the kernel.
    pub(crate) cpu: Duration,
    /// The most memory that was resident at once, in bytes. Never below what this process had when it started the
    /// other one, for so the kernel counts: this one must stay small.
    pub(crate) peak: u64,
    /// Its standard error.
    pub(crate) said: String,
}

/// Runs a command without its standard output. Errors if it cannot be run, or does not exit with success.
pub(crate) fn run(command: &mut Command) -> Result<Usage, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| Failure::new(format!("{program}: {error}"));
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_end(&mut said).map_err(failed)?;
    }
    let end = child.wait4().map_err(failed)?;
    let wall = start.elapsed();
    let said = String::from_utf8_lossy(&said).into_owned();
    if !end.status.success() {
        return Err(Failure::new(format!("{program} failed ({}): {}", end.status, said.trim())));
    }
    Ok(Usage { wall, cpu: end.rusage.utime + end.rusage.stime, peak: end.rusage.maxrss, said })
}

/// Least, middle and greatest of some figures.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure; of none, not a number.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |position: usize| figures.get(position).copied().unwrap_or(f64::NAN);
        let last = figures.len().saturating_sub(1);
        Self { min: at(0), median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), max: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0].into_iter()), Spread { min: 1.0, median: 2.5, max: 4.0 });
        assert_eq!(Spread::of([3.0, 1.0, 2.0].into_iter()), Spread { min: 1.0, median: 2.0, max: 3.0 });
    }
}
