//! The one writer of SQL text. It accepts constants, and types that say how they are quoted; it does not accept a bare
//! `String`. sea-query writes the DML and ALTER TABLE that it can express.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::postgres::{
    fragment::Fragment,
    name::{Ident, QualifiedName},
};

/// Marks a gap. PostgreSQL accepts no text with this character, so no other text contains it.
const HOLE: char = '\0';

/// One complete SQL statement, without a closing semicolon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sql(String);

impl Sql {
    /// Starts a statement with constant text.
    #[must_use]
    pub fn new(words: &'static str) -> Self {
        Self(words.to_owned())
    }

    /// Adds constant text, unchanged.
    #[must_use]
    pub fn raw(mut self, words: &'static str) -> Self {
        self.0.push_str(words);
        self
    }

    /// Adds another piece of SQL.
    #[must_use]
    pub fn raw_sql(mut self, piece: &Self) -> Self {
        self.0.push_str(&piece.0);
        self
    }

    /// Adds text that the server printed to be read again: the name of a type, the columns of a statistics object.
    #[must_use]
    pub fn server_text(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// Adds a name, quoted where needed.
    #[must_use]
    pub fn ident(mut self, ident: &Ident) -> Self {
        self.0.push_str(&ident.quoted());
        self
    }

    /// Adds `schema.name`, both quoted where needed.
    #[must_use]
    pub fn name(mut self, name: &QualifiedName) -> Self {
        self.0.push_str(&name.quoted());
        self
    }

    /// Adds a string literal. Text with backslashes gets the `E''` form, which does not depend on
    /// `standard_conforming_strings` (manual, section 4.1.2.2).
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        if text.contains('\\') {
            if !self.0.ends_with([' ', '(']) {
                self.0.push(' ');
            }
            self.0.push('E');
        }
        self.0.push('\'');
        self.0.push_str(&text.replace('\\', "\\\\").replace('\'', "''"));
        self.0.push('\'');
        self
    }

    /// Adds the value of `search_path`: the schemas, or a quoted empty string if there are none.
    #[must_use]
    pub fn search_path(self, schemas: &[Ident]) -> Self {
        if schemas.is_empty() { self.raw("''") } else { self.list(schemas, ", ", Self::ident) }
    }

    /// Adds `('schema', 'name')`, to compare with catalog rows.
    #[must_use]
    pub fn name_literals(self, name: &QualifiedName) -> Self {
        self.raw("(").literal(name.schema.as_str()).raw(", ").literal(name.name.as_str()).raw(")")
    }

    /// Adds the parameter of a prepared statement: `$1`.
    #[must_use]
    pub fn parameter(mut self, number: u8) -> Self {
        self.0.push('$');
        self.0.push_str(&number.to_string());
        self
    }

    /// Adds a gap for a name that only the server knows. Only [`Sql::template`] writes a piece with gaps.
    #[must_use]
    pub fn hole(mut self, number: u8) -> Self {
        self.0.push(HOLE);
        self.0.push_str(&number.to_string());
        self
    }

