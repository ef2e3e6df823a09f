//! Reference corpora, and who may read them.

use insula_model::{CorpusId, CorpusName, Error, ErrorKind, Name, ReferenceCorpus, Result, TenantId, Timestamp};

use super::{Control, tenants::refuse_gone};
use crate::{
    cluster,
    query::{Tx, args, rec},
};

rec!(ReferenceCorpus { id, name, title, jurisdiction, erasing, created_at });

/// That a tenant may read a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorpusGrantRow {
    /// Who.
    pub tenant: TenantId,
    /// What.
    pub corpus: CorpusId,
    /// Since when.
    pub granted_at: Timestamp,
}
rec!(CorpusGrantRow { tenant, corpus, granted_at });

struct Count {
    rows: u64,
}
rec!(Count { rows });

impl Control {
    /// All corpora that are ready, also those that are being erased, oldest first.
    pub async fn corpora(&self) -> Result<Vec<ReferenceCorpus>> {
        let corpora =
            "SELECT id, name, title, jurisdiction, erasing, created_at FROM corpora WHERE provisioned = 1 ORDER BY id";
        self.db.read().await?.all(corpora, &[]).await
    }

    /// Notes the intent to make a corpus, of which there may be `most`: it exists, but is not ready. `Conflict` where its name is
    /// taken, or there are as many.
    pub(crate) async fn begin_corpus(&self, corpus: &ReferenceCorpus, most: u64) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_taken(&mut tx, &corpus.name).await?;
        if tx.one::<Count>("SELECT COUNT(*) AS rows FROM corpora", &[]).await?.rows >= most {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("there are {most} corpora, the most that there may be; remove one"),
            ));
        }
        let insert = "INSERT INTO corpora (id, name, title, jurisdiction, erasing, created_at, provisioned) \
                      VALUES ($1, $2, $3, $4, $5, $6, 0)";
        let ReferenceCorpus { id, name, title, jurisdiction, erasing, created_at } = corpus;
        tx.exec(insert, args![id, name, title, jurisdiction, erasing, created_at]).await?;
        tx.commit().await
    }

    /// Gives a corpus another title; the corpus as it is then. `NotFound` where there is none, or it is being erased.
    pub async fn retitle_corpus(&self, corpus: CorpusId, title: &Name) -> Result<ReferenceCorpus> {
        let mut tx = self.db.write().await?;
        let retitle = "UPDATE corpora SET title = $2 WHERE id = $1 AND provisioned = 1 AND erasing = 0 \
                       RETURNING id, name, title, jurisdiction, erasing, created_at";
        let changed = tx.one(retitle, args![corpus, title]).await?;
        cluster::note(&mut tx, None).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// All grants, in order of tenants and corpora.
    pub async fn corpus_grants(&self) -> Result<Vec<CorpusGrantRow>> {
        let grants = "SELECT tenant, corpus, granted_at FROM corpus_grants ORDER BY tenant, corpus";
        self.db.read().await?.all(grants, &[]).await
    }

    /// Those of a tenant.
    pub async fn corpus_grants_of(&self, tenant: TenantId) -> Result<Vec<CorpusGrantRow>> {
        let grants = "SELECT tenant, corpus, granted_at FROM corpus_grants WHERE tenant = $1 ORDER BY corpus";
        self.db.read().await?.all(grants, args![tenant]).await
    }

    /// Lets a tenant read a corpus, of which it may read `most`; the grant as it stands then, which may be an earlier one. `NotFound`
    /// where either is not there or is being erased, `Conflict` where the tenant may read as many.
    pub async fn grant_corpus(&self, grant: CorpusGrantRow, most: u64) -> Result<CorpusGrantRow> {
        let CorpusGrantRow { tenant, corpus, granted_at } = grant;
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, Some(tenant)).await?;
        let there = "SELECT (SELECT COUNT(*) FROM tenants WHERE id = $1 AND provisioned = 1) \
                     * (SELECT COUNT(*) FROM corpora WHERE id = $2 AND provisioned = 1 AND erasing = 0) AS rows";
        if tx.one::<Count>(there, args![tenant, corpus]).await?.rows == 0 {
            return Err(Error::not_found());
        }
        let others = "SELECT COUNT(*) AS rows FROM corpus_grants WHERE tenant = $1 AND corpus <> $2";
        if tx.one::<Count>(others, args![tenant, corpus]).await?.rows >= most {
            let message = format!("this tenant may read {most} corpora, the most that it may; revoke one");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let insert = "INSERT INTO corpus_grants (tenant, corpus, granted_at) VALUES ($1, $2, $3) \
                      ON CONFLICT (tenant, corpus) DO NOTHING";
        tx.exec(insert, args![tenant, corpus, granted_at]).await?;
        let find = "SELECT tenant, corpus, granted_at FROM corpus_grants WHERE tenant = $1 AND corpus = $2";
        let stands = tx.one(find, args![tenant, corpus]).await?;
        cluster::note(&mut tx, Some(tenant)).await?;
        tx.commit().await?;
        Ok(stands)
    }

    /// Takes a grant back. `NotFound` where there is none.
    pub async fn revoke_corpus(&self, tenant: TenantId, corpus: CorpusId) -> Result<()> {
        let mut tx = self.db.write().await?;
        let revoke = "DELETE FROM corpus_grants WHERE tenant = $1 AND corpus = $2";
        if tx.exec(revoke, args![tenant, corpus]).await? == 0 {
            return Err(Error::not_found());
        }
        cluster::note(&mut tx, Some(tenant)).await?;
        tx.commit().await
    }
}

/// Says that a name is taken, where it is.
async fn refuse_taken(tx: &mut Tx, name: &CorpusName) -> Result<()> {
    let taken = "SELECT COUNT(*) AS rows FROM corpora WHERE name = $1";
    if tx.one::<Count>(taken, args![name]).await?.rows == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("the name {name} is taken")).at("name"))
}
