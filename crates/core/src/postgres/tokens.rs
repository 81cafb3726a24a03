//! Splits a query into tokens, to examine it without a server.

use squawk_lexer::TokenKind;

use crate::postgres::name::Ident;

/// A token of a query.
pub(crate) struct Token<'a> {
    /// Its offset in bytes.
    pub(crate) start: usize,
    pub(crate) text: &'a str,
    pub(crate) kind: TokenKind,
}

impl Token<'_> {
    /// Whether the token is this name.
    pub(crate) fn is(&self, name: &Ident) -> bool {
        match self.kind {
            TokenKind::Ident => self.text.to_lowercase() == name.as_str(),
            TokenKind::QuotedIdent { .. } => self.text == name.quoted() || self.unquoted() == name.as_str(),
            _ => false,
        }
    }

    pub(crate) fn unquoted(&self) -> String {
        self.text.trim_start_matches('"').trim_end_matches('"').replace("\"\"", "\"")
    }
}

/// All tokens except white space and comments.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for token in squawk_lexer::tokenize(text) {
        let end = start + token.len as usize;
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } | TokenKind::Eof => {}
            kind => tokens.push(Token { start, text: text.get(start..end).unwrap_or_default(), kind }),
        }
        start = end;
    }
    tokens
}
