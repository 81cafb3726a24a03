//! Makes the plan from the declared and the live side: merges the parts of all kinds, orders them, and binds them to
//! the facts that they rely on. It does not know any kind; `kinds` asks each of them.

mod release;

use crate::{
    change::{Change, Execution, Note, SessionSettings, TimeLimits},
    digest::Digest,
    kind::{Part, Stage},
    kinds::{self, Desired, Live, Object, Settings, Sides},
    plan::{FORMAT_VERSION, Plan, Summary},
    problem::Problem,
    reading::Read,
    scope::Scope,
    server::DatabaseId,
};

/// What a plan needs besides the declared and the live side.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// How long steps may wait.
    pub limits: TimeLimits,
    /// The session settings of the steps.
    pub session: SessionSettings,
    /// The time of planning (RFC 3339, UTC).
    pub created_at: String,
    /// The version of this program.
    pub version: String,
    /// How far the plan may go.
    pub scope: Scope,
}

/// Plans the changes from the live to the desired state.
///
/// # Errors
/// Returns every mistake of the user that shows only against the live side; those that the server found come first.
pub fn plan(desired: &Desired, read: &Read, options: PlanOptions) -> Result<Plan, Vec<Problem>> {
    let live = &read.live;
    let scope = read.narrowed(desired, &options.scope);
    let settings = Settings { scope: &scope, session: &options.session, limits: options.limits };
    let context = settings.context(&live.database, &live.vocabulary, &live.registry, desired.scheduler);
    let merged = merged(kinds::plan(context, Sides { desired, live }));
    if !read.problems.is_empty() || !merged.problems.is_empty() {
        let waiting = read.waiting.iter().map(|waiting| &waiting.problem);
        return Err(waiting.chain(&read.problems).cloned().chain(merged.problems).collect());
    }
    let mut changes = in_order(merged.changes);
    number_transactions(&mut changes);
    for change in &mut changes {
        release::strike(change, &options.scope.release);
    }
    let left_out = kinds::left_out(&read.waiting);
    let notes: Vec<_> = merged.notes.into_iter().chain(unknown(live, &options.scope)).chain(left_out).collect();
    Ok(Plan {
        format_version: FORMAT_VERSION,
        reconcile_version: options.version,
        created_at: options.created_at,
        database: live.database.clone(),
        fingerprint: fingerprint(&changes, &notes, &live.database),
        declared: desired.digest.clone(),
        summary: Summary::of(&changes),
        session: options.session,
        filter: options.scope.filter,
        changes,
        records: merged.records,
        notes,
        left_alone: merged.left_alone,
    })
}

/// Merges all parts, in the order of the kinds.
fn merged(parts: Vec<Part<Object>>) -> Part<Object> {
    let mut all = Part::default();
    for part in parts {
        all.changes.extend(part.changes);
        all.notes.extend(part.notes);
        all.records.extend(part.records);
        all.problems.extend(part.problems);
        all.left_alone += part.left_alone;
    }
    all
}

/// Orders changes by stage, then by kind, then as the kind has ordered them.
fn in_order(mut staged: Vec<(Stage, Change<Object>)>) -> Vec<Change<Object>> {
    staged.sort_by_key(|(stage, _)| *stage);
    staged.into_iter().map(|(_, change)| change).collect()
}

/// Numbers the transactions across the plan; in each change they count from 0.
fn number_transactions(changes: &mut [Change<Object>]) {
    let mut last = 0;
    for change in changes {
        let before = last;
        for step in &mut change.steps {
            let Execution::Together(Some(number)) = &mut step.execution else { continue };
            *number += before + 1;
            last = last.max(*number);
        }
    }
}

/// Notes about objects that another version manages; they do not change.
fn unknown(live: &Live, scope: &Scope) -> impl Iterator<Item = Note> {
    let admitted = live.registry.unknown.iter().filter(|address| scope.admits(address));
    admitted.map(|address| {
        let text = "another version of reconcile manages it; this version does not know its kind, so it stays as it is";
        Note::new(address.clone(), text)
    })
}

/// The digest of the live facts that the changes rely on, and of nothing else.
fn fingerprint(changes: &[Change<Object>], notes: &[Note], database: &DatabaseId) -> Digest {
    let facts: Vec<_> = changes.iter().map(|change| (&change.address, &change.relies_on)).collect();
    let notes: Vec<_> = notes.iter().filter(|note| note.is_relied_on()).collect();
    Digest::of(&(&database.system_identifier, &database.name, facts, notes))
}
