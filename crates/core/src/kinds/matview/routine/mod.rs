//! What refreshes views inside the database: a procedure for each chain of views that has a job. The work itself is what
//! they share; it belongs to reconcile's own schema and is made with its tables.

use super::Matview;
use crate::{
    change::{SessionSettings, TimeLimits},
    postgres::{
        lock::RUN_LOCK,
        name::{Ident, QualifiedName},
        routine::{Kind, RETRIES, Routine, SharedRoutine, call, create, path, patience, texts},
        sql::Sql,
    },
};

/// What chains share, by name and kind, in the order in which they can be dropped.
pub const SHARED: [SharedRoutine; 3] =
    [("refresh_views", Kind::Procedure), ("refresh_view", Kind::Procedure), ("refresh_reads", Kind::Function)];

/// The name of the routine that refreshes the chain which begins with a view.
#[must_use]
pub fn procedure_name(first: &QualifiedName, registry: &Ident) -> QualifiedName {
    QualifiedName::new(registry.clone(), Ident::fitted(&format!("refresh:{first}"), ""))
}

/// The procedure that refreshes a chain, in an order in which all that is read comes first.
#[must_use]
pub fn procedure(chain: &[&Matview], first: &QualifiedName, session: &SessionSettings, limits: TimeLimits) -> Routine {
    let names = chain.iter().map(|view| view.name.to_string());
    let targets = chain.iter().map(|view| view.name.quoted());
    let refresh = |view: &&Matview| serde_json::json!(view.refresh).to_string();
    let settings = Sql::new("ARRAY[").list(chain, ", ", |sql, view| sql.literal(&refresh(view)));
    let arguments = [
        ("views", texts(names)),
        ("targets", texts(targets)),
        ("settings", settings.raw("]::jsonb[]")),
        ("path", path(&session.search_path)),
        ("patience", patience(limits.lock_timeout)),
        ("retries", RETRIES.into()),
        ("outcome", Sql::new("outcome")),
        ("failure", Sql::new("failure")),
    ];
    let body = Sql::new("DECLARE\n  outcome text;\n  failure text;\nBEGIN\n");
    let body = body.raw_sql(&call("refresh_views", &session.registry_schema, arguments));
    // What overlaps or waits for a plan is recorded; what went wrong is for whoever looks at the jobs as well.
    let body =
        body.raw("  IF outcome IN ('failed', 'stopped') THEN\n    RAISE EXCEPTION '%', failure;\n  END IF;\nEND\n");
    Routine {
        name: procedure_name(first, &session.registry_schema),
        kind: Kind::Procedure,
        head: Sql::new("() LANGUAGE plpgsql"),
        body,
    }
}

/// The statements that make what chains share.
#[must_use]
pub fn shared(registry: &Ident) -> Vec<Sql> {
    let values = [
        ("SCHEMA", Sql::default().ident(registry)),
        ("SCHEMA_NAME", Sql::default().literal(registry.as_str())),
        ("LOCK", Sql::default().number(i64::from(RUN_LOCK))),
    ];
    let [views, view, reads] = SHARED;
    let create = |routine, head: &'static str, body: &'static str| {
        create(routine, registry, &Sql::new(head), &Sql::filled(body, &values))
    };
    vec![
        create(reads, "(target text) RETURNS oid[] LANGUAGE sql STABLE", include_str!("reads.sql")),
        create(
            view,
            "(run int8, name text, target text, settings jsonb, path text, patience text, retries int, \
             INOUT old oid[], INOUT outcome text, INOUT failure text) LANGUAGE plpgsql",
            include_str!("view.sql"),
        ),
        create(
            views,
            "(views text[], targets text[], settings jsonb[], path text, patience text, retries int, \
             INOUT outcome text, INOUT failure text) LANGUAGE plpgsql",
            include_str!("views.sql"),
        ),
    ]
}
