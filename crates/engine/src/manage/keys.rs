//! Keys of a tenant: create, list, revoke, rotate.

use std::{sync::Arc, time::Duration};

use insula_model::{Budget, Error, ErrorKind, KeyId, Limits, Name, Result, Role, Subject, Timestamp};

use super::{
    page::{Page, PageAsk},
    tags::Tags,
};
use crate::{
    Engine,
    directory::{KeyEntry, KeyOrder, KeyText, ManagedKey, ManagedTenant},
};

/// The longest that a rotated key goes on beside its successor, in seconds: 7 days.
pub const OVERLAP_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// Its name for people.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Labels.
    pub tags: Tags,
}

/// Creates a key. Its text is in the answer and can never be read again.
///
/// # Errors
/// [`ErrorKind::Invalid`] when it would have expired already; [`ErrorKind::Conflict`] when the tenant has too many.
pub async fn create(engine: &Engine, tenant: &ManagedTenant, new: NewKey) -> Result<(Arc<KeyEntry>, KeyText)> {
    if new.expires_at.is_some_and(|end| end <= engine.clock.now()) {
        return Err(Error::invalid("`expires_at` lies in the past").at("expires_at"));
    }
    let order = KeyOrder {
        name: new.name,
        role: new.role,
        tags: new.tags.into(),
        expires_at: new.expires_at,
        limits: Limits::default(),
    };
    let (entry, text) = engine.directory.add_key(tenant.scope.tenant(), order).await?;
    tracing::info!(tenant = %tenant.scope.tenant(), key = %entry.record.id, by = %tenant.by.key(), "key created");
    Ok((entry, text))
}

/// A page of the tenant's keys in order of creation, revoked ones included.
pub fn list(engine: &Engine, tenant: &ManagedTenant, ask: PageAsk<KeyId>) -> Page<Arc<KeyEntry>, KeyId> {
    ask.cut(engine.directory.keys_after(tenant.scope.tenant(), ask.after, ask.look()), |entry| entry.record.id)
}

/// Revokes a key: the next request with it is refused, open streams end, and so do tokens that it issued. Revoking it
/// twice changes nothing.
pub async fn revoke(engine: &Engine, key: &ManagedKey) -> Result<()> {
    let (tenant, id, now) = (key.tenant.scope.tenant(), key.entry.record.id, engine.clock.now());
    let change = |record: &insula_model::Key| {
        let mut record = record.clone();
        record.revoked_at.get_or_insert(now);
        Ok(record)
    };
    engine.directory.change_key(tenant, id, change).await?;
    tracing::info!(%tenant, key = %id, by = %key.tenant.by.key(), "key revoked");
    Ok(())
}

/// Makes a successor with the same name, role, labels, limits and budgets; the old key is refused after `overlap`. A
/// key with an end gets a successor with the same lifetime, counted from now.
///
/// # Errors
/// [`ErrorKind::Invalid`] when the overlap is longer than [`OVERLAP_SECONDS_MAX`]; [`ErrorKind::Conflict`] when the key
/// is already revoked or expired.
pub async fn rotate(engine: &Engine, key: &ManagedKey, overlap: Duration) -> Result<(Arc<KeyEntry>, KeyText)> {
    if overlap > Duration::from_secs(OVERLAP_SECONDS_MAX) {
        return Err(Error::invalid(format!("the overlap is at most {OVERLAP_SECONDS_MAX} seconds")).at("overlap_seconds"));
    }
    let (tenant, old, now) = (key.tenant.scope.tenant(), key.entry.record.id, engine.clock.now());
    let plan = |old: &KeyEntry| {
        if !old.record.is_live(now) {
            return Err(Error::new(ErrorKind::Conflict, "the key is revoked or expired; create a new one instead"));
        }
        let lifetime = old.record.expires_at.map(|end| end.since(old.record.created_at));
        let order = KeyOrder {
            name: old.record.name.clone(),
            role: old.record.role,
            tags: old.record.tags.clone(),
            expires_at: lifetime.map(|lifetime| now.plus(lifetime)),
            limits: old.limits,
        };
        let old_ends = now.plus(overlap);
        Ok((order, old.record.expires_at.map_or(old_ends, |end| end.min(old_ends))))
    };
    let (entry, text) = engine.directory.rotate_key(tenant, old, plan).await?;
    // Nobody knows the new key's text yet, so it cannot be used before its budgets are in force.
    copy_budgets(engine, Subject::Key(tenant, old), Subject::Key(tenant, entry.record.id)).await?;
    tracing::info!(%tenant, key = %old, successor = %entry.record.id, by = %key.tenant.by.key(), "key rotated");
    Ok((entry, text))
}

async fn copy_budgets(engine: &Engine, from: Subject, to: Subject) -> Result<()> {
    let views = engine.accounts.view(&from).await?;
    if views.is_empty() {
        return Ok(());
    }
    let copies = views.into_iter().map(|view| Budget { id: engine.ids.budget(), subject: to, ..view.budget });
    let copies: Vec<_> = copies.collect();
    engine.store.control().replace_budgets(&to, &copies).await?;
    engine.directory.publish(|| engine.accounts.set_budgets(&to, copies)).await;
    Ok(())
}
