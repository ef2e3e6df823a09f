//! What the journal carries and the ledger keeps.

use std::collections::BTreeMap;

use insula_model::{
    AttemptId, AttemptOutcome, Cause, CredentialOwner, EndUserId, Error, KeyId, Money, Operation, Overhead, RequestId, Result,
    TenantId, Timestamp, TokenCounts,
};
use serde::{Deserialize, Serialize};

/// Written before the provider's socket sees a byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The attempt.
    pub attempt: AttemptId,
    /// The request that it serves.
    pub request: RequestId,
    /// Whose request it is.
    pub tenant: TenantId,
    /// The key that asked; absent for a tenant token.
    pub key: Option<KeyId>,
    /// When it was reserved: this decides the windows it belongs to.
    pub reserved_at: Timestamp,
    /// What kind of call.
    pub operation: Operation,
    /// Why.
    pub cause: Cause,
    /// The provider's configured name.
    pub provider: String,
    /// The model as the price book names it.
    pub model: String,
    /// The price book row that prices it.
    pub price_row: String,
    /// The most that it can cost.
    pub reserved: Money,
    /// The most input tokens that it can have.
    pub input_tokens_max: u64,
    /// The most output tokens that it was allowed.
    pub output_tokens_max: u64,
    /// Keyed hash of the `Idempotency-Key` and the body's hash, where the caller sent one.
    pub idempotency: Option<IdempotencyMark>,
    /// What its bill tells besides.
    pub attribution: Attribution,
}

/// The most bytes that the names and values of an attempt's labels may have together: each of them goes into the journal.
pub const LABELS_BYTES_MAX: usize = 48 << 10;

/// What a bill tells of an attempt besides what it used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attribution {
    /// For which end user of the tenant.
    pub end_user: Option<EndUserId>,
    /// Under which plan.
    pub plan: Option<String>,
    /// The labels of tenant, key and request together; those nearer to the request win.
    pub tags: BTreeMap<String, String>,
    /// How long it waited for its turn, microseconds.
    pub queued_us: u64,
    /// By whose account at the provider.
    pub credential: CredentialOwner,
}

/// [`Begin`] as the first version wrote it; never changed.
#[derive(Deserialize)]
pub(crate) struct FirstBegin {
    attempt: AttemptId,
    request: RequestId,
    tenant: TenantId,
    key: Option<KeyId>,
    reserved_at: Timestamp,
    operation: Operation,
    cause: Cause,
    provider: String,
    model: String,
    price_row: String,
    reserved: Money,
    input_tokens_max: u64,
    output_tokens_max: u64,
    idempotency: Option<IdempotencyMark>,
}

impl From<FirstBegin> for Begin {
    fn from(first: FirstBegin) -> Self {
        Self {
            attempt: first.attempt,
            request: first.request,
            tenant: first.tenant,
            key: first.key,
            reserved_at: first.reserved_at,
            operation: first.operation,
            cause: first.cause,
            provider: first.provider,
            model: first.model,
            price_row: first.price_row,
            reserved: first.reserved,
            input_tokens_max: first.input_tokens_max,
            output_tokens_max: first.output_tokens_max,
            idempotency: first.idempotency,
            attribution: Attribution::default(),
        }
    }
}

/// [`Begin`] as the second version wrote it; never changed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct SecondBegin {
    attempt: AttemptId,
    request: RequestId,
    tenant: TenantId,
    key: Option<KeyId>,
    reserved_at: Timestamp,
    operation: Operation,
    cause: Cause,
    provider: String,
    model: String,
    price_row: String,
    reserved: Money,
    input_tokens_max: u64,
    output_tokens_max: u64,
    idempotency: Option<IdempotencyMark>,
    attribution: SecondAttribution,
}

/// [`Attribution`] while every attempt was made by the platform's account.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct SecondAttribution {
    end_user: Option<EndUserId>,
    plan: Option<String>,
    tags: BTreeMap<String, String>,
    queued_us: u64,
}

