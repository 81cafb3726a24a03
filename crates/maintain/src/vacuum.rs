//! VACUUM (ANALYZE) of the tables that rows left or came to, outside any transaction. It makes room for new rows; the
//! tables' files hardly ever shrink by it.

use reconcile_apply::registry::run_record::Outcome;
use reconcile_core::kinds::retention::{batch, catalog::Table};
use tokio::time::Instant;

use crate::{
    cancellable::run_cancellable,
    context::RunContext,
    event::Operation,
    record::{RecordedOperation, RunKey},
    run_error::RunError,
};

const ACTION: &str = "VACUUM ANALYZE";

/// Vacuums a table. Where that fails, the run does not fail: autovacuum does it later.
pub(crate) async fn vacuum(
    context: &mut RunContext<'_>,
    key: RunKey<'_>,
    table: &Table,
) -> Result<Operation, RunError> {
    let mut operation = Operation::on(&table.name, ACTION.to_owned());
    if !table.own().is_some_and(|part| part.may_vacuum) {
        operation.outcome = Outcome::Skipped;
        operation.message = Some("this role may not vacuum it; autovacuum does, in its time".to_owned());
        return Ok(RecordedOperation::begin(context, key, operation).await?.operation);
    }
    let mut recorded = RecordedOperation::begin(context, key, operation).await?;
    let began = Instant::now();
    let result = run_cancellable(context.session, &context.stop, batch::vacuum([&table.name]).as_str()).await;
    recorded = recorded.after(0, began.elapsed());
    match result.map_err(RunError::from) {
        Ok(()) => Ok(recorded.close(context, None).await),
        Err(RunError::Failed(refused)) => {
            Ok(recorded.close(context, Some(&RunError::Interrupted(refused.message))).await)
        }
        Err(error) => {
            drop(recorded.close(context, Some(&error)).await);
            Err(error)
        }
    }
}
