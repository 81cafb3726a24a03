//! Plans every case folder once more, from its recorded live side and without a server: `cargo test --test replay`. What
//! the planner decides, and what a plan looks like, is so tested in seconds. `cases.rs` makes the recordings.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

#[path = "common/folders.rs"]
mod folders;
#[path = "common/replay.rs"]
mod replay;

use std::{fs, path::Path, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let trials = folders::cases().into_iter().map(|case| {
        let name = folders::name(&case);
        Trial::test(name, move || replayed(&case))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The plan is the one that the database itself leads to.
fn replayed(case: &Path) -> Result<(), Failed> {
    let expected = fs::read_to_string(case.join("plan.txt")).unwrap();
    let hint = "if it should say that, run the cases with UPDATE_CASES=1, which reads the live side anew";
    let said = replay::said(case).map_err(|error| format!("{error}\n{hint}"))?;
    if said == expected {
        return Ok(());
    }
    Err(format!("expected\n{expected}\nfrom {}\n{said}\n{hint}", replay::RECORDING).into())
}
