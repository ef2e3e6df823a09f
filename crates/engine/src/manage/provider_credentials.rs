//! Tenants' own credentials at providers: stored, listed without their secrets, removed.

use std::time::Duration;

use insula_model::{CredentialId, CredentialMark, Error, ErrorKind, ProviderOrigin, Result, Tenant, Timestamp};
use insula_providers::{SecretText, check_key};
use insula_store::ProviderCredentialRow;
use parking_lot::Mutex;

use crate::{Engine, credentials, directory::ManagedTenant};

/// From this length on a secret's end is shown: it gives away a quarter of it at most.
const SHOWN_FROM_CHARS: usize = 16;
/// How many characters of it.
const SHOWN_CHARS: usize = 4;
/// What no record names for so long was left behind by a change that broke off.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(60 * 60);

/// A credential as its tenant and operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderCredential {
    /// The provider's configured name.
    pub provider: String,
    /// Where it is sent, and nowhere else.
    pub origin: ProviderOrigin,
    /// The last characters of the secret; absent where it is short, or cannot be read.
    pub ends_with: Option<String>,
    /// Whether it is used.
    pub state: CredentialState,
    /// When the tenant first had one for the provider.
    pub created_at: Timestamp,
    /// When this one was stored.
    pub updated_at: Timestamp,
}

/// Whether a credential is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// Requests to its provider are sent with it.
    Active,
    /// Its provider has another address by now: requests to it are refused until it is stored again, or removed.
    OtherOrigin,
    /// The operator takes none for its provider any more: requests to it are refused until it is removed.
    NotTaken,
    /// Its provider is not configured any more.
    NoProvider,
}

impl CredentialState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            CredentialState::Active => "active",
            CredentialState::OtherOrigin => "other_origin",
            CredentialState::NotTaken => "not_taken",
            CredentialState::NoProvider => "no_provider",
        }
    }
}

/// All of a tenant's, by the names of their providers.
pub async fn list(engine: &Engine, tenant: &ManagedTenant) -> Result<Vec<ProviderCredential>> {
    let mut found = Vec::with_capacity(tenant.entry.record.provider_credentials.len());
    for (provider, mark) in &tenant.entry.record.provider_credentials {
        found.push(shown(engine, tenant, provider, mark).await);
    }
    Ok(found)
}

/// The one for a provider.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the tenant has none.
pub async fn read(engine: &Engine, tenant: &ManagedTenant, provider: &str) -> Result<ProviderCredential> {
    let mark = tenant.entry.own_credential(provider).ok_or_else(Error::not_found)?;
    Ok(shown(engine, tenant, provider, mark).await)
}

