//! Gemini's answers, whole and as they stream in.

use std::{collections::BTreeMap, str, sync::Arc};

use insula_model::{
    Result,
    chat::{self, Choice, Finish, Part, Reply},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{signature::sealed, usage::read_usage};
use crate::{
    client::{Fault, Scrub, from_answer, unreadable},
    json::is_given,
    sse::Event,
    translate::Decode,
};

/// A whole answer, or a chunk of one. Parts of other kinds (code that was run, files) are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    #[serde(default, borrow)]
    candidates: Vec<Candidate<'a>>,
    prompt_feedback: Option<Feedback>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    model_version: Option<String>,
    response_id: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    content: Option<ContentSaid<'a>>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct ContentSaid<'a> {
    #[serde(default, borrow)]
    parts: Vec<PartSaid<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartSaid<'a> {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    #[serde(borrow)]
    function_call: Option<CallSaid<'a>>,
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct CallSaid<'a> {
    id: Option<String>,
    name: String,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

impl<'a> Said<'a> {
    fn parse(text: &'a str, scrub: &Scrub) -> Result<Self> {
        // Errors come in an array of one from some of Google's front ends.
        let text = text.trim_ascii().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let said: Self = serde_json::from_str(text).map_err(unreadable)?;
        match said.error.filter(|error| is_given(error)) {
            Some(error) => Err(from_answer(error, scrub)),
            None => Ok(said),
        }
    }

    fn is_blocked(&self) -> bool {
        self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some())
    }
}

/// Whatever else Gemini calls it (`SAFETY`, `RECITATION`, `MALFORMED_FUNCTION_CALL`, ...), the rest of the answer is withheld.
fn finish(word: &str, has_called: bool) -> Finish {
    match word {
        "STOP" if has_called => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        _ => Finish::ContentFilter,
    }
}

/// A part in our words; `number` is that of a call among its answer's.
fn part(said: PartSaid<'_>, response_id: Option<&str>, choice: u64, number: u64) -> Option<Part> {
    if let Some(CallSaid { id, name, args }) = said.function_call {
        // Gemini does not always name its calls. The name is the same however often the answer is read.
        let id = id.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| format!("call_{}_{choice}_{number}", response_id.unwrap_or("0")));
        let arguments = args.map_or("{}", |args| args.get()).to_owned();
        return Some(Part::ToolCall { id: sealed(&id, said.thought_signature.as_deref()), name, arguments });
    }
    let text = said.text.filter(|text| !text.is_empty())?;
    Some(if said.thought { Part::Reasoning { text, signature: None } } else { Part::Text(text) })
}

/// What a whole answer says.
///
/// # Errors
/// The error that stands in its place, or that it cannot be read.
pub(crate) fn read_reply(body: &str, scrub: &Scrub) -> Result<Reply> {
    let said = Said::parse(body, scrub)?;
    let is_blocked = said.is_blocked();
    let mut choices = Vec::with_capacity(said.candidates.len());
    for candidate in said.candidates {
        let mut parts = Vec::new();
        let mut calls = 0;
        for content in candidate.content.into_iter().flat_map(|content| content.parts) {
            let part = part(content, said.response_id.as_deref(), candidate.index, calls);
            calls += u64::from(matches!(part, Some(Part::ToolCall { .. })));
            parts.extend(part);
        }
        choices.push(Choice { parts, finish: candidate.finish_reason.map(|word| finish(&word, calls > 0)), grounding: None });
    }
    if choices.is_empty() && is_blocked {
        choices.push(Choice { parts: Vec::new(), finish: Some(Finish::ContentFilter), grounding: None });
    }
    let usage = said.usage_metadata.and_then(read_usage);
    Ok(Reply { model: said.model_version, fingerprint: None, choices, usage, retrieval: None })
}

/// Reads chunks. The answer is complete when the body ends behind a reason for every choice's end.
#[derive(Debug)]
pub(crate) struct Decoder {
    scrub: Arc<Scrub>,
    has_begun: bool,
    response_id: Option<String>,
    choices: BTreeMap<u64, Progress>,
    is_miscounted: bool,
}

#[derive(Debug, Default)]
struct Progress {
    calls: u64,
    is_finished: bool,
}

impl Decoder {
    pub fn new(scrub: Arc<Scrub>) -> Self {
        Self { scrub, has_begun: false, response_id: None, choices: BTreeMap::new(), is_miscounted: false }
    }

    fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.values().all(|choice| choice.is_finished)
    }

    fn candidate(&mut self, said: Candidate<'_>, into: &mut Vec<chat::Event>) {
        let choice = said.index;
        let progress = self.choices.entry(choice).or_default();
        for content in said.content.into_iter().flat_map(|content| content.parts) {
            match part(content, self.response_id.as_deref(), choice, progress.calls) {
                Some(Part::Text(text)) => into.push(chat::Event::Text { choice, text }),
                Some(Part::Reasoning { text, .. }) => into.push(chat::Event::Reasoning { choice, text }),
                Some(Part::ToolCall { id, name, arguments: json }) => {
                    let index = progress.calls;
                    progress.calls += 1;
                    into.push(chat::Event::ToolCall { choice, index, id, name });
                    into.push(chat::Event::Arguments { choice, index, json });
                }
                _ => {}
            }
        }
        if let Some(word) = said.finish_reason
            && !std::mem::replace(&mut progress.is_finished, true)
        {
            into.push(chat::Event::Finished { choice, reason: finish(&word, progress.calls > 0) });
        }
    }
}

impl Decode for Decoder {
    fn event(&mut self, event: &Event<'_>, into: &mut Vec<chat::Event>) -> Result<(), Fault> {
        let text = str::from_utf8(&event.data).map_err(unreadable)?;
        let said = Said::parse(text, &self.scrub)?;
        let is_blocked = said.is_blocked();
        self.response_id = self.response_id.take().or(said.response_id);
        if !std::mem::replace(&mut self.has_begun, true) {
            into.push(chat::Event::Began { model: said.model_version, fingerprint: None });
        }
        for candidate in said.candidates {
            self.candidate(candidate, into);
        }
        if is_blocked && self.choices.is_empty() {
            self.choices.insert(0, Progress { calls: 0, is_finished: true });
            into.push(chat::Event::Finished { choice: 0, reason: Finish::ContentFilter });
        }
        // Counts before the end are of what was written so far; whoever is cut off by then was not told.
        if let Some(usage) = said.usage_metadata.filter(|usage| is_given(usage) && self.is_finished()) {
            let counted = read_usage(usage);
            self.is_miscounted = counted.is_none();
            into.extend(counted.map(chat::Event::Used));
        }
        Ok(())
    }

    fn end(&mut self, into: &mut Vec<chat::Event>) -> Result<(), Fault> {
        if self.is_finished() {
            into.push(chat::Event::Ended);
        }
        Ok(())
    }

    fn is_miscounted(&self) -> bool {
        self.is_miscounted
    }
}
