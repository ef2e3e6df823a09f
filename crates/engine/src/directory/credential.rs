//! What a verified caller holds. Nothing here can be built outside the directory.

use std::sync::Arc;

use insula_model::{Error, ErrorKind, KeyId, Limits, Result, Role, Subject, TenantScope};

use super::entries::{KeyEntry, TenantEntry, Withdrawal};

/// Proof that a caller presented a genuine, live credential.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A tenant's key or token.
    Tenant(TenantCredential),
    /// An operator's key.
    Operator(Operator),
}

/// Whose limits count, and what they are.
pub(crate) type Limited = (Subject, Limits);

/// A tenant's caller.
#[derive(Debug, Clone)]
pub struct TenantCredential {
    /// What opens the tenant's data.
    pub scope: TenantScope,
    /// The tenant, as it was when the caller came in.
    pub tenant: Arc<TenantEntry>,
    /// The key; absent for a token.
    pub key: Option<Arc<KeyEntry>>,
    /// What it may do.
    pub role: Role,
    /// The end user that a token was issued for.
    pub end_user: Option<String>,
    /// The key that stands behind it: its own, or the tenant's that issued the token.
    pub behind: Option<KeyId>,
    /// Whether that key was taken back.
    pub(super) revoked: Option<Withdrawal>,
}

impl TenantCredential {
    /// Whether what let this caller in has meanwhile been taken back: key revoked, tenant suspended or erased. Two
    /// atomic loads, so an open stream can ask between any two writes.
    pub fn is_withdrawn(&self) -> bool {
        self.tenant.denied.is_set() || self.revoked.as_ref().is_some_and(Withdrawal::is_set)
    }

    /// The tenant and the key with the limits that each has.
    pub(crate) fn limited_subjects(&self) -> impl Iterator<Item = Limited> {
        let tenant = self.scope.tenant();
        let key = self.key.as_ref().map(|key| (Subject::Key(tenant, key.record.id), key.limits));
        std::iter::once((Subject::Tenant(tenant), self.tenant.limits)).chain(key)
    }
}

/// Proof that the caller is an operator: of all tenants' metadata, and of nobody's content.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    pub(super) key: KeyId,
    pub(super) local: bool,
}

impl Operator {
    /// The key that was presented.
    pub fn key(&self) -> KeyId {
        self.key
    }
}

impl Credential {
    /// The operator behind it; a tenant's credential is not enough for what concerns the platform.
    pub fn operator(&self) -> Result<Operator> {
        match self {
            Credential::Operator(operator) => Ok(*operator),
            Credential::Tenant(_) => Err(operator_needed("this")),
        }
    }

    /// The tenant behind it; an operator holds none and has no data plane.
    pub fn tenant(self) -> Result<TenantCredential> {
        match self {
            Credential::Tenant(tenant) => Ok(tenant),
            Credential::Operator(_) => Err(Error::new(
                ErrorKind::Forbidden,
                "an operator key belongs to no tenant; issue a tenant token with POST /api/v1/tenants/{tenant}/tokens",
            )),
        }
    }
}

/// What a caller learns whose genuine credential is not an operator's.
pub(crate) fn operator_needed(what: &str) -> Error {
    Error::new(ErrorKind::Forbidden, format!("{what} needs an operator key"))
}
