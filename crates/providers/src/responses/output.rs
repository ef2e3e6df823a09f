//! An answer put together item by item. Each step is told to whoever listens: a stream's caller hears of all, a whole answer's of none.

use std::sync::Arc;

use insula_model::chat::{Cited, Event, Finish, Grounding, Retrieval};
use serde::Serialize;
use serde_json::{Value, json};

use super::content::SEARCH_CALL;
use crate::retrieval::told;

/// Hears of each step.
pub(super) trait Tell {
    /// The event of this name, with these fields.
    fn tell<T: Serialize>(&mut self, name: &'static str, fields: impl FnOnce() -> T);
}

/// Hears of nothing.
pub(super) struct Unheard;

impl Tell for Unheard {
    fn tell<T: Serialize>(&mut self, _name: &'static str, _fields: impl FnOnce() -> T) {}
}

/// What an answer is made of, as far as it has come.
#[derive(Debug)]
pub(super) struct Output {
    /// What ids are made of.
    id: String,
    model: String,
    items: Vec<Item>,
    /// The message or thought that grows.
    growing: Option<usize>,
    /// Calls that grow: their numbers, and which items they are.
    calls: Vec<(u64, usize)>,
    /// Why it ended before its end, if it did.
    cut: Option<&'static str>,
    /// What was found in documents, where they were searched.
    retrieval: Option<Arc<Retrieval>>,
    /// How the answer holds to that.
    grounding: Option<Grounding>,
}

#[derive(Debug)]
struct Item {
    kind: Kind,
    status: &'static str,
}

#[derive(Debug)]
enum Kind {
    Message(Vec<Said>),
    Reasoning { text: String, seal: Option<String> },
    Call { call_id: String, name: String, arguments: String },
    Search(Arc<Retrieval>),
}

/// A part of a message.
#[derive(Debug)]
enum Said {
    Text { text: String, annotations: Vec<Value> },
    Refusal(String),
}

/// More text: nearly all events are such.
#[derive(Serialize)]
struct TextDelta<'a> {
    item_id: &'a str,
    output_index: usize,
    content_index: usize,
    delta: &'a str,
    /// Never any.
    logprobs: [u8; 0],
}

const IN_PROGRESS: &str = "in_progress";
const COMPLETED: &str = "completed";
const INCOMPLETE: &str = "incomplete";

impl Output {
    /// Nothing yet. `model` is the one that was asked for.
    pub fn new(id: &str, model: &str) -> Self {
        let (id, model) = (id.to_owned(), model.to_owned());
        Self { id, model, items: Vec::new(), growing: None, calls: Vec::new(), cut: None, retrieval: None, grounding: None }
    }

    /// `completed`, or `incomplete` where it was cut short.
    pub fn status(&self) -> &'static str {
        if self.cut.is_some() { INCOMPLETE } else { COMPLETED }
    }

