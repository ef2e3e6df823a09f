//! Tenants' own credentials at providers, on the path of a request.
//!
//! A tenant's record says for which providers it has one, and where it may be sent ([`CredentialMark`]); the secret is sealed in
//! the tenant's own data. It is opened once for each version of the tenant's entry in the directory and goes with it: whatever
//! changes the record replaces the entry, on every node, so nothing opened outlives what it is named by.
//!
//! Where a tenant has a credential, the platform's account never steps in for it: what stands in its way is a refusal.

use std::{collections::HashMap, sync::Arc};

use insula_model::{CredentialId, CredentialMark, CredentialOwner, Error, ErrorKind, Result, TenantScope};
use insula_providers::{AccountKey, Provider, SecretText};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::{Call, Engine, directory::TenantEntry};

/// Where a secret is sealed for.
const TABLE: &str = "provider_credentials";
const COLUMN: &str = "secret";

/// The credentials of a tenant that were opened: at most one for each provider. Wiped with the entry that holds them.
#[derive(Debug, Default)]
pub(crate) struct Opened(Mutex<HashMap<CredentialId, Arc<AccountKey>>>);

/// The account of a tenant's own by which an attempt is made.
#[derive(Debug, Clone)]
pub(crate) struct OwnAccount {
    /// Which of its credentials.
    pub id: CredentialId,
    /// That credential.
    pub key: Arc<AccountKey>,
}

/// What keeps a credential from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The provider has moved since it was stored.
    OtherOrigin,
    /// The operator does not let tenants bring their own any more.
    NotTaken,
}

impl Unusable {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Unusable::OtherOrigin => "credential_origin",
            Unusable::NotTaken => "credential_not_taken",
        }
    }

    /// What to tell, and what to do about it.
    pub fn told(self) -> &'static str {
        match self {
            Unusable::OtherOrigin => {
                "its provider has another address than the tenant's own credential was stored for, which is not sent there; store \
                 it again or remove it (credential_origin)"
            }
            Unusable::NotTaken => {
                "its provider does not take tenants' own credentials any more; remove the tenant's (credential_not_taken)"
            }
        }
    }

    fn into_error(self) -> Error {
        Error::new(ErrorKind::NoRoute, format!("nothing may serve this request: {}", self.told())).at("model")
    }
}

/// Whether a credential may be sent to this provider as it is configured now.
pub(crate) fn usable(mark: &CredentialMark, provider: &Provider) -> Result<(), Unusable> {
    match (provider.takes_other_keys(), mark.origin == *provider.origin()) {
        (false, _) => Err(Unusable::NotTaken),
        (true, false) => Err(Unusable::OtherOrigin),
        (true, true) => Ok(()),
    }
}

/// Whose account pays.
pub(crate) fn owner(own: Option<&OwnAccount>) -> CredentialOwner {
    own.map_or(CredentialOwner::Platform, |_| CredentialOwner::Tenant)
}

/// The tenant of a call as it is now: its credentials may have changed since the call came in.
pub(crate) fn tenant_now(engine: &Engine, call: &Call) -> Arc<TenantEntry> {
    engine.directory.tenant(call.credential.scope.tenant()).unwrap_or_else(|| call.credential.tenant.clone())
}

/// The tenant's own account at a provider, where it has one; otherwise the platform's is used.
///
/// # Errors
/// [`ErrorKind::NoRoute`] where the credential may not be sent to the provider, [`ErrorKind::Unavailable`] where it cannot be read.
pub(crate) async fn account(engine: &Engine, call: &Call, provider: &Provider) -> Result<Option<OwnAccount>> {
    let tenant = tenant_now(engine, call);
    let Some(mark) = tenant.own_credential(provider.name()) else { return Ok(None) };
    usable(mark, provider).map_err(Unusable::into_error)?;
    let opened = tenant.opened.0.lock().get(&mark.id).cloned();
    let key = match opened {
        Some(key) => key,
        None => {
            let secret = open(engine, &call.credential.scope, mark.id).await.inspect_err(|error| {
                tracing::error!(%error, tenant = %tenant.record.id, provider = provider.name(), "a tenant's credential cannot be read");
            });
            let secret = secret.map_err(|error| unreadable().caused_by(error))?.ok_or_else(unreadable)?;
            let key = Arc::new(provider.account_key(secret)?);
            tenant.opened.0.lock().insert(mark.id, key.clone());
            key
        }
    };
    Ok(Some(OwnAccount { id: mark.id, key }))
}

/// Refuses where the tenant's credential was replaced or removed while its request waited, or where it has got one.
///
/// # Errors
/// [`ErrorKind::Unavailable`]: asked again, the request goes by what counts then.
pub(crate) fn check_unchanged(engine: &Engine, call: &Call, provider: &Provider, own: Option<&OwnAccount>) -> Result<()> {
    let tenant = tenant_now(engine, call);
    if tenant.own_credential(provider.name()).map(|mark| mark.id) == own.map(|own| own.id) {
        return Ok(());
    }
    Err(Engine::unavailable("the tenant's credential for the provider was changed while this request waited; ask again"))
}

/// Seals a secret for its place.
pub(crate) async fn seal(engine: &Engine, scope: &TenantScope, id: CredentialId, secret: &SecretText) -> Result<Vec<u8>> {
    let seals = engine.store.seals(scope).await?;
    Ok(seals.seal(TABLE, COLUMN, id.as_bytes(), secret.reveal().as_bytes(), &*engine.random))
}

/// The secret of a tenant's credential; `None` where there is none of this id.
pub(crate) async fn open(engine: &Engine, scope: &TenantScope, id: CredentialId) -> Result<Option<SecretText>> {
    let Some(row) = engine.store.tenant(scope).await?.provider_credential(id).await? else { return Ok(None) };
    let seals = engine.store.seals(scope).await?;
    let plain = Zeroizing::new(seals.open(TABLE, COLUMN, id.as_bytes(), &row.sealed_secret)?);
    let text = std::str::from_utf8(&plain).map_err(Error::internal)?;
    Ok(Some(SecretText::new(text)))
}

fn unreadable() -> Error {
    Engine::unavailable(
        "the tenant's own credential for the provider cannot be read; ask again, and if it stays so store it again",
    )
}
