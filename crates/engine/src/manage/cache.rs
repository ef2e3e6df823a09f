//! A tenant's rules of the answer cache: read and replace.

use insula_model::{CacheRules, Error, Result, Tenant};

use crate::{Engine, directory::ManagedTenant};

/// The longest that an answer is given again, in seconds: a week.
const TTL_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// A tenant's own rules.
pub fn of_tenant(tenant: &ManagedTenant) -> CacheRules {
    tenant.entry.record.cache
}

/// Replaces a tenant's own rules. What they leave open it inherits; answers that were kept before are given no more.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for a time that is none, or too long.
pub async fn replace_of_tenant(engine: &Engine, tenant: &ManagedTenant, rules: CacheRules) -> Result<CacheRules> {
    check(&rules)?;
    let change = |now: &Tenant| Ok(Tenant { cache: rules, ..now.clone() });
    let entry = engine.directory.change_tenant(tenant.scope.tenant(), &engine.accounts, change).await?;
    tracing::info!(tenant = %entry.record.id, by = %tenant.by.key(), ?rules, "rules of the answer cache replaced");
    Ok(entry.record.cache)
}

/// Refuses what cannot be.
pub(super) fn check(rules: &CacheRules) -> Result<()> {
    if rules.ttl_seconds.is_some_and(|ttl| !(1..=TTL_SECONDS_MAX).contains(&ttl)) {
        let message =
            format!("an answer is given again for 1 to {TTL_SECONDS_MAX} seconds; to give none again, disable the cache");
        return Err(Error::invalid(message).at("ttl_seconds"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_bounds() {
        for (ttl, is_right) in [(0, false), (1, true), (604_800, true), (604_801, false)] {
            let rules = CacheRules { ttl_seconds: Some(ttl), ..CacheRules::default() };
            assert_eq!(check(&rules).is_ok(), is_right, "{ttl}");
        }
    }
}
