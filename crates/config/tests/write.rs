//! What `import` writes reads back the same, whatever the names are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::{collection::vec, option, prelude::*, sample::select};
use reconcile_config::{LoadOptions, load, write::schema_yaml};
use reconcile_core::{
    declared::{Body, Declared},
    kinds::{
        Declarations, Desired,
        index::{Definition, DesiredRelation, Index, Key, Nulls, Order, PathName, Term},
        matview::{Matview, Query},
    },
    postgres::{
        fragment::Fragment,
        name::{Ident, QualifiedName},
        parameters::Parameters,
    },
    source::{FileId, Source},
};

const NASTY: [&str; 42] = [
    "a",
    "status",
    "null",
    "Null",
    "~",
    "yes",
    "NO",
    "on",
    "true",
    "y",
    "5",
    "0x1F",
    "1e3",
    "-1",
    ".5",
    ".inf",
    "<<",
    "a b",
    " a",
    "a ",
    "a desc",
    "a nulls first",
    "DESC",
    "desc",
    "a\tdesc",
    "\"a\"",
    "\"",
    "'",
    "it's",
    "a\nb",
    "\n",
    "a: b",
    "a #b",
    "# a",
    "- a",
    "[a]",
    "{a}",
    "ünï.cödé",
    "a.b",
    "\u{1b}[31m",
    "\u{feff}\u{85}\u{2028}",
    "😀\u{10ffff}",
];

fn ident() -> impl Strategy<Value = Ident> {
    let nasty = select(NASTY.to_vec()).prop_map(str::to_owned);
    let any = "[^\\x00]{1,15}";
    let long = "[a-zA-Z \"'.:#,]{63}";
    prop_oneof![4 => "[a-z_][a-z0-9_]{0,10}", 4 => nasty, 2 => any, 1 => long]
        .prop_map(|name| Ident::new(name).unwrap())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(NASTY.to_vec()).prop_map(str::to_owned),
        "[^\\x00]{0,30}",
        Just(String::new()),
        "[a-z']{0,20}: [a-z]{600}"
    ]
}

fn fragment() -> impl Strategy<Value = Fragment> {
    let known = select(vec![
        "lower(a)",
        "a = 'x: y' -- c",
        "a ->> '#'",
        "\"B\" IS NOT NULL\n  AND b @> '{1}'",
        "(a), (b)",
        "NULL",
        "a::text",
    ]);
    prop_oneof![
        known.prop_map(|text| Fragment::new(text).unwrap()),
        text().prop_filter_map("no fragment", |text| Fragment::new(text).ok())
    ]
}

fn path_name() -> impl Strategy<Value = PathName> {
    (option::of(ident()), ident()).prop_map(|(schema, name)| PathName { schema, name })
}

fn parameters(least: usize) -> impl Strategy<Value = Parameters> {
    let value = prop_oneof![
        text(),
        select(vec!["90", "090", "0.5", "on", "-1", "1_0", "99999999999999999999"]).prop_map(str::to_owned)
    ];
    // No server has a parameter with the name that merges other maps.
    let name = ident().prop_filter("no parameter", |name| name.as_str() != "<<");
    vec((name, value), least..3).prop_map(|parameters| parameters.into_iter().collect())
}

fn key() -> impl Strategy<Value = Key> {
    let term = prop_oneof![3 => ident().prop_map(Term::Column), 1 => fragment().prop_map(Term::Expression)];
    let opclass = option::of((path_name(), option::of(parameters(1))));
    let order = select(vec![Order::Asc, Order::Desc]);
    let nulls = select(vec![Nulls::First, Nulls::Last]);
    (term, option::weighted(0.2, path_name()), opclass, order, nulls).prop_map(
        |(term, collation, opclass, order, nulls)| {
            let (opclass, opclass_parameters) =
                opclass.map_or((None, None), |(name, parameters)| (Some(name), parameters));
            Key { term, collation, opclass, opclass_parameters: opclass_parameters.unwrap_or_default(), order, nulls }
        },
    )
}

