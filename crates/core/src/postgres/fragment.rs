//! Pieces of SQL from YAML that are complete inside one pair of parentheses. The server, or [`Fragment::syntax_error`],
//! checks whether the piece is a valid expression.

use std::fmt;

use serde::{Deserialize, Serialize};
use squawk_lexer::{LiteralKind, TokenKind};

/// Deeper nesting is refused: a parser's stack is finite, and no index needs more.
const MAX_DEPTH: usize = 200;

/// An expression or predicate that closes all its quotes, comments and brackets, and cannot end the statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fragment(Box<str>);

/// Why a text is not a fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FragmentError {
    /// Byte offset into the fragment.
    pub offset: usize,
    /// What is wrong there.
    pub message: &'static str,
}

impl Fragment {
    /// Checks the text token by token (PostgreSQL manual, section 4.1 "Lexical Structure").
    ///
    /// # Errors
    /// The text is empty, leaves a quote, comment or bracket open, closes one it did not open, or holds
    /// a `;`, a `$1` or a NUL byte.
    pub fn new(text: impl Into<String>) -> Result<Self, FragmentError> {
        let text = text.into();
        check(&text)?;
        Ok(Self(text.into()))
    }

    /// Wraps an expression that the server printed. It needs no check: the server prints complete expressions.
    #[must_use]
    pub fn from_server(text: &str) -> Self {
        Self(text.into())
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first syntax error of the text, read as one expression: byte offset and message. It needs no server, so it
    /// does not look up names, types and functions.
    #[must_use]
    pub fn syntax_error(&self) -> Option<(usize, String)> {
        const BEFORE: &str = "SELECT (\n";
        let parsed = squawk_syntax::SourceFile::parse(&format!("{BEFORE}{}\n);", self.0));
        let error = parsed.errors().into_iter().next()?;
        let offset = usize::from(error.range().start()).saturating_sub(BEFORE.len());
        Some((offset.min(self.0.len()), error.message().to_owned()))
    }
}

fn check(text: &str) -> Result<(), FragmentError> {
    let fail = |offset, message| Err(FragmentError { offset, message });
    if let Some(offset) = text.find('\0') {
        return fail(offset, "a NUL byte");
    }
    let mut open: Vec<(usize, TokenKind)> = Vec::new();
    let mut offset = 0;
    let mut empty = true;
    let mut word_before = false;
    if text.starts_with('\u{feff}') {
        // The tokenizer skips a byte order mark; PostgreSQL reads it as the start of a name.
        return fail(0, "a byte order mark");
    }
    for token in squawk_lexer::tokenize(text) {
        if word_before && quotes(token.kind) {
            // `a$b$` is a name, and the meaning of `1e'` depends on the server's version. With a space, both have one
            // meaning.
            return fail(offset, "a quote directly behind a word; put a space between them");
        }
        match token.kind {
            TokenKind::Unknown => return fail(offset, "PostgreSQL does not know this character"),
            TokenKind::Semi => return fail(offset, "a `;` would end the statement"),
            TokenKind::PositionalParam { .. } => return fail(offset, "a parameter has no value here"),
            TokenKind::BlockComment { terminated: false } => return fail(offset, "this comment is not closed"),
            TokenKind::QuotedIdent { terminated: false, .. } => return fail(offset, "this quoted name is not closed"),
            TokenKind::Literal { kind } if !terminated(kind) => return fail(offset, "this string is not closed"),
            TokenKind::OpenParen | TokenKind::OpenBracket => {
                if open.len() == MAX_DEPTH {
                    return fail(offset, "brackets are nested more than 200 deep");
                }
                open.push((offset, token.kind));
            }
            TokenKind::CloseParen | TokenKind::CloseBracket => {
                let opener = match token.kind {
                    TokenKind::CloseParen => TokenKind::OpenParen,
                    _ => TokenKind::OpenBracket,
                };
                if open.pop().is_none_or(|(_, kind)| kind != opener) {
                    return fail(offset, "this bracket closes nothing that the fragment opened");
                }
            }
            _ => {}
        }
        empty &= matches!(
            token.kind,
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } | TokenKind::Eof
        );
        word_before = matches!(
            token.kind,
            TokenKind::Ident | TokenKind::Literal { kind: LiteralKind::Int { .. } | LiteralKind::Numeric { .. } }
        );
        offset += token.len as usize;
    }
    match open.pop() {
        Some((offset, _)) => fail(offset, "this bracket is not closed"),
        None if empty => fail(0, "an expression is empty"),
        None => Ok(()),
    }
}

fn quotes(kind: TokenKind) -> bool {
    match kind {
        TokenKind::QuotedIdent { .. } => true,
        TokenKind::Literal { kind } => !matches!(kind, LiteralKind::Int { .. } | LiteralKind::Numeric { .. }),
        _ => false,
    }
}

fn terminated(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => true,
        LiteralKind::Str { terminated }
        | LiteralKind::NationalStr { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::BitStr { terminated }
        | LiteralKind::DollarQuotedString { terminated }
        | LiteralKind::UnicodeEscStr { terminated }
        | LiteralKind::EscStr { terminated } => terminated,
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Fragment {
    type Error = FragmentError;
    fn try_from(text: String) -> Result<Self, FragmentError> {
        Self::new(text)
    }
}

impl From<Fragment> for String {
    fn from(fragment: Fragment) -> Self {
        fragment.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_whole_expressions() {
        for text in [
            "status = 'active'",
            "lower(sku)",
            "a = ')' AND b = $$;$$ -- done",
            "x /* a /* nested */ comment */ > 1",
            "E'it\\'s)' = name",
            "tags @> ARRAY['a', 'b']",
            "\"odd)name\" IS NOT NULL",
            "data ->> 'k' ~ '^[(]'",
        ] {
            assert!(Fragment::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_would_leave_its_parentheses() {
        for (text, offset) in [
            ("x); DROP TABLE t; --", 1),
            ("x)) TABLESPACE evil ((y", 1),
            ("x; SELECT 1", 1),
            ("(x", 0),
            ("'open", 0),
            ("a /* open", 2),
            ("\"open", 0),
            ("$tag$ open $tog$", 0),
            ("E'a\\' b", 0),
            ("x = $1", 4),
            ("[x)", 2),
            ("  -- nothing", 0),
            ("", 0),
            ("a\0", 1),
            ("a$b$ ); DROP TABLE t; -- $b$", 5),
            ("1e'\\' || ') ; DROP TABLE t; --'", 2),
            ("\u{feff}$b$ ); DROP TABLE t; -- $b$", 0),
            ("x -- c\r ); DROP TABLE t", 8),
        ] {
            let error = Fragment::new(text).expect_err(text);
            assert_eq!(error.offset, offset, "{text}: {error}");
        }
        assert!(Fragment::new("(".repeat(100_000)).is_err());
    }

    #[test]
    fn points_at_syntax_errors() {
        let at = |text: &str| Fragment::new(text).unwrap().syntax_error().map(|(offset, _)| offset);
        assert_eq!(at("status = 'a' AND sold_at IS NOT NULL"), None);
        assert!(at("status = = 'a'").is_some());
    }
}
