//! What the vector engine holds against what the tables say, and the tables against each other.

use std::collections::{BTreeMap, HashSet};

use insula_model::{DocumentId, Result, TenantId, TenantScope};

use crate::{
    Store,
    query::{Tx, rec},
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuditKind {
    /// It is there without what it was made of.
    Orphan,
    /// It should be there and is not.
    Missing,
    /// It is where nothing of its tenant belongs.
    Stray,
    /// It has another length than what lies beside it.
    WrongDimension,
    /// A sum that is kept is not what there is.
    WrongCount,
}

impl AuditKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            AuditKind::Orphan => "orphan",
            AuditKind::Missing => "missing",
            AuditKind::Stray => "stray",
            AuditKind::WrongDimension => "wrong_dimension",
            AuditKind::WrongCount => "wrong_count",
        }
    }
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
    /// Looks at one tenant: at its tables, and at what the vector engine holds of it. What is being written meanwhile is left out.
    ///
    /// # Errors
    /// When the vector engine does not answer.
    pub async fn audit_vectors(&self, scope: &TenantScope) -> Result<Vec<AuditFinding>> {
        let tenant = self.tenant(scope).await?;
        let mut found = tables(&mut tenant.home.db().read().await?).await?;
        let engine = &tenant.vectors.engine;
        let held = engine.audit(&tenant).await?;
        if !held.is_empty() {
            // Tables and engine are not read at one moment: only what is seen twice is wrong.
            let again = engine.audit(&tenant).await?;
            let is_again = |finding: &AuditFinding| {
                again
                    .iter()
                    .any(|other| (other.kind, &other.place, other.document) == (finding.kind, &finding.place, finding.document))
            };
            found.extend(held.into_iter().filter(is_again));
        }
        Ok(found)
    }

    /// Has what was found of a tenant made again, as far as it can be: the engine's part is derived from the tables.
    pub async fn repair_vectors(&self, scope: &TenantScope, findings: &[AuditFinding]) -> Result<()> {
        let tenant = self.tenant(scope).await?;
        tenant.vectors.engine.repair(&tenant, findings).await
    }

    /// Looks for what the vector engine holds of tenants and corpora that are not there.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn audit_vectors_of_nobody(&self) -> Result<Vec<AuditFinding>> {
        let known = self.known_homes().await?;
        self.vectors().engine.census(&known).await
    }

    /// Removes that.
    pub async fn clear_vectors_of_nobody(&self, findings: &[AuditFinding]) -> Result<()> {
        let known = self.known_homes().await?;
        self.vectors().engine.clear(&known, findings).await
    }

    /// Those that are there, and those of whom something may still be: tenants, and what corpora have for their homes.
    async fn known_homes(&self) -> Result<HashSet<TenantId>> {
        let control = self.control();
        // Erasures go on by themselves; what one leaves is found once it is over.
        let (there, erasing) = (control.tenants().await?, control.erasing_tenants().await?);
        let corpora = control.corpora().await?.into_iter().map(|corpus| corpus.id.home());
        Ok(there.into_iter().chain(erasing).map(|tenant| tenant.id).chain(corpora).collect())
    }
}

struct Wrong {
    document: Option<DocumentId>,
    rows: u64,
}

rec!(Wrong { document, rows });

struct Sums {
    chunks: u64,
    tokens: u64,
    chunks_kept: u64,
    tokens_kept: u64,
}

rec!(Sums { chunks, tokens, chunks_kept, tokens_kept });

/// Compares the tables with each other, in one state of them.
async fn tables(tx: &mut Tx) -> Result<Vec<AuditFinding>> {
    let checks: [(AuditKind, &str, &'static str); 5] = [
        (
            AuditKind::Orphan,
            "vectors",
            "SELECT CAST(NULL AS BYTEA) AS document, COUNT(*) AS rows FROM vectors v \
             WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.chunk = v.chunk)",
        ),
        (
            AuditKind::Orphan,
            "postings",
            "SELECT CAST(NULL AS BYTEA) AS document, COUNT(*) AS rows FROM postings p \
             WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.chunk = p.chunk)",
        ),
        (
            AuditKind::Orphan,
            "chunks",
            "SELECT c.document AS document, COUNT(*) AS rows FROM chunks c \
             WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = c.document AND d.published IS NOT NULL) GROUP BY c.document",
        ),
        (
            AuditKind::Orphan,
            "facets",
            "SELECT f.document AS document, COUNT(*) AS rows FROM facets f \
             WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = f.document AND d.published IS NOT NULL) GROUP BY f.document",
        ),
        (
            AuditKind::Missing,
            "vectors",
            "SELECT c.document AS document, COUNT(*) AS rows FROM chunks c JOIN corpus k ON k.id = 1 \
             WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.chunk AND v.space = k.space) GROUP BY c.document",
        ),
    ];
    let mut found = BTreeMap::new();
    for (kind, place, sql) in checks {
        for wrong in tx.all::<Wrong>(sql, &[]).await?.into_iter().filter(|wrong| wrong.rows > 0) {
            found.insert((kind, place, wrong.document), wrong.rows);
        }
    }
    let sums = "SELECT (SELECT COUNT(*) FROM chunks) AS chunks, \
                (SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT) FROM chunks) AS tokens, \
                CAST(COALESCE((SELECT chunks FROM corpus WHERE id = 1), 0) AS BIGINT) AS chunks_kept, \
                CAST(COALESCE((SELECT tokens FROM corpus WHERE id = 1), 0) AS BIGINT) AS tokens_kept";
    let sums: Sums = tx.one(sums, &[]).await?;
    let off = sums.chunks.abs_diff(sums.chunks_kept) + sums.tokens.abs_diff(sums.tokens_kept);
    if off > 0 {
        found.insert((AuditKind::WrongCount, "corpus", None), off);
    }
    let told = found.into_iter().map(|((kind, place, document), count)| AuditFinding {
        kind,
        place: place.to_owned(),
        document,
        tenant: None,
        count,
    });
    Ok(told.collect())
}
