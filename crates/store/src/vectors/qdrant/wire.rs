//! Calls to Qdrant: gRPC over one HTTP/2 connection.
//!
//! Two kinds of calls go out. [`Guarded`] ones are about points, and are only made by [`super::guard`], with the tenant's filter in
//! each. [`Administrative`] ones make and list collections and count points by tenant; they show and change no point.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Request};
use insula_model::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use prost::Message;
use tokio::time::Instant;

use super::{QdrantOptions, dial::Dial, guard::Guarded, proto};

/// Bytes of one answer: a page of points with what they carry, many times over.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Calls in a row that nothing came of in time, before Qdrant is not asked for a while.
const LATE_MAX: u32 = 3;
/// For how long Qdrant is not asked after it did not answer, so that not every search waits for it.
pub(super) const REST: Duration = Duration::from_secs(5);
/// Before each message of gRPC: a flag, and its length in four bytes.
const PREFIX_BYTES: usize = 5;
/// Behind each answer: how it went.
const STATUS: &str = "grpc-status";

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It does not answer, or says that it cannot now.
    #[error("Qdrant does not answer: {0}")]
    Away(String),
    /// Nothing came in time, or there was no room for this call: of others that says little.
    #[error("Qdrant does not answer in time: {0}")]
    Late(String),
    /// The collection is not there.
    #[error("Qdrant has no such collection")]
    Missing,
    /// It answers no.
    #[error("Qdrant refuses a call with status {code}: {message}")]
    Refused {
        /// The status, as gRPC numbers them.
        code: u32,
        /// What it says of it.
        message: String,
    },
}

impl Trouble {
    /// It does not answer.
    pub fn away(why: impl std::fmt::Display) -> Self {
        Trouble::Away(why.to_string())
    }

    fn of(code: u32, headers: &HeaderMap) -> Self {
        let message = headers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        match code {
            // Out of time, out of room.
            4 | 8 => Trouble::Late(message),
            // Cancelled, away.
            1 | 14 => Trouble::Away(message),
            5 => Trouble::Missing,
            _ => Trouble::Refused { code, message },
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(_) | Trouble::Late(_) => {
                let message = "the vector engine does not answer; documents are found by their words until it does";
                Error::new(ErrorKind::Unavailable { retry_after: REST }, message).caused_by(trouble)
            }
            trouble => Error::internal(trouble),
        }
    }
}

/// A kind of call: which method it is of, and what it is answered with.
pub(super) trait Call: Message {
    /// Its path.
    const METHOD: &'static str;
    /// Whether somebody waits for what it finds.
    const IS_SEARCH: bool = false;
    /// The answer.
    type Answer: Message + Default;
}

/// A call that shows and changes no point.
pub(super) trait Administrative: Call {}

