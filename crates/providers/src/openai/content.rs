//! What messages and tools hold: images to count, provider objects to refuse, and what has no known bound on its cost.

use std::fmt;

use insula_model::{Error, Result};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    json::{Key, is_given, shown},
    request::findings::{Findings, Path},
};

/// Fields of a content part whose cost no price book bounds. Some servers go by them and not by the part's `type`.
const MEDIA: [&str; 14] = [
    "file",
    "document",
    "input_file",
    "input_audio",
    "audio",
    "audio_url",
    "audio_embeds",
    "video",
    "video_url",
    "image",
    "image_pil",
    "image_embeds",
    "input_image",
    "image_file",
];

/// How much is told of what is wrong with a field.
const SAID_BYTES_MAX: usize = 300;

/// Reads `messages`.
pub(super) fn read_messages(value: &RawValue, found: &mut Findings) -> Result<()> {
    found.messages = read_array(value, found, "messages", Kind::Message)?;
    if found.messages == 0 {
        return Err(Error::invalid("`messages` is empty; send at least one message").at("messages"));
    }
    Ok(())
}

/// Reads `tools`.
pub(super) fn read_tools(value: &RawValue, found: &mut Findings) -> Result<()> {
    found.tools += read_array(value, found, "tools", Kind::Tool)?;
    Ok(())
}

/// Reads `functions`, which were tools before tools had types.
pub(super) fn read_functions(value: &RawValue, found: &mut Findings) -> Result<()> {
    found.tools += read_array(value, found, "functions", Kind::Function)?;
    Ok(())
}

/// Reads each element of an array, and answers how many there were.
fn read_array(value: &RawValue, found: &mut Findings, name: &'static str, kind: Kind) -> Result<u64> {
    let elements = Elements { found, path: &Path::Field(name), kind };
    value.deserialize_seq(elements).map_err(|error| not_as_expected(name, &error))
}

/// What serde says of a field, without positions that would count from the field's start.
pub(super) fn not_as_expected(name: &str, error: &serde_json::Error) -> Error {
    let error = error.to_string();
    let said = error.split(" at line ").next().unwrap_or_default();
    // It repeats the caller's value, however long that is.
    let said = &said[..said.floor_char_boundary(SAID_BYTES_MAX)];
    Error::invalid(format!("`{name}` is not as it should be: {said}")).at(name)
}

/// What an array holds.
#[derive(Clone, Copy)]
enum Kind {
    Message,
    Part,
    Tool,
    Function,
}

/// An array, answering how many elements it has.
struct Elements<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
    kind: Kind,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        loop {
            let element = Element { found: &mut *self.found, path: &Path::Index(self.path, count), kind: self.kind };
            if seq.next_element_seed(element)?.is_none() {
                return Ok(count as u64);
            }
            count += 1;
        }
    }
}

struct Element<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
    kind: Kind,
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { found, path, kind } = self;
        match kind {
            Kind::Message => deserializer.deserialize_map(Message { found, path, has_role: false }),
            Kind::Part => deserializer.deserialize_any(Part { found, path }),
            Kind::Tool => deserializer.deserialize_map(Tool { found, path, kind: None, has_function: false }),
            Kind::Function => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
        }
    }
}

struct Message<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
    has_role: bool,
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let path = Path::Inner(self.path, &name);
            match name.as_ref() {
                "role" => self.has_role = value.get().starts_with('"') && value.get() != "\"\"",
                "content" if value.get().starts_with('[') => {
                    let parts = Elements { found: self.found, path: &path, kind: Kind::Part };
                    value.deserialize_seq(parts).map_err(A::Error::custom)?;
                }
                "content" if value.get().starts_with('{') => self.found.refuse(&path, "is neither a string nor an array"),
                // An earlier spoken answer, by its id at the provider.
                "audio" if is_given(value) => self.found.refuse_id(&path),
                name => self.found.other(&path, name, value)?,
            }
        }
        if !self.has_role {
            self.found.refuse(&Path::Inner(self.path, "role"), "is missing; say who speaks, such as \"user\"");
        }
        Ok(())
    }
}

struct Part<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content part")
    }

    /// Some servers take bare texts as parts.
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            if name == "type" {
                let Key(kind) = map.next_value()?;
                if !["text", "refusal", "thinking", "reasoning", "image_url"].contains(&kind.as_ref()) {
                    self.found.unbounded(|| format!("content of type `{}` in `{}`", shown(&kind), self.path));
                }
                continue;
            }
            let value: &RawValue = map.next_value()?;
            let path = Path::Inner(self.path, &name);
            match name.as_ref() {
                "image_url" if value.get().starts_with('{') => {
                    self.found.images += 1;
                    value.deserialize_map(Image { found: self.found, path: &path }).map_err(A::Error::custom)?;
                }
                "image_url" if is_given(value) => {
                    self.found.images += 1;
                    note_data_url(self.found, value);
                }
                name => {
                    self.found.other(&path, name, value)?;
                    if MEDIA.contains(&name) && is_given(value) {
                        self.found.unbounded(|| format!("`{path}`"));
                    }
                }
            }
        }
        Ok(())
    }
}

struct Image<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
}

impl<'de> Visitor<'de> for Image<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an image object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            match name.as_ref() {
                "url" => note_data_url(self.found, value),
                name => self.found.other(&Path::Inner(self.path, name), name, value)?,
            }
        }
        Ok(())
    }
}

/// An image that stands in the body costs per image, not per byte. Anything that does not plainly start as one is text.
fn note_data_url(found: &mut Findings, url: &RawValue) {
    if url.get().starts_with("\"data:image/") {
        found.data_url_bytes += url.get().len() as u64;
    }
}

struct Tool<'f> {
    found: &'f mut Findings,
    path: &'f Path<'f>,
    kind: Option<String>,
    has_function: bool,
}

impl<'de> Visitor<'de> for Tool<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tool object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key()? {
            if name == "type" {
                let Key(kind) = map.next_value()?;
                // Of a type that stands twice, the dearer counts.
                if self.kind.is_none() || !is_callers_tool(&kind) {
                    self.kind = Some(kind.into_owned());
                }
                continue;
            }
            let value: &RawValue = map.next_value()?;
            self.has_function |= name == "function";
            self.found.other(&Path::Inner(self.path, &name), &name, value)?;
        }
        match self.kind {
            Some(kind) if is_callers_tool(&kind) => {}
            None if self.has_function => {}
            kind => {
                let kind = kind.unwrap_or_default();
                self.found.unbounded(|| format!("the hosted tool `{}` in `{}`", shown(&kind), self.path));
            }
        }
        Ok(())
    }
}

/// Tools that run at the caller's; all others run, and cost, at the provider.
fn is_callers_tool(kind: &str) -> bool {
    matches!(kind, "function" | "custom")
}