impl From<SecondBegin> for Begin {
    fn from(second: SecondBegin) -> Self {
        let SecondAttribution { end_user, plan, tags, queued_us } = second.attribution;
        Self {
            attempt: second.attempt,
            request: second.request,
            tenant: second.tenant,
            key: second.key,
            reserved_at: second.reserved_at,
            operation: second.operation,
            cause: second.cause,
            provider: second.provider,
            model: second.model,
            price_row: second.price_row,
            reserved: second.reserved,
            input_tokens_max: second.input_tokens_max,
            output_tokens_max: second.output_tokens_max,
            idempotency: second.idempotency,
            attribution: Attribution { end_user, plan, tags, queued_us, credential: CredentialOwner::Platform },
        }
    }
}

impl Begin {
    /// Reads what is kept of an open attempt in a table. What earlier versions wrote ends sooner: the second's before `credential`, the
    /// first's where `attribution` begins.
    pub(crate) fn from_kept(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes)
            .or_else(|_| postcard::from_bytes::<SecondBegin>(bytes).map(Self::from))
            .or_else(|_| postcard::from_bytes::<FirstBegin>(bytes).map(Self::from))
            .map_err(Error::internal)
    }
}

/// Which `Idempotency-Key` a request carried, and with which body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyMark {
    /// Keyed hash of the caller's key.
    pub key_hash: [u8; 32],
    /// Hash of the operation and the body.
    pub body_hash: [u8; 32],
}

/// Written when an attempt is settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// The attempt.
    pub attempt: AttemptId,
    /// When it was settled.
    pub settled_at: Timestamp,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What was used, as reported or as estimated.
    pub tokens: TokenCounts,
    /// What it costs.
    pub cost: Money,
    /// Whether the tokens are our estimate rather than the provider's report.
    pub estimated: bool,
    /// What of this kept its tenant apart from others.
    pub isolation: Overhead,
}

/// [`End`] as the first version wrote it; never changed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct FirstEnd {
    attempt: AttemptId,
    settled_at: Timestamp,
    outcome: AttemptOutcome,
    tokens: FirstTokens,
    cost: Money,
    estimated: bool,
}

/// Tokens while all writes to a cache were one class.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct FirstTokens {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
}

impl From<FirstEnd> for End {
    fn from(first: FirstEnd) -> Self {
        let FirstTokens { input, cache_read, cache_write, output, reasoning } = first.tokens;
        Self {
            attempt: first.attempt,
            settled_at: first.settled_at,
            outcome: first.outcome,
            tokens: TokenCounts { input, cache_read, cache_write, cache_write_1h: 0, output, reasoning },
            cost: first.cost,
            estimated: first.estimated,
            isolation: Overhead::default(),
        }
    }
}

/// [`End`] while nobody counted what keeps a tenant apart; never changed.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
pub(crate) struct SecondEnd {
    attempt: AttemptId,
    settled_at: Timestamp,
    outcome: AttemptOutcome,
    tokens: TokenCounts,
    cost: Money,
    estimated: bool,
}

impl From<SecondEnd> for End {
    fn from(second: SecondEnd) -> Self {
        let SecondEnd { attempt, settled_at, outcome, tokens, cost, estimated } = second;
        Self { attempt, settled_at, outcome, tokens, cost, estimated, isolation: Overhead::default() }
    }
}

/// A finished request on its way to its tenant's file. What a person wrote or a model said is only in the sealed parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// The request.
    pub request: RequestId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The key that asked; absent for a tenant token.
    pub key: Option<KeyId>,
    /// When it arrived.
    pub started_at: Timestamp,
    /// How long it took, microseconds.
    pub duration_us: u64,
    /// What kind of call.
    pub operation: Operation,
    /// The model as the caller named it.
    pub model: String,
    /// The HTTP status that the caller got; 0 when the process died under it.
    pub status: u16,
    /// What its attempts cost together.
    pub cost: Money,
    /// Stages, attempts and content, sealed for (`request`, `detail`, the request's id); empty when it could not be kept.
    #[serde(with = "serde_bytes_vec")]
    pub sealed_detail: Vec<u8>,
    /// What to replay for the `Idempotency-Key`, where one was sent and the request reached a provider.
    pub idempotency: Option<IdempotencyEntry>,
}

