//! Where tenants' vectors are to be, and whether what searches them holds what it should.

use std::sync::Arc;

use insula_model::{DocumentId, Error, Result, Tenant, TenantId, VectorRules};
use insula_store::AuditFinding;

use crate::{
    Engine,
    directory::{ManagedTenant, OperatedTenant, Operator, TenantEntry},
    knowledge::settling,
};

/// Tenants that one call looks at.
const TENANTS_MAX: usize = 50;
/// What one call tells at most; more is only counted.
const FINDINGS_MAX: usize = 1_000;

/// A tenant's own word.
pub fn of_tenant(tenant: &ManagedTenant) -> VectorRules {
    tenant.entry.record.vectors
}

/// Replaces a tenant's own word. What it leaves open it inherits. Vectors that are to be elsewhere than they are move there while they are
/// searched.
pub async fn replace_of_tenant(engine: &Engine, tenant: &OperatedTenant, rules: VectorRules) -> Result<VectorRules> {
    let id = tenant.scope.tenant();
    let change = |now: &Tenant| Ok(Tenant { vectors: rules, ..now.clone() });
    let entry = settling::moving_one(engine, id, engine.directory.change_tenant(id, &engine.accounts, change)).await?;
    tracing::info!(tenant = %id, by = %tenant.by.key(), ?rules, "where vectors are to be was replaced");
    Ok(entry.record.vectors)
}

/// What is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct AuditAsk {
    /// These tenants alone, by slug or id.
    pub tenants: Option<Vec<String>>,
    /// The last tenant of the call before, where all are looked at.
    pub after: Option<TenantId>,
    /// Whether what is found is mended, as far as it can be.
    pub repair: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct AuditedFinding {
    /// The tenant that it was found at; absent where it is of a tenant that is not there, or of nobody.
    pub tenant: Option<TenantId>,
    /// What it is.
    pub finding: AuditFinding,
}

impl AuditedFinding {
    /// In which document.
    pub fn document(&self) -> Option<DocumentId> {
        self.finding.document
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct AuditView {
    /// What is wrong; the first thousand.
    pub findings: Vec<AuditedFinding>,
    /// How much that is.
    pub found: usize,
    /// How many tenants were looked at.
    pub tenants: usize,
    /// The last of them, where more follow.
    pub next: Option<TenantId>,
}

/// Compares what the engine of vectors holds with what the tables say, and the tables with each other. Where all tenants are looked at
/// the first call also looks for what is of none of them.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for a tenant that is not there, and for too many; [`insula_model::ErrorKind::Unavailable`] where
/// the engine does not answer.
pub async fn audit(engine: &Engine, by: &Operator, ask: AuditAsk) -> Result<AuditView> {
    let mut view = AuditView::default();
    let tenants = match &ask.tenants {
        Some(names) => named(engine, names)?,
        None => {
            if ask.after.is_none() {
                of_nobody(engine, ask.repair, &mut view).await?;
            }
            let mut tenants = engine.directory.tenants_after(ask.after, TENANTS_MAX + 1);
            let more = tenants.len() > TENANTS_MAX;
            tenants.truncate(TENANTS_MAX);
            view.next = tenants.last().filter(|_| more).map(|entry| entry.record.id);
            tenants
        }
    };
    for entry in tenants {
        let tenant = entry.record.id;
        // One that is being erased is looked at as one that is not there.
        let Ok(scope) = engine.directory.job_scope(tenant, "audit of vectors") else { continue };
        let findings = engine.store.audit_vectors(&scope).await?;
        if ask.repair && !findings.is_empty() {
            engine.store.repair_vectors(&scope, &findings).await?;
            settling::queue(engine, tenant).await?;
        }
        view.tenants += 1;
        view.add(Some(tenant), findings);
    }
    tracing::info!(by = %by.key(), tenants = view.tenants, found = view.found, repair = ask.repair, "vectors were audited");
    Ok(view)
}

impl AuditView {
    fn add(&mut self, tenant: Option<TenantId>, findings: Vec<AuditFinding>) {
        self.found += findings.len();
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room).map(|finding| AuditedFinding { tenant, finding }));
    }
}

async fn of_nobody(engine: &Engine, repair: bool, view: &mut AuditView) -> Result<()> {
    let findings = engine.store.audit_vectors_of_nobody().await?;
    if repair {
        engine.store.clear_vectors_of_nobody(&findings).await?;
    }
    view.add(None, findings);
    Ok(())
}

fn named(engine: &Engine, names: &[String]) -> Result<Vec<Arc<TenantEntry>>> {
    if names.len() > TENANTS_MAX {
        return Err(Error::invalid(format!("name at most {TENANTS_MAX} tenants, or none to have all looked at")).at("tenants"));
    }
    let find = |(i, name): (usize, &String)| {
        let unknown = || Error::invalid("there is no such tenant").at(format!("tenants[{i}]"));
        engine.directory.tenant_named(name).ok_or_else(unknown)
    };
    names.iter().enumerate().map(find).collect()
}
