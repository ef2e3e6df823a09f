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
