//! How a row is written where it leaves the database: as a JSON object that `json_populate_record` makes the same row
//! of. Numbers, truth values, texts, times and JSON are written as the server writes them in JSON, and lists of them;
//! every other type as its text, in a JSON string, which its input function reads. Only a JSON `null` comes back as
//! NULL, and white space between the parts of a `json` value as a blank.

use super::catalog::{Column, Table};
use crate::postgres::{name::Ident, sql::Sql};

/// Types whose JSON is not their text, or is closer to what others read. Types of extensions bring casts to JSON that
/// `json_populate_record` does not take back, so they are not looked for.
const PLAIN: [&str; 14] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "text",
    "character varying",
    "character",
    "uuid",
    "date",
    "timestamp with time zone",
    "timestamp without time zone",
];

/// JSON within JSON. Not in lists: a NULL there would be no other than a JSON `null`.
const JSON: [&str; 2] = ["json", "jsonb"];

/// The row of `alias` as JSON text, on one line but for what `json` values hold.
pub(super) fn line(alias: &Ident, columns: &[Column]) -> Sql {
    let add = |sql: Sql, column: &Column| value(sql, alias, column).raw(" AS ").ident(&column.name);
    Sql::new("(SELECT row_to_json(reconcile_row.*) FROM (SELECT ")
        .list(columns, ", ", add)
        .raw(") AS reconcile_row)::text")
}

/// Puts rows into their table that stand as JSON in `from (line json)`, but for what the table computes.
#[must_use]
pub fn read(table: &Table, from: &Ident) -> Sql {
    let columns: Vec<_> = table.columns.iter().filter(|column| !column.generated).map(|column| &column.name).collect();
    let name = &table.name;
    Sql::new("INSERT INTO ")
        .name(name)
        .raw(" (")
        .list(&columns, ", ", |sql, column| sql.ident(column))
        .raw(") OVERRIDING SYSTEM VALUE SELECT ")
        .list(&columns, ", ", |sql, column| sql.raw("reconcile_row.").ident(column))
        .raw(" FROM ")
        .ident(from)
        .raw(" AS reconcile_line, json_populate_record(NULL::")
        .name(name)
        .raw(", reconcile_line.line) AS reconcile_row")
}

fn value(sql: Sql, alias: &Ident, column: &Column) -> Sql {
    let bare = Sql::default().ident(alias).raw(".").ident(&column.name);
    let plain = |name: &str| PLAIN.contains(&name);
    match column.base.strip_suffix("[]") {
        None if plain(&column.base) || JSON.contains(&column.base.as_str()) => sql.raw_sql(&bare),
        // JSON does not know where a list begins to count, text does: `[0:1]={a,b}`.
        Some(element) if plain(element) => sql
            .raw("CASE WHEN ")
            .raw_sql(&bare)
            .raw("::text LIKE '[%' THEN to_json(")
            .raw_sql(&bare)
            .raw("::text) ELSE to_json(")
            .raw_sql(&bare)
            .raw(") END"),
        None | Some(_) => sql.raw_sql(&bare).raw("::text"),
    }
}
