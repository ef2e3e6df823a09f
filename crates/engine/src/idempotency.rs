//! `Idempotency-Key`: the same key and body execute once; later callers get the first one's answer.
//!
//! A key belongs to its tenant, and where a token names an end user to that one; it is bound to the body's hash. Twins that arrive while the first is under way wait for
//! it, within a bound, and get its answer; an answer lost in a crash is never executed again.
//!
//! Where several nodes serve, the shared list of open attempts has room for one attempt a key. So a call looks twice: before
//! its attempt is begun ([`claim`]), and once it is ([`recheck`]), because a twin on another node may have ended in between.
//! A call that finds its key taken there gives everything back and waits for that twin's end ([`elsewhere`]).

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use insula_model::{Error, ErrorKind, Result, TenantId};
use insula_providers::Dialect;
use insula_store::{IdempotencyEntry, IdempotencyMark, IdempotencyState, Seq};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::{sync::watch, time::Instant};

use crate::{Call, Engine, Origin, directory::TenantCredential, retrieval, trace::Trace, work::Work};

/// A finished answer as the caller got it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// Whether it is a stream of server-sent events; JSON otherwise.
    pub is_stream: bool,
    /// The bytes of the body.
    pub body: Bytes,
    /// The documents that it was made of: once one of them is gone, it is not given again.
    pub documents: Vec<Origin>,
}

impl Transcript {
    /// What was kept. Earlier versions kept no documents, for there were none.
    pub(crate) fn from_kept(plain: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct First {
            is_stream: bool,
            body: Bytes,
        }
        postcard::from_bytes(plain)
            .or_else(|_| {
                postcard::from_bytes(plain).map(|First { is_stream, body }| Self { is_stream, body, documents: Vec::new() })
            })
            .map_err(Error::internal)
    }
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
    /// Until when it waits for twins, here and on other nodes together.
    wait_until: Instant,
    tell: watch::Sender<Outcome>,
}

/// How a twin on another node ended.
pub(crate) enum Elsewhere {
    /// With this answer.
    Replay(Arc<Transcript>),
    /// With nothing that is kept: this call may begin its own attempt.
    CameToNothing,
}

/// How often a call looks whether its twin on another node has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Decides whose turn it is.
///
/// # Errors
/// [`ErrorKind::IdempotencyMismatch`] for another body under the same key; [`ErrorKind::Conflict`] when the first is
/// still under way at the end of the wait, or its outcome is unknown after a crash, or was too large to keep.
pub(crate) async fn claim(engine: &Arc<Engine>, call: &Call, work: &Work) -> Result<Turn> {
    let Some(text) = &call.idempotency_key else { return Ok(Turn::First(Claim(None))) };
    let tenant = call.credential.scope.tenant();
    let mark = IdempotencyMark { key_hash: key_hash(engine, &call.credential, text)?, body_hash: body_hash(work) };
    let wait_until = Instant::now() + engine.settings.idempotency_wait_max;
    loop {
        let mut outcome = match engine.twins.enter((tenant, mark.key_hash), mark, wait_until) {
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
            return Err(still_under_way());
        };
        // Otherwise the first came to nothing that is kept: whoever looks next is the first.
        if let Some((transcript, record)) = ended {
            engine.store.journal().synced(record).await;
            return Ok(Turn::Replay(transcript));
        }
    }
}

/// Looks once more, now that the attempt is begun and no twin on another node can begin one: the answer of a twin that ended
/// since the claim. The attempt is then given back unsent. Costs nothing where one process serves alone, or without a key.
///
/// # Errors
/// Those of a stored outcome that is no answer, as for [`claim`].
pub(crate) async fn recheck(engine: &Engine, call: &Call, claim: &Claim) -> Result<Option<Arc<Transcript>>> {
    match claim.mark() {
        Some(mark) if engine.store.journal().is_shared() => stored(engine, call, &mark).await,
        _ => Ok(None),
    }
}

