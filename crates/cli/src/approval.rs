//! Whether a plan may be executed: the project and the command line must allow its hazards, and a person must approve
//! it.

use std::io::Write as _;

use reconcile_config::Project;
use reconcile_core::hazard::{Approval, Hazard};

use crate::{
    args::{Allow, ApprovalArgs},
    error::{Exit, Failure},
    plan_mode::PlanMode,
    workflow::Work,
};

impl Work<'_> {
    /// Refuses a plan with hazards that are not allowed, then asks the person at the terminal.
    pub(crate) fn approve(&self, args: &ApprovalArgs) -> Result<(), Failure> {
        let approval = approval(self.project, &args.allow);
        let unapproved = self.plan.unapproved(&approval);
        if let Some((_, objects)) = unapproved.first() {
            let names: Vec<_> = unapproved.iter().map(|(hazard, _)| hazard.name()).collect();
            let example = objects.first().map(ToString::to_string).unwrap_or_default();
            let message = format!("not allowed: {}; {example} needs it; nothing was written", names.join(", "));
            let forbidden = unapproved.iter().find(|(hazard, _)| approval.forbid.contains(hazard));
            let hint = match forbidden {
                Some((hazard, _)) => {
                    format!("`safety.forbid` of the project forbids {hazard}, and takes precedence over --allow")
                }
                None => format!("to allow it, add --allow {}", names.join(",")),
            };
            return Err(Failure::said(Exit::ApprovalNeeded, message, hint));
        }
        // A plan without changes only writes to the registry. That needs no approval.
        let asks = self.plan.has_changes() || matches!(self.mode, PlanMode::Nothing);
        if args.auto_approve || !asks {
            return Ok(());
        }
        if !self.terminal.is_interactive() {
            let message = "approval is needed, but there is no terminal to ask for it; nothing was written";
            return Err(Failure::said(Exit::ApprovalNeeded, message, "read the plan, then run with --auto-approve"));
        }
        if confirmed()? {
            Ok(())
        } else {
            Err(Failure::said(Exit::ApprovalNeeded, "not approved; nothing was written", ""))
        }
    }
}

fn approval(project: &Project, allow: &[Allow]) -> Approval {
    let mut approval = project.settings.approval.clone();
    for allowed in allow {
        match allowed {
            Allow::All => approval.allow.extend(Hazard::ALL),
            Allow::One(hazard) => {
                approval.allow.insert(*hazard);
            }
        }
    }
    approval
}

fn confirmed() -> Result<bool, Failure> {
    let mut out = anstream::stderr().lock();
    write!(out, "Apply these changes? Only `yes` is accepted: ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
