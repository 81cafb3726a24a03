//! Takes away what a failure leaves and nobody can use: never anything that is valid.

use reconcile_core::{
    name::QualifiedName,
    plan::{Effect, Placed, Step, Unfinished},
    sql::Sql,
};
use reconcile_live::LiveError;

use crate::{
    event::{Event, Stopped},
    lane::{Lane, stopped, unlimited},
    refusal::{Refusal, kind},
};

/// How long a removal may wait and run. What is left after that, the next plan repairs.
const LIMITS: &str = "SET lock_timeout = '2s'; SET statement_timeout = '60s'";

impl Lane<'_, '_> {
    /// Drops the INVALID index that a failed build left; one that is valid is somebody else's.
    pub(crate) async fn clean_up(&mut self, position: usize, step: &Step) -> Result<(), Stopped> {
        let Some(name) = step.effect.as_ref().and_then(Effect::remnant) else { return Ok(()) };
        let drop_it = Sql::new("DROP INDEX CONCURRENTLY ").name(name);
        match self.remove(name, &drop_it).await {
            Ok(true) => self.shared.tell(Event::CleanedUp(position, name)),
            Ok(false) => {}
            // The same transactions that held up the build hold this up.
            Err(error) if matches!(kind(&error), Refusal::Lock | Refusal::Time) => {
                self.shared.tell(Event::LeftBehind(position, name));
            }
            Err(error) => return Err(stopped(None, drop_it.to_string(), error)),
        }
        Ok(())
    }

    /// Takes away what a change has begun and cannot finish. Parts that are built are kept for the next run, unless
    /// it would fail in the same way.
    pub(crate) async fn abandon(&mut self, placed: Placed<'_>, done: usize, why: &Stopped) {
        let steps = &placed.change.steps[..done];
        let built = steps.iter().any(|step| step.effect.is_some());
        let goes_on = match why {
            Stopped::Interrupted | Stopped::Blocked { .. } => built,
            Stopped::Lost { .. } => true,
            Stopped::Failed { .. } => false,
        };
        if goes_on {
            return;
        }
        for (offset, step) in steps.iter().enumerate().rev() {
            let Some(Unfinished { index: name, .. }) = &step.unfinished else { continue };
            // A partitioned index cannot be dropped concurrently.
            let drop_it = Sql::new("DROP INDEX ").name(name);
            let position = placed.first + offset;
            match self.remove(name, &drop_it).await {
                Ok(true) => self.shared.tell(Event::CleanedUp(position, name)),
                Ok(false) => {}
                Err(_) => self.shared.tell(Event::LeftBehind(position, name)),
            }
        }
    }

    /// Whether it was there, and INVALID, and is gone.
    async fn remove(&mut self, name: &QualifiedName, drop_it: &Sql) -> Result<bool, LiveError> {
        let left = Sql::new("SELECT FROM pg_index i WHERE i.indexrelid = to_regclass(")
            .literal(&name.quoted())
            .raw(") AND NOT i.indisvalid");
        self.session.batch(LIMITS).await?;
        let found = self.session.row(left.as_str()).await?.is_some();
        let result = if found { self.session.batch(drop_it.as_str()).await.map(|_| true) } else { Ok(false) };
        self.session.batch(&unlimited("SET ")).await?;
        result
    }
}
