//! `batchEmbedContents`: the vectors of `/v1/embeddings`, without a word on tokens.

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Form};
use crate::errors::{ApiError, to_json};
use crate::openai::embeddings::{DIMENSIONS_DEFAULT, DIMENSIONS_MAX, unit_vector};
use crate::openai::models;
use crate::seeded;
use crate::tokens::{self, EmbeddingsUsage, Usage};
use crate::world::Call;

/// Most requests of one batch, as at Gemini.
const REQUESTS_MAX: usize = 100;

#[derive(Debug, Deserialize)]
struct Body {
    requests: Vec<One>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    model: String,
    content: Content,
    output_dimensionality: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Content {
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    text: String,
}

#[derive(Serialize)]
struct Answered {
    embeddings: Vec<Vector>,
}

#[derive(Serialize)]
struct Vector {
    values: Vec<f32>,
}

/// Drafts the answer.
pub(super) fn answer(call: &Call, model: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let body: Body = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    models::check(&call.scenario, model)?;
    if body.requests.is_empty() || body.requests.len() > REQUESTS_MAX {
        return Err(ApiError::field("requests", format!("requests: 1 to {REQUESTS_MAX} of them")));
    }
    let mut counted = 0;
    let mut embeddings = Vec::with_capacity(body.requests.len());
    for one in &body.requests {
        let text: String = one.content.parts.iter().map(|part| part.text.as_str()).collect();
        let dimensions = one.output_dimensionality.unwrap_or(DIMENSIONS_DEFAULT);
        if one.model.strip_prefix("models/") != Some(model) || text.is_empty() || !(1..=DIMENSIONS_MAX).contains(&dimensions) {
            return Err(ApiError::field("requests", "requests: the model of the path, a text and dimensions that it has"));
        }
        counted += tokens::of_bytes(text.len());
        embeddings.push(Vector { values: unit_vector(seeded::hash(0, text.as_bytes()), dimensions) });
    }
    let usage = Usage::Embeddings(EmbeddingsUsage::new(counted));
    Ok(Answer { usage, form: Form::Json(to_json(&Answered { embeddings })) })
}
