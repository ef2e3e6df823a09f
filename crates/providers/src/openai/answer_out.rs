//! Chat completions for callers whose provider answered in another form.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use insula_model::{
    TokenCounts,
    chat::{Choice, Event, Finish, Part, Reply},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    Asked,
    client::Outgoing,
    retrieval::{told, told_of_all},
    translate::Encode,
};

fn id(asked: &Asked) -> String {
    format!("chatcmpl-{}", asked.id)
}

fn word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopText(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
    }
}

/// In OpenAI's way of counting: what the cache gave is a part of the prompt, what was thought a part of the completion.
fn usage(usage: &TokenCounts) -> Value {
    let (prompt, completion) = (usage.input_total(), usage.output_total());
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt.saturating_add(completion),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    })
}

/// A whole answer. Its model is the one that answered.
pub(crate) fn write_reply(reply: &Reply, asked: &Asked) -> Bytes {
    let choices = (0..).zip(&reply.choices).map(|(index, choice)| {
        let finish = choice.finish.as_ref().map_or("stop", word);
        json!({"index": index, "message": message(choice), "logprobs": null, "finish_reason": finish})
    });
    let mut body = json!({
        "id": id(asked),
        "object": "chat.completion",
        "created": asked.created,
        "model": reply.model.as_deref().unwrap_or(&asked.model),
        "choices": choices.collect::<Vec<_>>(),
        "system_fingerprint": reply.fingerprint,
    });
    if let Some(counts) = &reply.usage {
        body["usage"] = usage(counts);
    }
    if reply.retrieval.is_some() {
        let groundings = reply.choices.iter().map(|choice| choice.grounding.as_ref());
        body["insula"] = told_of_all(reply.retrieval.as_deref(), groundings);
    }
    body.to_string().into()
}

fn message(choice: &Choice) -> Value {
    let (mut text, mut refusal, mut reasoning, mut calls) = (None, None, None, Vec::new());
    let add = |to: &mut Option<String>, more: &str| to.get_or_insert_default().push_str(more);
    for part in &choice.parts {
        match part {
            Part::Text(more) => add(&mut text, more),
            Part::Refusal(more) => add(&mut refusal, more),
            Part::Reasoning { text: more, .. } => add(&mut reasoning, more),
            Part::ToolCall { id, name, arguments } => {
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}));
            }
            Part::Image(_) | Part::Document(_) | Part::ToolResult { .. } => {}
        }
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), text.into());
    message.insert("refusal".to_owned(), refusal.into());
    // DeepSeek's word, which compatible clients know.
    message.extend(reasoning.map(|text| ("reasoning_content".to_owned(), text.into())));
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    message.into()
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    system_fingerprint: Option<&'a str>,
    choices: &'a [ChoiceSent<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    insula: Option<&'a Value>,
}

#[derive(Serialize)]
struct ChoiceSent<'a> {
    index: u64,
    delta: Delta<'a>,
    /// Always null.
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallSent<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
}

/// A piece of a tool call; the first says whose.
#[derive(Serialize)]
struct CallSent<'a> {
    index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionSent<'a>,
}

#[derive(Serialize)]
struct FunctionSent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// Writes chunks.
#[derive(Debug)]
pub(crate) struct Encoder {
    asked: Asked,
    id: String,
    model: Option<String>,
    fingerprint: Option<String>,
    usage: Option<TokenCounts>,
    /// Choices whose first chunk went out: it names the role.
    begun: HashSet<u64>,
    /// How answers hold to what was found, until their last chunk goes out.
    groundings: HashMap<u64, Value>,
}

impl Encoder {
    pub fn new(asked: &Asked) -> Self {
        let (id, asked) = (id(asked), asked.clone());
        Self { asked, id, model: None, fingerprint: None, usage: None, begun: HashSet::new(), groundings: HashMap::new() }
    }

    fn chunk(&self, choices: &[ChoiceSent<'_>], usage: Option<Value>, insula: Option<&Value>, out: &mut Outgoing) {
        out.json(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.asked.created,
            model: self.model.as_deref().unwrap_or(&self.asked.model),
            system_fingerprint: self.fingerprint.as_deref(),
            choices,
            usage,
            insula,
        });
    }

    fn delta(&mut self, choice: u64, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Outgoing) {
        let insula = finish_reason.and_then(|_| self.groundings.remove(&choice));
        self.delta_with(choice, delta, finish_reason, insula.as_ref(), out);
    }

    fn delta_with(
        &mut self,
        choice: u64,
        delta: Delta<'_>,
        finish_reason: Option<&'static str>,
        insula: Option<&Value>,
        out: &mut Outgoing,
    ) {
        let role = self.begun.insert(choice).then_some("assistant");
        let delta = Delta { role, ..delta };
        self.chunk(&[ChoiceSent { index: choice, delta, logprobs: None, finish_reason }], None, insula, out);
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: &Event, out: &mut Outgoing) {
        let none = Delta::default();
        match event {
            Event::Began { model, fingerprint } => {
                (self.model, self.fingerprint) = (model.clone(), fingerprint.clone());
                self.delta(0, Delta { content: Some(""), ..none }, None, out);
            }
            Event::Retrieved(retrieval) => self.delta_with(0, none, None, Some(&told(Some(retrieval), None)), out),
            Event::Text { choice, text } => self.delta(*choice, Delta { content: Some(text), ..none }, None, out),
            Event::Refusal { choice, text } => self.delta(*choice, Delta { refusal: Some(text), ..none }, None, out),
            Event::Reasoning { choice, text } => {
                self.delta(*choice, Delta { reasoning_content: Some(text), ..none }, None, out)
            }
            // There is no place for it in this dialect; citations are told with the last chunk.
            Event::Signature { .. } | Event::Cited { .. } => {}
            Event::ToolCall { choice, index, id, name } => {
                let function = FunctionSent { name: Some(name), arguments: "" };
                let call = CallSent { index: *index, id: Some(id), kind: Some("function"), function };
                self.delta(*choice, Delta { tool_calls: Some([call]), ..none }, None, out);
            }
            Event::Arguments { choice, index, json } => {
                let call =
                    CallSent { index: *index, id: None, kind: None, function: FunctionSent { name: None, arguments: json } };
                self.delta(*choice, Delta { tool_calls: Some([call]), ..none }, None, out);
            }
            Event::Grounded { choice, grounding } => {
                self.groundings.insert(*choice, told(None, Some(grounding)));
            }
            Event::Finished { choice, reason } => self.delta(*choice, none, Some(word(reason)), out),
            Event::Used(counts) => self.usage = Some(*counts),
            Event::Ended => {
                // Of answers that nobody said why they ended.
                for (choice, grounding) in std::mem::take(&mut self.groundings) {
                    self.delta_with(choice, Delta::default(), None, Some(&grounding), out);
                }
                if let Some(counts) = self.usage.filter(|_| self.asked.include_usage) {
                    self.chunk(&[], Some(usage(&counts)), None, out);
                }
                out.write([b"[DONE]", b""]);
            }
        }
    }
}
