//! A YAML file as nodes that know their places. It is made only if a file has a mistake, or if its variables are to be
//! expanded. Which keys and values are valid is left to `check`.

use std::{collections::HashMap, ops::Range};

use reconcile_core::source::Segment;
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::scalar::{Scalar, Typed, is_merge_key};

/// A node's number in its tree.
pub(crate) type NodeId = usize;

/// The nodes of one file.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    root: Option<NodeId>,
    /// Why the text is not YAML, or not YAML that reconcile reads.
    pub(crate) faults: Vec<Fault>,
}

/// A mistake in the YAML syntax. It is not in a node, so no path leads to it.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Byte offset into the file.
    pub(crate) offset: usize,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<&'static str>,
}

/// A value, a list, a map or one of its keys.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its bytes in the file; for an alias, those of the value to which it refers.
    pub(crate) span: Range<usize>,
    /// What it holds.
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// A text, number, boolean or null.
    Scalar(Scalar),
    /// Items.
    List(Vec<NodeId>),
    /// Entries in the order of the file, merged ones last.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: NodeId,
    /// The value.
    pub(crate) value: NodeId,
    /// Whether `<<` merged it in.
    pub(crate) merged: bool,
}

impl Tree {
    /// Reads a file, up to the first mistake in its YAML.
    pub(crate) fn parse(text: &str) -> Self {
        let mut builder = Builder::default();
        let mut options = Options::default();
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(event) = parser.next_event() {
            let step = match event {
                Ok((event, span)) => builder.take(event, span),
                Err(error) => Err(syntax_fault(&error, text.len())),
            };
            if let Err(fault) = step {
                builder.tree.faults.push(fault);
                builder.tree.root = None;
                break;
            }
        }
        builder.tree
    }

