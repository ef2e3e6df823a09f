//! A caller's moderation request: checked, bounded, and written for the wire.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use insula_model::{Error, ErrorKind, Result};
use serde::{
    Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::content::not_as_expected;
use crate::{
    InputBound, ModelCard, Tokenizer,
    json::{EachText, Key, checked_text, is_given, members, push_string},
    request::{
        fields::{optional_text, required_text},
        findings::{Findings, Path},
    },
};

/// How many texts, or parts of one input, a request may have. OpenAI names no bound; it is that of its embeddings.
const INPUTS_MAX: u64 = 2_048;
/// Bytes of text in one request; images that stand in it have only the bound of all bodies.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;
/// What a model puts around each text at most.
const TEXT_TOKENS: u64 = 2;
/// The field of a part that holds an image.
const IMAGE: &str = "image_url";

/// A checked moderation request.
#[derive(Debug, Clone)]
pub struct ModerationsRequest {
    /// The model's name as the caller wrote it; what it stands for is the engine's to say where the caller wrote none.
    pub model: Option<String>,
    /// The end user that the caller names. OpenAI's moderations know none, so it does not go upstream.
    pub user: Option<String>,
    /// What bounds its input. `messages` counts texts and parts.
    pub input: InputBound,
    raw: Bytes,
}

impl ModerationsRequest {
    /// Checks a body. Unknown fields pass through untouched.
    ///
    /// # Errors
    /// `Invalid`, naming the field; `TooLarge` where its text is too long.
    pub fn parse(body: Bytes) -> Result<Self> {
        let text = checked_text(&body)?;
        let (mut model, mut user, mut input) = (None, None, None);
        let mut found = Findings::default();
        for (name, value) in members(text, "the body")?.0 {
            match name.as_ref() {
                "model" if is_given(value) => model = Some(required_text(value, "model")?),
                "model" => {}
                "input" => input = Some(read_input(value, &mut found)?),
                "user" => user = optional_text(value, "user")?,
                name => found
                    .other::<serde_json::Error>(&Path::Field(name), name, value)
                    .map_err(|error| not_as_expected(name, &error))?,
            }
        }
        found.check()?;
        let bytes = input.ok_or_else(|| Error::invalid("`input` is missing; send what to judge").at("input"))?;
        if bytes > TEXT_BYTES_MAX {
            let message = format!("`input` has more than {TEXT_BYTES_MAX} bytes of text; send it in several requests");
            return Err(Error::new(ErrorKind::TooLarge, message).at("input"));
        }
        let Findings { messages, images, .. } = found;
        let input = InputBound { bytes, messages, images, ..InputBound::default() };
        Ok(Self { model, user, input, raw: body })
    }

    /// The body as it came.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    fn fields(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        let text = std::str::from_utf8(&self.raw).unwrap_or_default();
        members(text, "the body").map(|fields| fields.0).unwrap_or_default()
    }

    /// The request for a provider with OpenAI's form: for this model, and without the end user; all else byte for byte.
    pub fn upstream_body(&self, card: &ModelCard) -> Bytes {
        let mut out = Vec::with_capacity(self.raw.len() + card.upstream_model.len() + 16);
        out.extend_from_slice(br#"{"model":"#);
        push_string(&mut out, &card.upstream_model);
        for (name, value) in self.fields().into_iter().filter(|(name, _)| !matches!(name.as_ref(), "model" | "user")) {
            out.push(b',');
            push_string(&mut out, &name);
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out.into()
    }

    /// At least as many input tokens as a provider with this tokenizer counts, images aside. Blocking: call it off the async threads.
    pub fn count_input_tokens(&self, tokenizer: Tokenizer) -> u64 {
        let Some((_, value)) = self.fields().into_iter().find(|(name, _)| name == "input") else { return self.input.bytes };
        let mut tokens = 0;
        let mut each = EachText::new(|text: &str| tokens += TEXT_TOKENS + tokenizer.count(text));
        each.skip = Some(IMAGE);
        let walked = value.deserialize_any(&mut each);
        let skipped = each.skipped;
        // What was passed over must be the very images that are paid for one by one; else the bytes are the bound.
        if walked.is_ok() && skipped == self.input.images { tokens } else { self.input.bytes }
    }
}

/// Reads `input`; answers how many bytes of it are no images, at least as many as its tokens: a token has at least one byte of text,
/// and the quotes around a text are as many as the marks that a model adds.
fn read_input(value: &RawValue, found: &mut Findings) -> Result<u64> {
    let mut bytes = 0;
    match value.get().as_bytes() {
        b"\"\"" => {}
        [b'"', ..] => {
            found.messages = 1;
            bytes = value.get().len() as u64;
        }
        _ => {
            let inputs = Inputs { found, bytes: &mut bytes };
            value.deserialize_seq(inputs).map_err(|error| not_as_expected("input", &error))?;
        }
    }
    match found.messages {
        0 => Err(Error::invalid("`input` is empty; send what to judge").at("input")),
        inputs if inputs > INPUTS_MAX => {
            Err(Error::invalid(format!("`input` has more than {INPUTS_MAX} entries; send them in several requests"))
                .at("input"))
        }
        _ => Ok(bytes),
    }
}

/// An array of texts, or of the parts of one input.
struct Inputs<'f> {
    found: &'f mut Findings,
    bytes: &'f mut u64,
}

impl<'de> Visitor<'de> for Inputs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array of strings, or an array of parts (`text` or `image_url`)")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut kind = None;
        while let Some(element) = seq.next_element::<&RawValue>()? {
            let first = element.get().bytes().next();
            let path = Path::Index(&Path::Field("input"), self.found.messages as usize);
            self.found.messages += 1;
            match first {
                Some(b'"') => *self.bytes += element.get().len() as u64,
                Some(b'{') => {
                    let part = Part { found: self.found, bytes: self.bytes, path: &path };
                    element.deserialize_map(part).map_err(A::Error::custom)?;
                }
                _ => {
                    self.found.refuse(&path, "must be a string, or a part with `type` `text` or `image_url`");
                    continue;
                }
            }
            if *kind.get_or_insert(first) != first {
                return Err(A::Error::custom("texts and parts are mixed"));
            }
        }
        Ok(())
    }
}