    /// Adds a piece as a string literal for the server's `format()`; its gaps become `%1$s`.
    #[must_use]
    pub fn template(self, piece: &Self) -> Self {
        let escaped = piece.0.replace('%', "%%");
        let mut parts = escaped.split(HOLE);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // The number of a gap has one digit.
            let (number, rest) = part.split_at(1);
            text.extend(["%", number, "$s", rest]);
        }
        self.literal(&text)
    }

    /// Adds the body of a function, in dollar quotes that the body does not contain.
    #[must_use]
    pub fn body(mut self, body: &Self) -> Self {
        let mut quote = "$reconcile".to_owned();
        while body.0.contains(&quote) {
            quote.push('_');
        }
        self.0.extend([&quote, "$\n", &body.0, &quote, "$"]);
        self
    }

    /// A constant query with its gaps filled and its comments removed. Each comment is on a line of its own.
    ///
    /// # Panics
    /// The same as [`Sql::filled`].
    #[must_use]
    pub fn query(text: &'static str, values: &[(&str, Self)]) -> Self {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
        fill(&lines.collect::<Vec<_>>().join("\n"), values)
    }

    /// Fills the gaps of a constant text, each written `@NAME@`, in one pass: values are not searched for gaps.
    ///
    /// # Panics
    /// A gap has no value, or is in a comment, which a value with a line break would end.
    #[must_use]
    pub fn filled(text: &'static str, values: &[(&str, Self)]) -> Self {
        fill(text, values)
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: i64) -> Self {
        self.0.push_str(&number.to_string());
        self
    }

    /// Adds a fragment of the user in parentheses, which it cannot close.
    #[must_use]
    pub fn parenthesised(mut self, fragment: &Fragment) -> Self {
        self.0.push('(');
        self.0.push_str(fragment.as_str());
        // A `-- comment` at the end would hide the closing parenthesis.
        self.0.push_str(if fragment.as_str().contains("--") { "\n)" } else { ")" });
        self
    }

    /// Adds what `add` writes for each item, separated by `between`.
    #[must_use]
    pub fn list<T>(
        mut self,
        items: impl IntoIterator<Item = T>,
        between: &'static str,
        add: impl Fn(Self, T) -> Self,
    ) -> Self {
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self = self.raw(between);
            }
            self = add(self, item);
        }
        self
    }

    /// The statement's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fill(text: &str, values: &[(&str, Sql)]) -> Sql {
    let mut sql = String::new();
    let mut before = "";
    for (position, part) in text.split('@').enumerate() {
        if position % 2 == 0 {
            sql.push_str(part);
            before = part;
            continue;
        }
        let line = before.rsplit('\n').next().unwrap_or_default();
        assert!(!line.contains("--"), "the gap {part} is in a comment");
        match values.iter().find(|(name, _)| *name == part) {
            Some((_, value)) => sql.push_str(&value.0),
            None => panic!("nothing fills the gap {part}"),
        }
    }
    Sql(sql)
}

impl AsRef<str> for Sql {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&QualifiedName> for Sql {
    fn from(name: &QualifiedName) -> Self {
        Self::default().name(name)
    }
}

impl From<u32> for Sql {
    fn from(number: u32) -> Self {
        Self::default().number(i64::from(number))
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_is_hostile() {
        let sql = Sql::new("COMMENT ON INDEX ")
            .name(&QualifiedName::parse(r#""a b"."c""; DROP TABLE t; --""#).unwrap())
            .raw(" IS ")
            .literal("it's \\ here");
        assert_eq!(sql.as_str(), r#"COMMENT ON INDEX "a b"."c""; DROP TABLE t; --" IS E'it''s \\ here'"#);
    }

    #[test]
    fn an_empty_search_path_is_still_a_value() {
        let ident = |name| Ident::new(name).unwrap();
        let path = |schemas: &[Ident]| Sql::new("SET search_path = ").search_path(schemas).to_string();
        assert_eq!(path(&[]), "SET search_path = ''");
        assert_eq!(path(&[ident("public"), ident("My Own")]), "SET search_path = public, \"My Own\"");
    }

    #[test]
    fn gaps_are_filled_once_and_templates_escape_the_rest() {
        let filled = Sql::filled("a @X@ b @Y@", &[("X", Sql::new("@Y@")), ("Y", Sql::new("$reconcile$"))]);
        assert_eq!(filled.as_str(), "a @Y@ b $reconcile$");
        assert_eq!(Sql::default().body(&filled).as_str(), "$reconcile_$\na @Y@ b $reconcile$$reconcile_$");
        let in_a_comment = || Sql::filled("-- of @X@\nb", &[("X", Sql::new("'\n; DROP TABLE t'"))]);
        assert!(std::panic::catch_unwind(in_a_comment).is_err());
        let piece = Sql::new("FROM ").hole(1).raw(" WHERE x LIKE ").literal("5%1$s'").raw(" LIMIT ").parameter(3);
        assert_eq!(Sql::default().template(&piece).as_str(), "'FROM %1$s WHERE x LIKE ''5%%1$s'''''' LIMIT $3'");
    }

    #[test]
    fn a_comment_does_not_swallow_the_bracket() {
        let sql = Sql::new("WHERE ").parenthesised(&Fragment::new("a > 1 -- recent").unwrap());
        assert_eq!(sql.as_str(), "WHERE (a > 1 -- recent\n)");
    }
}