/// Waits for the end of a twin on another node, which was under way when this call wanted to begin. The caller holds nothing
/// but its claim meanwhile: twins on this node go on waiting for it.
///
/// # Errors
/// [`ErrorKind::IdempotencyMismatch`] when the twin has another body; [`ErrorKind::Conflict`] when it is still under way at the
/// end of the wait, or ended without an answer to replay; [`ErrorKind::Unauthenticated`] when the credential is withdrawn.
pub(crate) async fn elsewhere(engine: &Engine, call: &Call, claim: &Claim) -> Result<Elsewhere> {
    let Some(Claimed { mark, wait_until, .. }) = &claim.0 else { return Ok(Elsewhere::CameToNothing) };
    let tenant = call.credential.scope.tenant();
    let under_way = || async {
        call.still_admitted()?;
        engine.store.control().under_way(tenant, &mark.key_hash).await
    };
    twin_ended(mark, *wait_until, under_way, || stored(engine, call, mark)).await
}

/// Whether another node has a twin of a call under way, whose answer is then the one to wait for. Costs nothing where one process
/// serves alone, or without a key.
pub(crate) async fn is_under_way_elsewhere(engine: &Engine, call: &Call, claim: &Claim) -> Result<bool> {
    match claim.mark() {
        Some(mark) if engine.store.journal().is_shared() => {
            Ok(engine.store.control().under_way(call.credential.scope.tenant(), &mark.key_hash).await?.is_some())
        }
        _ => Ok(false),
    }
}

/// Asks again and again whether the twin is under way, and what is stored, until one of them settles it.
async fn twin_ended<U, S>(
    mark: &IdempotencyMark,
    wait_until: Instant,
    under_way: impl Fn() -> U,
    stored: impl Fn() -> S,
) -> Result<Elsewhere>
where
    U: Future<Output = Result<Option<IdempotencyMark>>>,
    S: Future<Output = Result<Option<Arc<Transcript>>>>,
{
    loop {
        // Asked before the answer is looked for: an answer is stored before its attempt is closed.
        let twin = under_way().await?;
        if twin.is_some_and(|twin| twin.body_hash != mark.body_hash) {
            return Err(mismatch());
        }
        if let Some(transcript) = stored().await? {
            return Ok(Elsewhere::Replay(transcript));
        }
        if Instant::now() >= wait_until {
            return Err(still_under_way());
        }
        if twin.is_none() {
            return Ok(Elsewhere::CameToNothing);
        }
        tokio::time::sleep_until(wait_until.min(Instant::now() + LOOK_EVERY)).await;
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
            let transcript = Transcript::from_kept(&plain)?;
            match retrieval::all_there(engine, &call.credential.scope, &transcript.documents).await? {
                true => Ok(Some(Arc::new(transcript))),
                false => Err(conflict(GONE)),
            }
        }
        IdempotencyState::TooLarge => Err(conflict(TOO_LARGE)),
        IdempotencyState::Unknown => Err(conflict(UNKNOWN)),
    }
}

const TOO_LARGE: &str = "the request was answered, but the answer was too large to keep for a replay";
const UNKNOWN: &str =
    "the server stopped while this request was under way; it is not executed again, use a new Idempotency-Key";
const GONE: &str = "the request was answered from documents of which one was removed since; its answer is not given again, use a new \
                    Idempotency-Key";

/// Whether an error says that a key will never lead to an answer: one who still wants it asks under another.
pub(crate) fn is_used_up(error: &Error) -> bool {
    [TOO_LARGE, UNKNOWN, GONE].contains(&error.message())
}

const TABLE: &str = "idempotency";
const COLUMN: &str = "transcript";

enum Entry {
    First(Claimed),
    Twin(watch::Receiver<Outcome>),
    Mismatch,
}

