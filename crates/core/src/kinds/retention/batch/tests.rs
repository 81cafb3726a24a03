use super::*;
use crate::{
    kinds::retention::{Action, Batch, Clock, Limits, range::Tid},
    postgres::{fragment::Fragment, relation},
};

fn name(text: &str) -> QualifiedName {
    QualifiedName::parse(text).unwrap()
}

fn ident(text: &str) -> Ident {
    Ident::new(text).unwrap()
}

fn rule() -> Rule {
    Rule {
        table: name("app.Log"),
        column: ident("At"),
        retain_for: "12 months".parse().unwrap(),
        timezone: Some("Europe/Vienna".to_owned()),
        action: Action::Delete,
        predicate: Some(Fragment::new("NOT hold -- ever").unwrap()),
        children: Vec::new(),
        batch: Batch::default(),
        limits: Limits::default(),
        vacuum: true,
        schedule: None,
        after_refresh: Vec::new(),
    }
}

fn day() -> CutOff {
    CutOff::new(Clock::Date, "2026-01-31")
}

const EXPIRED: &str =
    "\"Log\".\"At\" < '2026-01-31'::date AND \"Log\".\"At\" > '-infinity'::date AND ((NOT hold -- ever\n) IS TRUE)";

#[test]
fn the_cut_off_is_of_the_calendar_in_the_rules_zone() {
    for (clock, expected) in [
        (Clock::Instant, "((now() AT TIME ZONE 'Europe/Vienna' - INTERVAL '12 months') AT TIME ZONE 'Europe/Vienna')"),
        (Clock::Local, "(now() AT TIME ZONE 'Europe/Vienna' - INTERVAL '12 months')"),
        (Clock::Date, "((now() AT TIME ZONE 'Europe/Vienna')::date - INTERVAL '12 months')::date"),
    ] {
        assert_eq!(clock.cut_off(&rule()).as_str(), expected);
        let query = CutOff::query(&rule(), clock, "2026-03-01 00:00:00+00").to_string();
        assert_eq!(query, format!("SELECT {expected}::text").replace("now()", "'2026-03-01 00:00:00+00'::timestamptz"));
    }
}

#[test]
fn a_batch_repeats_its_condition_where_it_deletes() {
    let rule = rule();
    let range = Range::Heap { from: Tid { block: 3, offset: 7 }, to: Tid::start_of(9) };
    let sql = Selection::expired(&rule, &day()).batch(&name("app.log_1"), &range, 50, &[], Fate::Delete);
    let expected = format!(
        "WITH reconcile_batch AS MATERIALIZED (SELECT \"Log\".ctid AS reconcile_at, \"Log\".ctid AS reconcile_key FROM \
         ONLY app.log_1 AS \"Log\" WHERE {EXPIRED} AND \"Log\".ctid >= '(3,7)'::tid AND \"Log\".ctid < '(9,0)'::tid \
         ORDER BY \"Log\".ctid LIMIT 50), reconcile_gone AS (DELETE FROM ONLY app.log_1 AS \"Log\" WHERE \"Log\".ctid = \
         ANY (ARRAY(SELECT reconcile_at FROM reconcile_batch)) AND {EXPIRED} RETURNING 1) SELECT (SELECT count(*) FROM \
         reconcile_batch), (SELECT max(reconcile_key)::text FROM reconcile_batch), (SELECT count(*) FROM \
         reconcile_gone), (SELECT count(*) FROM reconcile_gone)"
    );
    assert_eq!(sql.as_str(), expected);
}

#[test]
fn rows_are_moved_by_the_names_of_their_columns() {
    let rule = rule();
    let (archive, columns) = (name("app.old"), [ident("id"), ident("Odd name")]);
    let range = Range::Order { from: Some(day()), to: None };
    let fate = Fate::Move { to: &archive, columns: &columns };
    let sql = Selection::expired(&rule, &day()).batch(&rule.table, &range, 5, &[], fate).to_string();
    assert!(sql.contains("RETURNING \"Log\".id, \"Log\".\"Odd name\"), reconcile_kept AS (INSERT INTO app.old (id, \
                          \"Odd name\") OVERRIDING SYSTEM VALUE SELECT id, \"Odd name\" FROM reconcile_gone RETURNING 1)"));
    assert!(sql.contains("AND \"Log\".\"At\" >= '2026-01-31'::date ORDER BY \"Log\".\"At\" LIMIT 5"), "{sql}");
}

