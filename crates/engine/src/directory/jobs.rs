//! Credentials of work that goes on without its caller.

use insula_model::{Error, ErrorKind, KeyId, Result, Role, ScopeSource, TenantId, TenantScope, TenantState};

use super::{Directory, TenantCredential};

/// In whose name a batch goes on.
#[derive(Debug, Clone)]
pub(crate) struct BatchOwner {
    /// Whose it is.
    pub tenant: TenantId,
    /// The key that it is put down to; absent where a token asked for it.
    pub key: Option<KeyId>,
    /// The key that stands behind it: that one, or the one that issued the token; absent where an operator did.
    pub behind: Option<KeyId>,
    /// The end user that the token was issued for.
    pub end_user: Option<String>,
}

impl Directory {
    /// The credential of a batch's next lines: what its caller had, as far as that still stands.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] once the key behind it opens nothing any more; [`ErrorKind::Suspended`] while its tenant
    /// is; [`ErrorKind::NotFound`] once it is being erased; [`ErrorKind::Unavailable`] while this node cannot know.
    pub(crate) fn for_batch(&self, owner: &BatchOwner) -> Result<TenantCredential> {
        self.check_current()?;
        let register = self.register.read();
        let tenant = register.tenant(owner.tenant).ok_or_else(Error::not_found)?;
        match tenant.record.state {
            TenantState::Active => {}
            TenantState::Suspended => return Err(Error::new(ErrorKind::Suspended, "the tenant of this batch is suspended")),
            TenantState::Erasing => return Err(Error::not_found()),
        }
        let live = |id: KeyId| {
            let key = register.key(id).filter(|key| key.record.tenant == owner.tenant);
            key.filter(|key| key.record.is_live(self.clock.now())).cloned().ok_or_else(withdrawn)
        };
        let behind = owner.behind.map(live).transpose()?;
        Ok(TenantCredential {
            scope: TenantScope::mint(owner.tenant, ScopeSource::Job("batch")),
            tenant: tenant.clone(),
            key: owner.key.map(live).transpose()?,
            role: Role::Service,
            end_user: owner.end_user.clone(),
            behind: owner.behind,
            revoked: behind.map(|key| key.revoked.clone()),
        })
    }

    /// What a job of the platform's sends a tenant's requests with: in the tenant's own name, and nobody's beside.
    ///
    /// # Errors
    /// [`ErrorKind::Suspended`] while the tenant is; `NotFound` once it is being erased.
    pub(crate) fn for_job(&self, tenant: TenantId, job: &'static str) -> Result<TenantCredential> {
        self.check_current()?;
        let entry = self.tenant(tenant).ok_or_else(Error::not_found)?;
        match entry.record.state {
            TenantState::Active => {}
            TenantState::Suspended => return Err(Error::new(ErrorKind::Suspended, "the tenant is suspended")),
            TenantState::Erasing => return Err(Error::not_found()),
        }
        Ok(TenantCredential {
            scope: TenantScope::mint(tenant, ScopeSource::Job(job)),
            tenant: entry,
            key: None,
            role: Role::Service,
            end_user: None,
            behind: None,
            revoked: None,
        })
    }

    /// What something is sent with that the platform does for whoever holds this key of the tenant's.
    ///
    /// # Errors
    /// As [`Directory::for_job`], and [`ErrorKind::Unauthenticated`] where the key was revoked.
    pub(crate) fn for_key(&self, tenant: TenantId, id: KeyId, job: &'static str) -> Result<TenantCredential> {
        let credential = self.for_job(tenant, job)?;
        let register = self.register.read();
        let key = register.key(id).filter(|key| key.record.tenant == tenant && key.record.is_live(self.clock.now()));
        let key = key.cloned().ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "the key was revoked or has expired"))?;
        let revoked = Some(key.revoked.clone());
        Ok(TenantCredential { behind: Some(id), key: Some(key), revoked, ..credential })
    }

    /// What opens the data of a tenant, or the home of a corpus, for a job, whatever became of who asked for it. `NotFound` once that is
    /// being erased.
    pub(crate) fn job_scope(&self, home: TenantId, job: &'static str) -> Result<TenantScope> {
        if !self.has_home(home) {
            return Err(Error::not_found());
        }
        Ok(TenantScope::mint(home, ScopeSource::Job(job)))
    }

    /// Whether there is a tenant or a corpus with this home, and it is not being erased.
    pub(crate) fn has_home(&self, home: TenantId) -> bool {
        let is_tenant = self.tenant(home).is_some_and(|entry| entry.record.state != TenantState::Erasing);
        is_tenant || self.is_corpus(home)
    }
}

fn withdrawn() -> Error {
    Error::new(ErrorKind::Unauthenticated, "the key that asked for this batch was revoked or has expired")
}
