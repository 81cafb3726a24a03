//! The statement that refreshes a view. It has time limits, is tried again where it did not get its lock, and is
//! cancelled where the user wants to stop.

use reconcile_apply::{retry::Retries, sqlstate::ErrorKind};
use reconcile_core::{
    kinds::{
        matview::{Matview, catalog::Found},
        retention::preflight::Refused,
    },
    postgres::sql::Sql,
};
use reconcile_live::{LiveError, Session};
use sea_orm::sqlx::Row as _;

use crate::{cancellable::run_cancellable, context::RunContext, run_error::RunError};

/// Whether others can read the view meanwhile. A view that was never filled cannot be refreshed so (docs/pitfalls.md,
/// "A concurrent refresh needs a filled view and a unique index").
pub(super) fn is_concurrent(view: &Matview, found: &Found) -> bool {
    view.refresh.as_ref().is_some_and(|refresh| refresh.concurrently) && found.populated
}

/// The process that refreshes or changes a view now, whoever started it. Waiting for it would do the work twice
/// (docs/pitfalls.md, "Two refreshes of one view wait for each other").
pub(super) async fn other(session: &mut Session, view: u32) -> Result<Option<String>, LiveError> {
    let sql = Sql::new(
        "SELECT 'process ' || l.pid FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted \
         AND l.mode IN ('ExclusiveLock', 'AccessExclusiveLock') AND l.pid <> pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.relation = ",
    );
    let row = session.row(sql.number(i64::from(view)).raw(" LIMIT 1").as_str()).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Refreshes the view, and counts its rows.
pub(super) async fn execute(context: &mut RunContext<'_>, view: &Matview, concurrently: bool) -> Result<u64, RunError> {
    // A plain refresh makes readers queue as long as it waits; nobody waits behind a concurrent one but others of
    // its kind.
    let lock = context.options.lock_timeout.as_millis().max(1);
    let timeout = view.refresh.as_ref().and_then(|refresh| refresh.timeout_ms).unwrap_or(0);
    let limits = format!("SET lock_timeout = {lock}; SET statement_timeout = {timeout}");
    context.session.batch(&limits).await?;
    let result = with_retries(context, view, concurrently, timeout).await;
    drop(context.session.batch("SET lock_timeout = 0; SET statement_timeout = 0").await);
    result?;
    let count = Sql::new("SELECT count(*) FROM ").name(&view.name);
    Ok(context.session.number(count.as_str()).await?)
}

async fn with_retries(
    context: &mut RunContext<'_>,
    view: &Matview,
    concurrently: bool,
    timeout: u64,
) -> Result<(), RunError> {
    let refresh = Sql::new("REFRESH MATERIALIZED VIEW ").raw(if concurrently { "CONCURRENTLY " } else { "" });
    let refresh = refresh.name(&view.name);
    let mut retries = Retries::new(context.options.retries);
    loop {
        let error = match run_cancellable(context.session, &context.stop, refresh.as_str()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match ErrorKind::of(&error) {
            _ if context.is_stopped() => return Err(RunError::Interrupted("it was interrupted".to_owned())),
            ErrorKind::Lock => context.pause_before_retry(&mut retries, &error, &[]).await?,
            ErrorKind::Timeout => return Err(too_long(timeout, &error)),
            ErrorKind::ConnectionLost | ErrorKind::Other => return Err(error.into()),
        }
    }
}

fn too_long(timeout: u64, error: &LiveError) -> RunError {
    RunError::Failed(Refused::new(
        format!("it took longer than its `timeout` of {timeout} ms: {error}"),
        "nothing has changed; raise `refresh.timeout` of the view, and apply it".to_owned(),
    ))
}
