//! Finds the line and column of a node, or of a byte within a scalar. Showing them is the task of `render`.

use std::ops::Range;

use reconcile_core::{
    problem::{Mark, Problem},
    source::Source,
};
use serde_saphyr::granit_parser::ScalarStyle;

use crate::{
    files::{File, Files},
    tree::{Content, NodeId},
};

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as the user would type it.
    pub file: String,
    /// The line of its first character.
    pub line: usize,
    /// The column of its first character.
    pub column: usize,
    /// The line of its last character.
    pub end_line: usize,
    /// The column after its last character.
    pub end_column: usize,
    /// Its bytes in the file.
    pub bytes: Range<usize>,
}

impl Files {
    /// The position of a node, or of the marked part of it. With the path of a whole file, [`Mark::Text`] counts from
    /// the start of the file. If the path leads to no node, it is the position of the nearest node above. `None` for an
    /// unknown file.
    #[must_use]
    pub fn locate(&self, at: &Source, mark: Mark) -> Option<Position> {
        let file = self.get(at.file)?;
        let bytes = bytes(file, at, mark);
        let (line, column) = file.line_and_column(bytes.start);
        let (end_line, end_column) = file.line_and_column(bytes.end);
        Some(Position { file: file.name.clone(), line, column, end_line, end_column, bytes })
    }

    /// The byte of its file where a node, or the marked part of it, starts.
    pub(crate) fn offset(&self, at: &Source, mark: Mark) -> usize {
        self.get(at.file).map_or(0, |file| bytes(file, at, mark).start)
    }

    /// The position of a problem; `None` if it is not in a file.
    #[must_use]
    pub fn locate_problem(&self, problem: &Problem) -> Option<Position> {
        self.locate(problem.at.as_ref()?, problem.mark)
    }
}

fn bytes(file: &File, at: &Source, mark: Mark) -> Range<usize> {
    let tree = file.tree();
    if let (Mark::Text(offset), true) = (mark, at.path.is_empty()) {
        return word(&file.text, offset);
    }
    let mut path = &at.path[..];
    let found = loop {
        match (tree.find(path), path.split_last()) {
            (Some(found), _) => break Some(found),
            (None, Some((_, above))) => path = above,
            (None, None) => break None,
        }
    };
    let Some((key, value)) = found else { return 0..0 };
    let span = |id: NodeId| tree.node(id).span.clone();
    let whole = path.len() == at.path.len();
    match (mark, key) {
        (Mark::Key, Some(key)) => span(key),
        (_, Some(key)) if !whole || !on_one_line(&file.text, &span(value)) && !is_scalar(file, value) => span(key),
        (Mark::Text(offset), _) if whole => scalar_text(file, value, offset),
        (Mark::Text(_) | Mark::Value | Mark::Key, _) => first_line(&file.text, span(value)),
    }
}

fn is_scalar(file: &File, id: NodeId) -> bool {
    matches!(file.tree().node(id).content, Content::Scalar(_))
}

fn on_one_line(text: &str, span: &Range<usize>) -> bool {
    text.get(span.clone()).is_some_and(|text| !text.is_empty() && !text.contains('\n'))
}

fn first_line(text: &str, span: Range<usize>) -> Range<usize> {
    let end = text.get(span.clone()).and_then(|text| text.find(['\n', '\r'])).map_or(span.end, |end| span.start + end);
    span.start..end
}

/// The word that starts at a byte, or the single character there.
fn word(text: &str, offset: usize) -> Range<usize> {
    let mut start = offset.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let rest = &text[start..];
    let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let one = rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    start..start + word.max(one)
}

/// Finds the byte of the file for a byte of the scalar's text, and the word that starts there.
fn scalar_text(file: &File, id: NodeId, offset: usize) -> Range<usize> {
    let node = file.tree().node(id);
    let (Content::Scalar(scalar), Some(written)) = (&node.content, file.text.get(node.span.clone())) else {
        return first_line(&file.text, node.span.clone());
    };
    let start = match scalar.style {
        ScalarStyle::Literal | ScalarStyle::Folded => block_start(written),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        ScalarStyle::Plain => 0,
    };
    match written_offset(&written[start.min(written.len())..], &scalar.text, scalar.style, offset) {
        Some(at) => word(&file.text, node.span.start + start + at),
        None => first_line(&file.text, node.span.clone()),
    }
}

/// The byte where the lines of a block scalar start, after its `|` or `>`.
fn block_start(written: &str) -> usize {
    if written.starts_with(['|', '>']) { written.find('\n').map_or(0, |end| end + 1) } else { 0 }
}

/// Walks through the text and its written form together. An escape is one character. A line break with its indentation
/// is one character or none. `None` if the two do not match.
fn written_offset(written: &str, text: &str, style: ScalarStyle, offset: usize) -> Option<usize> {
    let mut at = 0;
    for (before, expected) in text.char_indices() {
        // Indentation and line breaks that are not part of the text.
        loop {
            let next = written[at..].chars().next()?;
            if next == expected || !matches!(next, ' ' | '\t' | '\n' | '\r') || expected.is_whitespace() {
                break;
            }
            at += next.len_utf8();
        }
        if before >= offset {
            return Some(at);
        }
        let rest = &written[at..];
        let next = rest.chars().next()?;
        at += match (style, next) {
            (ScalarStyle::SingleQuoted, '\'') => 2,
            (ScalarStyle::DoubleQuoted, '\\') => escape_length(rest),
            _ if next == expected => next.len_utf8(),
            // A folded line break reads as a space.
            _ if expected.is_whitespace() && next.is_whitespace() => next.len_utf8(),
            _ => return None,
        };
    }
    (offset >= text.len()).then_some(at)
}

fn escape_length(written: &str) -> usize {
    let length = match written.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 1 + written[1..].chars().next().map_or(0, char::len_utf8),
    };
    length.min(written.len())
}