/// A part of one input: `{"type":"text","text":...}` or `{"type":"image_url","image_url":{"url":...}}`.
struct Part<'f> {
    found: &'f mut Findings,
    bytes: &'f mut u64,
    path: &'f Path<'f>,
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut kind, mut text, mut image) = (None, None, None);
        while let Some(Key(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let taken = match name.as_ref() {
                "type" => kind.replace(value),
                "text" => text.replace(value),
                IMAGE => image.replace(value),
                name => {
                    self.found.other(&Path::Inner(self.path, name), name, value)?;
                    None
                }
            };
            if taken.is_some() {
                self.found.refuse(&Path::Inner(self.path, &name), "stands twice");
            }
        }
        match (kind.map(RawValue::get), text, image) {
            (Some("\"text\""), Some(text), None) if text.get().starts_with('"') => *self.bytes += text.get().len() as u64,
            (Some("\"text\""), _, _) => {
                self.found.refuse(&Path::Inner(self.path, "text"), "must be a string, and the only content of its part")
            }
            (Some("\"image_url\""), None, Some(image)) if image.get().starts_with('{') => {
                image
                    .deserialize_map(Image { found: self.found, bytes: self.bytes, path: &Path::Inner(self.path, IMAGE) })
                    .map_err(A::Error::custom)?;
            }
            (Some("\"image_url\""), _, _) => {
                self.found
                    .refuse(&Path::Inner(self.path, IMAGE), "must be an object with a `url`, and the only content of its part");
            }
            _ => self.found.refuse(&Path::Inner(self.path, "type"), "must be `text` or `image_url`"),
        }
        Ok(())
    }
}

/// An image of a part. One that stands in the body costs per image, not per byte; an address stays in the bytes.
struct Image<'f> {
    found: &'f mut Findings,
    bytes: &'f mut u64,
    path: &'f Path<'f>,
}

impl<'de> Visitor<'de> for Image<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `url`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.found.images += 1;
        let mut urls = 0;
        while let Some(Key(name)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            match name.as_ref() {
                "url" if value.get().starts_with('"') => {
                    urls += 1;
                    let is_within = value.get().starts_with("\"data:image/");
                    *self.bytes += if is_within { 0 } else { value.get().len() as u64 };
                }
                name => self.found.other(&Path::Inner(self.path, name), name, value)?,
            }
        }
        if urls != 1 {
            self.found.refuse(&Path::Inner(self.path, "url"), "must be a string, once");
        }
        Ok(())
    }
}