impl Twins {
    fn enter(self: &Arc<Self>, key: TwinKey, mark: IdempotencyMark, wait_until: Instant) -> Entry {
        let mut under_way = self.under_way.lock();
        if let Some(twin) = under_way.get(&key) {
            return if twin.body_hash == mark.body_hash { Entry::Twin(twin.outcome.clone()) } else { Entry::Mismatch };
        }
        let (tell, outcome) = watch::channel(None);
        under_way.insert(key, UnderWay { body_hash: mark.body_hash, outcome });
        Entry::First(Claimed { twins: self.clone(), key, mark, wait_until, tell })
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

/// Begins what is hashed behind the tenant where the credential is an end user's: no key begins with it, neither a caller's, which is visible
/// ASCII, nor a batch's.
const OF_END_USER: u8 = 1;

/// An end user whom the body names is in the body's hash; whom the credential names is nowhere but here. Without it one end user would be given
/// what was answered to another, whose documents it may not see.
fn key_hash(engine: &Engine, credential: &TenantCredential, key: &str) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&engine.idempotency_secret).map_err(Error::internal)?;
    let tenant = credential.scope.tenant();
    mac.update(tenant.as_bytes());
    if let Some(name) = credential.end_user.as_deref() {
        mac.update(&[OF_END_USER]);
        mac.update(engine.end_users.named(tenant, name).id.as_bytes());
    }
    mac.update(key.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

fn body_hash(work: &Work) -> [u8; 32] {
    let hash = Sha256::new().chain_update(work.operation().name());
    // An answer in one dialect is none in another.
    let hash = match work.dialect() {
        Dialect::ChatCompletions => hash,
        Dialect::Responses => hash.chain_update("/responses"),
        Dialect::Messages => hash.chain_update("/messages"),
    };
    hash.chain_update([0]).chain_update(work.body()).finalize().into()
}

fn mismatch() -> Error {
    Error::new(
        ErrorKind::IdempotencyMismatch,
        "this Idempotency-Key was used with another body; use a new key for a new request",
    )
}

fn still_under_way() -> Error {
    conflict("a request with this Idempotency-Key is still under way; ask again later")
}

fn conflict(message: &str) -> Error {
    Error::new(ErrorKind::Conflict, message)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const MARK: IdempotencyMark = IdempotencyMark { key_hash: [1; 32], body_hash: [2; 32] };
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Waits for a twin with this body that is under way for `looks` looks and then leaves `answer`.
    async fn wait(body_hash: [u8; 32], looks: u32, answer: Option<&'static [u8]>, patience: Duration) -> Result<Elsewhere> {
        let looked = AtomicU32::new(0);
        let under_way = || async {
            let is_open = looked.fetch_add(1, Ordering::SeqCst) < looks;
            Ok(is_open.then_some(IdempotencyMark { body_hash, ..MARK }))
        };
        let stored = || async {
            let ended = answer.filter(|_| looked.load(Ordering::SeqCst) > looks);
            Ok(ended
                .map(|body| Arc::new(Transcript { is_stream: false, body: Bytes::from_static(body), documents: Vec::new() })))
        };
        twin_ended(&MARK, Instant::now() + patience, under_way, stored).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_twin_elsewhere_is_waited_for() {
        let began = Instant::now();
        let ended = wait(MARK.body_hash, 7, Some(b"{}"), PATIENCE).await;
        assert!(matches!(ended, Ok(Elsewhere::Replay(answer)) if &*answer.body == b"{}"));
        assert_eq!(began.elapsed(), LOOK_EVERY * 7);
        assert!(matches!(wait(MARK.body_hash, 3, None, PATIENCE).await, Ok(Elsewhere::CameToNothing)));
        // Also when it had ended before anybody looked.
        assert!(matches!(wait(MARK.body_hash, 0, Some(b"{}"), PATIENCE).await, Ok(Elsewhere::Replay(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_has_an_end() {
        let kind = |ended: Result<Elsewhere>| ended.err().map(|error| error.kind().clone());
        let began = Instant::now();
        assert_eq!(kind(wait(MARK.body_hash, u32::MAX, None, PATIENCE).await), Some(ErrorKind::Conflict));
        assert_eq!(began.elapsed(), PATIENCE);
        // One that comes to nothing at the last moment is not followed by yet another try.
        assert_eq!(kind(wait(MARK.body_hash, 0, None, Duration::ZERO).await), Some(ErrorKind::Conflict));
        assert!(matches!(wait(MARK.body_hash, 0, Some(b"{}"), Duration::ZERO).await, Ok(Elsewhere::Replay(_))));
        assert_eq!(kind(wait([3; 32], 5, None, PATIENCE).await), Some(ErrorKind::IdempotencyMismatch));
    }
}
