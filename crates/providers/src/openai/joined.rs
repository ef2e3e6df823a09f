//! Several embeddings requests as one, and its answer taken apart again: a provider takes many inputs in one call.
//!
//! Requests join that are alike but for `input`: the same fields with the same values, and inputs of one kind, texts or tokens. Each gets
//! out of the answer what it would have got alone: its own vectors, counted from 0, and everything else as the provider said it. Vectors are
//! told apart by their `index`; an answer in which one is missing, is there twice or belongs to nobody is no answer (`shares.rs` has
//! the rule by which what was counted is shared out).

use std::borrow::Cow;

use bytes::Bytes;
use insula_model::{Error, Result};
use serde_json::value::RawValue;

use super::{embeddings::EmbeddingsRequest, shares::share};
use crate::{
    client::unreadable,
    json::{Key, members, push_string},
};

/// Bytes of prose that make a token, on average.
const BYTES_PER_TOKEN: usize = 4;

type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// What requests have in common that can be joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Likeness(Vec<u8>);

/// Several requests as one.
///
/// ```
/// use insula_providers::{EmbeddingsRequest, Joined};
///
/// let ask = |text: &str| EmbeddingsRequest::parse(format!(r#"{{"model":"m","input":"{text}"}}"#).into());
/// let joined = Joined::join(&[ask("island")?, ask("mainland")?])?;
/// assert_eq!(&**joined.request().raw(), br#"{"model":"m","input":["island","mainland"]}"#);
///
/// let answer = br#"{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[2]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
/// let second = &joined.split(answer)?[1];
/// assert_eq!(&**second, br#"{"data":[{"index":0,"embedding":[2]}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#);
/// # Ok::<(), insula_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Joined {
    request: EmbeddingsRequest,
    parts: Vec<Part>,
}

/// What one of them brought along.
#[derive(Debug, Clone, Copy)]
struct Part {
    inputs: usize,
    /// Roughly how many tokens those have.
    tokens: u64,
}

/// The inputs of a request, each as it was written.
struct Inputs<'a> {
    each: Vec<&'a RawValue>,
    are_tokens: bool,
}

impl Joined {
    /// Joins requests of one [`Likeness`], in this order.
    ///
    /// # Errors
    /// `Internal` where they are not alike, or none; `Invalid` where they have more inputs together than one request may.
    pub fn join(requests: &[EmbeddingsRequest]) -> Result<Self> {
        let [first, rest @ ..] = requests else { return Err(Error::internal("there is nothing to join")) };
        let likeness = first.likeness();
        if rest.iter().any(|other| other.likeness() != likeness) {
            return Err(Error::internal("requests that are not alike cannot be joined"));
        }
        let (mut list, mut parts) = (Vec::new(), Vec::with_capacity(requests.len()));
        for request in requests {
            let inputs = Inputs::of(&fields(request));
            for input in &inputs.each {
                list.push(if list.is_empty() { b'[' } else { b',' });
                list.extend_from_slice(input.get().as_bytes());
            }
            parts.push(Part { inputs: inputs.each.len(), tokens: inputs.tokens() });
        }
        list.push(b']');
        let mut body = Vec::with_capacity(list.len() + first.raw().len());
        for (name, value) in fields(first) {
            let value = if name == "input" { &list } else { value.get().as_bytes() };
            push_field(&mut body, &name, value);
        }
        body.push(b'}');
        Ok(Self { request: EmbeddingsRequest::parse(body.into())?.joined(), parts })
    }

    /// The one request.
    pub fn request(&self) -> &EmbeddingsRequest {
        &self.request
    }

    /// The answer to it as an answer to each, in the order in which they were joined.
    ///
    /// # Errors
    /// `ProviderFailed` where it has not exactly one vector for each input.
    pub fn split(&self, answer: &[u8]) -> Result<Vec<Bytes>> {
        let text = std::str::from_utf8(answer).map_err(unreadable)?;
        let said = members(text, "the answer").map_err(unreadable)?.0;
        let vectors = vectors(&said, self.parts.iter().map(|part| part.inputs).sum())?;
        let sizes: Vec<u64> = self.parts.iter().map(|part| part.tokens).collect();
        let usage = said.iter().find(|(name, _)| name == "usage").and_then(|(_, usage)| share(usage, &sizes));
        let (mut answers, mut from) = (Vec::with_capacity(self.parts.len()), 0);
        for (place, part) in self.parts.iter().enumerate() {
            let own = vectors.get(from..from + part.inputs).unwrap_or_default();
            from += part.inputs;
            let mut answer = Vec::new();
            for (name, value) in &said {
                match (name.as_ref(), &usage) {
                    ("data", _) => push_field(&mut answer, name, &list(own)),
                    ("usage", Some(shares)) => push_field(&mut answer, name, &shares[place]),
                    // What cannot be shared out is said to nobody.
                    ("usage", None) => {}
                    _ => push_field(&mut answer, name, value.get().as_bytes()),
                }
            }
            answer.push(b'}');
            answers.push(answer.into());
        }
        Ok(answers)
    }
}

