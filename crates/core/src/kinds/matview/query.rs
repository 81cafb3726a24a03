//! The query of a materialized view. Its type guarantees that it is complete inside one pair of parentheses, and so
//! exactly one query. The server says whether it is valid.

use serde::{Deserialize, Serialize};
use squawk_lexer::TokenKind;

use crate::postgres::{
    fragment::{Fragment, FragmentError},
    name::{Ident, QualifiedName},
    tokens::{Token, tokens},
};

/// One query, without the `;` that may end it in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Query(pub(super) Fragment);

/// A relation that a query reads, according to its tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// The schema; `None`: the relation is looked up along the search path.
    pub schema: Option<Ident>,
    /// Its name.
    pub name: Ident,
}

impl Mention {
    /// Whether it can refer to a relation.
    pub(super) fn can_mean(&self, relation: &QualifiedName, search_path: &[Ident]) -> bool {
        self.name == relation.name
            && match &self.schema {
                Some(schema) => *schema == relation.schema,
                None => search_path.contains(&relation.schema),
            }
    }
}

impl Query {
    /// Checks the text token by token.
    ///
    /// # Errors
    /// The same as [`Fragment::new`]; the offset is one in `text`.
    pub fn new(text: &str) -> Result<Self, FragmentError> {
        let error = |error: FragmentError| match error.message {
            "an expression is empty" => FragmentError { message: "there is no query here", ..error },
            "a `;` would end the statement" => FragmentError { message: "a second statement", ..error },
            _ => error,
        };
        let query = Fragment::new(without_end(text)).map(Self).map_err(error)?;
        match first_word(query.as_str()) {
            Some((offset, word)) if !begins_query(&word) => {
                Err(FragmentError { offset, message: "this begins no query" })
            }
            Some(_) | None => match writes(query.as_str()) {
                Some(offset) => Err(FragmentError { offset, message: "a materialized view only reads" }),
                None => Ok(query),
            },
        }
    }

    /// Wraps a query that the server printed.
    #[must_use]
    pub fn from_server(text: &str) -> Self {
        Self(Fragment::from_server(text.trim().trim_end_matches(';').trim_end()))
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The query as a fragment, to write it inside parentheses.
    #[must_use]
    pub fn fragment(&self) -> &Fragment {
        &self.0
    }

    /// The first syntax error, as byte offset and message. It needs no server.
    #[must_use]
    pub fn syntax_error(&self) -> Option<(usize, String)> {
        // The query is parsed as a statement: in parentheses, the parser's messages would be about an expression.
        let parsed = squawk_syntax::SourceFile::parse(&format!("{}\n;", self.as_str()));
        let error = parsed.errors().into_iter().next()?;
        Some((usize::from(error.range().start()).min(self.as_str().len()), error.message().to_owned()))
    }

    /// Returns a function that tells whether the query reads a relation, by its tokens. Every name with a schema
    /// counts, and names without one where a relation can be.
    pub fn mentions<'a>(&self, search_path: &'a [Ident]) -> impl Fn(&QualifiedName) -> bool + use<'a> {
        let names = self.names();
        move |relation| names.iter().any(|mention| mention.can_mean(relation, search_path))
    }

    /// Whether the query has this name without a schema where a relation can be.
    #[must_use]
    pub fn names_without_schema(&self, name: &Ident) -> bool {
        self.names().iter().any(|mention| mention.schema.is_none() && mention.name == *name)
    }

    /// The relations that it reads, by its tokens.
    pub(super) fn names(&self) -> Vec<Mention> {
        let words = words(self.as_str());
        let mut names = Vec::new();
        // For each open parenthesis, and for the outermost level: whether commas separate relations here.
        let mut lists = vec![false];
        let mut can_follow = false;
        for (position, word) in words.iter().enumerate() {
            let after_dot = position > 0 && words[position - 1] == Word::Dot;
            let word_at = |offset: usize| match words.get(position + offset) {
                Some(Word::Name { text, .. }) => Ident::new(text.as_str()).ok(),
                _ => None,
            };
            match word {
                // What is possible after it is possible inside as well.
                Word::Open => lists.push(false),
                Word::Close => {
                    lists.pop();
                    can_follow = false;
                }
                Word::Comma => can_follow = lists.last() == Some(&true),
                Word::Name { text, quoted } => {
                    if words.get(position + 1) == Some(&Word::Dot) && !after_dot {
                        names.extend(
                            word_at(2).zip(word_at(0)).map(|(name, schema)| Mention { schema: Some(schema), name }),
                        );
                    } else if can_follow && !after_dot && (*quoted || !is_before_relation(text)) {
                        names.extend(word_at(0).map(|name| Mention { schema: None, name }));
                    }
                    let begins = !quoted && begins_relations(text);
                    if !quoted
                        && (begins || ends_relations(text))
                        && let Some(list) = lists.last_mut()
                    {
                        *list = begins;
                    }
                    can_follow = !quoted && (begins || is_before_relation(text));
                }
                Word::Dot | Word::Other => can_follow = false,
            }
        }
        let parts = named_parts(&words);
        names.retain(|mention| mention.schema.is_some() || !parts.contains(&mention.name.as_str()));
        names
    }
}

