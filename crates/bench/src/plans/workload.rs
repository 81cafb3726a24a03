//! The generated tables, and their indexes as a database has them. As a project declares them is left to `project`.

use std::fmt::{self, Display, Formatter};

/// The indexes of each table that are declared; its primary key is one more.
pub(crate) const INDEXES_PER_TABLE: u32 = 4;

/// The tables are spread over so many schemas.
const SCHEMAS: u32 = 5;

/// Tables per transaction: each takes several locks until it commits.
const TABLES_PER_COMMIT: u32 = 50;

/// One generated table, by its number from 1 on. Prints as its name with its schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table(pub(crate) u32);

impl Table {
    pub(crate) fn schema(self) -> String {
        schema(self.0 % SCHEMAS + 1)
    }

    pub(crate) fn name(self) -> String {
        format!("item_{:05}", self.0)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema(), self.name())
    }
}

fn schema(number: u32) -> String {
    format!("shop_{number}")
}

/// The schemas as a list of SQL's string literals.
pub(crate) fn schema_literals() -> String {
    (1..=SCHEMAS).map(|number| format!("'{}'", schema(number))).collect::<Vec<_>>().join(", ")
}

/// SQL that creates all tables with their indexes, in transactions of its own.
pub(crate) fn create_sql(tables: u32) -> String {
    let schemas: Vec<_> = (1..=SCHEMAS).map(|number| format!("CREATE SCHEMA {};\n", schema(number))).collect();
    let schemas = schemas.concat();
    format!(
        "{schemas}DO $do$
DECLARE
    t text;
    i text;
BEGIN
    FOR n IN 1..{tables} LOOP
        i := 'item_' || lpad(n::text, 5, '0');
        t := format('shop_%s.%I', n % {SCHEMAS} + 1, i);
        EXECUTE format($sql$
            CREATE TABLE %1$s (
                id bigint PRIMARY KEY,
                name text NOT NULL,
                code varchar(40),
                status text NOT NULL,
                amount numeric(12, 2),
                quantity integer,
                created_at timestamptz NOT NULL,
                note text
            );
            CREATE INDEX %2$s_name_idx ON %1$s (name);
            CREATE INDEX %2$s_status_created_idx ON %1$s (status, created_at DESC);
            CREATE INDEX %2$s_code_idx ON %1$s (lower(code));
            CREATE INDEX %2$s_active_idx ON %1$s (quantity) WHERE status = 'active';
        $sql$, t, i);
        IF n % {TABLES_PER_COMMIT} = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END
$do$;\n"
    )
}
