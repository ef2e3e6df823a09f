//! What a caller asked for, as the stages see it.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use bytes::Bytes;
use insula_model::{Error, ErrorKind, Operation, Price, Result, Timestamp};
use insula_providers::{
    Asked, CacheIsolation, Chain, ChatRequest, Dialect, EmbeddingsRequest, Isolation, ModelCard, ModerationsRequest, Route,
    Tokenizer, question,
};

use crate::{EngineSettings, Origin, accounts::OutputAsk, isolation, retrieval::Grounds};

/// A parsed call of one of the data plane's operations.
pub(crate) enum Work {
    Chat(Box<Chat>),
    Embeddings(Box<EmbeddingsRequest>),
    /// With its model named, also where the caller left that open.
    Moderations(Box<ModerationsRequest>),
}

/// A chat, with what was found for it once its documents were searched.
#[derive(Debug, Clone)]
pub(crate) struct Chat {
    pub request: ChatRequest,
    pub grounds: Option<Arc<Grounds>>,
    /// The documents that the conversation before it was made of.
    pub before: Vec<Origin>,
}

impl From<ChatRequest> for Chat {
    fn from(request: ChatRequest) -> Self {
        Self { request, grounds: None, before: Vec::new() }
    }
}

impl Deref for Chat {
    type Target = ChatRequest;

    fn deref(&self) -> &ChatRequest {
        &self.request
    }
}

impl Work {
    /// A chat before its documents were searched.
    pub fn chat(request: ChatRequest) -> Self {
        Self::Chat(Box::new(request.into()))
    }

    /// What was found for it.
    pub fn grounds(&self) -> Option<&Arc<Grounds>> {
        match self {
            Work::Chat(chat) => chat.grounds.as_ref(),
            Work::Embeddings(_) | Work::Moderations(_) => None,
        }
    }

    /// Bytes of what goes upstream, before it is brought into a provider's form.
    pub fn sent_bytes(&self) -> usize {
        match self {
            Work::Chat(chat) => chat.sent().len(),
            Work::Embeddings(_) | Work::Moderations(_) => self.body().len(),
        }
    }

    pub fn operation(&self) -> Operation {
        match self {
            Work::Chat(_) => Operation::Chat,
            Work::Embeddings(_) => Operation::Embeddings,
            Work::Moderations(_) => Operation::Moderations,
        }
    }

    pub fn model(&self) -> &str {
        match self {
            Work::Chat(chat) => &chat.model,
            Work::Embeddings(embeddings) => &embeddings.model,
            Work::Moderations(moderations) => moderations.model.as_deref().unwrap_or_default(),
        }
    }

    /// The body as its caller sent it.
    pub fn body(&self) -> &Bytes {
        match self {
            Work::Chat(chat) => chat.raw(),
            Work::Embeddings(embeddings) => embeddings.raw(),
            Work::Moderations(moderations) => moderations.raw(),
        }
    }

    /// The end user that the body names.
    pub fn user(&self) -> Option<&str> {
        match self {
            Work::Chat(chat) => chat.user.as_deref(),
            Work::Embeddings(embeddings) => embeddings.user.as_deref(),
            Work::Moderations(moderations) => moderations.user.as_deref(),
        }
    }