    /// The node of the whole file; `None` if it is empty or broken.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// The number of nodes. Each counts once, even if several aliases lead to it.
    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id]
    }

    /// The text of a key; `None` if the key is a list, a map or null.
    pub(crate) fn key_text(&self, key: NodeId) -> Option<&str> {
        match &self.nodes[key].content {
            Content::Scalar(scalar) if scalar.typed() != Typed::Null => Some(&scalar.text),
            Content::Scalar(_) | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The entry or item to which a path leads: its key, if it has one, and its value.
    pub(crate) fn find(&self, path: &[Segment]) -> Option<(Option<NodeId>, NodeId)> {
        let mut place = (None, self.root?);
        for segment in path {
            place = match (segment, &self.nodes[place.1].content) {
                (Segment::Key(key), Content::Map(entries)) => {
                    let entry = entries.iter().find(|entry| self.key_text(entry.key) == Some(key))?;
                    (Some(entry.key), entry.value)
                }
                (Segment::Item(position), Content::List(items)) => (None, *items.get(*position)?),
                (Segment::Key(_) | Segment::Item(_), _) => return None,
            };
        }
        Some(place)
    }

    /// Removes all entries to which a path leads.
    pub(crate) fn remove(&mut self, path: &[Segment]) {
        let Some((Segment::Key(last), above)) = path.split_last() else { return };
        let Some((_, map)) = self.find(above) else { return };
        let Content::Map(entries) = &self.nodes[map].content else { return };
        let kept = entries.iter().copied().filter(|entry| self.key_text(entry.key) != Some(last)).collect();
        self.nodes[map].content = Content::Map(kept);
    }
}

/// A list or map that is not closed yet.
enum Open {
    List(NodeId, Vec<NodeId>),
    Map(NodeId, Vec<Entry>, Option<NodeId>),
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    documents: usize,
    merged: usize,
}

/// The most entries that `<<` may merge in one file. More than that is an attack, not a project.
const MAX_MERGED: usize = 1_000_000;

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let span = span.byte_range().unwrap_or_default();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tagged_text = tag.is_some_and(|tag| forces_text(&tag));
                let scalar = Scalar { text: text.into_owned(), style, tagged_text, unexpanded: None };
                let id = self.add(span, Content::Scalar(scalar), anchor);
                self.attach(id);
            }
            Event::SequenceStart(_, anchor, _) => {
                let id = self.add(span, Content::List(Vec::new()), anchor);
                self.open.push(Open::List(id, Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                let id = self.add(span, Content::Map(Vec::new()), anchor);
                self.open.push(Open::Map(id, Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end)?,
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(&id) if !self.is_open(id) => self.attach(id),
                _ => return Err(Fault::new(span.start, "an alias is inside the value to which it refers")),
            },
            Event::UnresolvedAlias(name) => {
                return Err(Fault::new(span.start, format!("no anchor `&{name}` is defined before this alias")));
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let fault = Fault::new(span.start, "a second YAML document starts here");
                    return Err(fault.hint("a file contains one document: move the others to their own files"));
                }
            }
            // Starts, ends and comments. The wildcard is needed because the parser's enum is non-exhaustive.
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, span: Range<usize>, content: Content, anchor: usize) -> NodeId {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(Node { span, content });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn is_open(&self, id: NodeId) -> bool {
        self.open.iter().any(|open| match open {
            Open::List(open, _) | Open::Map(open, _, _) => *open == id,
        })
    }

    fn attach(&mut self, id: NodeId) {
        match self.open.last_mut() {
            None => self.tree.root = Some(id),
            Some(Open::List(_, items)) => items.push(id),
            Some(Open::Map(_, entries, key)) => match key.take() {
                None => *key = Some(id),
                Some(key) => entries.push(Entry { key, value: id, merged: false }),
            },
        }
    }

    fn close(&mut self, end: usize) -> Result<(), Fault> {
        let (id, content, last) = match self.open.pop() {
            Some(Open::List(id, items)) => {
                let last = items.last().copied();
                (id, Content::List(items), last)
            }
            Some(Open::Map(id, entries, _)) => {
                let last = entries.last().map(|entry| entry.value);
                (id, Content::Map(self.merge(entries)?), last)
            }
            None => return Ok(()),
        };
        // The end event of a block collection is at the start of the next token.
        let flow = !self.tree.nodes[id].span.is_empty();
        let below = last.map_or(end, |last| self.tree.nodes[last].span.end);
        self.tree.nodes[id].span.end = if flow { end } else { below.max(self.tree.nodes[id].span.start) };
        self.tree.nodes[id].content = content;
        self.attach(id);
        Ok(())
    }

    /// Merges the maps that `<<` names. The map's own keys take precedence, then earlier sources over later ones.
    fn merge(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Fault> {
        let (sources, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| self.is_merge(entry.key));
        if sources.is_empty() {
            return Ok(own);
        }
        let mut known: std::collections::HashSet<String> =
            own.iter().filter_map(|entry| self.tree.key_text(entry.key).map(str::to_owned)).collect();
        for merge in sources {
            let maps = match &self.tree.nodes[merge.value].content {
                Content::List(items) => items.clone(),
                Content::Map(_) | Content::Scalar(_) => vec![merge.value],
            };
            for map in maps {
                let Content::Map(merged) = &self.tree.nodes[map].content else {
                    let offset = self.tree.nodes[merge.key].span.start;
                    return Err(Fault::new(offset, "`<<` takes a map or a list of maps"));
                };
                self.merged += merged.len();
                if self.merged > MAX_MERGED {
                    let offset = self.tree.nodes[merge.key].span.start;
                    return Err(Fault::new(offset, "`<<` merges more than a million entries"));
                }
                for entry in merged {
                    if self.tree.key_text(entry.key).is_none_or(|key| known.insert(key.to_owned())) {
                        own.push(Entry { merged: true, ..*entry });
                    }
                }
            }
        }
        Ok(own)
    }

    fn is_merge(&self, key: NodeId) -> bool {
        matches!(&self.tree.nodes[key].content,
            Content::Scalar(scalar) if is_merge_key(&scalar.text) && scalar.style == ScalarStyle::Plain && !scalar.tagged_text)
    }
}

impl Fault {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

fn forces_text(tag: &Tag) -> bool {
    tag.is_yaml_core_schema_tag("str") || (tag.handle().is_empty() && tag.suffix() == "!")
}

fn syntax_fault(error: &ScanError, length: usize) -> Fault {
    let offset = error.marker().byte_offset().unwrap_or(length).min(length);
    let message = error.info();
    let fault = Fault::new(offset, format!("not YAML: {message}"));
    if message.contains("tab") {
        fault.hint("use spaces: YAML does not allow tabs in indentation")
    } else if message.contains("recursion limit") {
        fault.hint("lists and maps can be nested at most 255 levels deep")
    } else if message.contains("mapping values are not allowed") {
        fault.hint("put quotes around text that contains `: `, and check the indentation")
    } else {
        fault
    }
}
