//! The routines that refresh views inside the database: a procedure for each chain of views that has a job. The
//! procedures call shared routines in reconcile's own schema, which are created with its tables.

use super::Matview;
use crate::{
    change::{SessionSettings, TimeLimits},
    postgres::{
        lock::RUN_LOCK,
        name::{Ident, QualifiedName},
        routine::{self, Found, Kind, RETRIES, Routine, SharedRoutine, call, create, name_of, path, patience, texts},
        sql::Sql,
    },
};

/// The beginning of the names of procedures.
const REFRESH: &str = "refresh";

/// The shared routines, by name and type, in the order of dropping.
pub const SHARED: [SharedRoutine; 3] =
    [("refresh_views", Kind::Procedure), ("refresh_view", Kind::Procedure), ("refresh_reads", Kind::Function)];

/// The name of the procedure that refreshes the chain of views that begins with this view.
#[must_use]
pub fn procedure_name(first: &QualifiedName, registry: &Ident) -> QualifiedName {
    name_of(REFRESH, first, registry)
}

/// The name that earlier versions gave that procedure, if it was too long.
#[must_use]
pub fn former_name(first: &QualifiedName, registry: &Ident) -> Option<QualifiedName> {
    routine::former_name(REFRESH, first, registry)
}

/// Whether a procedure was made for the chain that begins with this view.
#[must_use]
pub fn is_of(found: &Found, first: &QualifiedName) -> bool {
    found.body.contains(Sql::new("views => ARRAY[").literal(&first.to_string()).as_str())
}

/// The procedure that refreshes a chain, which must be in the order of dependencies.
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
    // Skipped runs are only recorded; failures also raise an error, for those who watch the jobs.
    let body =
        body.raw("  IF outcome IN ('failed', 'stopped') THEN\n    RAISE EXCEPTION '%', failure;\n  END IF;\nEND\n");
    Routine {
        name: procedure_name(first, &session.registry_schema),
        kind: Kind::Procedure,
        head: Sql::new("() LANGUAGE plpgsql"),
        body,
    }
}

/// The statements that create the shared routines.
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
