//! Replaces names in a query, token by token, so that a query reads copies instead of originals, or the reverse. The
//! server interprets the query before and after.

use squawk_lexer::TokenKind;

use super::Query;
use crate::postgres::{
    fragment::Fragment,
    name::{Ident, QualifiedName},
    tokens::{Token, tokens},
};

/// A query with other names, and the offsets of the original text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The query as it is sent.
    pub query: Query,
    /// For each replaced name: the offset after it in the new text, and how much longer the new name is.
    shifts: Vec<(usize, isize)>,
}

impl Redirected {
    /// The offset in the original text for an offset in the new text.
    #[must_use]
    pub fn origin(&self, offset: usize) -> usize {
        let before = self.shifts.iter().take_while(|(behind, _)| *behind <= offset);
        let longer: isize = before.map(|(_, longer)| longer).sum();
        offset.saturating_add_signed(-longer)
    }
}

impl Query {
    /// The same query, with each of `relations` that it names with a schema looked up in another schema.
    #[must_use]
    pub fn redirected(&self, relations: &[&QualifiedName], schema: &Ident) -> Redirected {
        let tokens = tokens(self.as_str());
        let is_dot = |position: usize| tokens.get(position).is_some_and(|token| token.kind == TokenKind::Dot);
        let names = |position: usize| {
            let (first, second) = (tokens.get(position), tokens.get(position + 2));
            let (Some(first), Some(second)) = (first, second) else { return false };
            relations.iter().any(|name| first.is(&name.schema) && second.is(&name.name))
        };
        let is_called = |position: usize| tokens.get(position).is_some_and(|token| token.kind == TokenKind::OpenParen);
        let exchanged = (0..tokens.len()).filter(|position| {
            let (before, behind) = (position.checked_sub(1), position + 1);
            !before.is_some_and(is_dot) && is_dot(behind) && names(*position) && !is_called(position + 3)
        });
        let exchanged: Vec<_> = exchanged.map(|position| (&tokens[position], schema.quoted())).collect();
        self.exchanged(&exchanged)
    }

    /// The same query with other names for some relations; nothing else may have the old names. Before a dot, where the
    /// name refers to rows, the schema is left out.
    #[must_use]
    pub fn renamed(&self, names: &[(Ident, QualifiedName)]) -> Self {
        let tokens = tokens(self.as_str());
        let exchanged = tokens.iter().enumerate().filter_map(|(position, token)| {
            let (_, name) = names.iter().find(|(old, _)| token.is(old))?;
            let before_dot = tokens.get(position + 1).is_some_and(|next| next.kind == TokenKind::Dot);
            Some((token, if before_dot { name.name.quoted() } else { name.quoted() }))
        });
        self.exchanged(&exchanged.collect::<Vec<_>>()).query
    }

    fn exchanged(&self, exchanged: &[(&Token<'_>, String)]) -> Redirected {
        let (mut text, mut shifts, mut from) = (String::new(), Vec::new(), 0);
        for (token, new) in exchanged {
            text.push_str(&self.as_str()[from..token.start]);
            text.push_str(new);
            from = token.start + token.text.len();
            // A text is never longer than half of the address space.
            shifts.push((text.len(), new.len().cast_signed() - token.text.len().cast_signed()));
        }
        text.push_str(&self.as_str()[from..]);
        Redirected { query: Self(Fragment::from_server(&text)), shifts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_their_schema_are_looked_up_elsewhere() {
        let name = |text| QualifiedName::parse(text).unwrap();
        let (daily, odd) = (name("analytics.daily"), name(r#""My Schema"."O""dd""#));
        let temporary = Ident::new("pg_temp").unwrap();
        for (text, expected) in [
            ("SELECT daily.n FROM analytics.daily", "SELECT daily.n FROM pg_temp.daily"),
            ("SELECT analytics . daily.n FROM ANALYTICS.daily d", "SELECT pg_temp . daily.n FROM pg_temp.daily d"),
            ("SELECT 'analytics.daily', x.analytics.daily", "SELECT 'analytics.daily', x.analytics.daily"),
            ("SELECT analytics.daily(1) -- analytics.daily", "SELECT analytics.daily(1) -- analytics.daily"),
            (r#"TABLE "My Schema"."O""dd""#, r#"TABLE pg_temp."O""dd""#),
            (r#"SELECT * FROM "ANALYTICS".daily"#, r#"SELECT * FROM "ANALYTICS".daily"#),
        ] {
            let redirected = Query::new(text).unwrap().redirected(&[&daily, &odd], &temporary);
            assert_eq!(redirected.query.as_str(), expected);
        }
        let text = "SELECT a FROM analytics.daily WHERE nothing";
        let redirected = Query::new(text).unwrap().redirected(&[&daily], &temporary);
        let offset = redirected.query.as_str().find("nothing").unwrap();
        assert_eq!(redirected.origin(offset), text.find("nothing").unwrap());
        assert_eq!(redirected.origin(3), 3);
    }

    #[test]
    fn a_name_of_its_own_is_exchanged() {
        let names = [(Ident::new("copy_1").unwrap(), QualifiedName::parse("a.\"Day\"").unwrap())];
        let query = Query::new("SELECT copy_1.x, copy_1.* FROM copy_1, b.copy_10").unwrap();
        assert_eq!(query.renamed(&names).as_str(), "SELECT \"Day\".x, \"Day\".* FROM a.\"Day\", b.copy_10");
    }
}
