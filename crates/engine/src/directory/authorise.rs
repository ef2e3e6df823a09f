//! Who may manage what, decided once. Handlers receive the objects made here and have no check left to forget.
//!
//! The order is always the same: no credential 401, then what is not this caller's 404, in the same words as what does
//! not exist, and only then what this caller may not do 403.

use std::sync::Arc;

use insula_model::{
    Error, ErrorKind, KeyId, Name, RequestId, Result, Role, ScopeSource, Tenant, TenantId, TenantScope, TenantState,
};

use super::{Credential, Directory, KeyEntry, Operator, TenantEntry, credential::operator_needed};

/// Who manages a tenant.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// An operator: everything but content.
    Operator(Operator),
    /// An admin of the tenant itself, with this key.
    TenantAdmin(KeyId),
}

impl Caller {
    /// The key that was presented, for the log.
    pub fn key(&self) -> KeyId {
        match self {
            Caller::Operator(operator) => operator.key,
            Caller::TenantAdmin(key) => *key,
        }
    }

    /// Refuses a tenant's admin what only an operator may set, naming the field.
    pub(crate) fn operator_only(&self, field: &str) -> Result<()> {
        match self {
            Caller::Operator(_) => Ok(()),
            Caller::TenantAdmin(_) => Err(operator_needed(&format!("changing `{field}`")).at(field)),
        }
    }
}

/// A tenant that this caller may manage, within the rights of the caller.
#[derive(Debug, Clone)]
pub struct ManagedTenant {
    /// Who manages it.
    pub by: Caller,
    /// What opens it.
    pub scope: TenantScope,
    /// The tenant.
    pub entry: Arc<TenantEntry>,
}

/// A tenant in an operator's hands: for what a tenant may not do to itself.
#[derive(Debug, Clone)]
pub struct OperatedTenant {
    /// Who does it.
    pub by: Operator,
    /// What opens it.
    pub scope: TenantScope,
    /// The tenant, perhaps half erased.
    pub entry: Arc<TenantEntry>,
}

/// A key of a tenant that this caller may manage.
#[derive(Debug, Clone)]
pub struct ManagedKey {
    /// Its tenant.
    pub tenant: ManagedTenant,
    /// The key, perhaps revoked.
    pub entry: Arc<KeyEntry>,
}

/// An end user of a tenant that this caller may manage. Any name can be one.
#[derive(Debug, Clone)]
pub struct ManagedEndUser {
    /// Its tenant.
    pub tenant: ManagedTenant,
    /// What the product calls it.
    pub name: Name,
}

/// The right to read one request's trace, wherever it turns out to be.
#[derive(Debug, Clone)]
pub struct RequestReader {
    /// Which request.
    pub request: RequestId,
    /// Where it may lie: one tenant, or very rarely several whose tags are equal.
    pub scopes: Vec<TenantScope>,
    /// Whether the caller is the tenant itself: it may see what was said, and is told what it is charged rather than what that costs.
    pub is_own: bool,
}

impl Directory {
    /// The tenant that a path names by slug or id, for a caller who may manage it.
    pub fn managed(&self, credential: &Credential, path: &str) -> Result<ManagedTenant> {
        match credential {
            Credential::Operator(operator) => {
                let entry = self.find(path).filter(|entry| entry.record.state != TenantState::Erasing);
                let entry = entry.ok_or_else(Error::not_found)?;
                Ok(ManagedTenant { by: Caller::Operator(*operator), scope: operator_scope(&entry), entry })
            }
            Credential::Tenant(own) => {
                if !is_called(&own.tenant.record, path) {
                    return Err(Error::not_found());
                }
                match &own.key {
                    Some(key) if own.role == Role::Admin => Ok(ManagedTenant {
                        by: Caller::TenantAdmin(key.record.id),
                        scope: own.scope,
                        entry: Arc::clone(&own.tenant),
                    }),
                    _ => Err(admin_needed()),
                }
            }
        }
    }

    /// The tenant that a path names, for an operator; also one whose erasure has begun, so that it can be completed.
    pub fn operated(&self, credential: &Credential, path: &str) -> Result<OperatedTenant> {
        match credential {
            Credential::Operator(operator) => {
                let entry = self.find(path).ok_or_else(Error::not_found)?;
                Ok(OperatedTenant { by: *operator, scope: operator_scope(&entry), entry })
            }
            Credential::Tenant(own) if is_called(&own.tenant.record, path) => Err(operator_needed("this")),
            Credential::Tenant(_) => Err(Error::not_found()),
        }
    }

    /// The key that a path names below a tenant.
    pub fn managed_key(&self, tenant: ManagedTenant, path: &str) -> Result<ManagedKey> {
        let id: KeyId = path.parse().map_err(|_| Error::not_found())?;
        let entry = self.register.read().key(id).cloned();
        let entry = entry.filter(|key| key.record.tenant == tenant.scope.tenant()).ok_or_else(Error::not_found)?;
        Ok(ManagedKey { tenant, entry })
    }

    /// The end user that a path names below a tenant.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is too long for a name, or holds control characters.
    pub fn managed_end_user(&self, tenant: ManagedTenant, path: &str) -> Result<ManagedEndUser> {
        let name = Name::try_from(path.to_owned()).map_err(|error| error.at("end_user"))?;
        Ok(ManagedEndUser { tenant, name })
    }

    /// The right to read the request that a path names.
    pub fn reader(&self, credential: &Credential, path: &str) -> Result<RequestReader> {
        let request: RequestId = path.parse().map_err(|_| Error::not_found())?;
        match credential {
            Credential::Operator(_) => {
                let entries = self.register.read().tenants_of_tag(request.tag());
                let readable = entries.iter().filter(|entry| entry.record.state != TenantState::Erasing);
                let scopes: Vec<_> = readable.map(|entry| operator_scope(entry)).collect();
                if scopes.is_empty() { Err(Error::not_found()) } else { Ok(RequestReader { request, scopes, is_own: false }) }
            }
            Credential::Tenant(own) if own.tenant.request_tag != request.tag() => Err(Error::not_found()),
            Credential::Tenant(own) if own.role != Role::Admin => Err(admin_needed()),
            Credential::Tenant(own) => Ok(RequestReader { request, scopes: vec![own.scope], is_own: true }),
        }
    }

    /// The tenant of this slug or id, for operators.
    pub(crate) fn tenant_named(&self, path: &str) -> Option<Arc<TenantEntry>> {
        self.find(path).filter(|entry| entry.record.state != TenantState::Erasing)
    }

    fn find(&self, path: &str) -> Option<Arc<TenantEntry>> {
        let register = self.register.read();
        match path.parse::<TenantId>() {
            Ok(id) => register.tenant(id).cloned(),
            Err(_) => register.tenant_of_slug(path).cloned(),
        }
    }
}

/// Whether a path means this very tenant. Nothing else is looked up for a tenant's caller.
fn is_called(tenant: &Tenant, path: &str) -> bool {
    tenant.slug.as_str() == path || path.parse() == Ok(tenant.id)
}

fn operator_scope(entry: &TenantEntry) -> TenantScope {
    TenantScope::mint(entry.record.id, ScopeSource::Operator)
}

fn admin_needed() -> Error {
    Error::new(ErrorKind::Forbidden, "this needs a key with the role `admin`; the key or token at hand has the role `service`")
}
