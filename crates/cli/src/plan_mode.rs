//! The goal of a plan: the declared state, the state before a run, nothing at all, or objects released.

use std::collections::BTreeSet;

use reconcile_apply::registry::RunId;
use reconcile_config::{Problems, Project};
use reconcile_core::{
    address::Address,
    kinds::{Declarations, Desired},
    plan::{Action, Note, Plan},
    planner::{self, PlanOptions},
    problem::{Problem, closest},
    reading::Reading,
    rollback::Inverse,
    scope::{Filter, Scope},
};
use reconcile_live::{LiveError, Session};

use crate::{
    error::{Exit, Failure},
    options,
};

/// What to plan.
#[derive(Clone, Debug)]
pub(crate) enum PlanMode {
    /// The state that the files declare, or a part of it.
    Declared(Filter),
    /// The state before a run.
    Before(RunId),
    /// No managed objects.
    Nothing,
    /// These objects are no longer managed.
    Released(Vec<Address>),
}

/// An mode as `diff` takes it.
#[derive(Default)]
struct Target {
    /// `None` means what the files declare.
    desired: Option<Desired>,
    scope: Scope,
    notes: Vec<Note>,
}

/// Reads the live side and plans.
pub(crate) async fn plan(session: &mut Session, project: &Project, mode: &PlanMode) -> Result<Plan, Failure> {
    let target = match mode {
        PlanMode::Declared(filter) => {
            Target { scope: Scope { filter: filter.clone(), ..Scope::default() }, ..Target::default() }
        }
        PlanMode::Before(run) => before(session, project, *run).await?,
        PlanMode::Nothing => nothing(project),
        PlanMode::Released(addresses) => released(project, addresses),
    };
    let mut plan = towards(session, project, &target).await?;
    if let PlanMode::Released(addresses) = mode {
        all_managed(session, project, &plan, addresses).await?;
    }
    plan.notes.extend(target.notes);
    let reason = match mode {
        PlanMode::Before(run) => format!("run {} created it", run.0),
        PlanMode::Nothing => "everything that is managed is removed".to_owned(),
        PlanMode::Declared(_) | PlanMode::Released(_) => return Ok(plan),
    };
    for change in plan.changes.iter_mut().filter(|change| change.action == Action::Drop) {
        change.reason.clone_from(&reason);
    }
    Ok(plan)
}

async fn towards(session: &mut Session, project: &Project, target: &Target) -> Result<Plan, Failure> {
    let desired = target.desired.as_ref().unwrap_or(&project.desired);
    let (limits, session_settings) = (project.settings.limits(), project.settings.session());
    let reading = Reading { desired, scope: &target.scope, session: &session_settings, limits };
    let read = reconcile_live::read(session, reading).await.map_err(readable)?;
    let options = PlanOptions {
        limits,
        session: session_settings.clone(),
        created_at: jiff::Timestamp::now().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope: target.scope.clone(),
    };
    let planned = planner::plan(desired, &read, options);
    // The live side can be a hundred thousand small pieces. The plan does not wait until they are freed.
    std::thread::spawn(move || drop(read));
    planned.map_err(|mut problems| {
        if target.desired.is_some() {
            // The mistake is not in a line of a file.
            problems = problems.into_iter().map(Problem::without_place).collect();
        }
        Problems::new(project.files.clone(), problems).into()
    })
}

async fn before(session: &mut Session, project: &Project, run: RunId) -> Result<Target, Failure> {
    let unknown = || {
        let message = format!("there is no run {}", run.0);
        Failure::said(Exit::Error, message, "`reconcile history` lists the runs")
    };
    let registry = options::registry(project);
    if !registry.exists(session).await? {
        return Err(unknown());
    }
    let undone = registry.undone(session, run).await?.ok_or_else(unknown)?;
    let plan = serde_json::from_value(undone.plan).map_err(|error| {
        Failure::other(format!("run {} was written by another version of reconcile: {error}", run.0))
    })?;
    // Another version may have written addresses that this one cannot read; no run of this one has them.
    let protected = registry.protected(session).await?.iter().filter_map(|address| address.parse().ok()).collect();
    let inverse = Inverse::of(&plan, &undone.begun, &project.desired, protected);
    if let Some((later, address)) = undone.later.iter().find(|(_, address)| inverse.scope.admits(address)) {
        let message = format!("run {} has changed {address} since run {}; nothing was written", later.0, run.0);
        let hint = format!("run `reconcile rollback {}` first, or change the declarations and apply them", later.0);
        return Err(Failure::said(Exit::Stale, message, hint));
    }
    let Inverse { desired, scope, notes } = inverse;
    Ok(Target { desired: Some(desired), scope, notes })
}

fn nothing(project: &Project) -> Target {
    let exclude: Vec<_> = project.desired.protected().collect();
    let kept = |address: &Address| Note::new(address.clone(), "protected: it is kept, and stays managed".to_owned());
    let notes = exclude.iter().map(kept).collect();
    let scope = Scope { filter: Filter { only: None, exclude }, ..Scope::default() };
    Target { desired: Some(Desired::new(Declarations::default())), scope, notes }
}

fn released(project: &Project, addresses: &[Address]) -> Target {
    let declared: BTreeSet<_> = project.desired.addresses().collect();
    let still = addresses.iter().filter(|address| declared.contains(address));
    let text = "it is still declared: the next apply adopts it again";
    let reason = |address: &Address| (address.clone(), "forgotten on request; it stays as it is".to_owned());
    let scope = Scope {
        filter: Filter::only(addresses.iter().cloned()),
        release: addresses.iter().map(reason).collect(),
        ..Scope::default()
    };
    let notes = still.map(|address| Note::new(address.clone(), text.to_owned())).collect();
    Target { desired: Some(Desired::new(Declarations::default())), scope, notes }
}

/// Refuses to forget objects that are not managed.
async fn all_managed(
    session: &mut Session,
    project: &Project,
    plan: &Plan,
    addresses: &[Address],
) -> Result<(), Failure> {
    let planned = |address: &Address| plan.changes.iter().any(|change| change.address == *address);
    let Some(stranger) = addresses.iter().find(|address| !planned(address)) else { return Ok(()) };
    let registry = options::registry(project);
    let known = if registry.exists(session).await? { registry.managed(session).await? } else { Vec::new() };
    let hint = match closest(&stranger.to_string(), known.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "an address looks like `index/schema.table/name`; nothing was written".to_owned(),
    };
    Err(Failure::said(Exit::Error, format!("{stranger} is not managed"), hint))
}

/// Adds the privileges that a plan needs to the error that the role lacks one.
fn readable(error: LiveError) -> Failure {
    let denied = error.server().is_some_and(|server| server.code == "42501");
    let failure = Failure::from(error);
    match failure {
        Failure::Said { exit, message, .. } if denied => {
            Failure::said(exit, message, "a plan needs CONNECT, USAGE on the schemas and SELECT on the declared tables")
        }
        Failure::Said { .. } | Failure::Problems(_) => failure,
    }
}
