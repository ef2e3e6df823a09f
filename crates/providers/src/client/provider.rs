//! The client of one provider: pooled connections, bounded waits, and failures that say whether anything was sent.

use std::{fmt, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use insula_model::{AttemptId, Operation, ProviderOrigin, Result, TokenCounts};
use tokio::time::timeout;

use super::{
    account::AccountKey,
    address::{Address, Headers, address},
    alarm::Alarm,
    allowance::read_allowance,
    body::read_body,
    connector::Connector,
    error::{ERROR_BYTES_MAX, from_send, from_status, unreadable},
    patience::Patience,
    room::Room,
    scrub::Scrub,
    stream::ChatStream,
};
use crate::{
    Allowance, Asked, CacheIsolation, ModelCard, Pace, ProviderSettings, SecretText, Timeouts, Vendor, Wire,
    openai::pass_answer,
    translate::{Whole, embeddings, reading, whole},
};

/// The longest head of an answer, in bytes. The most lines in it are hyper's 100.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Providers close idle connections after a minute or more. Ours go earlier, so that a request seldom meets a closing one.
const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(30);
/// How long the text of a refusal is waited for; without it the status speaks alone.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

/// A chat, or what is to be embedded or judged, on its way out.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// The request in the provider's form: what `upstream_body` of the caller's request wrote for [`Provider::wire`].
    pub body: Bytes,
    /// The model that it is for.
    pub card: Arc<ModelCard>,
    /// How the caller wants its answer.
    pub asked: Asked,
    /// The key of the account by which it goes; the platform's where absent.
    pub key: Option<Arc<AccountKey>>,
    /// Where a whole answer finds room.
    pub room: Room,
}

/// A whole, validated answer.
#[derive(Debug, Clone)]
pub struct JsonAnswer {
    /// In the caller's form. A large one holds its room until the last copy of it is dropped.
    pub body: Bytes,
    /// What the provider counted; `None` where it said nothing, or nothing consistent.
    pub usage: Option<TokenCounts>,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider's fingerprint of the system that answered.
    pub fingerprint: Option<String>,
    /// What the provider said is left to send.
    pub allowance: Allowance,
}

