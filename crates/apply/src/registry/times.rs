//! The queries for the rules and views that are due. A row has the declaration, two times, and whether the view is
//! filled. The times are the present one, and that of the last complete run, or of the apply if it is later. Both are
//! in seconds, in the time zone of the schedule.

use reconcile_core::postgres::sql::Sql;

use super::Registry;

/// The differences between the two kinds.
struct Kind {
    /// The pattern of the addresses.
    addresses: &'static str,
    /// The time zone of the schedule.
    zone: &'static str,
    /// Whether the view is filled. A rule can always run.
    filled: &'static str,
    /// The records of complete runs, in reconcile's schema.
    done: &'static str,
}

const RULES: Kind = Kind {
    addresses: "'retention/%'",
    zone: "r.declaration->>'timezone'",
    filled: "true",
    done: ".retention_run t WHERE t.rule = r.declaration->>'table' AND t.table_name = t.rule AND t.outcome = 'done' \
           AND t.action ~ '^(DELETE|ARCHIVE)'",
};

const VIEWS: Kind = Kind {
    addresses: "'matview/%'",
    zone: "r.declaration#>>'{refresh,timezone}'",
    filled: "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = r.relation_schema AND c.relname = r.relation_name AND c.relispopulated)",
    done: ".refresh_run t WHERE t.view_name = r.declaration->>'name' AND t.outcome = 'done'",
};

impl Registry {
    /// The query for the applied rules.
    #[must_use]
    pub fn retention_times(&self) -> String {
        self.times(&RULES)
    }

    /// The query for the applied views.
    #[must_use]
    pub fn refresh_times(&self) -> String {
        self.times(&VIEWS)
    }

    fn times(&self, kind: &Kind) -> String {
        let schema = Sql::default().ident(&self.schema);
        Sql::new(
            "SELECT r.declaration, extract(epoch FROM now() AT TIME ZONE z.zone)::int8, \
             extract(epoch FROM greatest(d.last, r.since) AT TIME ZONE z.zone)::int8, ",
        )
        .raw(kind.filled)
        .raw(" FROM ")
        .raw_sql(&schema)
        .raw(".resource r CROSS JOIN LATERAL (SELECT coalesce(")
        .raw(kind.zone)
        .raw(", 'UTC') AS zone) z CROSS JOIN LATERAL (SELECT max(t.started_at) AS last FROM ")
        .raw_sql(&schema)
        .raw(kind.done)
        .raw(") d WHERE r.address LIKE ")
        .raw(kind.addresses)
        .raw(" ORDER BY r.address")
        .to_string()
    }
}
