//! A tenant's profile: its own word, which operators do not see.

use insula_model::{Error, ErrorKind, Jurisdiction, Result};

use super::documents::sees_content;
pub use crate::knowledge::Profile;
use crate::{Engine, directory::ManagedTenant, knowledge};

/// A tenant's profile; absent where it has none.
///
/// # Errors
/// [`ErrorKind::Forbidden`] for an operator.
pub async fn read(engine: &Engine, tenant: &ManagedTenant) -> Result<Option<Profile>> {
    own(tenant)?;
    knowledge::profile(engine, &tenant.scope).await
}

/// Keeps a profile in the place of the one before; as it stands then.
///
/// # Errors
/// [`ErrorKind::Forbidden`] for an operator; [`ErrorKind::Invalid`], naming what is too long.
pub async fn replace(
    engine: &Engine,
    tenant: &ManagedTenant,
    text: String,
    jurisdictions: Vec<Jurisdiction>,
) -> Result<Profile> {
    own(tenant)?;
    let profile = Profile::new(engine, text, jurisdictions)?;
    profile.keep(engine, &tenant.scope).await?;
    tracing::info!(tenant = %tenant.scope.tenant(), by = %tenant.by.key(), "a tenant's profile is replaced");
    Ok(profile)
}

/// Forgets a tenant's profile, if there is one.
///
/// # Errors
/// [`ErrorKind::Forbidden`] for an operator.
pub async fn remove(engine: &Engine, tenant: &ManagedTenant) -> Result<()> {
    own(tenant)?;
    engine.store.tenant(&tenant.scope).await?.forget_profile().await?;
    tracing::info!(tenant = %tenant.scope.tenant(), by = %tenant.by.key(), "a tenant's profile is removed");
    Ok(())
}

fn own(tenant: &ManagedTenant) -> Result<()> {
    if sees_content(tenant) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, "an operator sees no content; a profile is its tenant's alone"))
}
