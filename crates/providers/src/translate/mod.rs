//! From what a caller says to what a provider understands, and back.
//!
//! A caller speaks a [`Dialect`], a provider takes a [`Wire`] form. Where both are one form, text passes through as it came, with the
//! few places rewritten that must be. Else a request is read into `insula_model::chat` and written anew, and an answer's events are
//! decoded ([`Decode`]) and encoded ([`Encode`]) one by one ([`Across`]).

mod across;
mod edit;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use insula_model::{Error, Result, TokenCounts, chat};

use crate::{
    EmbeddingsRequest, Isolation, ModelCard, anthropic,
    client::{Fault, Outgoing, Scrub},
    gemini, openai, responses,
    sse::Event,
};

use across::Across;
pub use edit::{Edit, Editor};

/// In which form a caller asks and is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's Chat Completions.
    ChatCompletions,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

/// In which form a provider is asked and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// OpenAI's Chat Completions, spoken by every compatible server.
    ChatCompletions,
    /// Anthropic's Messages.
    Messages,
    /// Gemini's `generateContent`.
    GenerateContent,
}

/// How the caller wants its answer.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The form.
    pub dialect: Dialect,
    /// Whether in pieces.
    pub stream: bool,
    /// Whether the usage is wanted in a stream of Chat Completions.
    pub include_usage: bool,
    /// The model, as the caller named it.
    pub model: String,
    /// What a translated answer's id is made of: letters, digits and `_`.
    pub id: String,
    /// When it was asked, in seconds since 1970.
    pub created: i64,
    /// The caller's body: some dialects repeat parts of it.
    pub request: Bytes,
    /// What changes the answer, if anything does.
    pub editor: Option<Editor>,
}

/// What an answer has shown so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub usage: Option<TokenCounts>,
    /// Bytes of output, in all choices.
    pub output_bytes: u64,
    pub model: Option<String>,
    pub fingerprint: Option<String>,
    /// Whether the provider said that the answer is complete.
    pub is_done: bool,
    /// Whether what the provider counted does not add up, and so counts as not said.
    pub is_miscounted: bool,
}

/// Reads the events of an answer as it streams in, and writes what its caller shall see.
pub(crate) trait Reading: fmt::Debug + Send + Sync {
    /// Takes the next event.
    fn take(&mut self, event: &Event<'_>, out: &mut Outgoing) -> Result<(), Fault>;

    /// The body is at its end. Vendors that say nothing at the end of an answer are done here.
    fn end(&mut self, _out: &mut Outgoing) -> Result<(), Fault> {
        Ok(())
    }

    fn seen(&self) -> &Seen;

    /// The complete answer as it would have been given whole, where the caller's dialect lets it be asked for again.
    fn whole(&self) -> Option<Bytes> {
        None
    }
}

/// Reads a vendor's events.
pub(crate) trait Decode: fmt::Debug + Send + Sync {
    /// Adds what this event says.
    fn event(&mut self, event: &Event<'_>, into: &mut Vec<chat::Event>) -> Result<(), Fault>;

    /// Adds what the end of the body says.
    fn end(&mut self, _into: &mut Vec<chat::Event>) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether what the provider counted last does not add up.
    fn is_miscounted(&self) -> bool {
        false
    }
}

/// Writes events in a caller's dialect.
pub(crate) trait Encode: fmt::Debug + Send + Sync {
    fn event(&mut self, event: &chat::Event, out: &mut Outgoing);

    /// As [`Reading::whole`].
    fn whole(&self) -> Option<Bytes> {
        None
    }
}

/// A whole answer in the caller's dialect, and what it shows.
#[derive(Debug)]
pub(crate) struct Whole {
    pub body: Bytes,
    pub seen: Seen,
}

impl Dialect {
    /// Whether a provider of this wire form understands the caller's own words.
    pub fn is(self, wire: Wire) -> bool {
        matches!((self, wire), (Dialect::ChatCompletions, Wire::ChatCompletions) | (Dialect::Messages, Wire::Messages))
    }

    /// The field of a message's part that holds an image.
    pub(crate) fn image_field(self) -> &'static str {
        match self {
            Dialect::ChatCompletions | Dialect::Responses => "image_url",
            Dialect::Messages => "source",
        }
    }

    /// What a body in this dialect asks.
    ///
    /// # Errors
    /// `Invalid` where it says what no other form can.
    pub(crate) fn read(self, body: &str) -> Result<chat::Request> {
        match self {
            Dialect::ChatCompletions => openai::read_request(body),
            Dialect::Responses => responses::read_request(body),
            Dialect::Messages => anthropic::read_request(body),
        }
    }

    fn encoder(self, asked: &Asked) -> Box<dyn Encode> {
        match self {
            Dialect::ChatCompletions => Box::new(openai::Encoder::new(asked)),
            Dialect::Responses => Box::new(responses::Encoder::new(asked)),
            Dialect::Messages => Box::new(anthropic::Encoder::new(asked)),
        }
    }

