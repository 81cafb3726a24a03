//! `apply`: a saved plan, or plans, asks and applies.

use std::path::Path;

use crate::{
    aim::Aim,
    args::{ApplyArgs, Global},
    carry_out::{Work, plan_anew, still_holds, towards},
    commands::{plan::filter, show},
    error::{Exit, Failure},
    project::{self, Connected},
    terminal::Terminal,
};

/// Executes a plan: the saved one, or one made now.
pub(crate) async fn run(global: &Global, args: &ApplyArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    match &args.file {
        Some(file) => saved(global, args, file, terminal).await,
        None => towards(Aim::Declared(filter(&args.filter)), global, &args.approval, &args.parallel, terminal).await,
    }
}

/// A saved plan was read before; it is not shown again, and no other one takes its place.
async fn saved(global: &Global, args: &ApplyArgs, file: &Path, terminal: &Terminal) -> Result<Exit, Failure> {
    let plan = show::read(&global.directory.join(file))?;
    let Connected { project, target, mut session } = project::connect(global).await?;
    let aim = Aim::Declared(plan.filter.clone());
    let fresh = plan_anew(&mut session, &project, &plan, &aim).await?;
    still_holds(&plan, &fresh)?;
    drop(session);
    // It does the same; what the registry is told, the role that applies may know better than the one that planned.
    let plan = fresh;
    let work = Work { global, terminal, project: &project, target: &target, plan, aim: &aim, may_replan: false };
    work.carry_out(&args.approval, &args.parallel).await
}
