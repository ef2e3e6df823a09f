//! End users of tenants' products: whom a call is made for.
//!
//! Budgets and the ledger know an end user by a keyed hash of what the product calls it. The name itself is kept beside, sealed
//! with the tenant's key, so that what was used can be shown with it; it is written behind the requests, once per node.

use std::{sync::Arc, time::Duration};

use hashlink::LruCache;
use hmac::{Hmac, Mac};
use insula_model::{EndUserId, Error, Result, TenantId, TenantScope};
use insula_store::{EndUserRow, TenantSeals};
use parking_lot::Mutex;
use sha2::Sha256;

use crate::{
    Engine,
    directory::{TenantCredential, keyed},
    work::Work,
};

/// How many end users a node remembers to have kept the names of.
const KEPT_MAX: usize = 65_536;

/// How many names wait to be written. Further ones are noted with a later call of theirs.
const WAITING_MAX: usize = 4_096;

/// How many are written in one transaction, and how long they gather before.
const BATCH_MAX: usize = 512;
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// An end user of a tenant's product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndUser {
    /// A keyed hash of tenant and name: the same on every node and in every run.
    pub id: EndUserId,
    /// What the product calls it.
    pub name: String,
}

/// The end users that this node has seen.
pub(crate) struct EndUsers {
    hasher: Hmac<Sha256>,
    names: Mutex<Names>,
}

/// Names on their way into storage.
struct Names {
    kept: LruCache<EndUserId, ()>,
    waiting: Vec<(TenantScope, EndUser)>,
    is_writing: bool,
}

impl EndUsers {
    /// Hashes under this platform secret.
    pub fn new(secret: &[u8; 32]) -> Self {
        let names = Names { kept: LruCache::new(KEPT_MAX), waiting: Vec::new(), is_writing: false };
        Self { hasher: keyed(secret), names: Mutex::new(names) }
    }

    /// A tenant's end user of this name.
    pub fn named(&self, tenant: TenantId, name: &str) -> EndUser {
        let mut mac = self.hasher.clone();
        mac.update(tenant.as_bytes());
        mac.update(name.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        EndUser { id: EndUserId::from_bytes(id), name: name.to_owned() }
    }

    /// Whom a call is made for: the token's word counts before the body's.
    pub fn of(&self, credential: &TenantCredential, work: &Work) -> Option<EndUser> {
        let name = credential.end_user.as_deref().or(work.user())?;
        Some(self.named(credential.scope.tenant(), name))
    }
}

/// Notes an end user's name to be kept, unless this node has done so before. Returns at once; what cannot be written is noted
/// again with a later call.
pub(crate) fn note(engine: &Arc<Engine>, scope: TenantScope, user: &EndUser) {
    let mut names = engine.end_users.names.lock();
    if names.kept.get(&user.id).is_some() || names.waiting.len() >= WAITING_MAX {
        return;
    }
    names.kept.insert(user.id, ());
    names.waiting.push((scope, user.clone()));
    if !std::mem::replace(&mut names.is_writing, true) {
        tokio::spawn(write(engine.clone()));
    }
}

/// Writes until no name waits any more.
async fn write(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(GATHERED_FOR).await;
        if !write_batch(&engine).await {
            return;
        }
    }
}

/// Writes some of the names that wait; false where none did.
pub(crate) async fn write_batch(engine: &Engine) -> bool {
    let batch = {
        let mut names = engine.end_users.names.lock();
        let count = names.waiting.len().min(BATCH_MAX);
        names.is_writing = count > 0;
        names.waiting.drain(..count).collect::<Vec<_>>()
    };
    if batch.is_empty() {
        return false;
    }
    if let Err(error) = keep(engine, &batch).await {
        tracing::debug!(%error, "names of end users could not be kept; later calls try again");
        let mut names = engine.end_users.names.lock();
        for (_, user) in &batch {
            names.kept.remove(&user.id);
        }
    }
    true
}

const TABLE: &str = "end_users";
const COLUMN: &str = "sealed_name";

/// Keeps the names of tenants' end users in one transaction. A tenant that is gone, or whose key cannot be had, has none.
///
/// # Errors
/// When storage fails.
pub(crate) async fn keep(engine: &Engine, users: &[(TenantScope, EndUser)]) -> Result<()> {
    let mut rows = Vec::with_capacity(users.len());
    for (scope, user) in users {
        // One tenant's trouble is not the others'.
        let Ok(seals) = engine.store.seals(scope).await else { continue };
        let sealed_name = seals.seal(TABLE, COLUMN, user.id.as_bytes(), user.name.as_bytes(), &*engine.random);
        rows.push((scope.tenant(), EndUserRow { id: user.id, sealed_name }));
    }
    engine.store.control().keep_end_users(rows).await
}

/// Opens the names of a tenant's end users.
///
/// # Errors
/// When the tenant is gone, or a name is damaged.
pub(crate) async fn opened(engine: &Engine, scope: &TenantScope, rows: Vec<EndUserRow>) -> Result<Vec<EndUser>> {
    let seals = engine.store.seals(scope).await?;
    rows.into_iter().map(|row| open(&seals, &row)).collect()
}

/// An end user's name where it is known, else its id.
///
/// # Errors
/// As of [`opened`].
pub(crate) async fn shown(engine: &Engine, scope: &TenantScope, id: EndUserId) -> Result<String> {
    let row = engine.store.control().end_user(scope, id).await?;
    let user = opened(engine, scope, row.into_iter().collect()).await?.pop();
    Ok(user.map_or_else(|| id.to_string(), |user| user.name))
}

fn open(seals: &TenantSeals, row: &EndUserRow) -> Result<EndUser> {
    let name = seals.open(TABLE, COLUMN, row.id.as_bytes(), &row.sealed_name)?;
    Ok(EndUser { id: row.id, name: String::from_utf8(name).map_err(Error::internal)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_tenants_alone() {
        let users = EndUsers::new(&[7; 32]);
        let [one, other] = [[1; 16], [2; 16]].map(TenantId::from_bytes);
        let ada = users.named(one, "ada");
        assert_eq!(ada, EndUsers::new(&[7; 32]).named(one, "ada"));
        for (users, tenant, name) in [(&users, other, "ada"), (&users, one, "Ada"), (&EndUsers::new(&[8; 32]), one, "ada")] {
            assert_ne!(ada.id, users.named(tenant, name).id);
        }
    }
}
