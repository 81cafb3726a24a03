//! What of a rule stands in the database: a function that counts what it would do, and, for a scheduler in there, a
//! procedure that does it. Both are made of the statements of `batch`. What all rules share, the walk through a table,
//! belongs to reconcile's own schema and is made with its tables.

use super::{
    Rule,
    batch::{Fate, INDEX_ADVANTAGE, Link, Selection},
    proof,
    range::Range,
    rule_tables::RuleTables,
};
use crate::{
    change::{SessionSettings, TimeLimits},
    digest::Digest,
    postgres::{
        lock::RUN_LOCK,
        name::{Ident, QualifiedName},
        routine::{
            Found, Kind, RETRIES, Routine, SharedRoutine, call, create, former_name, name_of, path, patience, texts,
        },
        sql::Sql,
    },
};

/// What a count gives, as people know it from the manual way.
const COUNTS: &str = "RETURNS TABLE (table_name text, action text, rows_affected int8, execution_time_ms numeric)";

/// The beginnings of the names of a rule's routines.
const PREVIEW: &str = "preview";
const RETAIN: &str = "retain";

/// What rules share, by name and kind, in the order in which they can be dropped.
pub const SHARED: [SharedRoutine; 6] = [
    ("retention_preview", Kind::Function),
    ("retention_counts", Kind::Function),
    ("retention_walk", Kind::Procedure),
    ("retention_batch", Kind::Procedure),
    ("retention_parts", Kind::Function),
    ("retention_triggers", Kind::Function),
];

/// The name of the routine that counts what a rule would do.
#[must_use]
pub fn preview_name(table: &QualifiedName, registry: &Ident) -> QualifiedName {
    name_of(PREVIEW, table, registry)
}

/// The name of the routine that runs a rule.
#[must_use]
pub fn procedure_name(table: &QualifiedName, registry: &Ident) -> QualifiedName {
    name_of(RETAIN, table, registry)
}

/// The names that earlier versions gave a rule's routines, if these were too long.
pub fn former_names(table: &QualifiedName, registry: &Ident) -> impl Iterator<Item = QualifiedName> {
    [RETAIN, PREVIEW].into_iter().filter_map(|task| former_name(task, table, registry))
}

/// Whether a routine was made for this rule.
#[must_use]
pub fn is_of(found: &Found, rule: &Rule) -> bool {
    found.body.contains(Sql::default().literal(&rule.address().to_string()).as_str())
}

/// The function that counts what a rule would do now.
#[must_use]
pub fn preview(rule: &Rule, tables: &RuleTables, session: &SessionSettings) -> Routine {
    let selection = Selection::before(rule, tables.clock, &tables.clock.parameter(4));
    let count = |sql: Sql, (table, label, count): (&QualifiedName, String, Sql)| {
        let sql = sql.raw("\n    [").literal(&table.to_string()).raw(", ").literal(&label).raw(", ");
        sql.literal(count.as_str()).raw("]")
    };
    let children =
        tables.children.iter().map(|(_, link)| (&link.child, rule.child_label(), selection.count_children(link)));
    let own = (&rule.table, rule.label(), selection.count(&rule.table));
    let body =
        Sql::new("SELECT * FROM ").ident(&session.registry_schema).raw(".retention_counts(\n    rule_address => ");
    let body = body.literal(&rule.address().to_string()).raw(",\n    rule_definition => ");
    let body = body.literal(Digest::of(rule).as_str()).raw(",\n    path => ").raw_sql(&path(&session.search_path));
    let body =
        body.raw(",\n    cut_off_query => ").raw_sql(&cut_off_query(rule, tables)).raw(",\n    counts => ARRAY[");
    Routine {
        name: preview_name(&rule.table, &session.registry_schema),
        kind: Kind::Function,
        head: Sql::new("()\n  ").raw(COUNTS).raw(" LANGUAGE sql STABLE"),
        body: body.list(children.chain([own]), ",", count).raw("])\n"),
    }
}

