//! What earlier versions left of jobs whose names are too long: jobs and procedures under names that the server cut.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Schedule, Task, View};
use crate::{
    change::Step,
    kind::Context,
    kinds::matview::routine::{former_name, is_of},
    postgres::{
        name::QualifiedName,
        routine::{self, Kind},
    },
};

/// The jobs and the procedure that exist under a former name of a job.
#[derive(Debug, Default, Serialize)]
pub(super) struct Former {
    pub(super) jobs: Vec<String>,
    procedure: Option<(QualifiedName, Kind)>,
}

impl Former {
    /// What is left of a managed job. `names` are the names that jobs have now; none of them is a former one.
    pub(super) fn of(schedule: &Schedule, names: &BTreeSet<String>, context: Context<'_>, view: View<'_>) -> Self {
        let exists = |name: &String| view.live.cron.jobs.contains_key(name) && !names.contains(name);
        let jobs = schedule.former_jobs().into_iter().filter(exists).collect();
        let procedure = match schedule.task {
            Task::Refresh => former_name(&schedule.table, &context.session.registry_schema),
            // The routines of a rule belong to the rule.
            Task::Retain | Task::Vacuum => None,
        };
        let procedure = procedure.filter(|procedure| !names.contains(procedure.name.as_str())).and_then(|procedure| {
            let found = context.registry.routines.get(&procedure.name)?;
            is_of(found, &schedule.table).then_some((procedure, found.kind))
        });
        Self { jobs, procedure }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.procedure.is_none()
    }

    /// The steps that remove the jobs.
    pub(super) fn unschedule(&self, context: Context<'_>) -> impl Iterator<Item = Step> {
        self.jobs.iter().map(move |job| Step::brief(super::decide::unschedule(job), None, context.limits))
    }

    /// The step that removes the procedure, which nothing calls once the jobs are gone.
    pub(super) fn drop_procedure(&self, context: Context<'_>) -> Option<Step> {
        let (name, kind) = self.procedure.as_ref()?;
        Some(Step::brief(routine::drop(name, *kind), None, context.limits))
    }
}
