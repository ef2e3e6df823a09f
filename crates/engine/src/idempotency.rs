//! `Idempotency-Key`: the same key and body execute once; later callers get the first one's answer.
//!
//! A key belongs to its tenant and is bound to the body's hash. Twins that arrive while the first is under way wait for
//! it, within a bound, and get its answer; an answer lost in a crash is never executed again.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use insula_model::{Error, ErrorKind, Result, TenantId};
use insula_store::{IdempotencyEntry, IdempotencyMark, IdempotencyState, Seq};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::{Call, Engine, trace::Trace, work::Work};

/// A finished answer as the caller got it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// Whether it is a stream of server-sent events; JSON otherwise.
    pub is_stream: bool,
    /// The bytes of the body.
    pub body: Bytes,
}

type TwinKey = (TenantId, [u8; 32]);
/// How the first ended, once it has: its answer, where one is kept, and the record that makes it durable.
type Outcome = Option<Option<(Arc<Transcript>, Seq)>>;

/// Calls with an `Idempotency-Key` that are under way.
#[derive(Default)]
pub(crate) struct Twins {
    under_way: Mutex<HashMap<TwinKey, UnderWay>>,
}

struct UnderWay {
    body_hash: [u8; 32],
    outcome: watch::Receiver<Outcome>,
}

/// Whether a call executes or gets an earlier answer.
pub(crate) enum Turn {
    First(Claim),
    Replay(Arc<Transcript>),
}

/// The right to execute under a key; given up when dropped. Empty for calls without a key.
pub(crate) struct Claim(Option<Claimed>);

struct Claimed {
    twins: Arc<Twins>,
    key: TwinKey,
    mark: IdempotencyMark,
    tell: watch::Sender<Outcome>,
}

/// Decides whose turn it is.
///
/// # Errors
/// [`ErrorKind::IdempotencyMismatch`] for another body under the same key; [`ErrorKind::Conflict`] when the first is
/// still under way at the end of the wait, or its outcome is unknown after a crash, or was too large to keep.
pub(crate) async fn claim(engine: &Arc<Engine>, call: &Call, work: &Work) -> Result<Turn> {
    let Some(text) = &call.idempotency_key else { return Ok(Turn::First(Claim(None))) };
    let tenant = call.credential.scope.tenant();
    let mark = IdempotencyMark { key_hash: key_hash(engine, tenant, text)?, body_hash: body_hash(work) };
    let wait_until = tokio::time::Instant::now() + engine.settings.idempotency_wait_max;
    loop {
        let mut outcome = match engine.twins.enter((tenant, mark.key_hash), mark, &engine.twins) {
            Entry::First(claimed) => {
                let stored = stored(engine, call, &mark).await?;
                return Ok(stored.map_or_else(|| Turn::First(Claim(Some(claimed))), Turn::Replay));
            }
            Entry::Mismatch => return Err(mismatch()),
            Entry::Twin(outcome) => outcome,
        };
        // Cloned at once: what the channel lends must not be held over the next await.
        let ended = async { outcome.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone().flatten()) };
        let Ok(ended) = tokio::time::timeout_at(wait_until, ended).await else {
            return Err(conflict("a request with this Idempotency-Key is still under way; ask again later"));
        };
        // Otherwise the first came to nothing that is kept: whoever looks next is the first.
        if let Some((transcript, record)) = ended {
            engine.store.journal().synced(record).await;
            return Ok(Turn::Replay(transcript));
        }
    }
}

/// What storage knows of the key.
async fn stored(engine: &Engine, call: &Call, mark: &IdempotencyMark) -> Result<Option<Arc<Transcript>>> {
    let tenant = engine.store.tenant(&call.credential.scope).await?;
    let Some(row) = tenant.idempotency(&mark.key_hash).await?.filter(|row| row.expires_at > call.started_at) else {
        return Ok(None);
    };
    if row.body_hash != mark.body_hash {
        return Err(mismatch());
    }
    match row.state {
        IdempotencyState::Finished { sealed_transcript } => {
            let seals = engine.store.seals(&call.credential.scope).await?;
            let plain = seals.open(TABLE, COLUMN, row.request.as_bytes(), &sealed_transcript)?;
            postcard::from_bytes(&plain).map(|transcript| Some(Arc::new(transcript))).map_err(Error::internal)
        }
        IdempotencyState::TooLarge => {
            Err(conflict("the request was answered, but the answer was too large to keep for a replay"))
        }
        IdempotencyState::Unknown => Err(conflict(
            "the server stopped while this request was under way; it is not executed again, use a new Idempotency-Key",
        )),
    }
}

const TABLE: &str = "idempotency";
const COLUMN: &str = "transcript";

enum Entry {
    First(Claimed),
    Twin(watch::Receiver<Outcome>),
    Mismatch,
}

impl Twins {
    fn enter(&self, key: TwinKey, mark: IdempotencyMark, twins: &Arc<Twins>) -> Entry {
        let mut under_way = self.under_way.lock();
        if let Some(twin) = under_way.get(&key) {
            return if twin.body_hash == mark.body_hash { Entry::Twin(twin.outcome.clone()) } else { Entry::Mismatch };
        }
        let (tell, outcome) = watch::channel(None);
        under_way.insert(key, UnderWay { body_hash: mark.body_hash, outcome });
        Entry::First(Claimed { twins: twins.clone(), key, mark, tell })
    }
}

impl Claim {
    /// The mark for the journal, where the caller sent a key.
    pub fn mark(&self) -> Option<IdempotencyMark> {
        self.0.as_ref().map(|claimed| claimed.mark)
    }

    /// What is stored for the key: only a finished answer is.
    pub fn entry(&self, engine: &Engine, trace: &Trace, finished: Option<&Transcript>) -> Option<IdempotencyEntry> {
        let (claimed, transcript) = (self.0.as_ref()?, finished?);
        let fits = transcript.body.len() <= engine.settings.idempotency_transcript_bytes_max;
        let sealed_transcript = fits.then(|| {
            let plain = postcard::to_stdvec(transcript).unwrap_or_default();
            trace.seals.seal(TABLE, COLUMN, trace.request.as_bytes(), &plain, &*engine.random)
        });
        let expires_at = engine.clock.now().plus(engine.settings.idempotency_ttl);
        Some(IdempotencyEntry { mark: claimed.mark, expires_at, sealed_transcript })
    }

    /// Tells the waiting twins how it ended.
    pub fn resolve(&mut self, finished: Option<Arc<Transcript>>, ended: Seq) {
        if let Some(claimed) = self.0.take() {
            claimed.tell.send_replace(Some(finished.map(|transcript| (transcript, ended))));
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        // Off the list before the waiting look again: the next to look is the first.
        self.twins.under_way.lock().remove(&self.key);
        self.tell.send_if_modified(|outcome| outcome.is_none().then(|| *outcome = Some(None)).is_some());
    }
}

fn key_hash(engine: &Engine, tenant: TenantId, key: &str) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&engine.idempotency_secret).map_err(Error::internal)?;
    mac.update(tenant.as_bytes());
    mac.update(key.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

fn body_hash(work: &Work) -> [u8; 32] {
    Sha256::new().chain_update(work.operation().name()).chain_update([0]).chain_update(work.body()).finalize().into()
}

fn mismatch() -> Error {
    Error::new(
        ErrorKind::IdempotencyMismatch,
        "this Idempotency-Key was used with another body; use a new key for a new request",
    )
}

fn conflict(message: &str) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