/// A finished answer kept for replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyEntry {
    /// Which key and body.
    pub mark: IdempotencyMark,
    /// Until when it is honoured.
    pub expires_at: Timestamp,
    /// The answer, sealed for (`idempotency`, `transcript`, the request's id); absent when it was too large to keep.
    pub sealed_transcript: Option<Vec<u8>>,
}

/// One row of the ledger: one attempt, never changed.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRow {
    /// What was held for it, and for whom.
    pub begin: Begin,
    /// How it ended.
    pub end: End,
}

/// Byte strings as one copy instead of an element at a time.
mod serde_bytes_vec {
    use serde::{Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of BEGINs as the second version kept them, and as they are kept now.
    #[test]
    fn a_begin_of_the_second_version_is_read() {
        let begin = crate::journal::tests::samples::begin(3);
        let attribution = Attribution {
            end_user: Some(EndUserId::from_bytes([4; 16])),
            plan: Some("pro".to_owned()),
            tags: [("team".to_owned(), "search".to_owned())].into(),
            queued_us: 300,
            credential: CredentialOwner::Platform,
        };
        let begin = Begin { attribution, ..begin };
        let now = begin.clone();
        let Attribution { end_user, plan, tags, queued_us, .. } = now.attribution;
        let second = SecondBegin {
            attempt: now.attempt,
            request: now.request,
            tenant: now.tenant,
            key: now.key,
            reserved_at: now.reserved_at,
            operation: now.operation,
            cause: now.cause,
            provider: now.provider,
            model: now.model,
            price_row: now.price_row,
            reserved: now.reserved,
            input_tokens_max: now.input_tokens_max,
            output_tokens_max: now.output_tokens_max,
            idempotency: now.idempotency,
            attribution: SecondAttribution { end_user, plan, tags, queued_us },
        };
        let kept = postcard::to_stdvec(&second).unwrap();
        assert_eq!(Begin::from(postcard::from_bytes::<SecondBegin>(&kept).unwrap()), begin);
        assert_eq!(Begin::from_kept(&kept).unwrap(), begin);
        let mut own = begin;
        own.attribution.credential = CredentialOwner::Tenant;
        assert_eq!(Begin::from_kept(&postcard::to_stdvec(&own).unwrap()).unwrap(), own);
    }

    /// Bytes of an END that a journal of the first version holds.
    #[test]
    fn an_end_of_the_first_version_is_read() {
        let tokens = FirstTokens { input: 1, cache_read: 2, cache_write: 3, output: 4, reasoning: 5 };
        let first = FirstEnd {
            attempt: AttemptId::from_bytes([7; 16]),
            settled_at: Timestamp::from_micros(9),
            outcome: AttemptOutcome::Completed,
            tokens,
            cost: Money::from_pico(11),
            estimated: true,
        };
        let kept = postcard::to_stdvec(&first).unwrap();
        let read = End::from(postcard::from_bytes::<FirstEnd>(&kept).unwrap());
        let tokens = TokenCounts { input: 1, cache_read: 2, cache_write: 3, cache_write_1h: 0, output: 4, reasoning: 5 };
        assert_eq!((read.tokens, read.cost, read.estimated), (tokens, Money::from_pico(11), true));
        // Why it has a number of its own: the same bytes are no END as it is now.
        assert_ne!(postcard::from_bytes::<End>(&kept).ok(), Some(read));
    }

    /// Bytes of an END of kind 8.
    #[test]
    fn an_end_without_isolation_is_read() {
        let second = SecondEnd {
            attempt: AttemptId::from_bytes([7; 16]),
            settled_at: Timestamp::from_micros(9),
            outcome: AttemptOutcome::Completed,
            tokens: TokenCounts { input: 1, cache_read: 2, cache_write: 3, cache_write_1h: 4, output: 5, reasoning: 6 },
            cost: Money::from_pico(11),
            estimated: true,
        };
        let (kept, tokens) = (postcard::to_stdvec(&second).unwrap(), second.tokens);
        let read = End::from(postcard::from_bytes::<SecondEnd>(&kept).unwrap());
        assert_eq!((read.tokens, read.cost, read.estimated), (tokens, Money::from_pico(11), true));
        assert_eq!(read.isolation, Overhead::default());
        assert!(postcard::from_bytes::<End>(&kept).is_err());
    }
}
