//! `generateContent` and `streamGenerateContent?alt=sse`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::request::as_chat;
use crate::answer::{Answer, EventStream, Form};
use crate::errors::{ApiError, to_json};
use crate::faults::FaultKind;
use crate::openai::chat::{Choice, Content, Draft};
use crate::openai::request::ChatRequest;
use crate::openai::wire::{answering_model, extra, shown_usage};
use crate::text;
use crate::tokens::{GeminiUsage, Usage};
use crate::world::Call;

/// Drafts the answer.
pub(super) fn answer(call: &Call, model: &str, body: &[u8], streams: bool) -> Result<Answer, ApiError> {
    let chat = as_chat(model, body)?.to_string();
    let request = ChatRequest::from_json(chat.as_bytes())?;
    let Draft { choices, usage, seed } = Draft::of(call, &request)?;
    let shown = if call.meets(FaultKind::WrongTotal) { usage.with_wrong_total() } else { usage };
    let stamp = Stamp {
        model: answering_model(call, model),
        id: (!call.meets(FaultKind::MissingFields)).then(|| format!("sim-{seed:016x}-{}", call.ordinal)),
        signature: STANDARD.encode(seed.to_le_bytes()),
        usage: shown_usage(call, GeminiUsage::from(shown)),
        extra: extra(call),
    };
    let form = if streams {
        Form::Stream(stamp.stream(&choices, call.scenario.chunks))
    } else {
        Form::Json(to_json(&stamp.whole(&choices)))
    };
    Ok(Answer { usage: Usage::Gemini(GeminiUsage::from(usage)), form })
}

/// What identifies an answer; the same in each of its chunks.
struct Stamp {
    model: String,
    id: Option<String>,
    /// The seal on calls.
    signature: String,
    usage: Option<GeminiUsage>,
    extra: Option<&'static str>,
}

impl Stamp {
    fn envelope(&self, candidates: Vec<Value>, with_usage: bool) -> Value {
        let mut envelope = json!({"candidates": candidates, "modelVersion": self.model});
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                envelope[name] = value;
            }
        };
        put("responseId", self.id.clone().map(Value::from));
        put("usageMetadata", self.usage.filter(|_| with_usage).map(|usage| json!(usage)));
        put("x_sim_extra", self.extra.map(Value::from));
        envelope
    }

    fn whole(&self, choices: &[Choice]) -> Value {
        let candidate = |(index, choice): (usize, &Choice)| {
            let parts: Vec<Value> = self.pieces(choice, 1);
            json!({
                "content": {"parts": parts, "role": "model"},
                "finishReason": finish_reason(choice),
                "index": index,
            })
        };
        self.envelope(choices.iter().enumerate().map(candidate).collect(), true)
    }

    /// Calls, which Gemini never cuts into pieces; the first has the seal. Arguments that a fault cut are no object any more, so they are
    /// left out.
    fn calls<'c>(&self, calls: impl Iterator<Item = &'c Content>) -> Vec<Value> {
        let call = |content: &Content| match content {
            Content::Text(text) => json!({"text": text}),
            Content::Tool { name, arguments, .. } => {
                let args: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
                json!({"functionCall": {"name": name, "args": args}})
            }
        };
        let mut parts: Vec<Value> = calls.map(call).collect();
        if let Some(first) = parts.first_mut() {
            first["thoughtSignature"] = self.signature.as_str().into();
        }
        parts
    }

    /// Content chunks, an empty one behind them, and at the end the reasons: a stream without those was cut off.
    fn stream(&self, choices: &[Choice], chunks: usize) -> EventStream {
        let texts: Vec<Vec<Value>> = choices.iter().map(|choice| self.pieces(choice, chunks)).collect();
        let content_count = texts.iter().map(Vec::len).sum();
        let mut events = Vec::with_capacity(content_count + 1);
        for turn in 0..chunks {
            for (index, pieces) in texts.iter().enumerate() {
                if let Some(part) = pieces.get(turn) {
                    events.push(self.event(vec![candidate(index, part)], false));
                }
            }
        }
        events.push(self.event((0..choices.len()).map(|index| candidate(index, &json!({"text": ""}))).collect(), false));
        let finished = choices.iter().enumerate().map(|(index, choice)| {
            json!({"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": finish_reason(choice), "index": index})
        });
        EventStream {
            events,
            content_from: 0,
            content_count,
            terminator: self.event(finished.collect(), true),
            error: [b"data: ".as_slice(), &ApiError::server_error().to_google_json(), b"\r\n\r\n"].concat().into(),
        }
    }

    fn pieces(&self, choice: &Choice, chunks: usize) -> Vec<Value> {
        match &choice.content {
            Content::Text(text) => text::pieces(text, chunks).into_iter().map(|piece| json!({"text": piece})).collect(),
            Content::Tool { .. } => self.calls(std::iter::once(&choice.content).chain(&choice.further)),
        }
    }

    fn event(&self, candidates: Vec<Value>, with_usage: bool) -> Bytes {
        format!("data: {}\r\n\r\n", self.envelope(candidates, with_usage)).into()
    }
}

fn candidate(index: usize, part: &Value) -> Value {
    json!({"content": {"parts": [part], "role": "model"}, "index": index})
}

/// Gemini has no word of its own for an answer that ends in calls.
fn finish_reason(choice: &Choice) -> &'static str {
    if choice.finish_reason == "length" { "MAX_TOKENS" } else { "STOP" }
}