    fn whole(self, reply: &chat::Reply, asked: &Asked) -> Bytes {
        match self {
            Dialect::ChatCompletions => openai::write_reply(reply, asked),
            Dialect::Responses => responses::write_reply(reply, asked),
            Dialect::Messages => anthropic::write_reply(reply, asked),
        }
    }
}

impl Wire {
    /// A request in this form, for this model.
    ///
    /// # Errors
    /// `Invalid`, naming what this form cannot say.
    pub(crate) fn write(self, request: &chat::Request, card: &ModelCard) -> Result<Bytes> {
        match self {
            Wire::ChatCompletions => openai::write_request(request, card),
            Wire::Messages => anthropic::write_request(request, card),
            Wire::GenerateContent => gemini::write_request(request, card),
        }
    }

    /// What is to be embedded, in this form, for this model.
    ///
    /// # Errors
    /// `Invalid`, naming what this form cannot say.
    pub(crate) fn write_embeddings(
        self,
        request: &EmbeddingsRequest,
        card: &ModelCard,
        isolation: Option<Isolation<'_>>,
    ) -> Result<Bytes> {
        match self {
            Wire::ChatCompletions => Ok(request.rewritten(card, isolation)),
            Wire::Messages => Err(Error::invalid("the model's provider has no embeddings").at("model")),
            Wire::GenerateContent => gemini::write_embeddings(request, card),
        }
    }

    /// How many inputs one embeddings request may have.
    pub fn embedding_inputs_max(self) -> u64 {
        match self {
            Wire::ChatCompletions | Wire::Messages => openai::INPUTS_MAX,
            Wire::GenerateContent => gemini::EMBEDDING_INPUTS_MAX,
        }
    }

    fn decoder(self, scrub: Arc<Scrub>) -> Box<dyn Decode> {
        match self {
            Wire::ChatCompletions => Box::new(openai::Decoder::new(scrub)),
            Wire::Messages => Box::new(anthropic::Decoder::new(scrub)),
            Wire::GenerateContent => Box::new(gemini::Decoder::new(scrub)),
        }
    }

    /// The field of a whole answer that holds what was counted.
    fn usage_field(self) -> &'static str {
        match self {
            Wire::ChatCompletions | Wire::Messages => "usage",
            Wire::GenerateContent => "usageMetadata",
        }
    }

    fn reply(self, body: &str, scrub: &Scrub) -> Result<chat::Reply> {
        match self {
            Wire::ChatCompletions => openai::read_reply(body, scrub),
            Wire::Messages => anthropic::read_reply(body, scrub),
            Wire::GenerateContent => gemini::read_reply(body, scrub),
        }
    }
}

/// What reads a stream in this wire form for a caller who asked like this.
pub(crate) fn reading(wire: Wire, asked: &Asked, scrub: Arc<Scrub>) -> Box<dyn Reading> {
    match (asked.dialect, wire) {
        (dialect, wire) if asked.editor.is_some() || !dialect.is(wire) => {
            let edit = asked.editor.as_ref().map(Editor::edit);
            Box::new(Across::new(wire.decoder(scrub), edit, dialect.encoder(asked)))
        }
        (Dialect::Messages, _) => Box::new(anthropic::Passing::new(scrub)),
        _ => Box::new(openai::Passing::new(asked.include_usage, scrub)),
    }
}

/// Reads a whole answer in this wire form for a caller who asked like this.
///
/// # Errors
/// What the provider says is wrong, or that it cannot be read.
pub(crate) fn whole(wire: Wire, asked: &Asked, body: Bytes, scrub: &Scrub) -> Result<Whole> {
    match (asked.dialect, wire, &asked.editor) {
        (Dialect::ChatCompletions, Wire::ChatCompletions, None) => openai::pass_answer(body, scrub),
        (Dialect::Messages, Wire::Messages, None) => anthropic::pass_answer(body, scrub),
        (dialect, wire, Some(editor)) => across::whole(&body, wire, scrub, |reply| dialect.whole(&editor.edited(reply), asked)),
        (dialect, wire, None) => across::whole(&body, wire, scrub, |reply| dialect.whole(reply, asked)),
    }
}

/// Reads embeddings in this wire form for a caller who asked like this.
///
/// # Errors
/// What the provider says is wrong, or that it cannot be read.
pub(crate) fn embeddings(wire: Wire, asked: &Asked, body: Bytes, scrub: &Scrub) -> Result<Whole> {
    match wire {
        Wire::ChatCompletions | Wire::Messages => openai::pass_answer(body, scrub),
        Wire::GenerateContent => gemini::read_embeddings(&body, &asked.request, scrub),
    }
}

/// Output without output tokens was not counted.
pub(crate) fn is_plausible(usage: &TokenCounts, output_bytes: u64) -> bool {
    output_bytes == 0 || usage.output_total() > 0
}

#[cfg(test)]
mod tests;
