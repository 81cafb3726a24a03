//! The types of YAML's scalars, by the rules of YAML 1.2. Whether a type is the expected one is left to `check`.

use serde_saphyr::granit_parser::ScalarStyle;

/// A text, number, boolean or null.
#[derive(Debug)]
pub(crate) struct Scalar {
    /// The text without quotes, with escapes and variables resolved.
    pub(crate) text: String,
    /// How it is written.
    pub(crate) style: ScalarStyle,
    /// Whether a tag makes it text.
    pub(crate) tagged_text: bool,
    /// The text before `${VAR}` was expanded. Messages show it instead of the value.
    pub(crate) unexpanded: Option<String>,
}

/// A scalar by its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Number(f64),
    /// Everything else.
    Text(&'a str),
}

impl Scalar {
    /// The scalar by its type. The value of a variable is typed like a bare scalar, so that `"${RETRIES}"` is a number.
    pub(crate) fn typed(&self) -> Typed<'_> {
        let plain = self.style == ScalarStyle::Plain && !self.tagged_text;
        if self.unexpanded.is_some() && !plain {
            return if self.text.is_empty() { Typed::Text("") } else { typed_plain(&self.text) };
        }
        typed(&self.text, plain)
    }

    /// The text to show, which is never the value of a variable.
    pub(crate) fn shown(&self) -> &str {
        self.unexpanded.as_deref().unwrap_or(&self.text)
    }
}

/// A scalar by the rules of YAML 1.2, in which `yes` and `on` are text. `plain` means that it is written without
/// quotes.
pub(crate) fn typed(text: &str, plain: bool) -> Typed<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Typed::Null,
        text if plain => typed_plain(text),
        text => Typed::Text(text),
    }
}

/// Whether a bare key merges other maps.
pub(crate) fn is_merge_key(text: &str) -> bool {
    text == "<<"
}

fn typed_plain(text: &str) -> Typed<'_> {
    match text {
        "true" | "True" | "TRUE" => return Typed::Boolean(true),
        "false" | "False" | "FALSE" => return Typed::Boolean(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Typed::Text(text);
    }
    if let Some(number) = integer(text) {
        return Typed::Integer(number);
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    match text.parse::<f64>() {
        Ok(number) if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => Typed::Number(number),
        _ => Typed::Text(text),
    }
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        _ => (digits, 10),
    };
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}
