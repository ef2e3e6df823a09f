//! What becomes of an answer when it is finished: kept for later, and told to those who wait for it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use insula_model::{Operation, TenantId};
use insula_providers::ends_well;
use insula_store::{AnswerKey, End, Seq};

use super::{
    AnswerCache, CacheView, Kept, Made,
    misses::{Lead, Told},
    shared, tend,
};
use crate::{Engine, Transcript, directory::TenantCredential, work::Work};

/// What the cache wants of an answer that is under way. By default nothing.
#[derive(Default)]
pub(crate) struct Fill {
    view: Option<CacheView>,
    place: Option<Place>,
}

/// Where an answer is to be kept.
pub(super) struct Place {
    pub(super) key: AnswerKey,
    pub(super) ttl: Duration,
    /// Absent where nobody waits for it.
    pub(super) lead: Option<Lead>,
}

/// How an attempt ended whose answer may be kept.
pub(crate) struct Ended<'a> {
    pub credential: &'a TenantCredential,
    pub work: &'a Work,
    pub transcript: &'a Arc<Transcript>,
    /// What the ledger has of it.
    pub end: &'a End,
    /// The model as the price book names it.
    pub model: &'a str,
    /// Whether it came from no other version than was approved.
    pub is_approved: bool,
    /// The record that must be durable before anybody sees the answer.
    pub record: Seq,
}

impl Fill {
    pub(super) fn of(view: CacheView, place: Place) -> Self {
        Self { view: Some(view), place: Some(place) }
    }

    /// The cache takes no part.
    pub(super) fn bypass() -> Self {
        Self { view: Some(CacheView::Bypass), place: None }
    }

    /// What the caller is told; nothing where its tenant has no cache.
    pub fn view(&self) -> Option<CacheView> {
        self.view
    }

    /// Whether the whole answer is wanted.
    pub fn is_wanted(&self) -> bool {
        self.place.is_some()
    }

    /// Whether others wait for the answer.
    pub fn is_awaited(&self) -> bool {
        self.place.as_ref().and_then(|place| place.lead.as_ref()).is_some_and(Lead::is_followed)
    }

    /// Keeps a finished answer, if it may stand for the next one, and tells those who wait.
    pub fn finish(mut self, engine: &Arc<Engine>, ended: Ended<'_>) {
        let Some(Place { key, ttl, lead }) = self.place.take() else { return };
        if !engine.answers.lasts(&ended) {
            if let Some(lead) = lead {
                lead.tell(Told::NotShared);
            }
            return;
        }
        let Ended { credential, transcript, end, model, record, .. } = ended;
        let made = Made { at: end.settled_at, model: model.to_owned(), tokens: end.tokens.total(), cost: end.cost };
        // A copy: what is kept must not hold the room of answers that are under way.
        let Transcript { is_stream, body, documents } = &**transcript;
        let body = Bytes::copy_from_slice(body);
        let transcript = Arc::new(Transcript { is_stream: *is_stream, body, documents: documents.clone() });
        let kept = Arc::new(Kept { transcript, made, record: Some(record) });
        engine.answers.put(credential, key, kept.clone());
        tend::start(engine);
        shared::keep(engine, credential.scope, key, ttl, &kept);
        if let Some(lead) = lead {
            lead.tell(Told::Answer(kept));
        }
    }
}

impl AnswerCache {
    /// Whether an answer may be given again.
    fn lasts(&self, ended: &Ended<'_>) -> bool {
        let Transcript { is_stream, body, .. } = &**ended.transcript;
        let is_good = match ended.work.operation() {
            // At a limit of ours, or for no reason, it would be longer the next time.
            Operation::Chat => ends_well(body, *is_stream, ended.work.states_output_max()),
            Operation::Embeddings => true,
            // None is asked for here.
            Operation::Moderations => false,
        };
        is_good && ended.is_approved && !ended.end.estimated && body.len() <= self.settings.answer_bytes_max
    }

    /// Keeps an answer in memory, unless its tenant is not served any more.
    pub(super) fn put(&self, credential: &TenantCredential, key: AnswerKey, kept: Arc<Kept>) {
        if !credential.is_withdrawn() {
            let (tenant, version) = (credential.scope.tenant(), credential.tenant.record.version);
            self.memory.lock().put(tenant, version, key, kept);
        }
    }

    /// The tenant's documents have changed: what was made of them is dropped. Nobody would find it any more.
    pub fn forget_grounded(&self, tenant: TenantId) {
        self.memory.lock().drop_grounded(tenant);
    }

    /// The same where many tenants read what has changed.
    pub fn forget_all_grounded(&self) {
        self.memory.lock().drop_all_grounded();
    }

    /// Bytes of an answer that is to be kept.
    pub fn answer_bytes_max(&self) -> usize {
        self.settings.answer_bytes_max
    }
}
