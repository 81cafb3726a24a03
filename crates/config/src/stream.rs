//! Reads the types straight from the parser's events, without a tree. It reads valid files without anchors, tags and
//! other unusual syntax, and gives up on all others. Reporting why is left to the tree and `check`.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{CowStrDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, StrInput};

use crate::{
    de::Mismatch,
    scalar::{Typed, is_merge_key, typed},
};

/// The type that a file contains, or its default if the file is empty. `None` if the file has to be read as a tree.
pub(crate) fn read<'a, T: Deserialize<'a> + Default>(text: &'a str) -> Option<T> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut events = Events { parser: Parser::new_from_str_with_options(text, options), peeked: None };
    events.next().ok().filter(|event| matches!(event, Event::StreamStart))?;
    if matches!(events.peek().ok()?, Event::StreamEnd) {
        return Some(T::default());
    }
    events.next().ok().filter(|event| matches!(event, Event::DocumentStart(..)))?;
    let value = Option::<T>::deserialize(&mut events).ok()?;
    events.next().ok().filter(|event| matches!(event, Event::DocumentEnd))?;
    events.next().ok().filter(|event| matches!(event, Event::StreamEnd))?;
    Some(value.unwrap_or_default())
}

struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    peeked: Option<Event<'a>>,
}

/// A scalar without an anchor or a tag.
struct Plain<'a> {
    text: Cow<'a, str>,
    is_plain: bool,
}

fn gives_up() -> Mismatch {
    Mismatch("not as expected".to_owned())
}

impl<'a> Events<'a> {
    fn peek(&mut self) -> Result<&Event<'a>, Mismatch> {
        let event = match self.peeked.take() {
            Some(event) => event,
            None => self.read()?,
        };
        Ok(self.peeked.insert(event))
    }

    fn next(&mut self) -> Result<Event<'a>, Mismatch> {
        self.peeked.take().map_or_else(|| self.read(), Ok)
    }

    fn read(&mut self) -> Result<Event<'a>, Mismatch> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(_)) | None => Err(gives_up()),
        }
    }

    fn scalar(&mut self) -> Result<Plain<'a>, Mismatch> {
        match self.next()? {
            Event::Scalar(text, style, 0, None) => Ok(Plain { text, is_plain: style == ScalarStyle::Plain }),
            _ => Err(gives_up()),
        }
    }

    fn is_null(&mut self) -> Result<bool, Mismatch> {
        Ok(matches!(self.peek()?, Event::Scalar(text, ScalarStyle::Plain, 0, None) if typed(text, true) == Typed::Null))
    }
}

impl Plain<'_> {
    fn typed(&self) -> Typed<'_> {
        typed(&self.text, self.is_plain)
    }
}

fn visit_text<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, Mismatch> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

impl<'de> Deserializer<'de> for &mut Events<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.peek()? {
            Event::SequenceStart(_, 0, None) => {
                self.next()?;
                visitor.visit_seq(Below(self))
            }
            Event::MappingStart(_, 0, None) => {
                self.next()?;
                visitor.visit_map(Below(self))
            }
            _ => {
                let scalar = self.scalar()?;
                match scalar.typed() {
                    Typed::Null => visitor.visit_unit(),
                    Typed::Boolean(value) => visitor.visit_bool(value),
                    Typed::Integer(number) => match i64::try_from(number) {
                        Ok(number) => visitor.visit_i64(number),
                        Err(_) => Err(gives_up()),
                    },
                    Typed::Number(number) => visitor.visit_f64(number),
                    Typed::Text(_) => visit_text(scalar.text, visitor),
                }
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let scalar = self.scalar()?;
        match scalar.typed() {
            Typed::Null => Err(gives_up()),
            Typed::Boolean(_) | Typed::Integer(_) | Typed::Number(_) | Typed::Text(_) => {
                visit_text(scalar.text, visitor)
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if self.is_null()? {
            self.next()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let word: StringDeserializer<Mismatch> = self.scalar()?.text.into_owned().into_deserializer();
        visitor.visit_enum(Word(word))
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

/// A variant by its name.
struct Word(StringDeserializer<Mismatch>);

impl<'de> EnumAccess<'de> for Word {
    type Error = Mismatch;
    type Variant = <StringDeserializer<Mismatch> as EnumAccess<'de>>::Variant;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Mismatch> {
        self.0.variant_seed(seed)
    }
}

/// The items or entries of a list or map, up to its end.
struct Below<'a, 'de>(&'a mut Events<'de>);

impl<'de> SeqAccess<'de> for Below<'_, 'de> {
    type Error = Mismatch;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        if matches!(self.0.peek()?, Event::SequenceEnd) {
            self.0.next()?;
            return Ok(None);
        }
        seed.deserialize(&mut *self.0).map(Some)
    }
}

impl<'de> MapAccess<'de> for Below<'_, 'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        if matches!(self.0.peek()?, Event::MappingEnd) {
            self.0.next()?;
            return Ok(None);
        }
        let key = self.0.scalar()?;
        if key.typed() == Typed::Null || (key.is_plain && is_merge_key(&key.text)) {
            return Err(gives_up());
        }
        seed.deserialize(CowStrDeserializer::new(key.text)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        seed.deserialize(&mut *self.0)
    }
}
