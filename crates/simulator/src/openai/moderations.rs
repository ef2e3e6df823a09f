//! `POST /v1/moderations`: a category is flagged where a text, or the address of an image, names it, in any case:
//! `"violence"` in a text flags `violence`, `"harassment/threatening"` flags `harassment` as well. Nothing else is flagged, and images
//! that stand in the body never are. What is flagged scores 0.9 or more, what is not less than 0.01; a hash of what was said decides.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::models;
use super::wire::{answering_model, extra};
use crate::answer::{Answer, Form};
use crate::errors::{ApiError, to_json};
use crate::faults::FaultKind;
use crate::seeded;
use crate::tokens::Usage;
use crate::world::Call;

/// Most texts, or parts of one input, of one request.
const INPUTS_MAX: usize = 2_048;
/// The categories of OpenAI's omni models, and whether images are judged by them.
const CATEGORIES: [(&str, bool); 13] = [
    ("harassment", false),
    ("harassment/threatening", false),
    ("hate", false),
    ("hate/threatening", false),
    ("illicit", false),
    ("illicit/violent", false),
    ("self-harm", true),
    ("self-harm/instructions", true),
    ("self-harm/intent", true),
    ("sexual", true),
    ("sexual/minors", false),
    ("violence", true),
    ("violence/graphic", true),
];

#[derive(Debug, Deserialize)]
struct ModerationsRequest<'a> {
    #[serde(borrow, default = "default_model")]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Input<'a>,
}

/// What OpenAI takes where none is named. A simulator that is asked without a model refuses it: it has no such model by itself.
fn default_model() -> Cow<'static, str> {
    Cow::Borrowed("omni-moderation-latest")
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "`input` is neither a string, nor a list of strings, nor a list of text and image_url parts")]
enum Input<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Texts(Vec<String>),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    ImageUrl { image_url: Image },
}

#[derive(Debug, Deserialize)]
struct Image {
    url: String,
}

#[derive(Serialize)]
struct List<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    results: Vec<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_sim_extra: Option<&'static str>,
}

#[derive(Serialize)]
struct Verdict {
    flagged: bool,
    categories: Map<String, Value>,
    category_scores: Map<String, Value>,
    category_applied_input_types: Map<String, Value>,
}

/// One input, which may have several parts.
#[derive(Default)]
struct Said<'a> {
    texts: Vec<&'a str>,
    images: Vec<&'a str>,
}

/// Drafts the answer.
pub(crate) fn answer(call: &Call, body: &[u8]) -> Result<Answer, ApiError> {
    let request: ModerationsRequest<'_> = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
    models::check(&call.scenario, &request.model)?;
    let said = request.input.said()?;
    let seed = said.iter().fold(seeded::hash(0, request.model.as_bytes()), |seed, said| said.seed(seed));
    let model = answering_model(call, &request.model);
    let whole = !call.meets(FaultKind::MissingFields);
    let list = List {
        id: whole.then(|| format!("modr-sim-{seed:016x}-{}", call.ordinal)),
        model: whole.then_some(&model),
        results: said.iter().map(Said::verdict).collect(),
        x_sim_extra: extra(call),
    };
    Ok(Answer { usage: Usage::Uncounted, form: Form::Json(to_json(&list)) })
}

impl Input<'_> {
    /// What is judged: each text for itself, parts together.
    fn said(&self) -> Result<Vec<Said<'_>>, ApiError> {
        let text = |text| Said { texts: vec![text], images: Vec::new() };
        let (said, count) = match self {
            Input::Text(one) => (vec![text(&**one)], 1),
            Input::Texts(texts) => (texts.iter().map(|one| text(one.as_str())).collect(), texts.len()),
            Input::Parts(parts) => {
                let mut whole = Said::default();
                for part in parts {
                    match part {
                        Part::Text { text } => whole.texts.push(text),
                        Part::ImageUrl { image_url } => whole.images.push(&image_url.url),
                    }
                }
                (vec![whole], parts.len())
            }
        };
        if !(1..=INPUTS_MAX).contains(&count) {
            return Err(ApiError::field("input", format!("Invalid 'input': 1 to {INPUTS_MAX} entries.")));
        }
        Ok(said)
    }
}

impl Said<'_> {
    fn seed(&self, seed: u64) -> u64 {
        self.texts.iter().chain(&self.images).fold(seed, |seed, part| seeded::hash(seed, part.as_bytes()))
    }

    fn verdict(&self) -> Verdict {
        let seed = self.seed(0);
        let texts = self.texts.join("\n").to_lowercase();
        // An image that stands in the body says nothing: letters of its base64 are chance.
        let addresses = self.images.iter().filter(|url| !url.starts_with("data:"));
        let addresses = addresses.map(|url| url.to_lowercase()).collect::<Vec<_>>().join("\n");
        let mut verdict = Verdict {
            flagged: false,
            categories: Map::new(),
            category_scores: Map::new(),
            category_applied_input_types: Map::new(),
        };
        for (category, judges_images) in CATEGORIES {
            let flagged = texts.contains(category) || (judges_images && addresses.contains(category));
            let chance = seeded::unit(seeded::hash(seed, category.as_bytes()));
            let score = if flagged { 0.9 + chance / 10.0 } else { chance / 100.0 };
            let by_text = (!self.texts.is_empty()).then_some("text");
            let by_image = (judges_images && !self.images.is_empty()).then_some("image");
            let types: Vec<&str> = by_text.into_iter().chain(by_image).collect();
            verdict.flagged |= flagged;
            verdict.categories.insert(category.to_owned(), flagged.into());
            // What nothing of the input is judged by scores nothing.
            verdict.category_scores.insert(category.to_owned(), if types.is_empty() { 0.0 } else { score }.into());
            verdict.category_applied_input_types.insert(category.to_owned(), types.into());
        }
        verdict
    }
}
