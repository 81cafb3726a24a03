//! The connection that a run works on: its settings, what it reads first, and how it waits.

use reconcile_apply::{monitor, retry::Retries, sqlstate::ErrorKind};
use reconcile_core::{
    kinds::retention::{CutOff, Rule, proof::Proof, read::facts_of, rule_tables::RuleTables},
    postgres::name::QualifiedName,
};
use reconcile_live::{LiveError, Session, settings};
use tokio::{sync::watch, time::sleep};

use crate::{
    Options,
    event::Event,
    files::Archive,
    run_error::{BatchError, RunError},
};

/// The connection of a run.
pub(crate) struct RunContext<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) options: &'a Options,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) tell: &'a mut dyn FnMut(Event<'_>),
    /// The files that batches hand rows over to.
    pub(crate) files: Option<Archive>,
    /// What is proven of each batch, where triggers of the user's run.
    pub(crate) proof: Option<Proof>,
}

impl RunContext<'_> {
    /// Sets the connection up for batches.
    pub(crate) async fn prepare(&mut self) -> Result<(), LiveError> {
        settings::take(self.session, &self.options.search_path).await?;
        let lock = self.options.lock_timeout.as_millis().max(1);
        self.session.batch(&format!("SET lock_timeout = {lock}")).await.map(drop)
    }

    /// Seals the files that rows went to. Where the connection is gone, the next run sees what its last word was.
    pub(crate) async fn seal(&mut self) -> Result<(), RunError> {
        match self.files.take() {
            Some(files) => Ok(files.close(self.session, &self.options.registry, &self.options.root).await?),
            None => Ok(()),
        }
    }

    /// Takes a transaction back. Gives the error where somebody was in the way, so that it may be tried again.
    pub(crate) async fn taken_back(&mut self, error: BatchError) -> Result<LiveError, RunError> {
        // A broken connection rolls back by itself.
        drop(self.session.batch("ROLLBACK").await);
        match error {
            BatchError::Refused(refused) => Err(refused.into()),
            BatchError::Live(error) => match ErrorKind::of(&error) {
                ErrorKind::Lock => Ok(error),
                ErrorKind::ConnectionLost | ErrorKind::Timeout | ErrorKind::Other => Err(error.into()),
            },
        }
    }

    /// Waits until a statement that did not get its lock may be tried again. An error: it may not.
    pub(crate) async fn pause_before_retry(
        &mut self,
        retries: &mut Retries,
        error: &LiveError,
        tables: &[QualifiedName],
    ) -> Result<(), RunError> {
        let Some(retry) = retries.next_retry().filter(|_| !self.is_stopped()) else {
            let holder = self.holder(tables).await;
            return Err(RunError::Blocked(format!("{error}{holder}")));
        };
        (self.tell)(Event::Waiting(format!("{error}; {retry}")));
        sleep(retry.pause).await;
        Ok(())
    }

    /// Names who is at work on some tables, as the end of a message; nothing, where nobody is any more.
    pub(crate) async fn holder<'a>(&mut self, tables: impl IntoIterator<Item = &'a QualifiedName>) -> String {
        match monitor::holder(self.session, tables).await {
            Ok(Some(holder)) => format!("; at work on the table is {holder}"),
            Ok(None) | Err(_) => String::new(),
        }
    }

    /// Whether the user wants to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Reads what a rule touches.
pub(crate) async fn read_tables(session: &mut Session, rule: &Rule) -> Result<RuleTables, RunError> {
    let tables = rule.resolved_tables(&facts_of(session, &rule.tables()).await?)?;
    rule.check(&tables)?;
    Ok(tables)
}

/// The point in time that rows must lie before, for a run that began at `now`.
pub(crate) async fn read_cut_off(
    session: &mut Session,
    rule: &Rule,
    tables: &RuleTables,
    now: &str,
) -> Result<CutOff, LiveError> {
    let text = session.text(CutOff::query(rule, tables.clock, now).as_str()).await?;
    Ok(CutOff::new(tables.clock, text))
}
