//! From a bearer text to a credential. The one place where a caller's scope is minted.

use std::time::Duration;

use insula_model::{Error, ErrorKind, Result, Role, ScopeSource, TenantId, TenantScope, TenantState};

use super::{
    Credential, Directory, Operator, TenantCredential, TenantEntry,
    hashing::equal,
    key_text::{KeyKind, PresentedKey},
    register::Register,
};

impl Directory {
    /// Believes a bearer text or not.
    ///
    /// The checksum comes first, then the keyed hash, compared in constant time. Unknown, mistyped, revoked and expired
    /// credentials get the same error; only who proves to belong to a suspended tenant learns that it is suspended
    /// ([`ErrorKind::Suspended`]).
    ///
    /// [`ErrorKind::Unavailable`], whatever was presented, while this node cannot know which credentials were taken back; and to a
    /// tenant whose plan or segment it has not read yet.
    pub fn authenticate(&self, presented: &str) -> Result<Credential> {
        self.check_current()?;
        if presented.starts_with("ins_") { self.by_key(presented) } else { self.by_token(presented) }
    }

    /// The same for a caller who can wait: where several nodes serve, a credential that may have been made on another one a
    /// moment ago is looked for once more before it is refused.
    pub async fn admit(&self, presented: &str) -> Result<Credential> {
        let judged = self.authenticate(presented);
        match (&self.following, &judged) {
            (Some(following), Err(error)) if *error.kind() == ErrorKind::Unauthenticated && self.may_be_new(presented) => {
                following.look_early().await?;
                self.authenticate(presented)
            }
            _ => judged,
        }
    }

    /// Whether a refused text could be genuine and only not known yet. A wrong secret is treated as an unknown id is, so that
    /// the time that a refusal takes does not tell them apart.
    fn may_be_new(&self, presented: &str) -> bool {
        let Some(presented) = PresentedKey::parse(presented) else {
            return self.tokens.read(presented, self.clock.now()).is_some();
        };
        let hash = self.hasher.key(presented.id, presented.secret);
        let register = self.register.read();
        // What is known and dead stays dead.
        let is_genuine = register.key(presented.id).is_some_and(|key| equal(&key.record.hash, &hash));
        !is_genuine
    }

    fn by_key(&self, presented: &str) -> Result<Credential> {
        let presented = PresentedKey::parse(presented).ok_or_else(unauthenticated)?;
        // Hashed before the lookup: an unknown id takes as long as a known one.
        let hash = self.hasher.key(presented.id, presented.secret);
        let register = self.register.read();
        if presented.kind == KeyKind::Operator {
            let entry = register.operator(presented.id).filter(|entry| equal(&entry.hash, &hash));
            let entry = entry.ok_or_else(unauthenticated)?;
            return Ok(Credential::Operator(Operator { key: entry.id, local: entry.local }));
        }
        let key = register.key(presented.id).filter(|key| equal(&key.record.hash, &hash));
        let key = key.filter(|key| key.record.is_live(self.clock.now())).ok_or_else(unauthenticated)?;
        let tenant = register.tenant(key.record.tenant).ok_or_else(unauthenticated)?;
        may_enter(&register, tenant)?;
        Ok(Credential::Tenant(TenantCredential {
            scope: scope(tenant.record.id),
            tenant: tenant.clone(),
            key: Some(key.clone()),
            role: key.record.role,
            end_user: None,
            behind: Some(key.record.id),
            revoked: Some(key.revoked.clone()),
        }))
    }

    fn by_token(&self, presented: &str) -> Result<Credential> {
        let now = self.clock.now();
        let claims = self.tokens.read(presented, now).ok_or_else(unauthenticated)?;
        let register = self.register.read();
        let tenant = register.tenant(claims.tenant).ok_or_else(unauthenticated)?;
        // A token dies with the key that issued it.
        let revoked = match claims.issuer {
            None => None,
            Some(id) if register.operator(id).is_some() => None,
            Some(id) => {
                let issuer = register.key(id).filter(|key| key.record.tenant == claims.tenant && key.record.is_live(now));
                Some(issuer.ok_or_else(unauthenticated)?.revoked.clone())
            }
        };
        may_enter(&register, tenant)?;
        Ok(Credential::Tenant(TenantCredential {
            scope: scope(claims.tenant),
            tenant: tenant.clone(),
            key: None,
            role: Role::Service,
            end_user: claims.end_user.map(String::from),
            behind: claims.issuer.filter(|_| revoked.is_some()),
            revoked,
        }))
    }
}

/// The same words for everything that opens nothing, so that nothing can be told apart by them.
pub(super) fn unauthenticated() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "no valid credential: send `Authorization: Bearer <key>` with a key or token that is known and has not expired",
    )
}

fn may_enter(register: &Register, tenant: &TenantEntry) -> Result<()> {
    match tenant.record.state {
        TenantState::Active if register.knows_lineage(&tenant.record) => Ok(()),
        // Without what it inherits it would be held to no limit and shown what is not its own.
        TenantState::Active => {
            let kind = ErrorKind::Unavailable { retry_after: UNKNOWN_LINEAGE_RETRY_AFTER };
            Err(Error::new(kind, "this node does not know the tenant's plan or segment yet; try again in a moment"))
        }
        TenantState::Suspended => {
            Err(Error::new(ErrorKind::Suspended, "this tenant is suspended; ask the operator of this platform to resume it"))
        }
        TenantState::Erasing => Err(unauthenticated()),
    }
}

/// About when a plan that was just made has been read.
const UNKNOWN_LINEAGE_RETRY_AFTER: Duration = Duration::from_secs(1);

fn scope(tenant: TenantId) -> TenantScope {
    TenantScope::mint(tenant, ScopeSource::Credential)
}
