//! A caller's request for a response, checked and bounded.

use std::collections::BTreeMap;

use bytes::Bytes;
use insula_model::{Error, Result};
use serde_json::value::RawValue;

use super::content::{read_input, read_tools};
use crate::{
    ChatRequest, Dialect, InputBound,
    json::{checked_text, is_given, members},
    request::{
        Body,
        fields::{flag, labels, optional_text, positive, required_text},
        findings::{Findings, Path},
    },
    retrieval::detached,
};

/// What a request for a response says of what came before it, and of what becomes of its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// What the answer's ids are made of: letters and digits. Whoever keeps answers sets it; without it an answer is named by its attempt.
    pub id: Option<String>,
    /// The response that this one goes on from, in the caller's words.
    pub previous: Option<String>,
    /// Whether the answer is to be kept, so that it can be asked for and gone on from.
    pub store: bool,
    /// The items that the request itself brings, where others were put in front of them.
    pub brought: Option<Bytes>,
}

impl ChatRequest {
    /// Checks a body of Responses. What another form cannot say of it (`truncation`, `prompt_cache_key`) is repeated in the answer and
    /// not sent.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse_responses(body: Bytes) -> Result<Self> {
        let text = checked_text(&body)?;
        let fields = members(text, "the body")?.0;
        if let Some(detached) = detached(&fields, Dialect::Responses)? {
            return Self::detached(body.clone(), detached, Self::parse_responses);
        }
        let mut draft = Draft { store: true, ..Draft::default() };
        for (name, value) in fields {
            draft.take(&name, value)?;
        }
        draft.finish(body)
    }
}

/// A request while its fields are read.
#[derive(Default)]
struct Draft {
    model: Option<String>,
    has_input: bool,
    stream: bool,
    limit: Option<u64>,
    user: Option<String>,
    safety_identifier: Option<String>,
    metadata: BTreeMap<String, String>,
    previous: Option<String>,
    store: bool,
    schema_bytes: u64,
    found: Findings,
}

impl Draft {
    fn take(&mut self, name: &str, value: &RawValue) -> Result<()> {
        match name {
            "model" => self.model = Some(required_text(value, "model")?),
            "input" => {
                self.has_input = true;
                read_input(value, &mut self.found)?;
            }
            "instructions" => self.take_instructions(value)?,
            "stream" => self.stream = flag(value, "stream")?,
            "max_output_tokens" => self.limit = positive(value, "max_output_tokens", u64::from(u32::MAX))?,
            "user" => self.user = optional_text(value, "user")?,
            "safety_identifier" => self.safety_identifier = optional_text(value, "safety_identifier")?,
            "metadata" => self.metadata = labels(value, "metadata")?,
            "previous_response_id" => self.previous = optional_text(value, "previous_response_id")?,
            "store" if is_given(value) => self.store = flag(value, "store")?,
            "background" => {
                if flag(value, "background")? {
                    return Err(
                        Error::invalid("`background` is not available; wait for the answer, or stream it").at("background")
                    );
                }
            }
            "tools" if is_given(value) => {
                self.schema_bytes += value.get().len() as u64;
                read_tools(value, &mut self.found)?;
            }
            "text" => self.schema_bytes += value.get().len() as u64,
            "prompt" | "conversation" if is_given(value) => self.found.refuse_id(&Path::Field(name)),
            "top_logprobs" if is_given(value) && value.get() != "0" => {
                return Err(Error::invalid("`top_logprobs` is not available in responses; leave it out").at("top_logprobs"));
            }
            // `auto` is also what leaving it out means: the tier of the platform's own account.
            "service_tier" if !matches!(value.get(), "null" | "\"auto\"" | "\"default\"") => {
                self.found.unbounded(|| "`service_tier`".to_owned());
            }
            name => {
                let looked = self.found.other::<serde_json::Error>(&Path::Field(name), name, value);
                looked.map_err(|error| Error::invalid(format!("`{name}` is not valid JSON: {error}")).at(name))?;
            }
        }
        Ok(())
    }

    fn take_instructions(&mut self, value: &RawValue) -> Result<()> {
        if is_given(value) {
            if !value.get().starts_with('"') {
                return Err(Error::invalid("`instructions` must be a string").at("instructions"));
            }
            self.found.messages += 1;
        }
        Ok(())
    }

    fn finish(mut self, body: Bytes) -> Result<ChatRequest> {
        let model = self.model.take().ok_or_else(|| Error::invalid("`model` is missing; name a model").at("model"))?;
        if !self.has_input {
            return Err(Error::invalid("`input` is missing; send a text or a list of items").at("input"));
        }
        self.found.check()?;
        // An item is longer than the marks around the message that it becomes: `{"role":"","content":""}` at least.
        let bytes = (body.len() as u64).saturating_sub(self.found.data_url_bytes) + self.schema_bytes;
        let input = InputBound {
            bytes,
            messages: self.found.messages,
            tools: self.found.tools,
            images: self.found.images,
            unbounded: self.found.unbounded.take(),
        };
        Ok(ChatRequest {
            dialect: Dialect::Responses,
            model,
            stream: self.stream,
            include_usage: false,
            max_tokens: self.limit,
            n: 1,
            user: self.user.or(self.safety_identifier),
            metadata: self.metadata,
            hands_over: None,
            input,
            chain: Some(Chain { previous: self.previous, store: self.store, ..Chain::default() }),
            retrieval: None,
            caller: None,
            body: Body::new(body, Vec::new()),
        })
    }
}