    /// Why it was cut short.
    pub fn cut(&self) -> Option<&'static str> {
        self.cut
    }

    /// What is told of the documents that were searched; nothing where none were.
    pub fn told(&self) -> Option<Value> {
        self.retrieval.as_deref().map(|retrieval| told(Some(retrieval), self.grounding.as_ref()))
    }

    /// The items.
    pub fn items(&self) -> Vec<Value> {
        (0..self.items.len()).map(|at| self.shown(at)).collect()
    }

    /// Adds what an event says. There is one answer to a request: events of others are passed over.
    pub fn take(&mut self, event: &Event, tell: &mut impl Tell) {
        match event {
            Event::Text { choice: 0, text } => self.say(text, false, tell),
            Event::Refusal { choice: 0, text } => self.say(text, true, tell),
            Event::Reasoning { choice: 0, text } => self.think(text, tell),
            Event::Signature { choice: 0, signature } => self.sign(signature, tell),
            Event::ToolCall { choice: 0, index, id, name } => self.call(*index, id, name, tell),
            Event::Arguments { choice: 0, index, json } => self.add_arguments(*index, json, tell),
            Event::Retrieved(retrieval) => self.search(retrieval, tell),
            Event::Cited { choice: 0, cited } => self.annotate(cited, tell),
            Event::Grounded { choice: 0, grounding } => self.grounding = Some(grounding.clone()),
            Event::Finished { choice: 0, reason } => {
                self.cut = match reason {
                    Finish::Length => Some("max_output_tokens"),
                    Finish::ContentFilter => Some("content_filter"),
                    Finish::Stop | Finish::StopText(_) | Finish::ToolCalls => None,
                };
                self.close(self.status(), tell);
            }
            Event::Ended => self.close(self.status(), tell),
            _ => {}
        }
    }

    fn say(&mut self, more: &str, is_refusal: bool, tell: &mut impl Tell) {
        let at = match self.growing {
            Some(at) if matches!(self.items[at].kind, Kind::Message(_)) => at,
            _ => self.open(Kind::Message(Vec::new()), tell),
        };
        let id = self.id_of(at);
        let Kind::Message(parts) = &mut self.items[at].kind else { return };
        let continues = matches!((parts.last(), is_refusal), (Some(Said::Text { .. }), false) | (Some(Said::Refusal(_)), true));
        if !continues {
            if let Some(before) = parts.last() {
                before.tell_done(&id, at, parts.len() - 1, tell);
            }
            parts.push(if is_refusal {
                Said::Refusal(String::new())
            } else {
                Said::Text { text: String::new(), annotations: Vec::new() }
            });
            let (content, part) = (parts.len() - 1, parts[parts.len() - 1].shown());
            tell.tell(
                "response.content_part.added",
                || json!({"item_id": id, "output_index": at, "content_index": content, "part": part}),
            );
        }
        let content = parts.len() - 1;
        match &mut parts[content] {
            Said::Text { text, .. } => {
                text.push_str(more);
                tell.tell("response.output_text.delta", || TextDelta {
                    item_id: &id,
                    output_index: at,
                    content_index: content,
                    delta: more,
                    logprobs: [],
                });
            }
            Said::Refusal(text) => {
                text.push_str(more);
                tell.tell(
                    "response.refusal.delta",
                    || json!({"item_id": id, "output_index": at, "content_index": content, "delta": more}),
                );
            }
        }
    }

    /// Documents were searched; where that was asked for as a tool, the search is an item.
    fn search(&mut self, retrieval: &Arc<Retrieval>, tell: &mut impl Tell) {
        self.retrieval = Some(retrieval.clone());
        if !retrieval.is_tool {
            return;
        }
        let at = self.push(Kind::Search(retrieval.clone()), tell);
        let id = self.id_of(at);
        for name in [
            "response.file_search_call.in_progress",
            "response.file_search_call.searching",
            "response.file_search_call.completed",
        ] {
            tell.tell(name, || json!({"output_index": at, "item_id": id}));
        }
        self.done(at, COMPLETED, tell);
    }

    /// The text that grows ends in the mark of a citation.
    fn annotate(&mut self, cited: &Cited, tell: &mut impl Tell) {
        let last_message = self.items.iter().rposition(|item| matches!(item.kind, Kind::Message(_)));
        let Some(at) = self.growing.or(last_message) else { return };
        let id = self.id_of(at);
        let Kind::Message(parts) = &mut self.items[at].kind else { return };
        let Some(content) = parts.len().checked_sub(1) else { return };
        if let Said::Text { annotations, .. } = &mut parts[content] {
            let annotation = json!({
                "type": "file_citation", "index": cited.at, "file_id": cited.file.as_ref().unwrap_or(&cited.document), "filename": cited.name,
            });
            let number = annotations.len();
            annotations.push(annotation.clone());
            tell.tell("response.output_text.annotation.added", || json!({
                "item_id": id, "output_index": at, "content_index": content, "annotation_index": number, "annotation": annotation,
            }));
        }
    }

    /// The thought that grows, or a new one.
    fn thought(&mut self, tell: &mut impl Tell) -> usize {
        match self.growing {
            Some(at) if matches!(self.items[at].kind, Kind::Reasoning { .. }) => at,
            _ => self.open(Kind::Reasoning { text: String::new(), seal: None }, tell),
        }
    }

    fn think(&mut self, more: &str, tell: &mut impl Tell) {
        let at = self.thought(tell);
        let id = self.id_of(at);
        let Kind::Reasoning { text, .. } = &mut self.items[at].kind else { return };
        if text.is_empty() && !more.is_empty() {
            tell.tell(
                "response.reasoning_summary_part.added",
                || json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary("")}),
            );
        }
        text.push_str(more);
        tell.tell(
            "response.reasoning_summary_text.delta",
            || json!({"item_id": id, "output_index": at, "summary_index": 0, "delta": more}),
        );
    }

    fn sign(&mut self, signature: &str, tell: &mut impl Tell) {
        let at = self.thought(tell);
        let sealed = sealed(signature, &self.model);
        if let Kind::Reasoning { seal, .. } = &mut self.items[at].kind {
            *seal = Some(sealed);
        }
    }

    fn call(&mut self, index: u64, id: &str, name: &str, tell: &mut impl Tell) {
        self.stop_growing(COMPLETED, tell);
        let call_id = if id.is_empty() { format!("call_{}n{index}", self.id) } else { id.to_owned() };
        let at = self.push(Kind::Call { call_id, name: name.to_owned(), arguments: String::new() }, tell);
        self.calls.push((index, at));
    }

    fn add_arguments(&mut self, index: u64, more: &str, tell: &mut impl Tell) {
        let Some((_, at)) = self.calls.iter().copied().find(|(number, _)| *number == index) else { return };
        let id = self.id_of(at);
        if let Kind::Call { arguments, .. } = &mut self.items[at].kind {
            arguments.push_str(more);
            tell.tell("response.function_call_arguments.delta", || json!({"item_id": id, "output_index": at, "delta": more}));
        }
    }

    /// Begins a message or a thought; what grew before is done.
    fn open(&mut self, kind: Kind, tell: &mut impl Tell) -> usize {
        self.close(COMPLETED, tell);
        let at = self.push(kind, tell);
        self.growing = Some(at);
        at
    }

    fn push(&mut self, kind: Kind, tell: &mut impl Tell) -> usize {
        self.items.push(Item { kind, status: IN_PROGRESS });
        let at = self.items.len() - 1;
        tell.tell("response.output_item.added", || json!({"output_index": at, "item": self.shown(at)}));
        at
    }

    /// Nothing grows any more; the last item ends with this status.
    fn close(&mut self, status: &'static str, tell: &mut impl Tell) {
        let calls = std::mem::take(&mut self.calls);
        self.stop_growing(if calls.is_empty() { status } else { COMPLETED }, tell);
        for (place, (_, at)) in calls.iter().enumerate() {
            let is_last = place + 1 == calls.len();
            self.done(*at, if is_last { status } else { COMPLETED }, tell);
        }
    }

    fn stop_growing(&mut self, status: &'static str, tell: &mut impl Tell) {
        if let Some(at) = self.growing.take() {
            self.done(at, status, tell);
        }
    }

    fn done(&mut self, at: usize, status: &'static str, tell: &mut impl Tell) {
        let id = self.id_of(at);
        self.items[at].status = status;
        match &self.items[at].kind {
            Kind::Message(parts) => {
                if let Some(last) = parts.last() {
                    last.tell_done(&id, at, parts.len() - 1, tell);
                }
            }
            Kind::Search(_) => {}
            Kind::Reasoning { text, .. } if text.is_empty() => {}
            Kind::Reasoning { text, .. } => {
                tell.tell(
                    "response.reasoning_summary_text.done",
                    || json!({"item_id": id, "output_index": at, "summary_index": 0, "text": text}),
                );
                tell.tell(
                    "response.reasoning_summary_part.done",
                    || json!({"item_id": id, "output_index": at, "summary_index": 0, "part": summary(text)}),
                );
            }
            Kind::Call { arguments, name, .. } => {
                tell.tell(
                    "response.function_call_arguments.done",
                    || json!({"item_id": id, "output_index": at, "name": name, "arguments": arguments}),
                );
            }
        }
        tell.tell("response.output_item.done", || json!({"output_index": at, "item": self.shown(at)}));
    }

    fn id_of(&self, at: usize) -> String {
        let prefix = match self.items[at].kind {
            Kind::Message(_) => "msg",
            Kind::Reasoning { .. } => "rs",
            Kind::Call { .. } => "fc",
            Kind::Search(_) => "fs",
        };
        format!("{prefix}_{}o{at}", self.id)
    }

    fn shown(&self, at: usize) -> Value {
        let (id, Item { kind, status }) = (self.id_of(at), &self.items[at]);
        match kind {
            Kind::Message(parts) => {
                let content: Vec<Value> = parts.iter().map(Said::shown).collect();
                json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content})
            }
            Kind::Reasoning { text, seal } => {
                let summaries: Vec<Value> =
                    Some(text).filter(|text| !text.is_empty()).map(|text| summary(text)).into_iter().collect();
                let mut item = json!({"id": id, "type": "reasoning", "status": status, "summary": summaries});
                if let Some(seal) = seal {
                    item["encrypted_content"] = seal.as_str().into();
                }
                item
            }
            Kind::Search(retrieval) => {
                let results = (*status == COMPLETED && retrieval.shows_texts).then(|| results(retrieval));
                json!({"id": id, "type": SEARCH_CALL, "status": status, "queries": [retrieval.query], "results": results})
            }
            Kind::Call { call_id, name, arguments } => json!({
                "id": id, "type": "function_call", "status": status, "call_id": call_id, "name": name, "arguments": arguments,
            }),
        }
    }
}