macro_rules! calls {
    ($($(#[$kind:ident])? $request:ident: $method:literal -> $answer:ident;)*) => { $(
        impl Call for proto::$request {
            const METHOD: &'static str = $method;
            type Answer = proto::$answer;
        }
        $(impl $kind for proto::$request {})?
    )* };
}

calls! {
    UpsertPoints: "/qdrant.Points/Upsert" -> Done;
    DeletePoints: "/qdrant.Points/Delete" -> Done;
    CountPoints: "/qdrant.Points/Count" -> CountResponse;
    ScrollPoints: "/qdrant.Points/Scroll" -> ScrollResponse;
    DeleteCollection: "/qdrant.Collections/Delete" -> CollectionOperation;
    #[Administrative] FacetCounts: "/qdrant.Points/Facet" -> FacetResponse;
    #[Administrative] CreateFieldIndex: "/qdrant.Points/CreateFieldIndex" -> Done;
    #[Administrative] CreateCollection: "/qdrant.Collections/Create" -> CollectionOperation;
    #[Administrative] ListCollections: "/qdrant.Collections/List" -> ListCollectionsResponse;
}

impl Call for proto::QueryPoints {
    const METHOD: &'static str = "/qdrant.Points/Query";
    const IS_SEARCH: bool = true;
    type Answer = proto::QueryResponse;
}

/// The way to one Qdrant.
pub(super) struct Wire {
    dial: Dial,
    api_key: Option<HeaderValue>,
    connect_max: Duration,
    search_max: Duration,
    change_max: Duration,
    rest: Duration,
    held: Mutex<Option<SendRequest<Bytes>>>,
    /// Whoever connects holds it, so that others do not connect beside.
    connecting: tokio::sync::Mutex<()>,
    rests_until: Mutex<Option<Instant>>,
    /// Calls in a row that nothing came of in time.
    late: AtomicU32,
}

impl Wire {
    /// Does not connect yet.
    pub fn new(options: &QdrantOptions) -> Result<Self> {
        let api_key = options.api_key.as_ref().map(|key| {
            let wrong = |_| Error::invalid("the API key of the vector engine holds what no header can carry");
            let mut value = HeaderValue::from_str(key).map_err(wrong)?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        let QdrantOptions { connect_max, search_max, change_max, rest, .. } = *options;
        Ok(Self {
            dial: Dial::new(options)?,
            api_key: api_key.transpose()?,
            connect_max,
            search_max,
            change_max,
            rest,
            held: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            rests_until: Mutex::default(),
            late: AtomicU32::new(0),
        })
    }

    /// Makes a call about a tenant's points.
    pub async fn send<C: Call>(&self, call: &Guarded<C>) -> Result<C::Answer, Trouble> {
        self.call(call.get()).await
    }

    /// Makes a call that shows and changes no point.
    pub async fn administer<C: Administrative>(&self, call: &C) -> Result<C::Answer, Trouble> {
        self.call(call).await
    }

    /// Removes a collection of whosever it is: what tests leave in a server that stays.
    #[cfg(test)]
    pub async fn remove(&self, call: &proto::DeleteCollection) -> Result<proto::CollectionOperation, Trouble> {
        self.call(call).await
    }

    /// Writes points that nobody guarded.
    #[cfg(test)]
    pub async fn write_raw(&self, call: &proto::UpsertPoints) -> Result<proto::Done, Trouble> {
        self.call(call).await
    }

    async fn call<C: Call>(&self, call: &C) -> Result<C::Answer, Trouble> {
        if self.rests_until.lock().is_some_and(|until| Instant::now() < until) {
            return Err(Trouble::away("it did not a moment ago"));
        }
        let time_max = if C::IS_SEARCH { self.search_max } else { self.change_max };
        let answered = tokio::time::timeout(time_max, self.ask(C::METHOD, framed(call))).await;
        let answered = answered.unwrap_or_else(|_| Err(Trouble::Late(format!("nothing came within {time_max:?}"))));
        match &answered {
            Err(Trouble::Away(_)) => self.rest(),
            // One such call may be heavy by itself; several in a row tell of all.
            Err(Trouble::Late(_)) if self.late.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_MAX => self.rest(),
            Err(Trouble::Late(_)) => {}
            _ => self.late.store(0, Ordering::Relaxed),
        }
        C::Answer::decode(answered?).map_err(|error| Trouble::Refused { code: 0, message: error.to_string() })
    }

    /// Nobody waits for it again right away, and not on this connection.
    fn rest(&self) {
        *self.rests_until.lock() = Some(Instant::now() + self.rest);
        self.held.lock().take();
        self.late.store(0, Ordering::Relaxed);
    }

    async fn ask(&self, method: &'static str, message: Bytes) -> Result<Bytes, Trouble> {
        let held = self.held.lock().clone();
        if let Some(held) = held {
            match self.exchange(held, method, message.clone()).await {
                // It was idle, and may be gone since.
                Err(Trouble::Away(_)) => drop(self.held.lock().take()),
                answered => return answered,
            }
        }
        let fresh = self.connect().await?;
        self.exchange(fresh, method, message).await
    }

    async fn connect(&self) -> Result<SendRequest<Bytes>, Trouble> {
        let _turn = self.connecting.lock().await;
        if let Some(held) = self.held.lock().clone() {
            return Ok(held);
        }
        let connected = tokio::time::timeout(self.connect_max, self.dial.connect()).await;
        let connected = connected.map_err(|_| Trouble::away(format!("no connection within {:?}", self.connect_max)))??;
        *self.held.lock() = Some(connected.clone());
        Ok(connected)
    }

    async fn exchange(&self, sender: SendRequest<Bytes>, method: &str, message: Bytes) -> Result<Bytes, Trouble> {
        let mut request = Request::post(format!("{}{method}", self.dial.origin))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(key) = &self.api_key {
            request = request.header("api-key", key);
        }
        let request = request.body(()).map_err(Trouble::away)?;
        let mut sender = sender.ready().await.map_err(Trouble::away)?;
        let (answer, mut body) = sender.send_request(request, false).map_err(Trouble::away)?;
        body.send_data(message, true).map_err(Trouble::away)?;
        let answer = answer.await.map_err(Trouble::away)?;
        if answer.status() != http::StatusCode::OK {
            return Err(Trouble::away(format!("it is no Qdrant, and answers {}", answer.status())));
        }
        // Where nothing but a status comes, it stands here.
        check(answer.headers())?;
        let mut body = answer.into_body();
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(Trouble::away)?;
            body.flow_control().release_capacity(piece.len()).map_err(Trouble::away)?;
            if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
                let message = format!("its answer is larger than {ANSWER_BYTES_MAX} bytes");
                return Err(Trouble::Refused { code: 0, message });
            }
            bytes.extend_from_slice(&piece);
        }
        let trailers = body.trailers().await.map_err(Trouble::away)?.unwrap_or_default();
        check(&trailers)?;
        // Where it was cut off no status comes.
        if trailers.contains_key(STATUS) { unframed(bytes.freeze()) } else { Err(torn()) }
    }
}

/// The status where there is one.
fn check(headers: &HeaderMap) -> Result<(), Trouble> {
    let Some(status) = headers.get(STATUS) else { return Ok(()) };
    // Unknown, where it is no number.
    let code = status.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    if code == 0 { Ok(()) } else { Err(Trouble::of(code, headers)) }
}

fn torn() -> Trouble {
    Trouble::away("its answer is torn")
}

fn framed(call: &impl Message) -> Bytes {
    let length = call.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_slice(&call.encode_to_vec());
    bytes.freeze()
}

fn unframed(mut bytes: Bytes) -> Result<Bytes, Trouble> {
    if bytes.len() < PREFIX_BYTES {
        return Err(torn());
    }
    let (is_compressed, length) = (bytes.get_u8(), bytes.get_u32());
    let is_whole = usize::try_from(length).is_ok_and(|length| length == bytes.len());
    if is_compressed == 0 && is_whole { Ok(bytes) } else { Err(torn()) }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("origin", &self.dial.origin).finish_non_exhaustive()
    }
}
