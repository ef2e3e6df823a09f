//! Tenants: create, list, change, suspend, resume, erase.

use std::sync::Arc;

use insula_model::{CacheRules, Error, ErrorKind, Name, Placement, Result, Routing, Slug, Tenant, TenantId, TenantState};
pub use insula_store::ErasureReceipt;
use serde::{Deserialize, Deserializer, de};

use super::{
    defaults::check_models,
    page::{Page, PageAsk},
    tags::Tags,
};
use crate::{
    Engine,
    directory::{ManagedTenant, OperatedTenant, Operator, TenantEntry},
    knowledge::settling,
};

/// What a new tenant is to be.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its short name in URLs.
    pub slug: Slug,
    /// Its name for people.
    pub name: Name,
    /// What the product around Insula calls it; unique on the platform.
    pub external_id: Option<Name>,
    /// The plan whose defaults it is to inherit.
    pub plan: Option<String>,
    /// The segment whose defaults it is to inherit.
    pub segment: Option<String>,
    /// The models that it may call; where absent, its segment and plan say.
    pub models: Option<Vec<String>>,
    /// Where alone it may be processed; anywhere where absent.
    pub region: Option<Region>,
    /// How its data is stored.
    pub placement: Placement,
    /// Labels.
    pub tags: Tags,
}

/// What is to change; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct TenantPatch {
    /// Its name for people.
    pub name: Option<Name>,
    /// Its labels, all of them.
    pub tags: Option<Tags>,
    /// What the product around Insula calls it; `Some(None)` takes it away. Operators only.
    pub external_id: Option<Option<Name>>,
    /// Its plan; `Some(None)` takes it away. Operators only.
    pub plan: Option<Option<String>>,
    /// Its segment; `Some(None)` takes it away. Operators only.
    pub segment: Option<Option<String>>,
    /// The models that it may call; `Some(None)` leaves it to its segment and plan. Operators only.
    pub models: Option<Option<Vec<String>>>,
    /// Where alone it may be processed; `Some(None)` lets it be anywhere. Operators only.
    pub region: Option<Option<Region>>,
    /// How its data is stored. Operators only.
    pub placement: Option<Placement>,
}

/// A region's name: 1 to 63 of a-z, 0-9 and inner hyphens, such as `eu` or `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::try_from(String::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl TryFrom<String> for Region {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        match Slug::try_from(text) {
            Ok(text) => Ok(Self(text.into())),
            Err(_) => {
                Err(Error::invalid("a region has 1 to 63 characters of a-z, 0-9 and hyphens, with no hyphen at either end"))
            }
        }
    }
}

/// Creates a tenant, ready for its first key.
///
/// # Errors
/// [`ErrorKind::Conflict`] when the slug or the external id is taken; [`ErrorKind::Invalid`] for a plan or segment that
/// this platform does not have, or a list of models that cannot be one.
pub async fn create(engine: &Engine, by: &Operator, new: NewTenant) -> Result<Arc<TenantEntry>> {
    check_models(new.models.as_deref())?;
    let record = Tenant {
        id: engine.ids.tenant(),
        slug: new.slug,
        name: new.name,
        external_id: new.external_id.map(String::from),
        plan: new.plan.map(plan).transpose()?,
        segment: new.segment.map(segment).transpose()?,
        models: new.models,
        cache: CacheRules::default(),
        vectors: Default::default(),
        embedder: None,
        region: new.region.map(|region| region.0),
        routing: Routing::default(),
        provider_credentials: Default::default(),
        placement: new.placement,
        tags: new.tags.into(),
        state: TenantState::Active,
        version: 1,
        created_at: engine.clock.now(),
    };
    let entry = engine.directory.create_tenant(record, &engine.accounts).await?;
    tracing::info!(tenant = %entry.record.id, by = %by.key(), "tenant created");
    Ok(entry)
}

/// A page of all tenants in order of creation.
pub fn list(engine: &Engine, _by: &Operator, ask: PageAsk<TenantId>) -> Page<Arc<TenantEntry>, TenantId> {
    ask.cut(engine.directory.tenants_after(ask.after, ask.look()), |entry| entry.record.id)
}

