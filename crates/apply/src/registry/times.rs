//! The queries that tell which rules and views are due. A row has the declaration; the time now and the time when it
//! last ran to its end, or was applied if that is later, both in seconds of its own clock; and whether it was filled.

use reconcile_core::postgres::sql::Sql;

use super::Registry;

/// What the two kinds differ in.
struct Kind {
    /// The beginning of the addresses.
    addresses: &'static str,
    /// The time zone of the schedule.
    zone: &'static str,
    /// Whether there is something in it, which a rule's table does not depend on.
    filled: &'static str,
    /// The records of runs, in reconcile's schema, that ran to their end.
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
    /// The query for the rules in force.
    #[must_use]
    pub fn retention_times(&self) -> String {
        self.times(&RULES)
    }

    /// The query for the views that are applied.
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
