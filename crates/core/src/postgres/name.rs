//! Names of database objects: checked once, compared exactly, quoted in one place. The `live` crate looks names up on a
//! server.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, postgres::keywords};

/// Bytes that PostgreSQL keeps of a name (`NAMEDATALEN - 1`). It cuts longer ones without an error.
pub const MAX_NAME_BYTES: usize = 63;

/// The number of hexadecimal digits that end a generated name that would be too long.
const DIGITS: usize = 8;

/// A name that PostgreSQL stores unchanged: 1 to 63 bytes, without NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ident(Box<str>);

/// What a catalog query tells about, each under its own name.
pub trait Named {
    /// Its name.
    fn name(&self) -> &QualifiedName;
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing between the dots or quotes.
    #[error("a name is empty")]
    Empty,
    /// PostgreSQL would cut the name and so refer to another object.
    #[error("the name `{}…` has {bytes} bytes; PostgreSQL keeps {MAX_NAME_BYTES}", .name.chars().take(MAX_NAME_BYTES).collect::<String>())]
    TooLong {
        /// The name as written.
        name: String,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// A NUL byte cannot be part of a name.
    #[error("the name holds a NUL byte")]
    Nul,
    /// The name has more parts than `schema.table`.
    #[error("`{0}` has more parts than `schema.table`")]
    TooManyParts(String),
    /// A quoted part has no closing quote, or text behind that quote.
    #[error("`{0}` has a quote that does not close its part")]
    Quote(String),
}

impl Ident {
    /// Checks length and content. The case is kept: `Stock` and `stock` are two names.
    ///
    /// # Errors
    /// The name is empty, longer than 63 bytes, or holds a NUL byte.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains('\0') {
            return Err(NameError::Nul);
        }
        if name.len() > MAX_NAME_BYTES {
            let bytes = name.len();
            return Err(NameError::TooLong { name, bytes });
        }
        Ok(Self(name.into()))
    }

    /// Wraps a name that the server reported, and which is therefore valid.
    ///
    /// # Panics
    /// The text is not a name: the server broke its own rule.
    #[must_use]
    pub fn from_server(name: &str) -> Self {
        match Self::new(name) {
            Ok(ident) => ident,
            Err(error) => panic!("the server reported a name it cannot hold: {error}"),
        }
    }

    /// A name that is part of this program.
    ///
    /// # Panics
    /// The text is not a name.
    #[must_use]
    pub fn fixed(name: &'static str) -> Self {
        match Self::new(name) {
            Ok(ident) => ident,
            Err(error) => panic!("a name of this program is not one: {error}"),
        }
    }

    /// A name that this program makes: the text, or if that is too long, its beginning and a digest of what the name is
    /// for. So PostgreSQL stores it unchanged, and names of two things differ even if their texts begin alike.
    #[must_use]
    pub fn generated(text: &str, names: &impl Serialize) -> Self {
        if text.len() <= MAX_NAME_BYTES {
            return Self(text.into());
        }
        let suffix = format!("_{}", Digest::of(names).short(DIGITS));
        let stem = beginning(text, MAX_NAME_BYTES - suffix.len());
        Self(format!("{stem}{suffix}").into())
    }

    /// What PostgreSQL stores of a text that is too long for a name; `None`: it is not too long.
    #[must_use]
    pub fn cut(text: &str) -> Option<Self> {
        (text.len() > MAX_NAME_BYTES).then(|| Self(beginning(text, MAX_NAME_BYTES).into()))
    }

    /// The name as stored, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as SQL reads it: quoted where PostgreSQL's `quote_ident` would quote.
    #[must_use]
    pub fn quoted(&self) -> String {
        if self.is_plain() { self.0.to_string() } else { format!("\"{}\"", self.0.replace('"', "\"\"")) }
    }

    fn is_plain(&self) -> bool {
        let mut bytes = self.0.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !keywords::needs_quotes(&self.0)
    }

    /// The name as a part of an address: quoted only if it could be misread.
    fn address_part(&self) -> String {
        let misread = |c: char| matches!(c, '.' | '"' | '/') || c.is_whitespace() || c.is_control();
        if self.0.contains(misread) { format!("\"{}\"", self.0.replace('"', "\"\"")) } else { self.0.to_string() }
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address_part())
    }
}

impl TryFrom<String> for Ident {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(name)
    }
}

