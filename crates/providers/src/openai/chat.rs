//! A caller's chat completion request, checked and bounded.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use insula_model::{Error, Result};
use serde_json::value::RawValue;

use super::content::{not_as_expected, read_functions, read_messages, read_tools};
use crate::{
    ChatRequest, Dialect, InputBound, OutputLimitField,
    json::{checked_text, is_given, members, range_in},
    request::{
        Body, Field,
        fields::{flag, labels, optional_text, positive, required_text},
        findings::{Findings, Path},
    },
    retrieval::detached,
};

/// How many choices a request may ask for.
const CHOICES_MAX: u64 = 128;
impl ChatRequest {
    /// Checks a body of Chat Completions. What is not mentioned here passes through untouched, `store` included: whoever sets it stores
    /// the answer in the platform's account, where no tenant can read it back (ids of stored answers are refused).
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn parse(body: Bytes) -> Result<Self> {
        let text = checked_text(&body)?;
        let fields = members(text, "the body")?.0;
        if let Some(detached) = detached(&fields, Dialect::ChatCompletions)? {
            return Self::detached(body.clone(), detached, Self::parse);
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
    include_usage: bool,
    limits: Vec<u64>,
    n: Option<u64>,
    user: Option<String>,
    metadata: BTreeMap<String, String>,
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
                self.spots.push(spot(Field::Messages));
                read_messages(value, &mut self.found)?;
            }
            "stream" => self.stream = flag(value, "stream")?,
            "stream_options" => {
                self.take_stream_options(value)?;
                self.spots.push(spot(Field::StreamOptions));
            }
            "max_tokens" => self.take_limit(value, OutputLimitField::MaxTokens, spot)?,
            "max_completion_tokens" => self.take_limit(value, OutputLimitField::MaxCompletionTokens, spot)?,
            "n" => self.n = positive(value, "n", CHOICES_MAX)?,
            "user" => {
                self.user = optional_text(value, "user")?;
                self.spots.push(spot(Field::Salted("user")));
            }
            "safety_identifier" => self.spots.push(spot(Field::Salted("safety_identifier"))),
            "prompt_cache_key" => self.spots.push(spot(Field::Salted("prompt_cache_key"))),
            "cache_salt" => self.spots.push(spot(Field::Salted("cache_salt"))),
            "tools" if is_given(value) => {
                self.schema_bytes += value.get().len() as u64;
                read_tools(value, &mut self.found)?;
            }
            "functions" if is_given(value) => {
                self.schema_bytes += value.get().len() as u64;
                read_functions(value, &mut self.found)?;
            }
            "response_format" => self.schema_bytes += value.get().len() as u64,
            // The caller's own words, here and below: nothing in them is a provider's object.
            "metadata" => self.metadata = labels(value, "metadata")?,
            "logit_bias" | "stop" => {}
            name => {
                self.hands_over = self.hands_over.or(HANDING_OVER.into_iter().find(|field| *field == name && is_given(value)));
                note_unbounded(&mut self.found, name, value);
                self.found
                    .other::<serde_json::Error>(&Path::Field(name), name, value)
                    .map_err(|error| not_as_expected(name, &error))?;
            }
        }
        Ok(())
    }

    fn take_limit(
        &mut self,
        value: &RawValue,
        field: OutputLimitField,
        spot: impl FnOnce(Field) -> (Field, std::ops::Range<usize>),
    ) -> Result<()> {
        self.limits.extend(positive(value, field.name(), u64::from(u32::MAX))?);
        self.spots.push(spot(Field::Limit(field)));
        Ok(())
    }

    fn take_stream_options(&mut self, value: &RawValue) -> Result<()> {
        if is_given(value) {
            let fields = members(value.get(), "stream_options").map_err(|error| error.at("stream_options"))?;
            for (name, value) in fields.0 {
                if name == "include_usage" {
                    self.include_usage = flag(value, "stream_options.include_usage")?;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, body: Bytes) -> Result<ChatRequest> {
        let model = self.model.take().ok_or_else(|| Error::invalid("`model` is missing; name a model").at("model"))?;
        if !self.has_messages {
            return Err(Error::invalid("`messages` is missing; send at least one message").at("messages"));
        }
        self.found.check()?;
        if let [one, other] = self.limits[..]
            && one != other
        {
            let why = "`max_tokens` and `max_completion_tokens` are two names of one limit; send one of them";
            return Err(Error::invalid(why).at("max_completion_tokens"));
        }
        let bytes = (body.len() as u64).saturating_sub(self.found.data_url_bytes) + self.schema_bytes;
        let input = InputBound {
            bytes,
            messages: self.found.messages,
            tools: self.found.tools,
            images: self.found.images,
            unbounded: self.found.unbounded.take(),
        };
        Ok(ChatRequest {
            dialect: Dialect::ChatCompletions,
            model,
            stream: self.stream,
            include_usage: self.include_usage,
            max_tokens: self.limits.first().copied(),
            n: self.n.unwrap_or(1),
            user: self.user,
            metadata: self.metadata,
            hands_over: self.hands_over,
            input,
            chain: None,
            retrieval: None,
            caller: None,
            body: Body::new(body, self.spots),
        })
    }
}

/// Fields by which some providers hand a request to other models.
pub(crate) const HANDING_OVER: [&str; 4] = ["models", "plugins", "fallbacks", "route"];

/// Fields that cost by other measures than the tokens of the prompt and the output limit.
fn note_unbounded(found: &mut Findings, name: &str, value: &RawValue) {
    let is_named = match name {
        // `auto` is also what leaving it out means: the tier of the platform's own account.
        "service_tier" => !matches!(value.get(), "null" | "\"auto\"" | "\"default\""),
        "modalities" => {
            is_given(value)
                && !serde_json::from_str::<Vec<Cow<'_, str>>>(value.get())
                    .is_ok_and(|kinds| kinds.iter().all(|kind| kind == "text"))
        }
        // Speech is billed per second, searches per call, rejected predictions as output; the rest hand the request to
        // other models or let the caller rewrite the prompt's template.
        "audio" | "web_search_options" | "prediction" | "best_of" | "chat_template" => is_given(value),
        name if HANDING_OVER.contains(&name) => is_given(value),
        _ => false,
    };
    if is_named {
        found.unbounded(|| format!("`{name}`"));
    }
}