    /// The labels in the body; of chats alone.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        match self {
            Work::Chat(chat) => &chat.metadata,
            Work::Embeddings(_) | Work::Moderations(_) => &NONE,
        }
    }

    /// What came before it, and whether its answer is kept; of Responses alone.
    pub fn chain(&self) -> Option<&Chain> {
        match self {
            Work::Chat(chat) => chat.chain.as_ref(),
            Work::Embeddings(_) | Work::Moderations(_) => None,
        }
    }

    pub fn is_stream(&self) -> bool {
        matches!(self, Work::Chat(chat) if chat.stream)
    }

    /// The form that requests and answers have for the caller.
    pub fn dialect(&self) -> Dialect {
        match self {
            Work::Chat(chat) => chat.dialect,
            Work::Embeddings(_) | Work::Moderations(_) => Dialect::ChatCompletions,
        }
    }

    /// What is asked, in one form however it was written.
    ///
    /// # Errors
    /// In a word or two, why no answer may be given to it again.
    pub fn question(&self) -> Result<Vec<u8>, &'static str> {
        match self {
            Work::Chat(chat) if chat.input.unbounded.is_some() => Err("cost_unbounded"),
            // A response that is kept has an id of its own; and how answers of other dialects end is not read here.
            Work::Chat(chat) if chat.dialect != Dialect::ChatCompletions => Err("dialect"),
            // It costs little or nothing, and who asks again wants the verdict of the model that judges now.
            Work::Moderations(_) => Err("moderation"),
            _ => question(self.body(), self.is_stream()),
        }
    }

    /// Whether the caller says how long an answer may be.
    pub fn states_output_max(&self) -> bool {
        matches!(self, Work::Chat(chat) if chat.max_tokens.is_some())
    }

    /// A rough size of the input in tokens: four bytes a token.
    pub fn input_tokens_estimate(&self) -> u64 {
        (self.body().len() as u64).div_ceil(4)
    }

    /// Whether more goes upstream than its caller sent: what was said before, or what documents say.
    pub fn grows(&self) -> bool {
        match self {
            Work::Chat(chat) => chat.retrieval.is_some() || chat.chain.as_ref().is_some_and(|chain| chain.previous.is_some()),
            Work::Embeddings(_) | Work::Moderations(_) => false,
        }
    }

    /// A rough size in tokens for pace limits: that of what goes upstream as far as it is known, and the output that the caller allows.
    pub fn tokens_estimate(&self) -> u64 {
        let output = match self {
            Work::Chat(chat) => chat.max_tokens.unwrap_or(0).saturating_mul(chat.n),
            Work::Embeddings(_) | Work::Moderations(_) => 0,
        };
        (self.sent_bytes() as u64).div_ceil(4).saturating_add(output)
    }

    /// The most input tokens that this can be for `model`, from its bytes alone.
    ///
    /// # Errors
    /// [`ErrorKind::Unbounded`], naming what has no known bound.
    pub fn input_tokens_max(&self, model: &ModelCard) -> Result<u64> {
        match self {
            Work::Chat(chat) => chat.input.tokens_max(model).map_err(unbounded),
            Work::Embeddings(embeddings) => Ok(embeddings.input_tokens_max()),
            Work::Moderations(moderations) => moderations.input.tokens_max(model).map_err(unbounded),
        }
    }

    /// Whether answers to it never say what they used, so that it is billed at what was held.
    pub fn is_uncounted(&self) -> bool {
        matches!(self, Work::Moderations(_))
    }

    /// Whether tokens are all that it costs, and these cost nothing: then no amount of them needs a bound in money.
    pub fn is_free_at(&self, price: &Price) -> bool {
        matches!(self, Work::Moderations(_)) && price.is_free()
    }

    /// The same counted by a tokenizer: tighter, slower, and blocking.
    pub fn count_input_tokens(&self, model: &ModelCard, tokenizer: Tokenizer) -> u64 {
        match self {
            Work::Chat(chat) => chat.count_input_tokens(tokenizer).saturating_add(unseen(chat, model)),
            Work::Embeddings(embeddings) => embeddings.count_input_tokens(tokenizer),
            Work::Moderations(moderations) => {
                let images = moderations.input.image_tokens_max(model).unwrap_or(0);
                moderations.count_input_tokens(tokenizer).saturating_add(images).saturating_add(model.template_tokens)
            }
        }
    }

    /// The output that budgets must cover.
    pub fn output_ask(&self, model: &ModelCard, capped: bool, settings: &EngineSettings) -> OutputAsk {
        let Work::Chat(chat) = self else { return OutputAsk::Fixed(0) };
        match chat.max_tokens {
            Some(tokens) => OutputAsk::Fixed(tokens.saturating_mul(chat.n)),
            // Nothing caps it, so nothing is sent upstream and the model's own maximum is the bound.
            None if !capped => OutputAsk::Fixed(model.output_tokens_max.saturating_mul(chat.n)),
            None => OutputAsk::Open {
                floor: settings.output_tokens_floor,
                most: settings.output_tokens_default.min(model.output_tokens_max),
                choices: chat.n,
            },
        }
    }

    /// The body for the provider. `output_tokens` per choice is sent along where the caller stated no maximum.
    ///
    /// # Errors
    /// `Invalid`, naming what the provider's form cannot say.
    pub fn upstream_body(&self, route: &Route, output_tokens: Option<u64>, isolation: Isolation<'_>) -> Result<Bytes> {
        let wire = route.provider.wire();
        match self {
            Work::Chat(chat) => chat.upstream_body(&route.card, wire, output_tokens, Some(isolation)),
            Work::Embeddings(embeddings) => embeddings.upstream_body(&route.card, wire, Some(isolation)),
            Work::Moderations(moderations) => Ok(moderations.upstream_body(&route.card)),
        }
    }

    /// What keeping it apart from others' requests can add to its input, in tokens.
    pub fn isolation_tokens_max(&self, cache: CacheIsolation) -> u64 {
        match self {
            Work::Chat(_) => isolation::tokens_max(cache),
            Work::Embeddings(_) | Work::Moderations(_) => 0,
        }
    }

    /// How the caller wants its answer; `id` is what a translated one is called, unless it has a name of its own already.
    pub fn asked(&self, id: String, at: Timestamp) -> Asked {
        Asked {
            dialect: self.dialect(),
            stream: self.is_stream(),
            include_usage: matches!(self, Work::Chat(chat) if chat.include_usage),
            model: self.model().to_owned(),
            id: self.chain().and_then(|chain| chain.id.clone()).unwrap_or(id),
            created: at.seconds(),
            request: self.body().clone(),
            editor: self.grounds().map(|grounds| grounds.editor()),
        }
    }

    /// Refuses an answer that cannot be told whose it is.
    ///
    /// # Errors
    /// [`ErrorKind::ProviderFailed`].
    pub fn check_answer(&self, answer: &[u8]) -> Result<()> {
        match self {
            Work::Chat(_) | Work::Moderations(_) => Ok(()),
            Work::Embeddings(embeddings) => embeddings.check_answer(answer),
        }
    }

    /// How many answers share the output tokens.
    pub fn choices(&self) -> u64 {
        match self {
            Work::Chat(chat) => chat.n,
            Work::Embeddings(_) | Work::Moderations(_) => 1,
        }
    }
}

/// What the tokenizer does not see: images, each at the model's maximum, and the provider's own template.
fn unseen(chat: &ChatRequest, model: &ModelCard) -> u64 {
    chat.input.image_tokens_max(model).unwrap_or(0).saturating_add(model.template_tokens)
}

fn unbounded(what: String) -> Error {
    let message = format!(
        "{what} has no known upper bound on its cost, so a hard budget cannot cover it; leave it out or ask your operator"
    );
    Error::new(ErrorKind::Unbounded, message)
}