fn definition() -> impl Strategy<Value = Definition> {
    let method = prop_oneof![Just(Ident::new("btree").unwrap()), ident()];
    (method, any::<(bool, bool)>(), vec(key(), 1..4), vec(ident(), 0..3), option::weighted(0.3, fragment())).prop_map(
        |(method, (unique, nulls), columns, include, predicate)| Definition {
            method,
            unique,
            nulls_not_distinct: unique && nulls,
            columns,
            include,
            predicate,
        },
    )
}

/// A relation, whether it is pruned, and its indexes with whether they are protected.
type Generated = (QualifiedName, bool, Vec<(Index, bool)>);

fn relation() -> impl Strategy<Value = Generated> {
    let name = (ident(), ident()).prop_map(|(schema, name)| QualifiedName::new(schema, name));
    let properties = (
        option::weighted(0.3, parameters(0)),
        option::weighted(0.2, ident()),
        option::weighted(0.2, text()),
        any::<bool>(),
    );
    let index = (ident(), definition(), properties);
    (name, any::<bool>(), vec(index, 0..4)).prop_map(|(table, prune, indexes)| {
        let indexes = indexes.into_iter().map(|(name, definition, (with, tablespace, comment, protect))| {
            (Index { table: table.clone(), name, definition, with, tablespace, comment }, protect)
        });
        let indexes = indexes.collect();
        (table, prune, indexes)
    })
}

/// A query as the server prints it, with any text in a string of several lines.
fn query() -> impl Strategy<Value = Query> {
    let odd =
        select(vec!["<<: x", "  indexes:", "\tt", "\r\n", " ", "", "'", "# c", "---", "...", "\u{2028}", "\\", "%a"]);
    let line = prop_oneof![2 => odd.prop_map(str::to_owned), 1 => text()];
    (vec(line, 0..5), select(vec!["\n", "\n      ", " ", "\n \n", "\r"])).prop_map(|(lines, between)| {
        let string = lines.join(between).replace('\'', "''");
        let query = Query::from_server(&format!(" SELECT '{string}' AS a,\n    b\n   FROM t\n  WHERE b > 0;"));
        assert!(Query::new(query.as_str()).is_ok(), "not a query: {query:?}");
        query
    })
}

fn matview() -> impl Strategy<Value = (Matview, Vec<(Index, bool)>)> {
    let properties = (
        any::<bool>(),
        option::weighted(0.3, parameters(1)),
        option::weighted(0.2, ident()),
        option::weighted(0.3, text()),
    );
    (relation(), query(), properties).prop_map(|((name, _, indexes), query, (with_data, with, tablespace, comment))| {
        let view = Matview {
            name,
            query,
            with_data,
            with,
            tablespace,
            comment,
            grants: None,
            refresh: None,
            indexes: Vec::new(),
        };
        (view, indexes)
    })
}

fn view<'a>(desired: &'a Desired, name: &QualifiedName) -> Option<&'a Declared<Matview>> {
    desired.matviews.iter().find(|view| view.object.name == *name)
}

fn declared(index: Index, protect: bool, at: &Source) -> Declared<Index> {
    Declared { protect, ..Declared::new(index, at.clone(), Body::Key("columns")) }
}