/// Stores a tenant's credential for a provider in the place of the one before. On return every node uses it.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a provider that is not configured, or serves the tenant no model, [`ErrorKind::Conflict`] for one that takes none,
/// [`ErrorKind::Invalid`] for what can be no key.
pub async fn store(engine: &Engine, tenant: &ManagedTenant, provider: &str, secret: SecretText) -> Result<ProviderCredential> {
    // One that serves the tenant nothing does not exist for it.
    let configured = tenant.entry.looking(|viewer| engine.providers.serving(provider, viewer)).ok_or_else(Error::not_found)?;
    if !configured.takes_other_keys() {
        let message = format!("the provider `{provider}` takes no credentials of tenants (tenant_credentials in its entry)");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    check_key(secret.reveal()).map_err(|error| error.at("api_key"))?;
    let (id, now) = (engine.ids.credential(), engine.clock.now());
    let sealed_secret = credentials::seal(engine, &tenant.scope, id, &secret).await?;
    let row = ProviderCredentialRow { credential: id, provider: provider.to_owned(), stored_at: now, sealed_secret };
    // First the secret, then the word that it counts: a change that breaks off leaves what nobody names.
    engine.store.tenant(&tenant.scope).await?.keep_provider_credential(&row).await?;
    let origin = configured.origin().clone();
    let replaced = change(engine, tenant, provider, |now_marked| {
        let created_at = now_marked.map_or(now, |mark| mark.created_at);
        Ok(Some(CredentialMark { id, origin: origin.clone(), created_at, updated_at: now }))
    });
    let replaced = replaced.await?;
    forget(engine, tenant, provider, replaced.as_ref().map(|mark| mark.id), Some(id)).await;
    tracing::info!(tenant = %tenant.scope.tenant(), provider, by = %tenant.by.key(), "a provider credential was stored");
    let created_at = replaced.map_or(now, |mark| mark.created_at);
    Ok(ProviderCredential {
        provider: provider.to_owned(),
        origin: configured.origin().clone(),
        ends_with: end_of(&secret),
        state: CredentialState::Active,
        created_at,
        updated_at: now,
    })
}

/// Removes a tenant's credential for a provider. On return no node uses it: requests go by the platform's account again.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is none.
pub async fn remove(engine: &Engine, tenant: &ManagedTenant, provider: &str) -> Result<()> {
    let removed = change(engine, tenant, provider, |now| now.map(|_| None).ok_or_else(Error::not_found)).await?;
    forget(engine, tenant, provider, removed.map(|mark| mark.id), None).await;
    tracing::info!(tenant = %tenant.scope.tenant(), provider, by = %tenant.by.key(), "a provider credential was removed");
    Ok(())
}

/// Puts another mark for a provider into the tenant's record, or none; answers the one that was there.
async fn change(
    engine: &Engine,
    tenant: &ManagedTenant,
    provider: &str,
    next: impl Fn(Option<&CredentialMark>) -> Result<Option<CredentialMark>> + Send + Sync,
) -> Result<Option<CredentialMark>> {
    let replaced = Mutex::new(None);
    let put = |now: &Tenant| {
        let mut marks = now.provider_credentials.clone();
        let before = marks.get(provider).cloned();
        match next(before.as_ref())? {
            Some(mark) => drop(marks.insert(provider.to_owned(), mark)),
            None => drop(marks.remove(provider)),
        }
        *replaced.lock() = before;
        Ok(Tenant { provider_credentials: marks, ..now.clone() })
    };
    engine.directory.change_tenant(tenant.scope.tenant(), &engine.accounts, put).await?;
    Ok(replaced.into_inner())
}

/// Forgets the secret that was replaced or removed. What fails here is named by no record, and goes with the next change.
async fn forget(
    engine: &Engine,
    tenant: &ManagedTenant,
    provider: &str,
    replaced: Option<CredentialId>,
    kept: Option<CredentialId>,
) {
    let left_before = engine.clock.now().minus(LEFT_BEHIND_AFTER);
    let forgotten = async {
        let store = engine.store.tenant(&tenant.scope).await?;
        store.forget_provider_credential(replaced, provider, kept, left_before).await
    };
    if let Err(error) = forgotten.await {
        tracing::warn!(%error, tenant = %tenant.scope.tenant(), provider, "a credential that is no longer used is still stored");
    }
}

async fn shown(engine: &Engine, tenant: &ManagedTenant, provider: &str, mark: &CredentialMark) -> ProviderCredential {
    let state = match engine.providers.named(provider).map(|provider| credentials::usable(mark, provider)) {
        None => CredentialState::NoProvider,
        Some(Ok(())) => CredentialState::Active,
        Some(Err(credentials::Unusable::OtherOrigin)) => CredentialState::OtherOrigin,
        Some(Err(credentials::Unusable::NotTaken)) => CredentialState::NotTaken,
    };
    let secret = credentials::open(engine, &tenant.scope, mark.id).await.inspect_err(|error| {
        tracing::error!(%error, tenant = %tenant.scope.tenant(), provider, "a tenant's credential cannot be read");
    });
    ProviderCredential {
        provider: provider.to_owned(),
        origin: mark.origin.clone(),
        ends_with: secret.ok().flatten().and_then(|secret| end_of(&secret)),
        state,
        created_at: mark.created_at,
        updated_at: mark.updated_at,
    }
}

/// The end of a secret that is long enough.
fn end_of(secret: &SecretText) -> Option<String> {
    let secret = secret.reveal();
    let start = secret.len().checked_sub(SHOWN_CHARS).filter(|_| secret.len() >= SHOWN_FROM_CHARS)?;
    secret.get(start..).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_secret_is_shown() {
        let end = |secret: &str| end_of(&SecretText::new(secret));
        assert_eq!(end("0123456789abcde"), None);
        assert_eq!(end("0123456789abcdef").as_deref(), Some("cdef"));
    }
}