/// Changes a tenant, if its version is still among `if_match` (absent: whatever its version is).
///
/// # Errors
/// [`ErrorKind::Forbidden`] naming the field, when an admin of the tenant changes what only operators may;
/// [`ErrorKind::PreconditionFailed`] when its version is another one; [`ErrorKind::Conflict`] on a taken external id;
/// [`ErrorKind::Invalid`] for a plan or segment that this platform does not have.
pub async fn change(
    engine: &Engine,
    tenant: &ManagedTenant,
    if_match: Option<&[u64]>,
    patch: TenantPatch,
) -> Result<Arc<TenantEntry>> {
    for (is_set, field) in [
        (patch.external_id.is_some(), "external_id"),
        (patch.plan.is_some(), "plan"),
        (patch.segment.is_some(), "segment"),
        (patch.models.is_some(), "models"),
        (patch.region.is_some(), "region"),
        (patch.placement.is_some(), "placement"),
    ] {
        if is_set {
            tenant.by.operator_only(field)?;
        }
    }
    check_models(patch.models.as_ref().and_then(Option::as_deref))?;
    let change = |now: &Tenant| {
        if if_match.is_some_and(|versions| !versions.contains(&now.version)) {
            let message = format!("the tenant has meanwhile changed to version {}; read it again", now.version);
            return Err(Error::new(ErrorKind::PreconditionFailed, message));
        }
        patched(now, patch.clone())
    };
    let id = tenant.scope.tenant();
    let inherits_anew = patch.plan.is_some() || patch.segment.is_some();
    let change = engine.directory.change_tenant(id, &engine.accounts, change);
    let entry = if inherits_anew { settling::moving_one(engine, id, change).await? } else { change.await? };
    tracing::info!(tenant = %entry.record.id, by = %tenant.by.key(), version = entry.record.version, "tenant changed");
    Ok(entry)
}

/// A plan's name; what can be no name is the name of no plan.
fn plan(name: String) -> Result<Slug> {
    Slug::try_from(name).map_err(|_| Error::invalid("this platform has no plan of this name").at("plan"))
}

/// The same of a segment.
fn segment(name: String) -> Result<Slug> {
    Slug::try_from(name).map_err(|_| Error::invalid("this platform has no segment of this name").at("segment"))
}

fn patched(now: &Tenant, patch: TenantPatch) -> Result<Tenant> {
    let mut record = now.clone();
    if let Some(name) = patch.name {
        record.name = name;
    }
    if let Some(tags) = patch.tags {
        record.tags = tags.into();
    }
    if let Some(external_id) = patch.external_id {
        record.external_id = external_id.map(String::from);
    }
    if let Some(name) = patch.plan {
        record.plan = name.map(plan).transpose()?;
    }
    if let Some(name) = patch.segment {
        record.segment = name.map(segment).transpose()?;
    }
    if let Some(models) = patch.models {
        record.models = models;
    }
    if let Some(region) = patch.region {
        record.region = region.map(|region| region.0);
    }
    if let Some(placement) = patch.placement {
        record.placement = placement;
    }
    Ok(record)
}

/// Refuses the tenant's keys and tokens from now on, open streams included. Suspending it twice changes nothing.
pub async fn suspend(engine: &Engine, tenant: &OperatedTenant) -> Result<Arc<TenantEntry>> {
    put_state(engine, tenant, TenantState::Suspended).await
}

/// Serves a suspended tenant again.
pub async fn resume(engine: &Engine, tenant: &OperatedTenant) -> Result<Arc<TenantEntry>> {
    put_state(engine, tenant, TenantState::Active).await
}

async fn put_state(engine: &Engine, tenant: &OperatedTenant, state: TenantState) -> Result<Arc<TenantEntry>> {
    let id = tenant.scope.tenant();
    let entry = engine.directory.change_tenant(id, &engine.accounts, |now| Ok(Tenant { state, ..now.clone() })).await?;
    tracing::info!(tenant = %id, by = %tenant.by.key(), state = state.name(), "tenant's state changed");
    Ok(entry)
}

/// Erases a tenant for good: refused at once, its key destroyed, its data dropped. Ledger totals remain.
///
/// # Errors
/// When storage fails on the way; the tenant then stays refused, and the same call again completes the erasure.
pub async fn erase(engine: &Engine, tenant: &OperatedTenant) -> Result<ErasureReceipt> {
    let receipt = engine.directory.erase_tenant(&tenant.scope).await?;
    engine.store.forget_documents(tenant.scope.tenant());
    engine.knowledge.forget(tenant.scope.tenant());
    engine.accounts.forget(tenant.scope.tenant());
    tracing::info!(tenant = %receipt.tenant, by = %tenant.by.key(), "tenant erased");
    Ok(receipt)
}
