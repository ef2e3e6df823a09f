//! The response around an answer's items: what was asked is repeated in it.

use insula_model::TokenCounts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::output::Output;
use crate::Asked;

/// What a response repeats of its request; `null` and absent fields show what applies then.
#[derive(Debug, Deserialize, Serialize)]
struct Repeated<'a> {
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    parallel_tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    safety_identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    store: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    truncation: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
}

/// Writes responses to one request.
#[derive(Debug)]
pub(super) struct Frame {
    id: String,
    created: i64,
    model: String,
    /// The fields that repeat the request, as JSON without its braces.
    repeated: String,
}

/// How far a response has come.
pub(super) enum State<'o> {
    /// Nothing is there yet.
    InProgress,
    /// All is.
    Done(&'o Output, Option<TokenCounts>),
}

impl Frame {
    pub fn new(asked: &Asked) -> Self {
        Self {
            id: format!("resp_{}", asked.id),
            created: asked.created,
            model: asked.model.clone(),
            repeated: repeated(&asked.request),
        }
    }

    /// From now on this model answers.
    pub fn answered_by(&mut self, model: &str) {
        model.clone_into(&mut self.model);
    }

    /// The response, as JSON.
    pub fn response(&self, state: &State<'_>) -> String {
        let (status, cut, items, usage) = match state {
            State::InProgress => ("in_progress", None, Vec::new(), None),
            State::Done(output, usage) => (output.status(), output.cut(), output.items(), *usage),
        };
        let own = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": cut.map(|reason| json!({"reason": reason})),
            "model": self.model,
            "output": items,
            "top_logprobs": 0,
            "usage": usage.as_ref().map(shown),
        });
        let mut own = own;
        if let State::Done(output, _) = state
            && let Some(told) = output.told()
        {
            own["insula"] = told;
        }
        // Both are objects with fields in them.
        let own = own.to_string();
        format!("{},{}}}", own.strip_suffix('}').unwrap_or_default(), self.repeated)
    }
}

/// In OpenAI's way of counting: what the cache gave or took is a part of the input, what was thought a part of the output.
fn shown(usage: &TokenCounts) -> Value {
    let (input, output) = (usage.input_total(), usage.output_total());
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": input.saturating_add(output),
    })
}

fn repeated(request: &[u8]) -> String {
    let text = std::str::from_utf8(request).unwrap_or_default();
    let Ok(mut said) = serde_json::from_str::<Repeated<'_>>(text) else { return "\"metadata\":{}".to_owned() };
    for (field, default) in [
        (&mut said.metadata, "{}"),
        (&mut said.parallel_tool_calls, "true"),
        (&mut said.reasoning, r#"{"effort":null,"summary":null}"#),
        (&mut said.service_tier, r#""default""#),
        (&mut said.store, "true"),
        (&mut said.temperature, "1.0"),
        (&mut said.text, r#"{"format":{"type":"text"}}"#),
        (&mut said.tool_choice, r#""auto""#),
        (&mut said.tools, "[]"),
        (&mut said.top_p, "1.0"),
        (&mut said.truncation, r#""disabled""#),
    ] {
        *field = field.or_else(|| serde_json::from_str(default).ok());
    }
    let json = serde_json::to_string(&said).unwrap_or_default();
    json.strip_prefix('{').and_then(|json| json.strip_suffix('}')).unwrap_or_default().to_owned()
}