impl Said {
    fn shown(&self) -> Value {
        match self {
            Said::Text { text, annotations } => {
                json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []})
            }
            Said::Refusal(text) => json!({"type": "refusal", "refusal": text}),
        }
    }

    fn tell_done(&self, id: &str, at: usize, content: usize, tell: &mut impl Tell) {
        let place = |mut fields: Value| {
            fields["item_id"] = id.into();
            fields["output_index"] = at.into();
            fields["content_index"] = content.into();
            fields
        };
        match self {
            Said::Text { text, .. } => tell.tell("response.output_text.done", || place(json!({"text": text, "logprobs": []}))),
            Said::Refusal(text) => tell.tell("response.refusal.done", || place(json!({"refusal": text}))),
        }
        tell.tell("response.content_part.done", || place(json!({"part": self.shown()})));
    }
}

/// What was found, with its texts.
fn results(retrieval: &Retrieval) -> Vec<Value> {
    let result = |found: &insula_model::chat::Found| {
        json!({
            "file_id": found.file.as_ref().unwrap_or(&found.document), "filename": found.name, "score": found.score,
            "text": found.text, "attributes": found.attributes,
        })
    };
    retrieval.found.iter().map(result).collect()
}

fn summary(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

/// A vendor's seal on a thought as callers keep it: with the model's name, because no other vendor takes it back.
fn sealed(signature: &str, model: &str) -> String {
    format!("{model}#{signature}")
}

/// The vendor's seal, where it is of this model.
pub(super) fn unsealed(kept: &str, model: &str) -> Option<String> {
    let (of, signature) = kept.rsplit_once('#')?;
    (of == model && !signature.is_empty()).then(|| signature.to_owned())
}
