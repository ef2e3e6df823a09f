//! The trace of a request: what each stage did, what each attempt cost, and, sealed, what was said.

mod earlier;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use insula_model::{Cause, Error, ErrorKind, KeyId, Money, Operation, RequestId, Result, TenantId, Timestamp, TokenCounts};
use insula_store::{IdempotencyEntry, TenantSeals, TraceRecord};
use serde::{Deserialize, Serialize};

use self::earlier::{FirstDetail, SecondDetail, ThirdDetail};
use crate::{
    CacheRecord, Call, Engine, Mismatch, RetrievalRecord, RouteRecord, Transcript,
    queue::Slot,
    route::{self, Candidate, Plan, Stated},
    work::Work,
};

/// What the sealed part of a stored request holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestDetail {
    /// The stages in the order they ran.
    pub stages: Vec<StageRecord>,
    /// The attempts at providers.
    pub attempts: Vec<AttemptRecord>,
    /// What the caller and the model said; absent for a request that was refused.
    pub content: Option<Content>,
    /// The end user that it was made for, as the product calls it.
    pub end_user: Option<String>,
    /// The labels of tenant, key and request together.
    pub tags: BTreeMap<String, String>,
    /// Where it could go, and why it went where it did; absent where it got no further than the stages before.
    pub route: Option<RouteRecord>,
    /// What the answer cache did; absent where the tenant has none.
    pub cache: Option<CacheRecord>,
    /// What was found in documents before the answer, and how that held to it; absent where none were searched.
    pub retrieval: Option<RetrievalRecord>,
}

/// One stage of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Its name, as in the pipeline.
    pub name: Cow<'static, str>,
    /// When it started, microseconds after the request arrived.
    pub start_us: u64,
    /// How long it took, microseconds.
    pub duration_us: u64,
    /// `ok`, `refused` or `failed`; of the cache `hit`, `miss` or `bypass`.
    pub outcome: Cow<'static, str>,
    /// Why, in a few words: operators read it, so it repeats nothing of what the caller wrote. Of a wait in the queue its place in the
    /// tenant's line at the beginning, and what it waited for.
    pub reason: Option<Cow<'static, str>>,
}

/// One attempt at a provider, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The ledger's id for it, in its text form.
    pub id: String,
    /// Why it was made.
    pub cause: Cow<'static, str>,
    /// The provider's configured name.
    pub provider: String,
    /// The model as the price book names it.
    pub model: String,
    /// The price book row that priced it.
    pub price_row: String,
    /// How it ended.
    pub outcome: Cow<'static, str>,
    /// What was used.
    pub tokens: TokenCounts,
    /// What it costs.
    pub cost: Money,
    /// What was held for it.
    pub reserved: Money,
    /// The output tokens that were allowed.
    pub output_tokens_max: u64,
    /// Whether `tokens` is our estimate.
    pub estimated: bool,
    /// The model that the provider says answered.
    pub response_model: Option<String>,
    /// The provider's fingerprint of its configuration.
    pub fingerprint: Option<String>,
}

/// What was said, cut at the configured bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The caller's body.
    pub request: String,
    /// What the caller got; empty where documents were searched for it, because it may say what they say and outlive them.
    pub response: String,
    /// Whether either was cut.
    pub truncated: bool,
}

/// A trace being written.
pub(crate) struct Trace {
    pub request: RequestId,
    pub tenant: TenantId,
    key: Option<KeyId>,
    pub seals: Arc<TenantSeals>,
    operation: Operation,
    model: String,
    end_user: Option<String>,
    tags: BTreeMap<String, String>,
    route: Option<RouteRecord>,
    started_at: Timestamp,
    started: Duration,
    stages: Vec<StageRecord>,
    pub attempts: Vec<AttemptRecord>,
    /// What the answer cache did.
    pub cache: Option<CacheRecord>,
    /// What was found in documents.
    pub retrieval: Option<RetrievalRecord>,
    body: Bytes,
    answer: Vec<u8>,
    answer_cut: bool,
    content_bytes_max: usize,
    /// Whether what is said may be kept at all: parts of a document go when the document goes, and a trace of them would stay.
    keeps_content: bool,
}

impl Trace {
    /// Starts the trace of a call.
    ///
    /// # Errors
    /// When the tenant's seals cannot be had: it is gone, or storage failed.
    pub async fn open(engine: &Engine, call: &Call, work: &Work) -> Result<Self> {
        Ok(Self {
            request: call.request,
            tenant: call.credential.scope.tenant(),
            key: call.credential.key.as_ref().map(|key| key.record.id),
            seals: engine.store.seals(&call.credential.scope).await?,
            operation: work.operation(),
            model: work.model().to_owned(),
            end_user: call.end_user.as_ref().map(|user| user.name.clone()),
            tags: call.tags.clone(),
            route: None,
            started_at: call.started_at,
            started: call.started,
            stages: Vec::with_capacity(8),
            attempts: Vec::with_capacity(1),
            cache: None,
            retrieval: None,
            body: work.body().clone(),
            answer: Vec::new(),
            answer_cut: false,
            content_bytes_max: engine.settings.trace_content_bytes_max,
            keeps_content: call.cause != Cause::Embedding,
        })
    }

