//! `POST /v1/embeddings`: unit vectors that a hash of each input decides. Equal inputs are equal; nothing else is near.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::models;
use super::wire::{answering_model, extra, shown_usage};
use crate::answer::{Answer, Form};
use crate::errors::{ApiError, to_json};
use crate::faults::FaultKind;
use crate::seeded::{self, Seeded};
use crate::tokens::{self, EmbeddingsUsage, Usage};
use crate::world::Call;

/// Length of a vector unless `dimensions` says otherwise.
pub(crate) const DIMENSIONS_DEFAULT: usize = 64;
/// Largest `dimensions`, as at OpenAI.
pub(crate) const DIMENSIONS_MAX: usize = 3_072;
/// Most inputs of one request, as at OpenAI.
const INPUTS_MAX: usize = 2_048;

#[derive(Debug, Deserialize)]
struct EmbeddingsRequest<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Input<'a>,
    dimensions: Option<usize>,
    encoding_format: Option<Encoding>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`input` is neither a string, nor a list of strings, nor token lists")]
enum Input<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Float,
    Base64,
}

#[derive(Serialize)]
struct List<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'static str>,
    data: Vec<Embedding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<EmbeddingsUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_sim_extra: Option<&'static str>,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    /// Little-endian `f32`s.
    Base64(String),
}

/// An input reduced to what the answer depends on.
struct Item {
    seed: u64,
    tokens: u64,
}

/// Drafts the answer.
pub(crate) fn answer(call: &Call, body: &[u8]) -> Result<Answer, ApiError> {
    let request: EmbeddingsRequest<'_> = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    models::check(&call.scenario, &request.model)?;
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS_DEFAULT);
    if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
        let message = format!("Invalid 'dimensions': must be between 1 and {DIMENSIONS_MAX}.");
        return Err(ApiError::field("dimensions", message));
    }
    let items = request.input.items()?;

    let encode = |(index, item): (usize, &Item)| {
        let vector = unit_vector(item.seed, dimensions);
        let embedding = match request.encoding_format {
            Some(Encoding::Base64) => Vector::Base64(STANDARD.encode(to_bytes(&vector))),
            Some(Encoding::Float) | None => Vector::Floats(vector),
        };
        Embedding { object: "embedding", index, embedding }
    };
    let usage = EmbeddingsUsage::new(items.iter().map(|item| item.tokens).sum());
    let model = answering_model(call, &request.model);
    let whole = !call.meets(FaultKind::MissingFields);
    let vectors = if items.len() > 1 && call.meets(FaultKind::MissingVector) { items.len() - 1 } else { items.len() };
    let list = List {
        object: whole.then_some("list"),
        data: items.iter().enumerate().take(vectors).map(encode).collect(),
        model: whole.then_some(&model),
        usage: shown_usage(call, usage),
        x_sim_extra: extra(call),
    };
    Ok(Answer { usage: Usage::Embeddings(usage), form: Form::Json(to_json(&list)) })
}

impl Input<'_> {
    fn items(&self) -> Result<Vec<Item>, ApiError> {
        let items: Vec<Item> = match self {
            Input::Text(text) => vec![Item::text(text)],
            Input::Texts(texts) => texts.iter().map(|text| Item::text(text)).collect(),
            Input::Tokens(tokens) => vec![Item::tokens(tokens)],
            Input::TokenLists(lists) => lists.iter().map(|tokens| Item::tokens(tokens)).collect(),
        };
        if items.is_empty() || items.len() > INPUTS_MAX || items.iter().any(|item| item.tokens == 0) {
            let message = format!("Invalid 'input': 1 to {INPUTS_MAX} inputs, none of them empty.");
            return Err(ApiError::field("input", message));
        }
        Ok(items)
    }
}

impl Item {
    fn text(text: &str) -> Item {
        Item { seed: seeded::hash(0, text.as_bytes()), tokens: tokens::of_bytes(text.len()) }
    }

    fn tokens(tokens: &[u32]) -> Item {
        let seed = tokens.iter().fold(1, |seed, token| seeded::hash(seed, &token.to_le_bytes()));
        Item { seed, tokens: tokens.len() as u64 }
    }
}

/// A direction that `seed` picks.
pub(crate) fn unit_vector(seed: u64, dimensions: usize) -> Vec<f32> {
    let mut seeded = Seeded::new(seed);
    let raw: Vec<f64> = (0..dimensions).map(|_| seeded::unit(seeded.next()) * 2.0 - 1.0).collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    raw.into_iter().map(|x| (x / length) as f32).collect()
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_units_and_differ() {
        for dimensions in [1, 64, 3_072] {
            let vector = unit_vector(5, dimensions);
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert_eq!(vector.len(), dimensions);
            assert!((length - 1.0).abs() < 1e-3, "{length}");
        }
        assert_eq!(unit_vector(5, 64), unit_vector(5, 64));
        assert_ne!(unit_vector(5, 64), unit_vector(6, 64));
    }

    #[test]
    fn every_kind_of_input_is_read() {
        let items = |input: &str| serde_json::from_str::<Input<'_>>(input).unwrap().items();
        let tokens = |input: &str| items(input).unwrap().iter().map(|item| item.tokens).collect::<Vec<_>>();
        assert_eq!(tokens(r#""hello""#), [2]);
        assert_eq!(tokens(r#"["hello","a"]"#), [2, 1]);
        assert_eq!(tokens("[1,2,3]"), [3]);
        assert_eq!(tokens("[[1,2],[3]]"), [2, 1]);
        for empty in ["[]", r#""""#, r#"["a",""]"#, "[[]]"] {
            assert_eq!(items(empty).err().unwrap().param.as_deref(), Some("input"));
        }
    }
}