fn cut_off_query(rule: &Rule, tables: &RuleTables) -> Sql {
    let query = Sql::new("SELECT ").raw_sql(&tables.clock.cut_off(rule)).raw("::text");
    Sql::default().literal(query.as_str())
}

/// The procedure that runs a rule; `None`: its rows go to files, which a server does not write.
#[must_use]
pub fn procedure(rule: &Rule, tables: &RuleTables, session: &SessionSettings, limits: TimeLimits) -> Option<Routine> {
    if matches!(rule.action, super::Action::ArchiveFiles(_)) {
        return None;
    }
    let names = texts(tables.children.iter().map(|(child, _)| child.name.to_string()));
    let quoted = texts(tables.children.iter().map(|(child, _)| child.name.quoted()));
    let keys = texts(rule.children.iter().map(|child| child.foreign_key.as_str().to_owned()));
    let text = |text: &str| Sql::default().literal(text);
    let arguments = [
        ("rule_name", text(&rule.table.to_string())),
        ("rule_address", text(&rule.address().to_string())),
        ("rule_definition", text(Digest::of(rule).as_str())),
        ("target", text(&rule.table.quoted())),
        ("label", text(&rule.label())),
        ("path", path(&session.search_path)),
        ("patience", patience(limits.lock_timeout)),
        ("retries", RETRIES.into()),
        ("children", quoted),
        ("child_names", names),
        ("foreign_keys", keys),
        ("child_label", text(&rule.child_label())),
    ];
    // Without any, it is as it was before there were such.
    let refreshed = (!rule.after_refresh.is_empty()).then(|| {
        let names = rule.after_refresh.iter().map(ToString::to_string);
        let targets = rule.after_refresh.iter().map(QualifiedName::quoted);
        [("refreshed", texts(names)), ("refreshed_targets", texts(targets))]
    });
    let arguments = arguments.into_iter().chain(statements(rule, tables)).chain(refreshed.into_iter().flatten());
    let body = Sql::new("BEGIN\n").raw_sql(&call("retention_walk", &session.registry_schema, arguments));
    Some(Routine {
        name: procedure_name(&rule.table, &session.registry_schema),
        kind: Kind::Procedure,
        head: Sql::new("() LANGUAGE plpgsql"),
        body: body.raw("END\n"),
    })
}

/// The statements of a rule, as the shared walk wants them.
fn statements(rule: &Rule, tables: &RuleTables) -> Vec<(&'static str, Sql)> {
    let (leaf, rows) = (Sql::default().hole(1), Sql::default().parameter(3));
    let selection = Selection::before(rule, tables.clock, &tables.clock.parameter(4));
    let links: Vec<Link> = tables.children.iter().map(|(_, link)| link.clone()).collect();
    let columns = tables.archive.as_ref().map(|archive| RuleTables::moved(&tables.table, archive));
    let fate = match (&tables.archive, &columns) {
        (Some(archive), Some(columns)) => Fate::Move { to: &archive.name, columns },
        _ => Fate::Delete,
    };
    let batch = |range: &Range| selection.batch(leaf.clone(), range, rows.clone(), &links, fate);
    let child = |sql: Sql, link: &Link| {
        let child = Sql::default().hole(2);
        let statement = selection.children(leaf.clone(), &Range::GivenPlaces, link, child, rows.clone());
        sql.raw("\n      ").template(&statement)
    };
    let template = |sql: &Sql| Sql::default().template(sql);
    // Columns that the table computes are in the archive, or computed there as well: none of them may come unseen.
    let known = columns.as_ref().map(|_| &tables.table.columns);
    let moved = match known {
        Some(known) => {
            Sql::new("ARRAY[").list(known, ", ", |sql, column| sql.literal(column.name.as_str())).raw("]::text[]")
        }
        None => Sql::new("NULL"),
    };
    vec![
        ("archive", rule.archive().map_or(Sql::new("NULL"), |archive| Sql::default().literal(&archive.quoted()))),
        ("moved", moved),
        ("cut_off_query", cut_off_query(rule, tables)),
        ("count_query", template(&selection.count(leaf.clone()))),
        ("explain_query", template(&selection.explain(leaf.clone()))),
        ("lock_heap", template(&selection.lock(leaf.clone(), &Range::GivenHeap, rows.clone()))),
        (
            "lock_order",
            template(&selection.lock(leaf.clone(), &Range::GivenOrder { clock: tables.clock }, rows.clone())),
        ),
        ("at_places", template(&batch(&Range::GivenPlaces))),
        ("by_heap", template(&batch(&Range::GivenHeap))),
        ("by_order", template(&batch(&Range::GivenOrder { clock: tables.clock }))),
        ("by_child", Sql::new("ARRAY[").list(&links, ",", child).raw("]::text[]")),
    ]
}