    /// Runs a stage and notes how it went.
    pub async fn stage<T>(&mut self, engine: &Engine, name: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let begun = engine.clock.elapsed();
        let result = work.await;
        let reason = result.as_ref().err().map(|error| error.kind().name());
        let outcome = if reason.is_some() { "refused" } else { "ok" };
        self.note(engine, name, begun, outcome, reason.map(Cow::Borrowed));
        result
    }

    /// Runs the stage that waits for a turn, and notes where in the line it began, and what for.
    pub async fn queue(&mut self, engine: &Engine, turn: impl Future<Output = Result<Slot>>) -> Result<Slot> {
        let begun = engine.clock.elapsed();
        let result = turn.await;
        let (outcome, reason) = match &result {
            Ok(slot) => ("ok", slot.reason()),
            Err(error) => ("refused", Some(Cow::Borrowed(error.kind().name()))),
        };
        self.note(engine, QUEUE, begun, outcome, reason);
        result
    }

    /// Runs the stage that decides where the request may go, and notes the decision.
    ///
    /// # Errors
    /// Why it may go nowhere.
    pub fn route(&mut self, engine: &Engine, call: &Call, work: &Work) -> Result<Vec<Candidate>> {
        let begun = engine.clock.elapsed();
        let Plan { record, candidates } = route::plan(engine, &call.credential.tenant, work, Stated::by(call));
        let (outcome, reason) = match &candidates {
            Ok(_) => ("ok", Cow::Owned(record.summary())),
            Err(error) => ("refused", Cow::Borrowed(error.kind().name())),
        };
        self.note(engine, "route", begun, outcome, Some(reason));
        self.route = Some(record);
        candidates
    }

    /// Notes a stage that began at `begun` of the engine's clock and is over now.
    pub fn note(
        &mut self,
        engine: &Engine,
        name: &'static str,
        begun: Duration,
        outcome: &'static str,
        reason: Option<Cow<'static, str>>,
    ) {
        self.stages.push(StageRecord {
            name: Cow::Borrowed(name),
            start_us: micros(begun.saturating_sub(self.started)),
            duration_us: micros(engine.clock.elapsed().saturating_sub(begun)),
            outcome: Cow::Borrowed(outcome),
            reason,
        });
    }

