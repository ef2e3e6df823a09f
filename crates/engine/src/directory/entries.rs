//! What the directory holds of a tenant and of a key.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use insula_model::{CacheRules, CredentialMark, Key, KeyId, Limits, Lineage, Routing, Tenant, TenantState, VectorRules};
use insula_providers::{ModelCard, Viewer};

use crate::{credentials::Opened, queue::LaneKey};

/// A tenant as requests see it. Replaced whole when anything about it or about what it inherits changes.
#[derive(Debug)]
pub struct TenantEntry {
    /// What is stored of it.
    pub record: Tenant,
    /// The limits that were set for itself.
    pub own_limits: Limits,
    /// The limits in force: its own, and what it inherits where it has none of its own.
    pub limits: Limits,
    /// The models that it may call, by name or alias; all where absent.
    pub models: Option<Vec<String>>,
    /// How its requests are routed: its own word, and what it inherits where it has said nothing.
    pub routing: Routing,
    /// The rules of the answer cache in force.
    pub cache: CacheRules,
    /// Where its vectors are to be: its own word, and what it inherits where it has said nothing.
    pub vectors: VectorRules,
    /// The name of what places its documents among each other; the installation's where absent.
    pub embedder: Option<String>,
    /// The four bytes that its request ids carry.
    pub request_tag: [u8; 4],
    /// Its own credentials at providers, as far as they were opened for this version of the entry.
    pub(crate) opened: Opened,
    /// Shared by all versions of this entry, so that a request which is under way sees a change.
    pub(super) denied: Withdrawal,
    /// Held while the tenant or anything below it is changed: changes of one tenant happen one after the other.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
}

impl TenantEntry {
    /// A tenant that inherits nothing yet.
    pub(super) fn new(record: Tenant, own_limits: Limits, request_tag: [u8; 4]) -> Self {
        let denied = Withdrawal::default();
        denied.set(record.state != TenantState::Active);
        let (models, routing) = (record.models.clone(), record.routing.clone());
        let (cache, vectors, embedder) = (record.cache, record.vectors, record.embedder.clone());
        let (limits, opened, changing) = (own_limits, Opened::default(), Arc::default());
        Self { record, own_limits, limits, models, routing, cache, vectors, embedder, request_tag, opened, denied, changing }
    }

    /// Whether a model exists for this tenant: it may call it, and it is not for others alone.
    pub fn may_see(&self, card: &ModelCard) -> bool {
        self.looking(|viewer| viewer.sees(card))
    }

    /// Whether nothing is done in its name any more, or for the moment: it is suspended, or being erased.
    pub(crate) fn is_denied(&self) -> bool {
        self.denied.is_set()
    }

    /// That it has a credential of its own for a provider, and which.
    pub(crate) fn own_credential(&self, provider: &str) -> Option<&CredentialMark> {
        self.record.provider_credentials.get(provider)
    }

    /// The lane of its requests to a model: that of its own account at the provider, where it has one.
    pub(crate) fn lane(&self, card: &Arc<ModelCard>) -> LaneKey {
        LaneKey::of(card, self.own_credential(&card.provider).map(|mark| mark.id))
    }

    /// Looks for models as this tenant.
    pub(crate) fn looking<T>(&self, look: impl FnOnce(&Viewer<'_>) -> T) -> T {
        let id = self.record.id.to_string();
        look(&Viewer { among: self.models.as_deref(), names: &[self.record.slug.as_str(), &id] })
    }

    /// Looks for models that the platform chose for this tenant: the list of those that it may call does not count, what is for others alone
    /// stays theirs.
    pub(crate) fn standing_for<T>(&self, look: impl FnOnce(&Viewer<'_>) -> T) -> T {
        let id = self.record.id.to_string();
        look(&Viewer { among: None, names: &[self.record.slug.as_str(), &id] })
    }

    /// The same tenant with what it inherits now.
    pub(super) fn inheriting(self, lineage: Lineage<'_>) -> Self {
        let limits = lineage.limits(&self.own_limits, &Limits::default()).values();
        let models = lineage.models(self.record.models.as_deref()).value.map(<[String]>::to_vec);
        let routing = lineage.routing(&self.record.routing, &Routing::default()).into_values();
        let cache = lineage.cache(&self.record.cache).values();
        let vectors = VectorRules { collection: lineage.vectors(&self.record.vectors, None).collection.value };
        let embedder = lineage.embedder(self.record.embedder.as_deref()).value.map(str::to_owned);
        Self { limits, models, routing, cache, vectors, embedder, ..self }
    }

    /// The same tenant with another record.
    pub(super) fn with_record(&self, record: Tenant) -> Self {
        self.denied.set(record.state != TenantState::Active);
        Self {
            record,
            own_limits: self.own_limits,
            limits: self.limits,
            models: self.models.clone(),
            routing: self.routing.clone(),
            cache: self.cache,
            vectors: self.vectors,
            embedder: self.embedder.clone(),
            request_tag: self.request_tag,
            opened: Opened::default(),
            denied: self.denied.clone(),
            changing: Arc::clone(&self.changing),
        }
    }

    /// The same tenant with other limits of its own.
    pub(super) fn with_limits(&self, own_limits: Limits) -> Self {
        Self { own_limits, ..self.with_record(self.record.clone()) }
    }
}

/// A tenant's key as requests see it. Replaced whole when anything about it changes.
#[derive(Debug)]
pub struct KeyEntry {
    /// What is stored of it.
    pub record: Key,
    /// Its own limits, which hold beside its tenant's.
    pub limits: Limits,
    /// Shared by all versions of this entry, so that an open stream sees the revocation.
    pub(super) revoked: Withdrawal,
}

impl KeyEntry {
    pub(super) fn new(record: Key, limits: Limits) -> Self {
        let revoked = Withdrawal::default();
        revoked.set(record.revoked_at.is_some());
        Self { record, limits, revoked }
    }

    /// The same key with another record.
    pub(super) fn with_record(&self, record: Key) -> Self {
        self.revoked.set(record.revoked_at.is_some());
        Self { record, limits: self.limits, revoked: self.revoked.clone() }
    }

    /// The same key with other limits.
    pub(super) fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, ..self.with_record(self.record.clone()) }
    }

    /// Whether it was revoked; also tells requests that hold an older version of this entry.
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_set()
    }
}

/// An operator's key as requests see it.
#[derive(Debug)]
pub(super) struct OperatorEntry {
    pub(super) id: KeyId,
    pub(super) hash: [u8; 32],
    /// Made by this process for itself and stored nowhere.
    pub(super) local: bool,
}

/// A flag that a running request can look at between two writes: what let it in has been taken back.
#[derive(Debug, Clone, Default)]
pub(super) struct Withdrawal(Arc<AtomicBool>);

impl Withdrawal {
    pub(super) fn set(&self, withdrawn: bool) {
        self.0.store(withdrawn, Ordering::Release);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
