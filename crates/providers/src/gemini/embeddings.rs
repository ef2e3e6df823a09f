//! Embeddings for callers of OpenAI's form.
//!
//! Gemini takes texts only, one request for each (`batchEmbedContents`). Where it does not say how many tokens it counted, nobody knows:
//! the attempt is settled as an estimate, at the bound of its input, and that is what the caller is told.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use insula_model::{Error, Result, TokenCounts};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::usage::read_usage;
use crate::{
    EmbeddingsRequest, ModelCard,
    client::{Scrub, from_answer, unreadable},
    translate::{Seen, Whole},
};

/// How many inputs `batchEmbedContents` takes.
pub(crate) const EMBEDDING_INPUTS_MAX: u64 = 100;

/// What of a caller's body matters here; it was checked when it came.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    input: Input,
    dimensions: Option<u64>,
    #[serde(default)]
    encoding_format: Encoding,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    #[serde(default, borrow)]
    embeddings: Vec<VectorSaid<'a>>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct VectorSaid<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    /// As they came.
    Floats(&'a RawValue),
    /// Little-endian `f32`s.
    Base64(String),
}

fn asked(body: &[u8]) -> Result<Asked<'_>> {
    serde_json::from_slice(body).map_err(|_| {
        let why = "the model's provider takes texts only: `input` must be a string or an array of strings, `encoding_format` \
                   `float` or `base64`";
        Error::invalid(why).at("input")
    })
}

/// A caller's request for this model.
///
/// # Errors
/// `Invalid` for inputs that are tokens already, and for too many.
pub(crate) fn write_embeddings(request: &EmbeddingsRequest, card: &ModelCard) -> Result<Bytes> {
    if request.input.messages > EMBEDDING_INPUTS_MAX {
        let why =
            format!("the model's provider takes at most {EMBEDDING_INPUTS_MAX} inputs at once; send them in several requests");
        return Err(Error::invalid(why).at("input"));
    }
    let asked = asked(request.raw())?;
    let model = format!("models/{}", card.upstream_model);
    let texts = match &asked.input {
        Input::Text(text) => std::slice::from_ref(text),
        Input::Texts(texts) => texts,
    };
    let one =
        |text| One { model: &model, content: Content { parts: [Text { text }] }, output_dimensionality: asked.dimensions };
    let requests: Vec<One<'_>> = texts.iter().map(|text| one(text)).collect();
    serde_json::to_vec(&Batch { requests }).map(Bytes::from).map_err(Error::internal)
}

/// The answer in the caller's form, for its `request`.
///
/// # Errors
/// The error that stands in its place, or that it cannot be read.
pub(crate) fn read_embeddings(body: &[u8], request: &Bytes, scrub: &Scrub) -> Result<Whole> {
    let said: Said<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(error) = said.error {
        return Err(from_answer(error, scrub));
    }
    let request = EmbeddingsRequest::parse(request.clone())?;
    let asked = asked(request.raw())?;
    if said.embeddings.len() as u64 != request.input.messages {
        return Err(unreadable(format!("{} embeddings of {} inputs", said.embeddings.len(), request.input.messages)));
    }
    let usage = said.usage_metadata.and_then(read_usage);
    let tokens = usage.map_or(request.input_tokens_max(), |usage: TokenCounts| usage.input_total());
    let is_miscounted = said.usage_metadata.is_some() && usage.is_none();
    let list = List {
        object: "list",
        data: said.embeddings.iter().zip(0..).map(|said| embedding(said, &asked.encoding_format)).collect::<Result<_>>()?,
        model: &asked.model,
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    };
    let body = serde_json::to_vec(&list).map_err(Error::internal)?.into();
    Ok(Whole { body, seen: Seen { usage, is_miscounted, is_done: true, ..Seen::default() } })
}

fn embedding<'a>((said, index): (&VectorSaid<'a>, usize), encoding: &Encoding) -> Result<Embedding<'a>> {
    let embedding = match encoding {
        Encoding::Float => Vector::Floats(said.values),
        Encoding::Base64 => {
            let floats: Vec<f32> = serde_json::from_str(said.values.get()).map_err(unreadable)?;
            Vector::Base64(STANDARD.encode(floats.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()))
        }
    };
    Ok(Embedding { object: "embedding", index, embedding })
}