    /// Adds to what the caller got.
    pub fn answer(&mut self, bytes: &[u8]) {
        if self.retrieval.is_some() {
            return;
        }
        let room = self.content_bytes_max.saturating_sub(self.answer.len());
        self.answer_cut |= bytes.len() > room;
        self.answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Stores the trace of a call that got no further than a refusal. A call over its pace limit leaves none: it costs
    /// nothing, and a flood of them must not either. One that waited for its turn in vain does: no more can wait than the queue has
    /// room for.
    pub fn refuse(mut self, engine: &Engine, call: &Call, error: &Error) {
        let has_waited = |stage: &StageRecord| stage.name == QUEUE && stage.duration_us >= WAITED_US_MIN;
        let was_sent = !self.attempts.is_empty();
        if was_sent || !matches!(error.kind(), ErrorKind::RateLimited { .. }) || self.stages.iter().any(has_waited) {
            if was_sent {
                self.answer(error.message().as_bytes());
            }
            let record = self.close(engine, (call.status_of)(error), was_sent, None);
            engine.store.journal().trace(&record);
        }
    }

    /// Stores the trace of a call that got an earlier answer after attempts of its own had failed.
    pub fn replayed(mut self, engine: &Engine, transcript: &Transcript) {
        if !self.attempts.is_empty() {
            self.answer(&transcript.body);
            let record = self.close(engine, 200, true, None);
            engine.store.journal().trace(&record);
        }
    }

    /// Notes answers of other versions.
    pub fn mismatched(&mut self, mismatches: Vec<Mismatch>) {
        if let Some(route) = &mut self.route {
            route.mismatches.extend(mismatches);
        }
    }

    /// Forgets what came of an attempt that another one takes the place of.
    pub fn forget_answer(&mut self) {
        self.answer.clear();
        self.answer_cut = false;
    }

    /// Closes the trace: the record for the journal. `with_content` is false for refusals, which said nothing.
    pub fn close(
        mut self,
        engine: &Engine,
        status: u16,
        with_content: bool,
        idempotency: Option<IdempotencyEntry>,
    ) -> TraceRecord {
        let content = (with_content && self.keeps_content).then(|| self.content());
        let cost = self.attempts.iter().map(|attempt| attempt.cost).sum();
        let detail = RequestDetail {
            stages: std::mem::take(&mut self.stages),
            attempts: std::mem::take(&mut self.attempts),
            content,
            end_user: self.end_user.take(),
            tags: std::mem::take(&mut self.tags),
            route: self.route.take(),
            cache: self.cache.take(),
            retrieval: self.retrieval.take(),
        };
        TraceRecord {
            request: self.request,
            tenant: self.tenant,
            key: self.key,
            started_at: self.started_at,
            duration_us: micros(engine.clock.elapsed().saturating_sub(self.started)),
            operation: self.operation,
            model: std::mem::take(&mut self.model),
            status,
            cost,
            sealed_detail: detail.seal(&self.seals, self.request, engine),
            idempotency,
        }
    }

    fn content(&mut self) -> Content {
        let kept = self.body.len().min(self.content_bytes_max);
        let truncated = self.answer_cut || kept < self.body.len();
        Content { request: text(&self.body[..kept]), response: text(&self.answer), truncated }
    }
}

/// Bytes that are text but for a character that the bound may have cut in two.
fn text(bytes: &[u8]) -> String {
    // The quick look first: it is several times faster than a lossy reading, and it all but always holds.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}

/// The stage that waits for a turn.
const QUEUE: &str = "queue";
/// Who was refused sooner did not wait.
const WAITED_US_MIN: u64 = 1_000;
/// About what stages and attempts take in a sealed trace.
const STAGES_BYTES: usize = 1024;
const TABLE: &str = "requests";
const COLUMN: &str = "detail";

impl RequestDetail {
    fn seal(&self, seals: &TenantSeals, request: RequestId, engine: &Engine) -> Vec<u8> {
        // Serialising plain data into a growing buffer does not fail.
        let said = self.content.as_ref().map_or(0, |content| content.request.len() + content.response.len());
        let plain = postcard::to_extend(self, Vec::with_capacity(said + STAGES_BYTES)).unwrap_or_default();
        seals.seal(TABLE, COLUMN, request.as_bytes(), &plain, &*engine.random)
    }

    /// Opens what [`Trace::close`] sealed.
    ///
    /// # Errors
    /// When it was sealed for another tenant or request, or is damaged.
    pub fn open(sealed: &[u8], seals: &TenantSeals, request: RequestId) -> Result<Self> {
        let plain = seals.open(TABLE, COLUMN, request.as_bytes(), sealed)?;
        Self::from_kept(&plain)
    }

    /// What earlier versions wrote ends sooner: the first before `end_user`, the second before `route`, the third before
    /// `retrieval`.
    fn from_kept(plain: &[u8]) -> Result<Self> {
        postcard::from_bytes(plain)
            .or_else(|_| postcard::from_bytes::<ThirdDetail>(plain).map(Self::from))
            .or_else(|_| postcard::from_bytes::<SecondDetail>(plain).map(Self::from))
            .or_else(|_| postcard::from_bytes::<FirstDetail>(plain).map(Self::from))
            .map_err(Error::internal)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceRecord;

    #[test]
    fn what_earlier_versions_sealed_is_read() {
        let stage = StageRecord {
            name: "limits".into(),
            start_us: 1,
            duration_us: 2,
            outcome: "refused".into(),
            reason: Some("rate_limited".into()),
        };
        let content = Content { request: "asked".into(), response: "said".into(), truncated: true };
        for content in [None, Some(content)] {
            // The fields of that version, in their order.
            let first = postcard::to_stdvec(&(vec![stage.clone()], Vec::<AttemptRecord>::new(), content.clone()));
            let read = RequestDetail::from_kept(&first.expect("plain data")).expect("known");
            let (end_user, tags) = (Some("ada".to_owned()), [("team".to_owned(), "search".to_owned())].into());
            let second = postcard::to_stdvec(&(vec![stage.clone()], Vec::<AttemptRecord>::new(), &content, &end_user, &tags));
            let second = RequestDetail::from_kept(&second.expect("plain data")).expect("known");
            let route = Some(RouteRecord {
                model: "m".to_owned(),
                complexity: None,
                strategy: "configured".into(),
                candidates: vec![],
                mismatches: vec![],
            });
            let cache = Some(CacheRecord { status: "miss".into(), saved: Money::from_pico(7) });
            let attempts = Vec::<AttemptRecord>::new();
            let third =
                postcard::to_stdvec(&(vec![stage.clone()], attempts.clone(), &content, &end_user, &tags, &route, &cache));
            let third = RequestDetail::from_kept(&third.expect("plain data")).expect("known");
            let source = SourceRecord { document: "doc_1".to_owned(), corpus: None, chunk: 3 };
            let retrieval = Some(RetrievalRecord { sources: vec![source], epoch: 7, cited: 1, ..RetrievalRecord::default() });
            let stages = vec![stage.clone()];
            let now = RequestDetail { stages, attempts, content, end_user, tags, route, cache, retrieval };
            assert_eq!(third, RequestDetail { retrieval: None, ..now.clone() });
            assert_eq!(second, RequestDetail { route: None, cache: None, ..third });
            assert_eq!(read, RequestDetail { end_user: None, tags: BTreeMap::new(), ..second });
            assert_eq!(RequestDetail::from_kept(&postcard::to_stdvec(&now).expect("plain data")).expect("known"), now);
        }
        assert!(RequestDetail::from_kept(&[0xff; 3]).is_err());
    }
}
