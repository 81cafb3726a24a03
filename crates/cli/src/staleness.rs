//! Checks whether a plan still holds: the same files must give the same plan for the same database now.

use reconcile_config::Project;
use reconcile_core::plan::Plan;
use reconcile_live::Session;

use crate::{
    error::{Exit, Failure},
    plan_mode::{self, PlanMode},
};

/// Refuses a plan that differs from the plan made now.
pub(crate) fn still_holds(plan: &Plan, fresh: &Plan) -> Result<(), Failure> {
    const SHOWN: usize = 5;
    if plan.database.system_identifier != fresh.database.system_identifier {
        return Err(stale("it was made for another server"));
    }
    if plan.database.name != fresh.database.name {
        return Err(stale("it was made for another database"));
    }
    if plan.declared != fresh.declared {
        return Err(stale("the declared files have changed since"));
    }
    let reasons = plan.outdated_by(fresh);
    if reasons.is_empty() {
        return Ok(());
    }
    let mut said = reasons.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if reasons.len() > SHOWN {
        said.push_str(&format!("; and {} more", reasons.len() - SHOWN));
    }
    Err(stale(&format!("the database has changed since: {said}")))
}

fn stale(changed: &str) -> Failure {
    Failure::said(Exit::Stale, format!("the plan is stale: {changed}; nothing was written"), "plan again")
}

/// Plans again. The files are unchanged, so a problem with them comes from a change of the database.
pub(crate) async fn plan_anew(
    session: &mut Session,
    project: &Project,
    plan: &Plan,
    mode: &PlanMode,
) -> Result<Plan, Failure> {
    if matches!(mode, PlanMode::Declared(_)) && plan.declared != project.desired.digest {
        return Err(stale("the declared files have changed since"));
    }
    plan_mode::plan(session, project, mode).await.map_err(|failure| match failure {
        Failure::Problems(problems) => stale(&format!("the database has changed since:\n{problems}")),
        Failure::Said { .. } => failure,
    })
}