impl From<Ident> for String {
    fn from(ident: Ident) -> Self {
        ident.0.into()
    }
}

/// A relation, operator class or collation: schema and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QualifiedName {
    /// The schema, never empty.
    pub schema: Ident,
    /// The object in that schema.
    pub name: Ident,
}

impl QualifiedName {
    /// Combines two checked parts.
    #[must_use]
    pub fn new(schema: Ident, name: Ident) -> Self {
        Self { schema, name }
    }

    /// Reads `schema.name`, `name` (in schema `public`) or parts in double quotes.
    ///
    /// # Errors
    /// A part is not a name, or there are more than two parts.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut parts = split_parts(text)?;
        match parts.len() {
            1 => Ok(Self::new(Ident::new("public")?, parts.remove(0))),
            2 => {
                let name = parts.remove(1);
                Ok(Self::new(parts.remove(0), name))
            }
            _ => Err(NameError::TooManyParts(text.to_owned())),
        }
    }

    /// Another name in the same schema.
    #[must_use]
    pub fn sibling(&self, name: Ident) -> Self {
        Self::new(self.schema.clone(), name)
    }

    /// The name as SQL reads it, both parts quoted where needed.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl TryFrom<String> for QualifiedName {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::parse(&name)
    }
}

impl From<QualifiedName> for String {
    fn from(name: QualifiedName) -> Self {
        name.to_string()
    }
}

/// As many whole characters of a text as fit.
fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Splits `a."b.c".d` at the dots outside quotes.
///
/// # Errors
/// A part is not a name, or a quote is misplaced.
pub fn split_parts(text: &str) -> Result<Vec<Ident>, NameError> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            take_quoted(quoted).ok_or_else(|| NameError::Quote(text.to_owned()))?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        parts.push(Ident::new(part)?);
        if tail.is_empty() {
            return Ok(parts);
        }
        rest = tail.strip_prefix('.').ok_or_else(|| NameError::Quote(text.to_owned()))?;
    }
}

/// The text before the closing quote, with doubled quotes undone, and the text after it.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        part.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(tail) => {
                part.push('"');
                rest = tail;
            }
            None => return Some((part, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_every_way_of_naming() {
        for (text, printed, sql) in [
            ("stock", "public.stock", "public.stock"),
            ("inventory.stock", "inventory.stock", "inventory.stock"),
            ("sales.order", "sales.order", "sales.\"order\""),
            ("Sales.Order", "Sales.Order", "\"Sales\".\"Order\""),
            (r#""sche.ma"."Ta""ble""#, r#""sche.ma"."Ta""ble""#, r#""sche.ma"."Ta""ble""#),
        ] {
            let name = QualifiedName::parse(text).unwrap();
            assert_eq!(name.to_string(), printed);
            assert_eq!(name.quoted(), sql);
            assert_eq!(QualifiedName::parse(printed).unwrap(), name);
        }
    }

    #[test]
    fn refuses_what_postgresql_would_change() {
        assert!(matches!(Ident::new("é".repeat(32)), Err(NameError::TooLong { bytes: 64, .. })));
        assert_eq!(Ident::new(""), Err(NameError::Empty));
        assert_eq!(Ident::new("a\0b"), Err(NameError::Nul));
        assert!(matches!(QualifiedName::parse("a.b.c"), Err(NameError::TooManyParts(_))));
        assert!(matches!(QualifiedName::parse("\"a.b"), Err(NameError::Quote(_))));
        assert_eq!(QualifiedName::parse("a."), Err(NameError::Empty));
    }

    #[test]
    fn generated_names_fit_and_differ() {
        let fits = format!("a{}", "é".repeat(31));
        assert_eq!(Ident::generated(&fits, &1).as_str(), fits);
        assert_eq!(Ident::cut(&fits), None);
        let [one, two] = ["one", "two"].map(|end| format!("{}_{end}", "é".repeat(31)));
        let [first, second] = [&one, &two].map(|text| Ident::generated(text, text));
        assert_ne!(first, second);
        assert_eq!(first, Ident::generated(&one, &one));
        assert_eq!(first.as_str().len(), MAX_NAME_BYTES);
        assert!(first.as_str().starts_with(&"é".repeat(27)), "{first}");
        assert_eq!(Ident::cut(&one), Ident::cut(&two));
        assert_eq!(Ident::cut(&"é".repeat(40)).map(|cut| cut.as_str().len()), Some(62));
    }
}