/// The names that WITH gives to parts of the query: AS and a parenthesis follow each, with its columns in between.
fn named_parts(words: &[Word]) -> Vec<&str> {
    let is = |position: usize, text: &str| matches!(words.get(position), Some(Word::Name { text: word, quoted: false }) if word == text);
    let mut parts = Vec::new();
    for (position, word) in words.iter().enumerate() {
        let Word::Name { text, .. } = word else { continue };
        let mut behind = position + 1;
        if words.get(behind) == Some(&Word::Open) {
            let close = words[behind..].iter().position(|word| *word == Word::Close);
            behind += close.map_or(0, |close| close + 1);
        }
        let opens = words.get(behind + 1) == Some(&Word::Open);
        if is(behind, "as") && (opens || is(behind + 1, "not") || is(behind + 1, "materialized")) {
            parts.push(text.as_str());
        }
    }
    parts
}

/// A token of a query, as far as names matter.
#[derive(Debug, PartialEq)]
enum Word {
    Name { text: String, quoted: bool },
    Dot,
    Comma,
    Open,
    Close,
    Other,
}

fn begins_relations(word: &str) -> bool {
    matches!(word, "from" | "join" | "table")
}

fn is_before_relation(word: &str) -> bool {
    matches!(word, "from" | "join" | "table" | "only" | "lateral")
}

fn ends_relations(word: &str) -> bool {
    matches!(
        word,
        "select"
            | "where"
            | "group"
            | "order"
            | "having"
            | "window"
            | "limit"
            | "offset"
            | "fetch"
            | "union"
            | "intersect"
            | "except"
            | "values"
    )
}

fn words(text: &str) -> Vec<Word> {
    let word = |token: &Token<'_>| match token.kind {
        TokenKind::Ident => Word::Name { text: token.text.to_lowercase(), quoted: false },
        TokenKind::QuotedIdent { .. } => {
            let inside = token.text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(token.text);
            Word::Name { text: inside.replace("\"\"", "\""), quoted: true }
        }
        TokenKind::Dot => Word::Dot,
        TokenKind::Comma => Word::Comma,
        TokenKind::OpenParen => Word::Open,
        TokenKind::CloseParen => Word::Close,
        _ => Word::Other,
    };
    tokens(text).iter().map(word).collect()
}

fn begins_query(word: &str) -> bool {
    matches!(word, "select" | "values" | "table" | "with")
}

