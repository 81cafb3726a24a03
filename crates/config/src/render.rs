//! Shows problems: the message, the place, the line with the mistake underlined, and the hint. Only visible characters
//! of a file reach the terminal, and no passwords.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use reconcile_core::{
    problem::{Mark, Problem},
    source::Source,
};
use serde_json::{Value, json};

use crate::{files::Files, locate::Position, mask::mask};

/// How many characters of a line are shown after the start of the mistake.
const BEHIND: usize = 200;

/// How many characters are shown before the mistake, if its column is higher than `LONG`: nobody wrote that line by
/// hand.
const BEFORE: usize = 60;
const LONG: usize = 1000;

/// The most problems that are shown at once. The number of the others follows, and where they are.
const MAX_SHOWN: usize = 100;

impl Files {
    /// Problems for people, in the style of rustc. Each ends with an empty line. Colours are ANSI sequences.
    #[must_use]
    pub fn render(&self, problems: &[Problem], color: bool) -> String {
        self.render_as(problems, &Level::ERROR, color)
    }

    /// Warnings in the same style.
    #[must_use]
    pub fn render_warnings(&self, warnings: &[Problem], color: bool) -> String {
        self.render_as(warnings, &Level::WARNING, color)
    }

    fn render_as(&self, problems: &[Problem], level: &Level<'static>, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in problems.iter().take(MAX_SHOWN) {
            text.push_str(&renderer.render(&[self.group(problem, level.clone())]));
            text.push_str("\n\n");
        }
        if problems.len() > MAX_SHOWN {
            text.push_str(&format!("… and {} more: `--json` has all of them\n", problems.len() - MAX_SHOWN));
        }
        text
    }

    fn group(&self, problem: &Problem, level: Level<'static>) -> Group<'static> {
        let mut group = Group::with_title(level.primary_title(visible(&problem.message)));
        let place = problem.at.as_ref().map(|at| (at, problem.mark));
        let places = place.into_iter().map(|(at, mark)| (at, mark, None));
        let related = problem.related.iter().map(|(at, what)| (at, Mark::Key, Some(what.as_str())));
        for (at, mark, label) in places.chain(related) {
            group = group.elements(self.excerpt(at, mark, label));
        }
        match &problem.hint {
            Some(hint) => group.element(Level::HELP.with_name("hint").message(visible(hint))),
            None => group,
        }
    }

    /// The place and its line, or only the place if the file cannot be shown.
    fn excerpt(&self, at: &Source, mark: Mark, label: Option<&str>) -> Vec<Element<'static>> {
        let (Some(position), Some(file)) = (self.locate(at, mark), self.get(at.file)) else { return Vec::new() };
        let path = visible(&position.file);
        let origin = Origin::path(path.clone()).line(position.line).char_column(position.column);
        if file.text.is_empty() {
            return vec![origin.into()];
        }
        let (line, marked) = shown_line(&file.text, &position);
        let kind = if label.is_none() { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation: Annotation<'static> = kind.span(marked).label(label.map(visible));
        let snippet = Snippet::source(line).line_start(position.line).annotation(annotation);
        // If a snippet has a path, its column is counted in the text shown, which does not have the start of a long
        // line.
        if position.column > LONG { vec![origin.into(), snippet.into()] } else { vec![snippet.path(path).into()] }
    }

    /// Problems as data: `[{file, line, column, end_line, end_column, message, hint, related}]`. A problem that is not
    /// in a file has no place.
    #[must_use]
    pub fn to_json(&self, problems: &[Problem]) -> Value {
        let place = |at: &Source, mark| self.locate(at, mark).as_ref().map(position_json).unwrap_or_default();
        let one = |problem: &Problem| {
            let mut object = problem.at.as_ref().map(|at| place(at, problem.mark)).unwrap_or_default();
            object.insert("message".to_owned(), mask(&problem.message).into());
            object.insert("hint".to_owned(), problem.hint.as_deref().map(mask).into());
            let related = problem.related.iter().map(|(at, what)| {
                let mut object = place(at, Mark::Key);
                object.insert("message".to_owned(), mask(what).into());
                Value::Object(object)
            });
            object.insert("related".to_owned(), related.collect());
            Value::Object(object)
        };
        problems.iter().map(one).collect()
    }
}

fn position_json(position: &Position) -> serde_json::Map<String, Value> {
    let place = json!({
        "file": position.file,
        "line": position.line,
        "column": position.column,
        "end_line": position.end_line,
        "end_column": position.end_column,
    });
    match place {
        Value::Object(place) => place,
        _ => serde_json::Map::new(),
    }
}

/// The part of a line around the mistake, in visible characters, and the bytes of the mistake in it.
fn shown_line(text: &str, position: &Position) -> (String, Range<usize>) {
    let place = &position.bytes;
    let line_start = text[..place.start].rfind('\n').map_or(0, |end| end + 1);
    let start = if position.column > LONG { back(text, place.start, LONG) } else { line_start };
    let end = text[place.start..].char_indices().nth(BEHIND).map_or(text.len(), |(at, _)| place.start + at);
    let line_end = text[place.start..end].find(['\n', '\r']).map_or(end, |at| place.start + at);
    let first = text[start..place.start].chars().count();
    let marked = text[place.start..place.end.clamp(place.start, line_end)].chars().count();
    let skip = if position.column > LONG { first - BEFORE } else { 0 };
    // Passwords are hidden first, because cutting could remove the word that marks one.
    let hidden = mask(&text[start..line_end]);
    let mut shown = String::from(if skip > 0 { "…" } else { "" });
    let mut bytes = None;
    for (count, c) in hidden.chars().enumerate().skip(skip) {
        if count == first {
            bytes = Some(shown.len()..shown.len());
        }
        shown.push(visible_character(c));
        if let Some(bytes) = bytes.as_mut().filter(|_| count < first + marked) {
            bytes.end = shown.len();
        }
    }
    let bytes = bytes.unwrap_or(shown.len()..shown.len());
    if line_end == end && end < text.len() {
        shown.push('…');
    }
    (shown, bytes)
}

/// The byte that is a number of characters before another.
fn back(text: &str, from: usize, characters: usize) -> usize {
    text[..from].char_indices().rev().nth(characters - 1).map_or(0, |(at, _)| at)
}

/// A visible sign for an invisible character. It is one character, so that columns stay right.
fn visible_character(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{7f}' => '\u{2421}',
        c if u32::from(c) < 0x20 => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        c if is_invisible(c) => '\u{fffd}',
        c => c,
    }
}

/// Whether a terminal would execute the character, or would reorder or hide the text around it.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A message without passwords, line breaks and characters that a terminal would execute.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in mask(text).chars() {
        if is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
