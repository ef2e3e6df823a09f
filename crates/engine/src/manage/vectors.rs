//! Where tenants' vectors are to be, and whether what searches them holds what it should.

use insula_model::{CorpusId, DocumentId, Error, Result, Tenant, TenantId, VectorRules};
use insula_store::AuditFinding;

use crate::{
    Engine,
    directory::{ManagedTenant, OperatedTenant, Operator},
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
    /// The last home of the call before, where all are looked at.
    pub after: Option<TenantId>,
    /// Whether what is found is mended, as far as it can be.
    pub repair: bool,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// A tenant's documents.
    Tenant(TenantId),
    /// A reference corpus.
    Corpus(CorpusId),
}

impl Audited {
    /// Where its documents are.
    fn home(self) -> TenantId {
        match self {
            Audited::Tenant(tenant) => tenant,
            Audited::Corpus(corpus) => corpus.home(),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct AuditedFinding {
    /// What it was found at; absent where it is of what is not there, or of nobody.
    pub audited: Option<Audited>,
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
    /// The last home that was looked at, where more follow.
    pub next: Option<TenantId>,
}

/// Compares what the engine of vectors holds with what the tables say, and the tables with each other. Where all tenants are looked at
/// reference corpora are too, and the first call also looks for what is of none of them.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] for a tenant that is not there, and for too many; [`insula_model::ErrorKind::Unavailable`] where
/// the engine does not answer.
pub async fn audit(engine: &Engine, by: &Operator, ask: AuditAsk) -> Result<AuditView> {
    let mut view = AuditView::default();
    let homes = match &ask.tenants {
        Some(names) => named(engine, names)?,
        None => {
            if ask.after.is_none() {
                of_nobody(engine, ask.repair, &mut view).await?;
            }
            let mut homes = homes_after(engine, ask.after);
            let more = homes.len() > TENANTS_MAX;
            homes.truncate(TENANTS_MAX);
            view.next = homes.last().filter(|_| more).map(|last| last.home());
            homes
        }
    };
    for audited in homes {
        let is_there = of_home(engine, audited, ask.repair, &mut view).await?;
        view.tenants += usize::from(is_there && matches!(audited, Audited::Tenant(_)));
    }
    tracing::info!(by = %by.key(), tenants = view.tenants, found = view.found, repair = ask.repair, "vectors were audited");
    Ok(view)
}

impl AuditView {
    fn add(&mut self, audited: Option<Audited>, findings: Vec<AuditFinding>) {
        self.found += findings.len();
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.findings.extend(findings.into_iter().take(room).map(|finding| AuditedFinding { audited, finding }));
    }
}

/// Tenants and corpora in the order of their ids, which are each given once; one more than a call looks at.
fn homes_after(engine: &Engine, after: Option<TenantId>) -> Vec<Audited> {
    let (directory, most) = (&engine.directory, TENANTS_MAX + 1);
    let tenants = directory.tenants_after(after, most).into_iter().map(|entry| Audited::Tenant(entry.record.id));
    let corpora =
        directory.corpora_after(after.map(CorpusId::of_home), most).into_iter().map(|corpus| Audited::Corpus(corpus.id));
    let mut homes: Vec<Audited> = tenants.chain(corpora).collect();
    homes.sort_by_key(|audited| audited.home());
    homes.truncate(most);
    homes
}

/// False where there is nothing to look at: one that is being erased is looked at as one that is not there.
async fn of_home(engine: &Engine, audited: Audited, repair: bool, view: &mut AuditView) -> Result<bool> {
    let home = audited.home();
    let Ok(scope) = engine.directory.job_scope(home, "audit of vectors") else { return Ok(false) };
    let findings = engine.store.audit_vectors(&scope).await?;
    if repair && !findings.is_empty() {
        engine.store.repair_vectors(&scope, &findings).await?;
        settling::queue(engine, home).await?;
    }
    view.add(Some(audited), findings);
    Ok(true)
}

async fn of_nobody(engine: &Engine, repair: bool, view: &mut AuditView) -> Result<()> {
    let findings = engine.store.audit_vectors_of_nobody().await?;
    if repair {
        engine.store.clear_vectors_of_nobody(&findings).await?;
    }
    view.add(None, findings);
    Ok(())
}

fn named(engine: &Engine, names: &[String]) -> Result<Vec<Audited>> {
    if names.len() > TENANTS_MAX {
        return Err(Error::invalid(format!("name at most {TENANTS_MAX} tenants, or none to have all looked at")).at("tenants"));
    }
    let find = |(i, name): (usize, &String)| {
        let unknown = || Error::invalid("there is no such tenant").at(format!("tenants[{i}]"));
        Ok(Audited::Tenant(engine.directory.tenant_named(name).ok_or_else(unknown)?.record.id))
    };
    names.iter().enumerate().map(find).collect()
}
