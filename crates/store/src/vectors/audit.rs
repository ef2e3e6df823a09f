//! What the vector engine holds against what the tables say.

use insula_model::{DocumentId, Result, TenantId, TenantScope};

use crate::Store;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuditKind {
    /// It is there without what it was made of.
    Orphan,
    /// It should be there and is not.
    Missing,
    /// It has another length than what lies beside it.
    WrongDimension,
}

/// Something that is wrong, so many times in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFinding {
    /// What is wrong.
    pub kind: AuditKind,
    /// Where: a table, or a collection of the vector engine.
    pub place: String,
    /// In which document, where one is named.
    pub document: Option<DocumentId>,
    /// Whose it claims to be, where that is not the tenant that was looked at.
    pub tenant: Option<TenantId>,
    /// How often.
    pub count: u64,
}

impl Store {
    /// Looks at what the vector engine holds of one tenant.
    ///
    /// # Errors
    /// When the vector engine does not answer.
    pub async fn audit_vectors(&self, scope: &TenantScope) -> Result<Vec<AuditFinding>> {
        let tenant = self.tenant(scope).await?;
        tenant.vectors.engine.audit(&tenant).await
    }
}
