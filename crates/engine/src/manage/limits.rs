//! Limits of a tenant or a key: read and replace.

use insula_model::{Error, Limits, Result, Subject};

use crate::{
    Engine,
    directory::{ManagedKey, ManagedTenant, OperatedTenant},
};

/// A tenant's own limits.
pub fn of_tenant(tenant: &ManagedTenant) -> Limits {
    tenant.entry.own_limits
}

/// A key's own limits.
pub fn of_key(key: &ManagedKey) -> Limits {
    key.entry.limits
}

/// Replaces a tenant's own limits: its operator's right alone. What they leave open it inherits.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] naming a limit of zero; also of the one below.
pub async fn replace_of_tenant(engine: &Engine, tenant: &OperatedTenant, limits: Limits) -> Result<Limits> {
    check(&limits)?;
    let id = tenant.scope.tenant();
    engine.directory.set_limits(Subject::Tenant(id), limits).await?;
    tracing::info!(tenant = %id, by = %tenant.by.key(), ?limits, "limits replaced");
    Ok(limits)
}

/// Replaces a key's own limits.
pub async fn replace_of_key(engine: &Engine, key: &ManagedKey, limits: Limits) -> Result<Limits> {
    check(&limits)?;
    let (tenant, id) = (key.tenant.scope.tenant(), key.entry.record.id);
    engine.directory.set_limits(Subject::Key(tenant, id), limits).await?;
    tracing::info!(%tenant, key = %id, by = %key.tenant.by.key(), ?limits, "limits replaced");
    Ok(limits)
}

/// A limit of zero would be a suspension in disguise.
pub(super) fn check(limits: &Limits) -> Result<()> {
    let all = [
        (limits.requests_per_minute, "requests_per_minute"),
        (limits.tokens_per_minute, "tokens_per_minute"),
        (limits.concurrency, "concurrency"),
    ];
    match all.iter().find(|(limit, _)| *limit == Some(0)) {
        None => Ok(()),
        Some((_, field)) => {
            Err(Error::invalid("a limit is at least 1; leave it out for no limit, suspend the tenant for nothing at all")
                .at(*field))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit_to_set() {
        assert!(check(&Limits::default()).is_ok());
        let zero = Limits { concurrency: Some(0), ..Limits::default() };
        assert_eq!(check(&zero).unwrap_err().param(), Some("concurrency"));
    }
}