/// Drops objects whose names are taken. The indexes of views are among the relations, as they are after reading.
fn desired(mut relations: Vec<Generated>, views: Vec<(Matview, Vec<(Index, bool)>)>) -> Desired {
    let mut names: std::collections::BTreeSet<_> = relations.iter().map(|(name, ..)| name.clone()).collect();
    let mut declared_views = Vec::new();
    for (view, indexes) in views {
        if names.insert(view.name.clone()) {
            // The index of a view's object cannot say whether it is protected.
            let indexes = indexes.into_iter().map(|(index, _)| (index, false));
            relations.push((view.name.clone(), false, indexes.collect()));
            declared_views.push(view);
        }
    }
    let at = Source::file(FileId(0));
    let mut taken: std::collections::BTreeSet<QualifiedName> =
        relations.iter().map(|(name, ..)| name.clone()).collect();
    let mut seen = std::collections::BTreeSet::new();
    let unique = relations.into_iter().filter(|(name, ..)| seen.insert(name.clone()));
    let relations = unique.map(|(name, prune, indexes)| {
        let indexes = indexes.into_iter().filter(|(index, _)| taken.insert(index.relation()));
        let indexes = indexes.map(|(index, protect)| declared(index, protect, &at)).collect();
        DesiredRelation { name, at: at.clone(), prune, indexes }
    });
    let at = at.clone();
    let declared_views = declared_views.into_iter().map(|view| Declared::new(view, at.clone(), Body::Whole));
    Desired::new(Declarations {
        relations: relations.collect(),
        matviews: declared_views.collect(),
        ..Declarations::default()
    })
}

/// The relations under `tables:`, and the views under `materialized_views:`.
fn parted(desired: &Desired) -> (Vec<DesiredRelation>, Vec<Matview>) {
    let (of_views, tables): (Vec<_>, Vec<_>) =
        desired.relations.iter().cloned().partition(|relation| view(desired, &relation.name).is_some());
    let views = of_views.into_iter().map(|relation| {
        let view = view(desired, &relation.name).unwrap().object.clone();
        Matview { indexes: relation.indexes.into_iter().map(|declared| declared.object).collect(), ..view }
    });
    (tables, views.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_back_what_it_wrote(relations in vec(relation(), 0..4), views in vec(matview(), 0..3)) {
        let desired = desired(relations, views);
        let (tables, views) = parted(&desired);
        let yaml = schema_yaml(&tables, &views);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("schema")).unwrap();
        std::fs::write(folder.path().join("schema/a.yaml"), &yaml).unwrap();
        let project = load(&LoadOptions::new(folder.path())).map_err(|problems| {
            TestCaseError::fail(format!("{problems}\n{yaml}"))
        })?;
        let views = |desired: &Desired| desired.matviews.iter().map(|declared| declared.object.clone()).collect::<Vec<_>>();
        prop_assert_eq!(views(&project.desired), views(&desired), "{}", yaml);
        let indexes = |desired: &Desired| -> Vec<_> {
            desired.indexes().map(|declared| (declared.object.clone(), declared.protect)).collect()
        };
        prop_assert_eq!(indexes(&project.desired), indexes(&desired), "{}", yaml);
        prop_assert_eq!(&project.desired.digest, &desired.digest, "{}", yaml);
    }
}

#[test]
fn writes_the_shortest_form() {
    let ident = |name: &str| Ident::new(name).unwrap();
    let column = |name: &str, order, nulls| Key {
        term: Term::Column(ident(name)),
        collation: None,
        opclass: None,
        opclass_parameters: Parameters::new(),
        order,
        nulls,
    };
    let columns = vec![
        column("a", Order::Asc, Nulls::Last),
        column("b", Order::Desc, Nulls::Last),
        column("c desc", Order::Asc, Nulls::First),
        column("d desc", Order::Asc, Nulls::Last),
        column("\"e\"", Order::Asc, Nulls::Last),
        column("null", Order::Asc, Nulls::Last),
    ];
    let method = ident("btree");
    let definition =
        Definition { method, unique: false, nulls_not_distinct: false, columns, include: Vec::new(), predicate: None };
    let table = QualifiedName::new(ident("a.b"), ident("T"));
    let index =
        Index { table: table.clone(), name: ident("i"), definition, with: None, tablespace: None, comment: None };
    let at = Source::file(FileId(0));
    let indexes = vec![declared(index, false, &at)];
    let yaml = schema_yaml(&[DesiredRelation { name: table, at, prune: true, indexes }], &[]);
    let expected = r#"tables:
  '"a.b".T':
    prune: true
    indexes:
      i:
      - a
      - b desc nulls last
      - column: c desc
        nulls: first
      - column: d desc
      - column: '"e"'
      - 'null'
"#;
    assert_eq!(yaml, expected);
}