#[test]
fn a_stretch_goes_without_a_look_at_its_rows() {
    let rule = rule();
    let selection = Selection::expired(&rule, &day());
    let range = Range::Order { from: Some(day()), to: Some(CutOff::new(Clock::Date, "2026-02-07")) };
    // What the range begins at says more than the beginning of all time.
    let rest = EXPIRED.replace(" AND \"Log\".\"At\" > '-infinity'::date", "");
    let rows = format!("{rest} AND \"Log\".\"At\" >= '2026-01-31'::date AND \"Log\".\"At\" < '2026-02-07'::date");
    let sql = selection.stretch(&rule.table, &range, Fate::Delete).to_string();
    assert_eq!(sql, format!("DELETE FROM ONLY app.\"Log\" AS \"Log\" WHERE {rows}"));
    let (archive, columns) = (name("app.old"), [ident("id")]);
    let sql = selection.stretch(&rule.table, &range, Fate::Move { to: &archive, columns: &columns }).to_string();
    assert_eq!(
        sql,
        format!(
            "WITH reconcile_gone AS (DELETE FROM ONLY app.\"Log\" AS \"Log\" WHERE {rows} RETURNING \"Log\".id), \
             reconcile_kept AS (INSERT INTO app.old (id) OVERRIDING SYSTEM VALUE SELECT id FROM reconcile_gone RETURNING \
             1) SELECT (SELECT count(*) FROM reconcile_gone), NULL::text, (SELECT count(*) FROM reconcile_gone), (SELECT \
             count(*) FROM reconcile_kept)"
        )
    );
    let rest = Range::Order { from: None, to: None };
    let sql = selection.behind(&rule.table, &rest, 500).to_string();
    let expected = format!(
        "SELECT reconcile_key::text FROM (SELECT \"Log\".\"At\" AS reconcile_key FROM ONLY app.\"Log\" AS \"Log\" WHERE \
         {EXPIRED} ORDER BY \"Log\".\"At\" LIMIT 1 OFFSET 500) AS reconcile_batch"
    );
    assert_eq!(sql, expected);
}

#[test]
fn children_go_first_and_hold_their_parents_back() {
    let rule = rule();
    let link = Link { child: name("app.line"), columns: vec![(ident("log"), ident("id"))] };
    let range = Range::Heap { from: Tid::start_of(0), to: Tid::start_of(1) };
    let selection = Selection::expired(&rule, &day());
    let sql = selection.children(&rule.table, &range, &link, &name("app.line_2"), 7).to_string();
    assert!(sql.starts_with("WITH reconcile_parents AS MATERIALIZED (SELECT \"Log\".id FROM ONLY app.\"Log\" AS"));
    assert!(sql.contains("), reconcile_batch AS MATERIALIZED (SELECT reconcile_child.ctid"), "{sql}");
    assert!(sql.contains("WHERE (reconcile_child.log) IN (SELECT * FROM reconcile_parents) LIMIT 7)"), "{sql}");
    let sql = selection.batch(&rule.table, &range, 7, &[link], Fate::Delete).to_string();
    let held = " AND NOT EXISTS (SELECT FROM app.line AS reconcile_child WHERE reconcile_child.log = \"Log\".id)";
    assert_eq!(sql.matches(held).count(), 2, "{sql}");
}

#[test]
fn places_are_printed_and_read() {
    let tid: Tid = "(12,34)".parse().unwrap();
    assert_eq!((tid, tid.behind().to_string()), (Tid { block: 12, offset: 34 }, "(12,35)".to_owned()));
    assert!("12".parse::<Tid>().is_err());
}

#[test]
fn rows_are_handed_over_behind_their_counts() {
    let rule = rule();
    let column = |name: &str, base: &str| Column {
        column: relation::Column {
            name: ident(name),
            type_name: base.to_owned(),
            collation: None,
            not_null: false,
            generation: None,
        },
        base: base.to_owned(),
        generated: false,
    };
    let columns = [column("At", "date"), column("tags", "text[]"), column("mood", "public.mood")];
    let range = Range::Order { from: None, to: None };
    let fate = Fate::HandOver { columns: &columns };
    let sql = Selection::expired(&rule, &day()).batch(&rule.table, &range, 5, &[], fate).to_string();
    let line = "RETURNING (SELECT row_to_json(reconcile_row.*) FROM (SELECT \"Log\".\"At\" AS \"At\", \
                CASE WHEN \"Log\".tags::text LIKE '[%' THEN to_json(\"Log\".tags::text) ELSE to_json(\"Log\".tags) END \
                AS tags, \"Log\".mood::text AS mood) AS reconcile_row)::text AS reconcile_line, \"Log\".\"At\" AS \
                reconcile_time) SELECT (SELECT count(*) FROM reconcile_batch)";
    assert!(sql.contains(line), "{sql}");
    assert!(sql.ends_with(
        " UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, reconcile_line FROM reconcile_gone"
    ));
}
