//! Who may come in: every tenant, key, operator, limit, plan and segment, in memory, so that a request asks no database.
//!
//! - [`authenticate`](Directory::authenticate): from a bearer text to a [`Credential`], the only way to a scope.
//! - `authorise.rs`: from a credential and a path to the objects that handlers work with.
//! - `changes.rs`, `plans.rs` for what tenants inherit, and `corpora.rs` for reference corpora and their grants: the only files that
//!   store a change; it is visible to the next request, on every node.
//! - `sync.rs` and `reread.rs`: how a node learns what other nodes changed, where there are several.
//!
//! A wrong text costs a checksum, a genuine one a keyed hash and two look-ups:
//!
//! ```text
//! ins_live_01jx3v9d3k8m2q5r7t0w4y6z8a_K3fV0aB9...32 characters...x7Qb0ZkT1a
//! ^ kind   ^ id of the key            ^ secret                    ^ checksum
//! ```

mod authenticate;
mod authorise;
mod base62;
mod changes;
mod corpora;
mod credential;
mod entries;
mod hashing;
mod jobs;
mod key_text;
mod others;
mod plans;
mod register;
mod reread;
mod source;
mod sync;
#[cfg(test)]
#[path = "tests/sync/mod.rs"]
mod sync_tests;
#[cfg(test)]
mod tests;
mod tokens;

use std::{collections::HashMap, sync::Arc, time::Duration};

use insula_model::{Clock, IdGenerator, KeyId, Limits, Name, Random, Result, Subject, TenantId, Timestamp};
use insula_store::Store;
use parking_lot::RwLock;

pub use authorise::{Caller, ManagedEndUser, ManagedKey, ManagedTenant, OperatedTenant, RequestReader};
pub(crate) use changes::KeyOrder;
pub use corpora::{GrantedCorpus, LeavingCorpus, OperatedCorpus};
pub(crate) use credential::Limited;
pub use credential::{Credential, Operator, TenantCredential};
pub use entries::{KeyEntry, TenantEntry};
pub use key_text::{KeyKind, KeyText};

use corpora::Corpora;
use entries::OperatorEntry;
use hashing::Hasher;
pub(crate) use hashing::keyed;
pub(crate) use jobs::BatchOwner;
pub(crate) use others::Others;
use register::Register;
pub(crate) use source::ChangeSource;
use sync::Following;
use tokens::{TokenClaims, TokenSigner};

/// All tenants, keys, operators and limits, changed only through here.
pub struct Directory {
    store: Store,
    ids: IdGenerator,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    hasher: Hasher,
    tokens: TokenSigner,
    register: RwLock<Register>,
    /// Held while something that belongs to no tenant is changed.
    platform_changing: Arc<tokio::sync::Mutex<()>>,
    /// Read while a tenant is changed, written while a plan or a segment is: what a tenant inherits changes with both.
    catalogue_changing: Arc<tokio::sync::RwLock<()>>,
    /// Absent where this process alone changes what is stored.
    following: Option<Arc<Following>>,
}

impl Directory {
    /// Reads everything from the control database.
    pub async fn load(store: Store, ids: IdGenerator, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self> {
        let hasher = Hasher::new(&store.platform_secret("key-hash"), &store.platform_secret("request-tag"));
        let tokens = TokenSigner::new(&store.platform_secret("tenant-token"));
        let control = store.control();
        let mut limits: HashMap<_, _> = control.limits().await?.into_iter().collect();
        let mut register = Register::default();
        let plans = control.plans().await?.into_iter().map(Arc::new).collect();
        register.renew_catalogue(plans, control.segments().await?.into_iter().map(Arc::new).collect());
        register.corpora = Corpora::new(control.corpora().await?, control.corpus_grants().await?);
        for tenant in control.tenants().await? {
            let own = limits.remove(&Subject::Tenant(tenant.id)).unwrap_or_default();
            let tag = hasher.request_tag(tenant.id);
            register.put_tenant(TenantEntry::new(tenant, own, tag));
        }
        for key in control.keys().await? {
            let own = limits.remove(&Subject::Key(key.tenant, key.id)).unwrap_or_default();
            register.put_key(KeyEntry::new(key, own));
        }
        for key in control.operator_keys().await?.into_iter().filter(|key| key.revoked_at.is_none()) {
            register.put_operator(OperatorEntry { id: key.id, hash: key.hash, local: false });
        }
        Ok(Self {
            store,
            ids,
            clock,
            random,
            hasher,
            tokens,
            register: RwLock::new(register),
            platform_changing: Arc::default(),
            catalogue_changing: Arc::default(),
            following: None,
        })
    }

    /// The same as one of several nodes; [`Directory::follow`] then keeps it in step with the others.
    pub(crate) async fn join(
        store: Store,
        ids: IdGenerator,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        source: Box<dyn ChangeSource>,
    ) -> Result<Self> {
        // First of all: what changes while everything is read is read again.
        let following = Following::begin(source, clock.clone()).await?;
        let directory = Self::load(store.clone(), ids, clock, random).await?;
        // Denied, but known: whoever asked for an erasure that a node died under asks again and gets its receipt.
        for tenant in store.control().erasing_tenants().await? {
            let tag = directory.hasher.request_tag(tenant.id);
            directory.register.write().put_tenant(TenantEntry::new(tenant, Limits::default(), tag));
        }
        Ok(Self { following: Some(Arc::new(following)), ..directory })
    }

    /// Whether this node knows what it must know to judge a credential. It always does where it serves alone.
    ///
    /// # Errors
    /// [`insula_model::ErrorKind::Unavailable`] when it has not been able to learn for some seconds what other nodes changed.
    pub fn check_current(&self) -> Result<()> {
        self.following.as_ref().map_or(Ok(()), |following| following.check_current())
    }

    /// Whether even what is under way must end, because this node has known nothing for a minute.
    pub(crate) fn is_lost(&self) -> bool {
        self.following.as_ref().is_some_and(|following| following.is_lost())
    }

    /// A tenant as it is now, also one that is being erased.
    pub fn tenant(&self, id: TenantId) -> Option<Arc<TenantEntry>> {
        self.register.read().tenant(id).cloned()
    }

    /// A key as it is now, also a revoked one.
    pub fn key(&self, id: KeyId) -> Option<Arc<KeyEntry>> {
        self.register.read().key(id).cloned()
    }

    /// Up to `count` tenants in order of creation, from the one after `after`.
    pub(crate) fn tenants_after(&self, after: Option<TenantId>, count: usize) -> Vec<Arc<TenantEntry>> {
        self.register.read().tenants_after(after, count)
    }

    /// Up to `count` keys of a tenant in order of creation, from the one after `after`.
    pub(crate) fn keys_after(&self, tenant: TenantId, after: Option<KeyId>, count: usize) -> Vec<Arc<KeyEntry>> {
        self.register.read().keys_after(tenant, after, count)
    }

    /// Signs a token for a tenant; answers its text and when it expires.
    pub(crate) fn sign_token(
        &self,
        tenant: TenantId,
        end_user: Option<Name>,
        ttl: Duration,
        by: Caller,
    ) -> Result<(String, Timestamp)> {
        let issuer = match by {
            // The key of this process is gone with it; what it issues is not.
            Caller::Operator(operator) if operator.local => None,
            by => Some(by.key()),
        };
        let issued_at = Timestamp::from_micros(self.clock.now().seconds() * 1_000_000);
        let claims = TokenClaims { tenant, end_user, issuer, issued_at, expires_at: issued_at.plus(ttl) };
        Ok((self.tokens.sign(&claims, &*self.random)?, claims.expires_at))
    }
}