/// The offset of a data-modifying statement in WITH, if there is one.
fn writes(text: &str) -> Option<usize> {
    let is_one_of = |token: &Token<'_>, words: &[&str]| words.contains(&token.text.to_lowercase().as_str());
    let tokens = tokens(text);
    let begins = tokens.array_windows().find(|[named, open, word]: &&[Token<'_>; 3]| {
        is_one_of(named, &["as", "materialized"])
            && open.kind == TokenKind::OpenParen
            && is_one_of(word, &["insert", "update", "delete", "merge"])
    });
    begins.map(|[_, _, word]| word.start)
}

/// The first word after parentheses and comments, in lower case, and its offset.
fn first_word(text: &str) -> Option<(usize, String)> {
    let first = tokens(text).into_iter().find(|token| token.kind != TokenKind::OpenParen)?;
    Some((first.start, first.text.to_lowercase()))
}

/// The text before the `;` that ends it, if there is one.
fn without_end(text: &str) -> &str {
    let mut offset = 0;
    let mut end = None;
    for token in squawk_lexer::tokenize(text) {
        match token.kind {
            TokenKind::Semi if end.is_none() => end = Some(offset),
            TokenKind::Whitespace
            | TokenKind::LineComment
            | TokenKind::BlockComment { terminated: true }
            | TokenKind::Eof => {}
            // Text follows the first `;`, or there is no `;`.
            _ if end.is_some() => return text,
            _ => {}
        }
        offset += token.len as usize;
    }
    end.map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_query_and_no_more() {
        assert_eq!(Query::new("SELECT 1;\n-- done\n").unwrap().as_str(), "SELECT 1");
        assert!(Query::new("SELECT (delete), x AS update FROM t").is_ok());
        for (text, offset) in [
            ("SELECT 1; DROP TABLE t", 8),
            ("SELECT 1;;", 8),
            ("SELECT $1", 7),
            ("SELECT 1) x; (", 8),
            (" ; ", 0),
            ("/* a */ DELETE FROM t", 8),
            ("(INSERT INTO t VALUES (1))", 1),
            ("WITH x AS (SELECT 1), y AS NOT MATERIALIZED (\n Delete FROM t RETURNING *) TABLE y", 47),
            ("", 0),
        ] {
            assert_eq!(Query::new(text).expect_err(text).offset, offset, "{text}");
        }
    }

    #[test]
    fn points_at_syntax_errors() {
        let at = |text: &str| Query::new(text).unwrap().syntax_error().map(|(offset, _)| offset);
        assert_eq!(at("WITH a AS (SELECT 1) SELECT * FROM a ORDER BY 1 -- done"), None);
        assert_eq!(at("(SELECT 1) UNION (VALUES (2))"), None);
        assert!(at("SELECT a,\n FROM WHERE x").is_some_and(|offset| offset > 6));
    }

    #[test]
    fn knows_what_it_reads() {
        let public = [Ident::new("public").unwrap()];
        let reads = |query: &str, name: &str| {
            Query::new(query).unwrap().mentions(&public)(&QualifiedName::parse(name).unwrap())
        };
        for query in [
            "SELECT * FROM v",
            "SELECT * FROM a, V AS x",
            "SELECT * FROM a JOIN public.v USING (id)",
            "WITH c AS (SELECT 1 FROM ONLY v) SELECT * FROM c",
            "SELECT (SELECT max(x) FROM \"v\")",
            "SELECT * FROM a JOIN b ON a.x = b.x, v",
        ] {
            assert!(reads(query, "v"), "{query}");
        }
        for query in [
            "SELECT v FROM a",
            "SELECT a, v FROM b",
            "SELECT * FROM other.v",
            "SELECT 'FROM v' FROM \"V\"",
            "SELECT * FROM a ORDER BY a, v",
            "WITH v AS (SELECT 1 FROM a) SELECT * FROM v",
            "WITH RECURSIVE b AS NOT MATERIALIZED (SELECT 1), v (x, y) AS MATERIALIZED (SELECT 1, 2 FROM a) SELECT * FROM v",
        ] {
            assert!(!reads(query, "v"), "{query}");
        }
    }
}