/// The statements that make what all rules share.
#[must_use]
pub fn shared(registry: &Ident) -> Vec<Sql> {
    let counted = |tables: &'static str| proof::flow(&Sql::new(tables));
    let values = [
        ("SCHEMA", Sql::default().ident(registry)),
        ("SCHEMA_NAME", Sql::default().literal(registry.as_str())),
        ("LOCK", Sql::default().number(i64::from(RUN_LOCK))),
        ("ADVANTAGE", u32::from(INDEX_ADVANTAGE).into()),
        ("SOURCE", counted("sources::regclass[]::oid[]")),
        ("CHILDREN", counted("child_parts::regclass[]::oid[]")),
        ("TARGET", counted("targets::regclass[]::oid[]")),
    ];
    let create = |routine, head: Sql, body: &'static str| create(routine, registry, &head, &Sql::filled(body, &values));
    let [preview, counts, walk, batch, parts, triggers] = SHARED;
    vec![
        create(
            triggers,
            Sql::new("(leaves text[], child_parts text[], targets text[]) RETURNS text LANGUAGE sql STABLE"),
            include_str!("triggers.sql"),
        ),
        create(
            parts,
            Sql::new("(target text, kinds text) RETURNS text[] LANGUAGE sql STABLE"),
            include_str!("parts.sql"),
        ),
        create(
            batch,
            Sql::new(
                "(path text, patience text, retries int, lines int8[], statement text, lock_statement text, \
                 at_places text, by_child text[], child_lines int[], watched text, sources text[], child_parts text[], \
                 targets text[], lower_end text, upper_end text, most int, cut_off text, INOUT size int, \
                 INOUT seen int8, INOUT passed int8, INOUT last text, INOUT gone int8, INOUT took float8, \
                 INOUT outcome text, INOUT failure text) LANGUAGE plpgsql",
            ),
            include_str!("batch.sql"),
        ),
        create(
            walk,
            Sql::new(
                "(rule_name text, rule_address text, rule_definition text, target text, label text, path text, \
                 patience text, retries int, children text[], child_names text[], foreign_keys text[], \
                 child_label text, archive text, moved text[], cut_off_query text, count_query text, explain_query text, \
                 lock_heap text, lock_order text, at_places text, by_heap text, by_order text, by_child text[], \
                 refreshed text[] DEFAULT '{}', refreshed_targets text[] DEFAULT '{}') LANGUAGE plpgsql",
            ),
            include_str!("walk.sql"),
        ),
        create(
            counts,
            Sql::new("(rule_address text, rule_definition text, path text, cut_off_query text, counts text[]) ")
                .raw(COUNTS)
                .raw(" LANGUAGE plpgsql STABLE SET search_path = pg_catalog SET row_security = off SET \"TimeZone\" = 'UTC'"),
            include_str!("counts.sql"),
        ),
        create(preview, Sql::new("() ").raw(COUNTS).raw(" LANGUAGE plpgsql STABLE"), include_str!("preview.sql")),
    ]
}
