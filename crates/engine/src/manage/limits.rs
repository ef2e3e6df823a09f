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
    check_of_key(&limits)?;
    let (tenant, id) = (key.tenant.scope.tenant(), key.entry.record.id);
    engine.directory.set_limits(Subject::Key(tenant, id), limits).await?;
    tracing::info!(%tenant, key = %id, by = %key.tenant.by.key(), ?limits, "limits replaced");
    Ok(limits)
}

/// The most that one tenant can count for beside one with the usual weight.
const WEIGHT_MAX: u32 = 1_000;

/// Requests of all of a tenant's keys wait in one line.
fn check_of_key(limits: &Limits) -> Result<()> {
    let set = [
        (limits.queue_depth_max.is_some(), "queue_depth_max"),
        (limits.queue_wait_ms_max.is_some(), "queue_wait_ms_max"),
        (limits.weight.is_some(), "weight"),
        (limits.mode.is_some(), "mode"),
        (limits.provider_isolation.is_some(), "provider_isolation"),
    ];
    match set.iter().find(|(is_set, _)| *is_set) {
        None => Ok(()),
        Some((_, field)) => Err(Error::invalid(format!("`{field}` is a limit of the tenant, not of a key")).at(*field)),
    }
}

/// A limit of zero would be a suspension in disguise.
pub(super) fn check(limits: &Limits) -> Result<()> {
    if limits.weight.is_some_and(|weight| !(1..=WEIGHT_MAX).contains(&weight)) {
        return Err(Error::invalid(format!("a weight is 1 to {WEIGHT_MAX}")).at("weight"));
    }
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
        assert!(check(&Limits { queue_depth_max: Some(0), queue_wait_ms_max: Some(0), ..Limits::default() }).is_ok());
    }

    #[test]
    fn a_weight_has_its_bounds_and_belongs_to_the_tenant() {
        for (weight, is_right) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
            let limits = Limits { weight: Some(weight), ..Limits::default() };
            assert_eq!(check(&limits).is_ok(), is_right, "{weight}");
            assert_eq!(check_of_key(&limits).unwrap_err().param(), Some("weight"));
        }
        assert!(check_of_key(&Limits { concurrency: Some(1), ..Limits::default() }).is_ok());
    }
}