impl EmbeddingsRequest {
    /// What others must have in common with this to be joined with it.
    pub fn likeness(&self) -> Likeness {
        let mut fields = fields(self);
        let mut alike = vec![u8::from(Inputs::of(&fields).are_tokens)];
        fields.retain(|(name, _)| name != "input");
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in fields {
            push_field(&mut alike, &name, value.get().as_bytes());
        }
        Likeness(alike)
    }

    /// Refuses an answer that does not say of every input which vector is its own. Who sent the inputs together knows what to make of
    /// an odd answer; where they were joined, nobody would.
    ///
    /// # Errors
    /// `ProviderFailed`.
    pub fn check_answer(&self, answer: &[u8]) -> Result<()> {
        if !self.is_joined() {
            return Ok(());
        }
        let text = std::str::from_utf8(answer).map_err(unreadable)?;
        let said = members(text, "the answer").map_err(unreadable)?.0;
        vectors(&said, usize::try_from(self.input.messages).unwrap_or(usize::MAX)).map(drop)
    }
}

impl<'a> Inputs<'a> {
    /// Of a request that was checked.
    fn of(fields: &Fields<'a>) -> Self {
        let Some((_, value)) = fields.iter().find(|(name, _)| name == "input") else {
            return Self { each: Vec::new(), are_tokens: false };
        };
        let listed: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
        let first = listed.first().and_then(|first| first.get().bytes().next());
        match (value.get().bytes().next(), first) {
            (Some(b'"'), _) => Self { each: vec![value], are_tokens: false },
            (_, Some(b'"')) => Self { each: listed, are_tokens: false },
            (_, Some(b'[')) => Self { each: listed, are_tokens: true },
            _ => Self { each: vec![value], are_tokens: true },
        }
    }

    /// Roughly: texts at four bytes a token, tokens as they are. No input has none.
    fn tokens(&self) -> u64 {
        let tokens = |input: &RawValue| match serde_json::from_str::<Key<'_>>(input.get()) {
            Ok(Key(text)) => text.len().div_ceil(BYTES_PER_TOKEN),
            Err(_) => serde_json::from_str::<Vec<u32>>(input.get()).map_or(0, |tokens| tokens.len()),
        };
        self.each.iter().map(|input| tokens(input).max(1) as u64).sum()
    }
}

fn fields(request: &EmbeddingsRequest) -> Fields<'_> {
    let text = std::str::from_utf8(request.raw()).unwrap_or_default();
    members(text, "the body").map(|fields| fields.0).unwrap_or_default()
}

/// Adds a field to an object that is being written; the first opens it.
pub(super) fn push_field(object: &mut Vec<u8>, name: &str, value: &[u8]) {
    object.push(if object.is_empty() { b'{' } else { b',' });
    push_string(object, name);
    object.push(b':');
    object.extend_from_slice(value);
}

/// What the answer says of each of so many inputs, in their order.
fn vectors<'a>(said: &Fields<'a>, inputs: usize) -> Result<Vec<Fields<'a>>> {
    let data = said.iter().find(|(name, _)| name == "data").map_or("[]", |(_, data)| data.get());
    let data: Vec<&RawValue> = serde_json::from_str(data).map_err(unreadable)?;
    if data.len() != inputs {
        return Err(unreadable(format!("{} embeddings of {inputs} inputs", data.len())));
    }
    let mut placed: Vec<Option<Fields<'a>>> = vec![None; inputs];
    for vector in data {
        let fields = members(vector.get(), "an embedding").map_err(unreadable)?.0;
        let index = fields.iter().find(|(name, _)| name == "index").and_then(|(_, index)| index.get().parse::<usize>().ok());
        match index.and_then(|index| placed.get_mut(index)) {
            Some(place @ None) => *place = Some(fields),
            _ => return Err(unreadable("an embedding whose index belongs to no input, or to one that has its own")),
        }
    }
    // As many as there are places, and none twice.
    Ok(placed.into_iter().flatten().collect())
}

/// Vectors counted from 0.
fn list(vectors: &[Fields<'_>]) -> Vec<u8> {
    let mut list = Vec::new();
    for (index, fields) in vectors.iter().enumerate() {
        list.push(if list.is_empty() { b'[' } else { b',' });
        let (mut vector, index) = (Vec::new(), index.to_string());
        for (name, value) in fields {
            let value = if name == "index" { index.as_bytes() } else { value.get().as_bytes() };
            push_field(&mut vector, name, value);
        }
        vector.push(b'}');
        list.append(&mut vector);
    }
    list.push(b']');
    list
}

#[cfg(test)]
#[path = "joined_tests.rs"]
mod tests;
