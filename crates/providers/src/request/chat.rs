//! A caller's chat in whichever dialect, checked and bounded; and its form for a provider.

use std::collections::BTreeMap;

use bytes::Bytes;
use insula_model::Result;
use serde::Deserializer;
use serde_json::value::RawValue;

use super::{Body, InputBound, Rewrite};
use crate::{
    Chain, Dialect, Isolation, ModelCard, OutputLimitField, RetrievalAsk, Tokenizer, Wire,
    gemini::without_signatures,
    json::{EachText, is_given, members},
    retrieval::Detached,
};

/// Besides their text, messages cost these: the marks around each, and the opening of the answer. Source: OpenAI's
/// cookbook, "How to count tokens with tiktoken" (3 a message, 3 once).
pub(crate) const MESSAGE_TOKENS: u64 = 3;
const REQUEST_TOKENS: u64 = 3;
/// A text that stands apart costs up to one mark more (a name does).
const TEXT_TOKENS: u64 = 1;
/// The frame around all tools, and around each.
const TOOLS_TOKENS: u64 = 16;
const TOOL_TOKENS: u64 = 12;

/// A checked request for a chat.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    /// In which form it came, and its answer goes.
    pub dialect: Dialect,
    /// The model's name as the caller wrote it.
    pub model: String,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// Whether the caller wants the usage in the stream.
    pub include_usage: bool,
    /// The caller's limit on output, in tokens per choice.
    pub max_tokens: Option<u64>,
    /// How many choices, 1 to 128.
    pub n: u64,
    /// The end user that the caller names.
    pub user: Option<String>,
    /// The caller's labels; they go upstream as well.
    pub metadata: BTreeMap<String, String>,
    /// The field, if any, by which a provider may hand the request to another model than the one that it names.
    pub hands_over: Option<&'static str>,
    /// What bounds its input.
    pub input: InputBound,
    /// What came before it and whether its answer is kept; of Responses alone.
    pub chain: Option<Chain>,
    /// What it asks of documents; nothing of that goes upstream.
    pub retrieval: Option<Box<RetrievalAsk>>,
    /// The body as its caller sent it, where another goes upstream.
    pub(crate) caller: Option<Bytes>,
    pub(crate) body: Body,
}

impl ChatRequest {
    /// The body as it came.
    pub fn raw(&self) -> &Bytes {
        self.caller.as_ref().unwrap_or_else(|| self.body.raw())
    }

    /// The body that goes upstream, before it is brought into a provider's form: without what only Insula reads, and with what was put in.
    pub fn sent(&self) -> &Bytes {
        self.body.raw()
    }

    /// What is left of a body once it is known what it asks of documents, read by `parse`.
    pub(crate) fn detached(caller: Bytes, detached: Detached, parse: impl FnOnce(Bytes) -> Result<Self>) -> Result<Self> {
        let Detached { body, ask } = detached;
        Ok(Self { retrieval: ask.map(Box::new), caller: Some(caller), ..parse(body)? })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.sent()).unwrap_or_default()
    }

    /// The request for a provider of this form. Where that is the caller's own: the provider's model name, the output limit in the
    /// field that the model heeds, usage asked for when streaming, names of users and caches hashed; all else byte for byte.
    /// `output_tokens_max` is per choice; `None` leaves the caller's limit, or none.
    ///
    /// # Errors
    /// `Invalid`, naming what the provider's form cannot say.
    pub fn upstream_body(
        &self,
        card: &ModelCard,
        wire: Wire,
        output_tokens_max: Option<u64>,
        isolation: Option<Isolation<'_>>,
    ) -> Result<Bytes> {
        let limit = output_tokens_max.or(self.max_tokens);
        if self.dialect.is(wire) {
            let ask_usage = self.stream && wire == Wire::ChatCompletions;
            // Messages have one name for it, whatever the price file says.
            let limit_field = if wire == Wire::Messages { OutputLimitField::MaxTokens } else { card.output_limit_field };
            // Messages have places of their own for what keeps tenants apart.
            let (anthropics, openais) = if wire == Wire::Messages { (isolation, None) } else { (None, isolation) };
            let body = self.body.rewritten(&Rewrite { card, limit_field, limit, ask_usage, isolation: openais });
            let body = without_signatures(&body);
            return Ok(anthropics.map_or(body.clone(), |isolation| isolation.applied_to_messages(&body)));
        }
        let body = if wire == Wire::GenerateContent { self.sent().clone() } else { without_signatures(self.sent()) };
        let mut request = self.dialect.read(std::str::from_utf8(&body).unwrap_or_default())?;
        request.output_tokens_max = limit;
        request.stream = self.stream;
        if let Some(isolation) = isolation {
            isolation.apply(&mut request);
        }
        let body = wire.write(&request, card)?;
        Ok(match isolation.filter(|_| wire == Wire::ChatCompletions) {
            Some(isolation) => isolation.keyed(body),
            None => body,
        })
    }

    /// At least as many input tokens as a provider with this tokenizer counts, images and the template of its card aside.
    ///
    /// Every text is counted on its own and schemas twice, for the reason that [`InputBound::tokens_max`] gives. Blocking:
    /// call it off the async threads.
    pub fn count_input_tokens(&self, tokenizer: Tokenizer) -> u64 {
        let mut tokens = REQUEST_TOKENS + MESSAGE_TOKENS * self.input.messages;
        for (name, value) in members(self.text(), "the body").map(|fields| fields.0).unwrap_or_default() {
            match name.as_ref() {
                "messages" | "input" => tokens += self.count_texts(value, tokenizer),
                // A message without saying so: its marks, and the name of its role.
                "system" | "instructions" => tokens += MESSAGE_TOKENS + TEXT_TOKENS + self.count_texts(value, tokenizer),
                "tools" | "functions" | "response_format" | "text" | "output_config" | "output_format" if is_given(value) => {
                    tokens += TOOLS_TOKENS + 2 * tokenizer.count(value.get());
                }
                // What any other field adds to the prompt (an effort, a verbosity) is no longer than the field itself.
                "model" | "user" | "metadata" => {}
                name => tokens += tokenizer.count(name) + tokenizer.count(value.get()),
            }
        }
        tokens + TOOL_TOKENS * self.input.tools
    }

    /// Tokens of all texts in messages, without the images among them.
    fn count_texts(&self, messages: &RawValue, tokenizer: Tokenizer) -> u64 {
        let mut tokens = 0;
        let mut texts = EachText::new(|text: &str| tokens += TEXT_TOKENS + tokenizer.count(text));
        texts.skip = Some(self.dialect.image_field());
        let walked = messages.deserialize_any(&mut texts);
        let skipped = texts.skipped;
        // What was passed over must be the very images that are paid for one by one; else the bytes are the bound.
        if walked.is_ok() && skipped == self.input.images { tokens } else { messages.get().len() as u64 }
    }
}
