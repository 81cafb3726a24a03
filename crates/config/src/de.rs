//! Reads the types from a tree, by the same rules as the direct reader (`stream`). Finding its mistakes is left to
//! `check`.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    scalar::{Scalar, Typed},
    tree::{Content, Entry, NodeId, Tree},
};

/// Why a node is not of a type. `check` reports most mismatches with their place. This reports those that it cannot
/// see.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// A node to read a type from.
#[derive(Clone, Copy)]
pub(crate) struct NodeReader<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) id: NodeId,
}

impl<'a> NodeReader<'a> {
    fn scalar(&self) -> Option<&'a Scalar> {
        match &self.tree.node(self.id).content {
            Content::Scalar(scalar) => Some(scalar),
            Content::List(_) | Content::Map(_) => None,
        }
    }
}

impl<'de> Deserializer<'de> for NodeReader<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.tree.node(self.id).content {
            Content::List(items) => visitor.visit_seq(Items { tree: self.tree, items: items.iter() }),
            Content::Map(entries) => visitor.visit_map(Pairs { tree: self.tree, entries: entries.iter(), value: None }),
            Content::Scalar(scalar) => match scalar.typed() {
                Typed::Null => visitor.visit_unit(),
                Typed::Boolean(value) => visitor.visit_bool(value),
                Typed::Integer(number) => match (u64::try_from(number), i64::try_from(number)) {
                    (Ok(number), _) => visitor.visit_u64(number),
                    (_, Ok(number)) => visitor.visit_i64(number),
                    _ => visitor.visit_i128(number),
                },
                Typed::Number(number) => visitor.visit_f64(number),
                Typed::Text(text) => visitor.visit_borrowed_str(text),
            },
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.scalar() {
            Some(scalar) if scalar.typed() != Typed::Null => visitor.visit_borrowed_str(&scalar.text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.scalar() {
            Some(scalar) if scalar.typed() == Typed::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.scalar() {
            Some(scalar) => {
                let text: de::value::BorrowedStrDeserializer<'de, Mismatch> =
                    de::value::BorrowedStrDeserializer::new(&scalar.text);
                text.deserialize_enum(name, variants, visitor)
            }
            None => Err(Mismatch(format!("expected one of {}", variants.join(", ")))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct ignored_any
    }
}

struct Items<'de> {
    tree: &'de Tree,
    items: std::slice::Iter<'de, NodeId>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        let next = self.items.next();
        next.map(|id| seed.deserialize(NodeReader { tree: self.tree, id: *id })).transpose()
    }
}

struct Pairs<'de> {
    tree: &'de Tree,
    entries: std::slice::Iter<'de, Entry>,
    value: Option<NodeId>,
}

impl<'de> MapAccess<'de> for Pairs<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        let tree = self.tree;
        // `check` has reported keys that are not text. The others can still be read.
        let Some((key, value)) = self.entries.find_map(|entry| Some((tree.key_text(entry.key)?, entry.value))) else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let id = self.value.take().ok_or_else(|| Mismatch("a value was requested before its key".to_owned()))?;
        seed.deserialize(NodeReader { tree: self.tree, id })
    }
}
