//! Embeddings for callers of OpenAI's form.
//!
//! Gemini takes texts only, one request for each (`batchEmbedContents`). Where it does not say how many tokens it counted, nobody knows:
//! the attempt is settled as an estimate, at the bound of its input, and that is what the caller is told.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use insula_model::{Error, Result, TokenCounts};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::usage::read_usage;
use crate::{
    EmbeddingsRequest, ModelCard,
    client::{Scrub, from_answer, unreadable},
    translate::{Seen, Whole},
};

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
    #[serde(default)]
    embeddings: Vec<Vector>,
    #[serde(borrow)]
    usage_metadata: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    error: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Vector {
    values: Vec<f32>,
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
/// `Invalid` for inputs that are tokens already.
pub(crate) fn write_embeddings(request: &EmbeddingsRequest, card: &ModelCard) -> Result<Bytes> {
    let asked = asked(request.raw())?;
    let model = format!("models/{}", card.upstream_model);
    let texts = match &asked.input {
        Input::Text(text) => std::slice::from_ref(text),
        Input::Texts(texts) => texts,
    };
    let one =
        |text| One { model: &model, content: Content { parts: [Text { text }] }, output_dimensionality: asked.dimensions };
    let requests: Vec<One<'_>> = texts.iter().map(|text| one(text)).collect();
    serde_json::to_vec(&json!({ "requests": requests })).map(Bytes::from).map_err(Error::internal)
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
    let vector = |vector: Vector| match asked.encoding_format {
        Encoding::Float => json!(vector.values),
        Encoding::Base64 => STANDARD.encode(vector.values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).into(),
    };
    let data = (0u64..)
        .zip(said.embeddings)
        .map(|(index, said)| json!({"object": "embedding", "index": index, "embedding": vector(said)}));
    let body = json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": asked.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    let is_miscounted = said.usage_metadata.is_some() && usage.is_none();
    Ok(Whole { body: body.to_string().into(), seen: Seen { usage, is_miscounted, is_done: true, ..Seen::default() } })
}
