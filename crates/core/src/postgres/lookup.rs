//! Finds which names of a printed expression the server looks up along the search path. The server prints names in
//! `pg_catalog` without a schema; with another search path the same text can mean something else (manual, sections
//! 5.10.3, 10.2 and 10.3: an operator or function whose types fit better wins, whatever its schema is).

use std::collections::BTreeSet;

use squawk_lexer::TokenKind;

use super::{
    name::Ident,
    sql::Sql,
    tokens::{Token, tokens},
};

/// The characters of operators (manual, section 4.1.3).
const OPERATOR: &str = "+-*/<>=~!@#%^&|`?";

/// Words that use the operator `=` without showing it.
const EQUALS: [&str; 4] = ["distinct", "nullif", "case", "using"];

/// Types whose literals are names of objects, which the server looks up as well (manual, section 8.19).
const NAMING: [&str; 9] = [
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regtype",
];

/// The functions, operators, types and collations that a printed expression may name without a schema. The result
/// includes column names, since only the server can tell them apart. `None`: literals may name objects as well.
#[must_use]
pub fn names(text: &str) -> Option<BTreeSet<String>> {
    names_where(&tokens(text), |_| true)
}

/// The same for a printed query, without its columns and labels: a name is called, is the type of a cast, or is a
/// collation.
#[must_use]
pub fn names_in_query(text: &str) -> Option<BTreeSet<String>> {
    let tokens = tokens(text);
    let is = |position: Option<usize>, text: &str| {
        position.and_then(|position| tokens.get(position)).is_some_and(|token| token.text.eq_ignore_ascii_case(text))
    };
    names_where(&tokens, |position| {
        let before = position.checked_sub(1);
        is(Some(position + 1), "(") || is(before, ":") || is(before, "collate")
    })
}

/// Every word of a text that can be the name of an object, and its operators.
#[must_use]
pub fn words(text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    tokens.iter().filter_map(word).chain(operators(&tokens)).collect()
}

fn names_where(tokens: &[Token<'_>], counts: impl Fn(usize) -> bool) -> Option<BTreeSet<String>> {
    let mut names: BTreeSet<_> = operators(tokens).collect();
    let mut qualified = false;
    for (position, token) in tokens.iter().enumerate() {
        if let Some(name) = word(token).filter(|_| !qualified) {
            if NAMING.contains(&name.as_str()) {
                return None;
            }
            if EQUALS.contains(&name.as_str()) {
                names.insert("=".to_owned());
            }
            names.extend(Some(name).filter(|_| counts(position)));
        }
        qualified = token.kind == TokenKind::Dot;
    }
    Some(names)
}

/// Signs that follow each other without a space are one operator.
fn operators<'a>(tokens: &'a [Token<'a>]) -> impl Iterator<Item = String> + 'a {
    let is_sign = |token: &Token<'_>| token.text.chars().all(|sign| OPERATOR.contains(sign));
    let adjoin = move |one: &Token<'_>, next: &Token<'_>| {
        is_sign(one) && is_sign(next) && one.start + one.text.len() == next.start
    };
    let runs = tokens.chunk_by(adjoin).filter(move |run| run.iter().all(is_sign));
    runs.map(|run| run.iter().map(|token| token.text).collect())
}

fn word(token: &Token<'_>) -> Option<String> {
    match token.kind {
        TokenKind::Ident => Some(token.text.to_lowercase()),
        TokenKind::QuotedIdent { .. } => Some(token.unquoted()),
        _ => None,
    }
}

/// The query for the schemas of a search path, besides `pg_catalog`.
pub(crate) fn schemas(search_path: &[Ident]) -> Sql {
    Sql::new("SELECT oid FROM pg_namespace WHERE nspname <> 'pg_catalog' AND nspname IN (NULL")
        .list(search_path, "", |sql, schema| match schema.as_str() {
            "$user" => sql.raw(", current_user"),
            schema => sql.raw(", ").literal(schema),
        })
        .raw(")")
}

/// The query for the `names` that an object outside `pg_catalog` has along the search path; one row for each.
#[must_use]
pub fn taken<'a>(names: impl IntoIterator<Item = &'a String>, search_path: &[Ident]) -> Sql {
    let found = |sql: Sql, (catalog, prefix): &(&'static str, &'static str)| {
        sql.raw("EXISTS (SELECT FROM ")
            .raw(catalog)
            .raw(" WHERE ")
            .raw(prefix)
            .raw("name = w.name AND ")
            .raw(prefix)
            .raw("namespace IN (SELECT oid FROM path))")
    };
    Sql::new("WITH path AS (")
        .raw_sql(&schemas(search_path))
        .raw(") SELECT w.name FROM (VALUES (NULL)")
        .list(names, "", |sql, name| sql.raw(", (").literal(name).raw(")"))
        .raw(") w(name) WHERE ")
        .list(
            &[("pg_proc", "pro"), ("pg_operator", "opr"), ("pg_type", "typ"), ("pg_collation", "coll")],
            " OR ",
            found,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        names(text).expect("no literal names anything").into_iter().collect()
    }

    #[test]
    fn words_and_operators_are_looked_up() {
        assert_eq!(of("lower((code)::text)"), ["code", "lower", "text"]);
        assert_eq!(of("(a ->> 'x = y'::text) <> \"B\""), ["->>", "<>", "B", "a", "text"]);
        assert_eq!(of("(a - -1) > 0"), ["-", ">", "a"]);
    }

    #[test]
    fn what_has_a_schema_is_not() {
        assert_eq!(of("public.similarity(a, b)"), ["a", "b", "public"]);
        assert_eq!(of("a OPERATOR(public.=) b"), ["=", "a", "b", "operator", "public"]);
    }

    #[test]
    fn some_words_mean_an_operator() {
        assert!(of("(a IS DISTINCT FROM b)").contains(&"=".to_owned()));
        assert!(of("NULLIF(a, b) > 1").contains(&"=".to_owned()));
    }

    #[test]
    fn columns_of_a_query_are_not() {
        let text = "SELECT s.day, lower((s.code)::citext) AS t FROM (public.s JOIN public.t USING (id)) ORDER BY s.a COLLATE c";
        let looked_up: Vec<_> = names_in_query(text).expect("no literal names anything").into_iter().collect();
        assert_eq!(looked_up, ["=", "c", "citext", "from", "lower", "using"]);
    }

    #[test]
    fn a_literal_can_name_something() {
        assert_eq!(names("to_tsvector('english'::regconfig, body)"), None);
    }
}
