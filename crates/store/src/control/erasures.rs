//! The list of erasures: who is to be forgotten, and who was.

use insula_model::{CorpusId, Error, Result, TenantId, TenantState, Timestamp};

use super::Control;
use crate::{
    cluster,
    query::{Tx, args, rec},
};

/// One erasure. Its row stays for good: after a restore it says whom to erase again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// Who.
    pub(crate) tenant: TenantId,
    /// When it was asked for.
    pub(crate) begun_at: Timestamp,
    /// When key and data were gone; absent while it is under way.
    pub(crate) erased_at: Option<Timestamp>,
}

rec!(Erasure { tenant, begun_at, erased_at });

impl Control {
    /// All erasures, finished ones included.
    pub(crate) async fn erasures(&self) -> Result<Vec<Erasure>> {
        self.db.read().await?.all("SELECT tenant, begun_at, erased_at FROM erasures ORDER BY tenant", &[]).await
    }

    /// Notes that a tenant is to be erased and takes it out of service. An erasure that was noted before stays as it was.
    /// `NotFound` where there never was such a tenant. Of a corpus's home the same is said of the corpus.
    pub(crate) async fn begin_erasure(&self, tenant: TenantId, now: Timestamp) -> Result<Erasure> {
        const ERASURE: &str = "SELECT tenant, begun_at, erased_at FROM erasures WHERE tenant = $1";
        let mut tx = self.db.write().await?;
        let withdrawn = tx.exec("UPDATE tenants SET state = $2 WHERE id = $1", args![tenant, TenantState::Erasing]).await?;
        let corpus = CorpusId::of_home(tenant);
        let closed = tx.exec("UPDATE corpora SET erasing = 1 WHERE id = $1", args![corpus]).await?;
        cluster::note(&mut tx, Some(tenant)).await?;
        if closed > 0 {
            cluster::note(&mut tx, None).await?;
        }
        if let Some(erasure) = tx.optional::<Erasure>(ERASURE, args![tenant]).await? {
            // After a restore the tenant's record may be back.
            tx.commit().await?;
            return Ok(erasure);
        }
        if withdrawn + closed == 0 {
            return Err(Error::not_found());
        }
        tx.exec("INSERT INTO erasures (tenant, begun_at, erased_at) VALUES ($1, $2, NULL)", args![tenant, now]).await?;
        tx.commit().await?;
        Ok(Erasure { tenant, begun_at: now, erased_at: None })
    }

    /// Notes an erasure that only the key store remembers.
    pub(crate) async fn recall_erasure(&self, tenant: TenantId, erased_at: Timestamp) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec(
            "INSERT INTO erasures (tenant, begun_at, erased_at) VALUES ($1, $2, $2) ON CONFLICT (tenant) DO NOTHING",
            args![tenant, erased_at],
        )
        .await?;
        tx.commit().await
    }

    /// Removes every record of a tenant but its ledger rows and accounts, and notes that it is erased. The first date stays.
    pub(crate) async fn finish_erasure(&self, tenant: TenantId, now: Timestamp) -> Result<Timestamp> {
        struct Erased {
            erased_at: Timestamp,
        }
        rec!(Erased { erased_at });

        let mut tx = self.db.write().await?;
        // What settles now may still keep labels of this tenant: it is waited for, and what comes after finds no tenant.
        if let Tx::Postgres(tx) = &tx {
            cluster::after_settlements(tx).await?;
        }
        for sql in [
            "DELETE FROM keys WHERE tenant = $1",
            "DELETE FROM budgets WHERE tenant = $1",
            "DELETE FROM limits WHERE tenant = $1",
            "DELETE FROM tag_sets WHERE tenant = $1",
            "DELETE FROM end_users WHERE tenant = $1",
            "DELETE FROM credits WHERE tenant = $1",
            "DELETE FROM cache_hits WHERE tenant = $1",
            "DELETE FROM webhook_deliveries WHERE tenant = $1",
            "DELETE FROM webhook_events WHERE tenant = $1",
            "DELETE FROM webhooks WHERE tenant = $1",
            "DELETE FROM budget_alerts WHERE tenant = $1",
            "DELETE FROM statement_notices WHERE tenant = $1",
            "DELETE FROM runs WHERE tenant = $1",
            "DELETE FROM corpus_grants WHERE tenant = $1",
            "DELETE FROM tenants WHERE id = $1",
        ] {
            tx.exec(sql, args![tenant]).await?;
        }
        cluster::forget_windows(&mut tx, tenant).await?;
        forget_corpus(&mut tx, CorpusId::of_home(tenant)).await?;
        let erased: Erased = tx
            .one(
                "UPDATE erasures SET erased_at = COALESCE(erased_at, $2) WHERE tenant = $1 RETURNING erased_at",
                args![tenant, now],
            )
            .await?;
        cluster::note(&mut tx, Some(tenant)).await?;
        tx.commit().await?;
        Ok(erased.erased_at)
    }

    /// Whether any record of an erased tenant is back.
    pub(crate) async fn remembers(&self, tenant: TenantId) -> Result<bool> {
        struct Known {
            rows: u64,
        }
        rec!(Known { rows });
        let sql = "SELECT (SELECT COUNT(*) FROM tenants WHERE id = $1) + (SELECT COUNT(*) FROM keys WHERE tenant = $1) \
                   + (SELECT COUNT(*) FROM budgets WHERE tenant = $1) + (SELECT COUNT(*) FROM limits WHERE tenant = $1) \
                   + (SELECT COUNT(*) FROM webhooks WHERE tenant = $1) \
                   + (SELECT COUNT(*) FROM corpora WHERE id = $1) + (SELECT COUNT(*) FROM corpus_grants WHERE corpus = $1) \
                   + (SELECT COUNT(*) FROM corpus_grants WHERE tenant = $1) \
                   + (SELECT COUNT(*) FROM runs WHERE tenant = $1) AS rows";
        Ok(self.db.read().await?.one::<Known>(sql, args![tenant]).await?.rows > 0)
    }
}

/// Where the home was a corpus's: nobody may read that any more, and each of those who might is read again.
async fn forget_corpus(tx: &mut Tx, corpus: CorpusId) -> Result<()> {
    struct Reader {
        tenant: TenantId,
    }
    rec!(Reader { tenant });

    let readers: Vec<Reader> = tx.all("SELECT tenant FROM corpus_grants WHERE corpus = $1", args![corpus]).await?;
    tx.exec("DELETE FROM corpus_grants WHERE corpus = $1", args![corpus]).await?;
    if tx.exec("DELETE FROM corpora WHERE id = $1", args![corpus]).await? > 0 {
        cluster::note(tx, None).await?;
    }
    for reader in readers {
        cluster::note(tx, Some(reader.tenant)).await?;
    }
    Ok(())
}
