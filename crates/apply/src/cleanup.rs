//! Removes what a failure leaves behind and nobody can use. It never removes anything that is valid.

use reconcile_core::{
    plan::{Effect, Placed, Step, Unfinished},
    postgres::{name::QualifiedName, sql::Sql},
};
use reconcile_live::LiveError;
use sea_orm::sqlx::Row as _;
use tokio::time::sleep;

use crate::{
    event::Event,
    retry::Retries,
    run_error::RunError,
    sqlstate::ErrorKind,
    worker::{Worker, unlimited},
};

/// How long a concurrent drop may wait for its lock and run, in milliseconds. The next plan repairs what is left.
const ONLINE: (u64, u64) = (2_000, 60_000);

/// How often a drop is tried again if other sessions would queue behind its lock request.
const RETRIES: u32 = 2;

impl Worker<'_, '_> {
    /// Drops the INVALID index that a failed build left. A valid one belongs to somebody else, and is kept.
    pub(crate) async fn clean_up(&mut self, position: usize, step: &Step) -> Result<(), RunError> {
        let Some(name) = step.effect().and_then(Effect::remnant) else { return Ok(()) };
        let drop_it = Sql::new("DROP INDEX CONCURRENTLY ").name(name);
        match self.remove(name, &[], &drop_it, ONLINE).await {
            Ok(Removal::Done) => self.shared.tell(Event::CleanedUp(position, name)),
            Ok(Removal::Nothing) => {}
            Ok(Removal::Spared) => self.shared.tell(Event::LeftBehind(position, name)),
            // The transactions that blocked the build block the drop as well.
            Err(error) if is_in_the_way(&error) => {
                self.shared.tell(Event::LeftBehind(position, name));
            }
            Err(error) => return Err(RunError::failed(None, drop_it.to_string(), error)),
        }
        Ok(())
    }

    /// Removes what a change has begun and cannot finish. Indexes that are built are kept for the next run, unless it
    /// would fail in the same way.
    pub(crate) async fn abandon(&mut self, placed: Placed<'_>, done: usize, why: &RunError) {
        let steps = &placed.change.steps[..done];
        let built = steps.iter().any(|step| step.effect().is_some());
        let goes_on = match why {
            RunError::Interrupted | RunError::Blocked { .. } => built,
            RunError::ConnectionLost { .. } => true,
            RunError::Failed { .. } => false,
        };
        if goes_on {
            return;
        }
        let made: Vec<_> = steps.iter().filter_map(Step::makes).map(|(_, index)| index).collect();
        for (offset, step) in steps.iter().enumerate().rev() {
            if let Some(Unfinished { index, .. }) = &step.unfinished {
                self.drop_partitioned(placed.first + offset, step, index, &made).await;
            }
        }
    }

    /// Drops a partitioned index. This cannot be done concurrently, so it has the short timeouts of the step that made
    /// the index.
    async fn drop_partitioned(&mut self, position: usize, step: &Step, index: &QualifiedName, made: &[&QualifiedName]) {
        let drop_it = Sql::new("DROP INDEX ").name(index);
        let brief = step.timeouts.lock_ms.unwrap_or(ONLINE.0);
        let mut retries = Retries::new(RETRIES);
        loop {
            match self.remove(index, made, &drop_it, (brief, brief)).await {
                Ok(Removal::Done) => return self.shared.tell(Event::CleanedUp(position, index)),
                Ok(Removal::Nothing) => return,
                Err(error) if is_in_the_way(&error) => match retries.next_retry() {
                    Some(retry) => sleep(retry.pause).await,
                    None => break,
                },
                Ok(Removal::Spared) | Err(_) => break,
            }
        }
        self.shared.tell(Event::LeftBehind(position, index));
    }

    /// Drops an INVALID index, unless another session builds it at this moment or it has parts that are not among
    /// `made`.
    async fn remove(
        &mut self,
        name: &QualifiedName,
        made: &[&QualifiedName],
        drop_it: &Sql,
        (lock_ms, statement_ms): (u64, u64),
    ) -> Result<Removal, LiveError> {
        let regclass = |sql: Sql, name: &QualifiedName| sql.raw("to_regclass(").literal(&name.quoted()).raw(")");
        let left = regclass(
            Sql::new(
                "SELECT EXISTS (SELECT FROM pg_locks l WHERE l.relation = i.indrelid AND l.granted \
                 AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_backend_pid()) \
                 OR EXISTS (SELECT FROM pg_partition_tree(i.indexrelid) t WHERE t.relid <> i.indexrelid \
                 AND t.relid <> ALL (array_remove(ARRAY[",
            )
            .list(made, ", ", |sql, name| regclass(sql, name))
            .raw("]::regclass[], NULL))) FROM pg_index i WHERE i.indexrelid = "),
            name,
        )
        .raw(" AND NOT i.indisvalid");
        let row = self.session.row(left.as_str()).await?;
        let removal = match row.map(|row| row.try_get::<bool, _>(0)).transpose()? {
            None => return Ok(Removal::Nothing),
            Some(true) => return Ok(Removal::Spared),
            Some(false) => Removal::Done,
        };
        let limits = format!("SET lock_timeout = {lock_ms}; SET statement_timeout = {statement_ms}");
        self.session.batch(&limits).await?;
        let result = self.session.batch(drop_it.as_str()).await;
        self.session.batch(&unlimited("SET ")).await?;
        result.map(|_| removal)
    }
}

/// Whether another session keeps the index from being dropped at this moment.
fn is_in_the_way(error: &LiveError) -> bool {
    matches!(ErrorKind::of(error), ErrorKind::Lock | ErrorKind::Timeout)
}

/// The result of an attempt to drop an index.
enum Removal {
    /// It is dropped.
    Done,
    /// There was no such INVALID index.
    Nothing,
    /// It is kept, because somebody else uses it as well.
    Spared,
}
