//! How a row is written where it leaves the database: as a JSON object that `json_populate_record` makes the same row
//! of. Numbers, truth values, texts, times and JSON are written as the server writes them in JSON, and lists of them;
//! every other type as its text, in a JSON string, which its input function reads. A further key names the columns whose
//! value is a JSON `null`, which looks like the NULL of SQL. White space between the parts of a `json` value comes back
//! as a blank.

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

/// The key that lists the columns with a JSON `null`. It is longer than the name of a column can be, so no column has it.
/// Lines of older versions never have it.
const NULLS: &str = "columns with a JSON null, which is a value and not the NULL of SQL";

/// The row of `alias` as JSON text, on one line but for what `json` values hold.
pub(super) fn line(alias: &Ident, columns: &[Column]) -> Sql {
    let add = |sql: Sql, column: &Column| value(sql, alias, column).raw(" AS ").ident(&column.name);
    let row = Sql::new("(SELECT row_to_json(reconcile_row.*) FROM (SELECT ")
        .list(columns, ", ", add)
        .raw(") AS reconcile_row)::text");
    let json: Vec<_> = columns.iter().filter(|column| is_json(column)).collect();
    if json.is_empty() {
        return row;
    }
    let null = |sql: Sql, column: &Column| {
        let sql = sql.raw("CASE WHEN ").raw(if column.base == "json" { "json_typeof(" } else { "jsonb_typeof(" });
        let sql = sql.ident(alias).raw(".").ident(&column.name).raw(") = 'null' THEN ");
        sql.literal(column.name.as_str()).raw(" END")
    };
    Sql::new(
        "(SELECT CASE WHEN reconcile_nulls = '{}' THEN reconcile_row ELSE left(reconcile_row, -1) || ',' || to_json(",
    )
    .literal(NULLS)
    .raw("::text) || ':' || array_to_json(reconcile_nulls) || '}' END FROM (SELECT ")
    .raw_sql(&row)
    .raw(" AS reconcile_row, array_remove(ARRAY[")
    .list(json, ", ", null)
    .raw("]::text[], NULL) AS reconcile_nulls) AS reconcile_line)")
}

fn is_json(column: &Column) -> bool {
    JSON.contains(&column.base.as_str())
}

/// Puts rows into their table that stand as JSON in `from (line json)`, but for what the table computes.
#[must_use]
pub fn read(table: &Table, from: &Ident) -> Sql {
    let columns: Vec<_> = table.columns.iter().filter(|column| !column.generated).collect();
    let name = &table.name;
    let value = |sql: Sql, column: &&Column| {
        let plain = Sql::new("reconcile_row.").ident(&column.name);
        if !is_json(column) {
            return sql.raw_sql(&plain);
        }
        sql.raw("CASE WHEN (reconcile_line.line -> ")
            .literal(NULLS)
            .raw(")::jsonb ? ")
            .literal(column.name.as_str())
            .raw(" THEN 'null' ELSE ")
            .raw_sql(&plain)
            .raw(" END")
    };
    Sql::new("INSERT INTO ")
        .name(name)
        .raw(" (")
        .list(&columns, ", ", |sql, column| sql.ident(&column.name))
        .raw(") OVERRIDING SYSTEM VALUE SELECT ")
        .list(&columns, ", ", value)
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
        None if plain(&column.base) || is_json(column) => sql.raw_sql(&bare),
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