/// What a provider began to answer.
#[derive(Debug)]
pub enum Sent {
    /// The whole answer.
    Json(JsonAnswer),
    /// A stream under way.
    Stream(ChatStream),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum SendFailure {
    /// No byte of the request reached the provider.
    NotSent(insula_model::Error),
    /// The provider refused with an HTTP status; nothing is billed.
    Rejected {
        /// What to tell.
        error: insula_model::Error,
    },
    /// The request may have arrived, and may be billed; nothing readable came back.
    Broken {
        /// What to tell.
        error: insula_model::Error,
    },
}

/// What is different in each request.
struct Going {
    attempt: AttemptId,
    body: Bytes,
    key: Option<Arc<AccountKey>>,
    room: Room,
}

/// A client of one provider.
///
/// A request is retried only where that is safe: when the pooled connection that it was given turns out closed before any
/// of it was written, it goes over another one.
pub struct Provider {
    name: String,
    base_url: String,
    region: Option<String>,
    has_key: bool,
    takes_other_keys: bool,
    vendor: Vendor,
    wire: Wire,
    cache_isolation: CacheIsolation,
    address: Address,
    timeouts: Timeouts,
    pace: Pace,
    response_bytes_max: u64,
    event_bytes_max: usize,
    scrub: Arc<Scrub>,
    client: Client<Connector, Full<Bytes>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Provider {
    /// A client that has not connected yet. Needs no runtime.
    pub(crate) fn new(settings: ProviderSettings) -> Result<Self> {
        let address = address(&settings)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(CONNECTION_IDLE_MAX)
            .pool_max_idle_per_host(settings.connections_idle_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(Connector::new(settings.timeouts.connect())?);
        let host = address.host().to_owned();
        let key = settings.api_key.as_ref().map(|key| key.reveal().to_owned());
        Ok(Self {
            scrub: Arc::new(Scrub::new(key.into_iter().chain([host]))),
            has_key: settings.api_key.is_some(),
            takes_other_keys: settings.takes_other_keys,
            vendor: settings.vendor,
            name: settings.name,
            base_url: settings.base_url,
            region: settings.region,
            wire: settings.vendor.wire(),
            cache_isolation: settings.cache_isolation,
            address,
            timeouts: settings.timeouts,
            pace: settings.pace,
            response_bytes_max: settings.response_bytes_max,
            event_bytes_max: settings.event_bytes_max,
            client,
        })
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its API starts.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where it processes data.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Whether a key for it is set.
    pub fn has_key(&self) -> bool {
        self.has_key
    }

    /// Whether requests may be made by other accounts there than the platform's.
    pub fn takes_other_keys(&self) -> bool {
        self.takes_other_keys
    }

    /// Where it is, and whose API it has: what keys for it are bound to.
    pub fn origin(&self) -> &ProviderOrigin {
        &self.address.origin
    }

    /// A key of another account there, ready to be sent with requests to this very place.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a key.
    pub fn account_key(&self, key: SecretText) -> Result<AccountKey> {
        AccountKey::new(key, self.vendor, self.address.origin.clone(), self.address.host())
    }

    /// How fast requests may go to each of its models.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The form in which it is asked.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// Whether its API has this operation.
    pub fn offers(&self, operation: Operation) -> bool {
        self.address.vendor.offers(operation)
    }

    /// How it is told whose cached prompts may be used.
    pub fn cache_isolation(&self) -> CacheIsolation {
        self.cache_isolation
    }

    /// Sends what asks for this operation.
    ///
    /// # Errors
    /// [`SendFailure`] says what may be billed.
    pub async fn perform(&self, operation: Operation, attempt: AttemptId, outbound: Outbound) -> Result<Sent, SendFailure> {
        match operation {
            Operation::Chat => self.chat(attempt, outbound).await,
            Operation::Embeddings => self.embeddings(attempt, outbound).await,
            Operation::Moderations => self.moderations(attempt, outbound).await,
        }
    }

    /// Sends a chat.
    ///
    /// # Errors
    /// [`SendFailure`] says what may be billed.
    pub async fn chat(&self, attempt: AttemptId, outbound: Outbound) -> Result<Sent, SendFailure> {
        let Outbound { body, card, asked, key, room } = outbound;
        let scrub = self.scrub_of(key.as_ref());
        let going = Going { attempt, body, key, room };
        let uri = self.address.chat(&card.upstream_model, asked.stream).map_err(SendFailure::NotSent)?;
        let read = |body| whole(self.wire, &asked, body, &scrub);
        let alarm = self.alarm(attempt, &card);
        if !asked.stream {
            return self.answer(&uri, &alarm, going, read).await;
        }
        let mut patience = Patience::new(self.timeouts);
        let room = going.room.clone();
        let response = self.send(&uri, &self.address.stream_headers, going, &mut patience).await?;
        if is_json(response.headers()) {
            // An error under a good status, or a server that does not stream.
            let answer = self.read(response, &mut patience, &alarm, &room, read).await?;
            let error = unreadable(format!("{} bytes of JSON where a stream was asked for", answer.body.len()));
            return Err(SendFailure::Broken { error });
        }
        let allowance = read_allowance(response.headers());
        let reading = reading(self.wire, &asked, scrub.clone());
        Ok(Sent::Stream(ChatStream::new(response.into_body(), patience, self.event_bytes_max, allowance, reading, alarm)))
    }

    /// Sends texts to be embedded.
    ///
    /// # Errors
    /// [`SendFailure`] says what may be billed.
    pub async fn embeddings(&self, attempt: AttemptId, outbound: Outbound) -> Result<Sent, SendFailure> {
        let Outbound { body, card, asked, key, room } = outbound;
        let scrub = self.scrub_of(key.as_ref());
        let uri = self.address.embeddings(&card.upstream_model).map_err(SendFailure::NotSent)?;
        let alarm = self.alarm(attempt, &card);
        let going = Going { attempt, body, key, room };
        self.answer(&uri, &alarm, going, |body| embeddings(self.wire, &asked, body, &scrub)).await
    }

    fn scrub_of(&self, key: Option<&Arc<AccountKey>>) -> Arc<Scrub> {
        key.map_or(&self.scrub, |key| &key.scrub).clone()
    }

    /// Sends texts and images to be judged. Only OpenAI's API has that, so an answer goes to its caller as it came.
    ///
    /// # Errors
    /// [`SendFailure`] says what may be billed.
    pub async fn moderations(&self, attempt: AttemptId, outbound: Outbound) -> Result<Sent, SendFailure> {
        let Outbound { body, card, key, room, .. } = outbound;
        let scrub = self.scrub_of(key.as_ref());
        let alarm = self.alarm(attempt, &card);
        let going = Going { attempt, body, key, room };
        self.answer(&self.address.moderations, &alarm, going, |body| pass_answer(body, &scrub)).await
    }

    fn alarm(&self, attempt: AttemptId, card: &ModelCard) -> Alarm {
        Alarm::new(&self.name, &card.name, attempt)
    }

    async fn answer(
        &self,
        uri: &Uri,
        alarm: &Alarm,
        going: Going,
        read: impl FnOnce(Bytes) -> Result<Whole>,
    ) -> Result<Sent, SendFailure> {
        let mut patience = Patience::new(self.timeouts);
        let room = going.room.clone();
        let response = self.send(uri, &self.address.json_headers, going, &mut patience).await?;
        self.read(response, &mut patience, alarm, &room, read).await.map(Sent::Json)
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        patience: &mut Patience,
        alarm: &Alarm,
        room: &Room,
        read: impl FnOnce(Bytes) -> Result<Whole>,
    ) -> Result<JsonAnswer, SendFailure> {
        patience.begun();
        let allowance = read_allowance(response.headers());
        let mut taken = room.nothing_taken();
        let body = read_body(response.into_body(), self.response_bytes_max, patience, |bytes| taken.grow(bytes)).await;
        let Whole { body, seen } = body.and_then(read).map_err(|error| SendFailure::Broken { error })?;
        if seen.is_miscounted {
            alarm.miscounted();
        }
        let body = taken.held_by(body);
        Ok(JsonAnswer { body, usage: seen.usage, model: seen.model, fingerprint: seen.fingerprint, allowance })
    }

    /// Sends a request and waits for the head of a good answer.
    async fn send(
        &self,
        uri: &Uri,
        headers: &Headers,
        going: Going,
        patience: &mut Patience,
    ) -> Result<Response<Incoming>, SendFailure> {
        let Going { attempt, body, key, .. } = going;
        let headers = self.headers(headers, key.as_deref()).map_err(SendFailure::NotSent)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        if let Some((name, value)) = self.attempt_header(attempt) {
            request.headers_mut().insert(name, value);
        }
        let mut sending = pin!(self.client.request(request));
        let response = poll_fn(|cx| match sending.as_mut().poll(cx) {
            Poll::Ready(sent) => Poll::Ready(sent.map_err(from_send)),
            Poll::Pending => patience.poll_over(cx).map(|error| Err(SendFailure::Broken { error })),
        })
        .await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response, key.as_ref(), patience).await) }
    }

    /// Either with the platform's key or with the one that was given, never with both.
    fn headers(&self, headers: &Headers, key: Option<&AccountKey>) -> Result<HeaderMap> {
        match key {
            None => Ok(headers.platform.clone()),
            Some(key) => key.added_to(&headers.bare, &self.address.origin),
        }
    }

    fn attempt_header(&self, attempt: AttemptId) -> Option<(HeaderName, HeaderValue)> {
        let name = self.address.attempt_header.clone()?;
        Some((name, HeaderValue::try_from(attempt.to_string()).ok()?))
    }

    async fn refused(
        &self,
        response: Response<Incoming>,
        key: Option<&Arc<AccountKey>>,
        patience: &mut Patience,
    ) -> SendFailure {
        let (head, body) = response.into_parts();
        patience.begun();
        let said = timeout(REFUSAL_WAIT, read_body(body, ERROR_BYTES_MAX, patience, |_| Ok(()))).await;
        let said = said.ok().and_then(Result::ok).unwrap_or_default();
        let failure = from_status(head.status, &head.headers, &said, &self.scrub_of(key));
        tracing::debug!(provider = self.name, status = head.status.as_u16(), "provider refused");
        failure
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/json"))
}
