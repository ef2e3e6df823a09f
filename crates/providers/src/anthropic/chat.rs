//! A caller's Messages request, checked and bounded.

use bytes::Bytes;
use insula_model::{Error, Result};
use serde_json::value::RawValue;

use super::content::{read_messages, read_system, read_tools};
use crate::{
    ChatRequest, Dialect, InputBound, OutputLimitField,
    json::{checked_text, is_given, members, range_in},
    openai::HANDING_OVER,
    request::{
        Body, Field,
        fields::{flag, optional_text, positive, required_text},
        findings::{Findings, Path},
    },
    retrieval::detached,
};

impl ChatRequest {
    /// Checks a body of Messages. What is not mentioned here passes through untouched.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse_messages(body: Bytes) -> Result<Self> {
        let request = Self::parse_to_count(body)?;
        match request.max_tokens {
            Some(_) => Ok(request),
            None => Err(Error::invalid("`max_tokens` is missing; say how long the answer may be").at("max_tokens")),
        }
    }

    /// Checks a body of Messages whose tokens shall be counted: it needs no output limit.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse_to_count(body: Bytes) -> Result<Self> {
        let text = checked_text(&body)?;
        let fields = members(text, "the body")?.0;
        if let Some(detached) = detached(&fields, Dialect::Messages)? {
            return Self::detached(body.clone(), detached, Self::parse_to_count);
        }
        let mut draft = Draft::default();
        for (name, value) in fields {
            draft.take(text, &name, value)?;
        }
        draft.finish(body)
    }
}

/// A request while its fields are read.
#[derive(Default)]
struct Draft {
    model: Option<String>,
    has_messages: bool,
    stream: bool,
    max_tokens: Option<u64>,
    user: Option<String>,
    schema_bytes: u64,
    hands_over: Option<&'static str>,
    found: Findings,
    spots: Vec<(Field, std::ops::Range<usize>)>,
}

impl Draft {
    fn take(&mut self, text: &str, name: &str, value: &RawValue) -> Result<()> {
        let spot = |field| (field, range_in(text, value.get()));
        match name {
            "model" => {
                self.model = Some(required_text(value, "model")?);
                self.spots.push(spot(Field::Model));
            }
            "messages" => {
                self.has_messages = true;
                read_messages(value, &mut self.found)?;
            }
            "system" if is_given(value) => read_system(value, &mut self.found)?,
            "stream" => self.stream = flag(value, "stream")?,
            "max_tokens" => {
                self.max_tokens = positive(value, "max_tokens", u64::from(u32::MAX))?;
                self.spots.push(spot(Field::Limit(OutputLimitField::MaxTokens)));
            }
            "metadata" if is_given(value) => self.take_metadata(value)?,
            "tools" if is_given(value) => {
                self.schema_bytes += value.get().len() as u64;
                read_tools(value, &mut self.found)?;
            }
            "output_config" | "output_format" => self.schema_bytes += value.get().len() as u64,
            // The caller's own words: nothing in them is a provider's object.
            "stop_sequences" => {}
            name => self.take_other(name, value)?,
        }
        Ok(())
    }

    fn take_metadata(&mut self, value: &RawValue) -> Result<()> {
        for (name, value) in members(value.get(), "metadata").map_err(|error| error.at("metadata"))?.0 {
            if name == "user_id" {
                self.user = optional_text(value, "metadata.user_id")?;
            }
        }
        Ok(())
    }

    fn take_other(&mut self, name: &str, value: &RawValue) -> Result<()> {
        self.hands_over = self.hands_over.or(HANDING_OVER.into_iter().find(|field| *field == name && is_given(value)));
        let path = Path::Field(name);
        if is_given(value) {
            match name {
                // One account serves every tenant: its requests, customers and workspaces are not a caller's to name.
                "diagnostics" | "user_profile_id" | "workspace_id" => self.found.refuse_id(&path),
                "inference_geo" => self.found.refuse(&path, "is the operator's to choose; leave it out"),
                name => note_unbounded(&mut self.found, name, value),
            }
        }
        let looked = self.found.other::<serde_json::Error>(&path, name, value);
        looked.map_err(|_| Error::invalid(format!("`{path}` is not as it should be")).at(name))
    }

    fn finish(mut self, body: Bytes) -> Result<ChatRequest> {
        let model = self.model.take().ok_or_else(|| Error::invalid("`model` is missing; name a model").at("model"))?;
        if !self.has_messages {
            return Err(Error::invalid("`messages` is missing; send at least one message").at("messages"));
        }
        self.found.check()?;
        let bytes = (body.len() as u64).saturating_sub(self.found.data_url_bytes) + self.schema_bytes;
        let input = InputBound {
            bytes,
            messages: self.found.messages,
            tools: self.found.tools,
            images: self.found.images,
            unbounded: self.found.unbounded.take(),
        };
        Ok(ChatRequest {
            dialect: Dialect::Messages,
            model,
            stream: self.stream,
            // A stream of this dialect always tells.
            include_usage: true,
            max_tokens: self.max_tokens,
            n: 1,
            user: self.user,
            metadata: std::collections::BTreeMap::new(),
            hands_over: self.hands_over,
            input,
            chain: None,
            retrieval: None,
            caller: None,
            body: Body::new(body, self.spots),
        })
    }
}

/// Fields that cost by other measures than the tokens of the prompt and the output limit.
fn note_unbounded(found: &mut Findings, name: &str, value: &RawValue) {
    let is_named = match name {
        // `auto` is also what leaving it out means: the tier of the platform's own account.
        "service_tier" => !matches!(value.get(), "\"auto\"" | "\"standard_only\""),
        "speed" => value.get() != "\"standard\"",
        // Tools on other servers, and what the provider edits, run and bill there.
        "mcp_servers" | "context_management" => true,
        name => HANDING_OVER.contains(&name),
    };
    if is_named {
        found.unbounded(|| format!("`{name}`"));
    }
}
