//! The only way into a tenant's data.

use crate::{CorpusId, TenantId};

/// Where a scope came from; jobs and operators are logged by name, so that every scope can be accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeSource {
    /// A key or token that was verified for this very request.
    Credential,
    /// An operator acting on a tenant's metadata, never on its content.
    Operator,
    /// Work without a caller (folding, recovery); the name says which.
    Job(&'static str),
}

/// Proof that its holder may act within one tenant. Every tenant store, seal and query is opened with one.
///
/// It has no constructor from text or from a request, does not serialise, and is minted only in the files that the
/// tidy test lists: where a credential was verified, and in the named jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    /// Mints the scope of `tenant`. A tidy test holds the callers to a short list.
    pub fn mint(tenant: TenantId, source: ScopeSource) -> Self {
        match source {
            ScopeSource::Credential => {}
            ScopeSource::Operator => tracing::debug!(%tenant, "scope minted for an operator"),
            ScopeSource::Job(job) => tracing::trace!(%tenant, job, "scope minted for a job"),
        }
        Self { tenant }
    }

    /// Whose scope this is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// Proof that a tenant may read a reference corpus. What it opens has nothing that writes.
///
/// Like a [`TenantScope`] it comes from no text and no request: the directory mints it after it has found the grant among those that
/// are in force, for the search at hand and no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CorpusGrant {
    tenant: TenantId,
    corpus: CorpusId,
}

impl CorpusGrant {
    /// Mints the proof that the tenant of `scope` may read `corpus`. A tidy test holds the callers to a short list.
    pub fn mint(scope: &TenantScope, corpus: CorpusId) -> Self {
        Self { tenant: scope.tenant(), corpus }
    }

    /// Who reads.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What may be read.
    pub fn corpus(&self) -> CorpusId {
        self.corpus
    }
}
