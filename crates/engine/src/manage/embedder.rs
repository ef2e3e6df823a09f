//! A tenant's embedder: chosen by an operator, read by both.

use insula_model::{Effective, Lineage, Result, Tenant};

pub use crate::knowledge::{EmbedderView, NextView, SpaceView};
use crate::{
    Engine,
    directory::{ManagedTenant, OperatedTenant, TenantEntry},
    knowledge,
};

/// How it stands with a tenant's embedder, and where the choice comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantEmbedder {
    /// The name of the one that is chosen, and where it was.
    pub chosen: Effective<String>,
    /// How far that is carried out.
    pub view: EmbedderView,
}

/// How it stands with a tenant's embedder.
///
/// # Errors
/// When the tenant's own data cannot be reached.
pub async fn of_tenant(engine: &Engine, tenant: &ManagedTenant) -> Result<TenantEmbedder> {
    let view = knowledge::embedder_view(engine, &tenant.scope, &tenant.entry).await?;
    Ok(TenantEmbedder { chosen: chosen(engine, &tenant.entry), view })
}

/// Chooses a tenant's own embedder, or leaves it to its segment and plan. Its documents are embedded anew where that changes anything.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for a name that is nobody's.
pub async fn replace_of_tenant(engine: &Engine, tenant: &OperatedTenant, embedder: Option<String>) -> Result<TenantEmbedder> {
    check(engine, embedder.as_deref())?;
    let change = |now: &Tenant| Ok(Tenant { embedder: embedder.clone(), ..now.clone() });
    let entry = engine.directory.change_tenant(tenant.scope.tenant(), &engine.accounts, change).await?;
    tracing::info!(tenant = %entry.record.id, by = %tenant.by.key(), embedder, "embedder chosen");
    knowledge::choose_embedder(engine, &tenant.scope).await?;
    let view = knowledge::embedder_view(engine, &tenant.scope, &entry).await?;
    Ok(TenantEmbedder { chosen: chosen(engine, &entry), view })
}

/// Refuses the name of an embedder that is not there.
pub(super) fn check(engine: &Engine, name: Option<&str>) -> Result<()> {
    knowledge::check_embedder(engine, name)
}

/// The embedder in force, and where it comes from.
pub(super) fn chosen(engine: &Engine, tenant: &TenantEntry) -> Effective<String> {
    let (plan, segment) = engine.directory.inherited_from(&tenant.record);
    let lineage =
        Lineage { segment: segment.as_ref().map(|segment| &segment.defaults), plan: plan.as_ref().map(|plan| &plan.defaults) };
    let found = lineage.embedder(tenant.record.embedder.as_deref());
    let name = found.value.unwrap_or(&engine.settings.knowledge.embedder);
    Effective { value: Some(name.to_owned()), origin: found.origin }
}
