//! `apply`: applies a saved plan, or plans, asks and applies.

use std::path::Path;

use crate::{
    args::{ApplyArgs, Global},
    commands::{plan::filter, show},
    error::{Exit, Failure},
    plan_mode::PlanMode,
    project::{self, Connected},
    staleness::{plan_anew, still_holds},
    terminal::Terminal,
    workflow::{Work, plan_and_carry_out},
};

/// Executes a plan: a saved one, or a new one.
pub(crate) async fn run(global: &Global, args: &ApplyArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    match &args.file {
        Some(file) => saved(global, args, file, terminal).await,
        None => {
            plan_and_carry_out(
                PlanMode::Declared(filter(&args.filter)),
                global,
                &args.approval,
                &args.parallel,
                terminal,
            )
            .await
        }
    }
}

/// Executes a saved plan. People have read it already: it is not shown again, and no other plan takes its place.
async fn saved(global: &Global, args: &ApplyArgs, file: &Path, terminal: &Terminal) -> Result<Exit, Failure> {
    let plan = show::read(&global.directory.join(file))?;
    let Connected { project, target, mut session } = project::connect(global).await?;
    let mode = PlanMode::Declared(plan.filter.clone());
    let fresh = plan_anew(&mut session, &project, &plan, &mode).await?;
    still_holds(&plan, &fresh)?;
    drop(session);
    // The fresh plan makes the same changes. Its registry entries may be better: the role that applies may see more
    // than the one that planned.
    let plan = fresh;
    let work = Work { global, terminal, project: &project, target: &target, plan, mode: &mode, may_replan: false };
    work.carry_out(&args.approval, &args.parallel).await
}
