//! A caller's embeddings request: checked, bounded, and rewritten for the wire.

use std::fmt;

use bytes::Bytes;
use insula_model::{Error, Result};
use serde::{
    Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::content::not_as_expected;
use crate::{
    CacheIsolation, InputBound, Isolation, ModelCard, Tokenizer, Wire,
    json::{EachText, checked_text, members, range_in},
    request::{
        Body, Field, Rewrite,
        fields::{optional_text, required_text},
        findings::{Findings, Path},
    },
};

/// How many inputs one request may have, as at OpenAI.
pub(crate) const INPUTS_MAX: u64 = 2_048;
/// What a model puts around each input at most (`[CLS]`, `[SEP]`).
const INPUT_TOKENS: u64 = 2;

/// A checked embeddings request.
#[derive(Debug, Clone)]
pub struct EmbeddingsRequest {
    /// The model's name as the caller wrote it.
    pub model: String,
    /// The end user that the caller names.
    pub user: Option<String>,
    /// What bounds its input. `messages` counts the inputs.
    pub input: InputBound,
    body: Body,
    /// Whether it is several callers' requests in one.
    is_joined: bool,
}

impl EmbeddingsRequest {
    /// Checks a body. `encoding_format`, `dimensions` and unknown fields pass through untouched.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse(body: Bytes) -> Result<Self> {
        let text = checked_text(&body)?;
        let (mut model, mut user, mut input, mut spots) = (None, None, None, Vec::with_capacity(1));
        let mut found = Findings::default();
        for (name, value) in members(text, "the body")?.0 {
            match name.as_ref() {
                "model" => {
                    model = Some(required_text(value, "model")?);
                    spots.push((Field::Model, range_in(text, value.get())));
                }
                "input" => input = Some(read_input(value)?),
                "user" => {
                    user = optional_text(value, "user")?;
                    spots.push((Field::Salted("user"), range_in(text, value.get())));
                }
                name => found
                    .other::<serde_json::Error>(&Path::Field(name), name, value)
                    .map_err(|error| not_as_expected(name, &error))?,
            }
        }
        found.check()?;
        let model = model.ok_or_else(|| Error::invalid("`model` is missing; name a model").at("model"))?;
        let input = input.ok_or_else(|| Error::invalid("`input` is missing; send what to embed").at("input"))?;
        Ok(Self { model, user, input, body: Body::new(body, spots), is_joined: false })
    }

    /// The same, as several requests in one.
    pub(super) fn joined(self) -> Self {
        Self { is_joined: true, ..self }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.is_joined
    }

    /// The body as it came.
    pub fn raw(&self) -> &Bytes {
        self.body.raw()
    }

    /// The request for a provider of this form. Where that is the caller's own: the provider's model name, the user's name hashed, all
    /// else byte for byte.
    ///
    /// # Errors
    /// `Invalid`, naming what the provider's form cannot say.
    pub fn upstream_body(&self, card: &ModelCard, wire: Wire, isolation: Option<Isolation<'_>>) -> Result<Bytes> {
        wire.write_embeddings(self, card, isolation)
    }

    pub(crate) fn rewritten(&self, card: &ModelCard, isolation: Option<Isolation<'_>>) -> Bytes {
        // Nothing of an embedding is cached.
        let isolation = isolation.map(|isolation| Isolation { cache: CacheIsolation::None, ..isolation });
        self.body.rewritten(&Rewrite { card, limit_field: card.output_limit_field, limit: None, ask_usage: false, isolation })
    }

    /// The most input tokens that a provider can count, from the bytes alone: a token has at least one byte of text, and
    /// the quotes around a text are as many as the marks that a model adds. Inputs that are tokens already are counted.
    pub fn input_tokens_max(&self) -> u64 {
        self.input.bytes
    }

    /// At least as many input tokens as a provider with this tokenizer counts. Blocking: call it off the async threads.
    pub fn count_input_tokens(&self, tokenizer: Tokenizer) -> u64 {
        let text = std::str::from_utf8(self.raw()).unwrap_or_default();
        let fields = members(text, "the body").map(|fields| fields.0).unwrap_or_default();
        let Some((_, value)) = fields.into_iter().find(|(name, _)| name == "input") else { return self.input.bytes };
        let (mut tokens, mut texts) = (0, 0);
        let mut each = EachText::new(|text: &str| {
            texts += 1;
            tokens += INPUT_TOKENS + tokenizer.count(text);
        });
        match value.deserialize_any(&mut each) {
            Ok(()) if texts > 0 => tokens,
            // Tokens already, and counted.
            _ => self.input.bytes,
        }
    }
}

fn read_input(value: &RawValue) -> Result<InputBound> {
    let mut bound = InputBound::default();
    let is_array = value.get().starts_with('[');
    match value.get().as_bytes() {
        b"\"\"" => {}
        [b'"', ..] => add_text(&mut bound, value),
        _ => value.deserialize_seq(Inputs { bound: &mut bound }).map_err(|error| not_as_expected("input", &error))?,
    }
    if is_array && bound.messages == 0 && bound.bytes > 0 {
        // One input of tokens.
        bound.messages = 1;
        bound.bytes += INPUT_TOKENS;
    }
    match bound.messages {
        0 => Err(Error::invalid("`input` is empty; send what to embed").at("input")),
        inputs if inputs > INPUTS_MAX => {
            Err(Error::invalid(format!("`input` has more than {INPUTS_MAX} inputs; send them in several requests")).at("input"))
        }
        _ => Ok(bound),
    }
}

fn add_text(bound: &mut InputBound, text: &RawValue) {
    bound.messages += 1;
    bound.bytes += text.get().len() as u64;
}

/// An array of texts, of tokens, or of arrays of tokens. Tokens go to `bytes` one by one.
struct Inputs<'b> {
    bound: &'b mut InputBound,
}

impl<'de> Visitor<'de> for Inputs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array of strings, an array of tokens, or an array of arrays of tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut kind = None;
        while let Some(element) = seq.next_element::<&RawValue>()? {
            let first = element.get().bytes().next();
            let is_token = first.is_some_and(|b| b.is_ascii_digit());
            match first {
                Some(b'"') => add_text(self.bound, element),
                Some(b'[') => {
                    self.bound.messages += 1;
                    self.bound.bytes += INPUT_TOKENS + element.deserialize_seq(Tokens).map_err(A::Error::custom)?;
                }
                _ => self.bound.bytes += token(element.get())?,
            }
            let of = if is_token { Some(b'0') } else { first };
            if *kind.get_or_insert(of) != of {
                return Err(A::Error::custom("texts and tokens are mixed"));
            }
        }
        Ok(())
    }
}

/// Counts an array of tokens.
struct Tokens;

impl<'de> Visitor<'de> for Tokens {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while seq.next_element::<u32>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }
}

fn token<E: serde::de::Error>(text: &str) -> Result<u64, E> {
    text.parse::<u32>().map(|_| 1).map_err(|_| E::custom("a token is a whole number"))
}
