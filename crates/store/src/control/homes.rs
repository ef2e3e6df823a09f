//! Homes come to be, of tenants and of reference corpora alike: noted first, then key and home, then done.
//!
//! An id is given once, to a tenant or to a corpus. So each step is said of both tables, and changes what is there.

use insula_model::{CorpusId, Result, TenantId, TenantState, Timestamp};

use super::Control;
use crate::{
    cluster,
    query::{args, rec},
};

struct Home {
    id: TenantId,
}
rec!(Home { id });

impl Control {
    /// Key and home exist now.
    pub(crate) async fn finish_home(&self, home: TenantId) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec("UPDATE tenants SET provisioned = 1 WHERE id = $1", args![home]).await?;
        if tx.exec("UPDATE corpora SET provisioned = 1 WHERE id = $1", args![CorpusId::of_home(home)]).await? > 0 {
            cluster::note(&mut tx, None).await?;
        }
        cluster::note(&mut tx, Some(home)).await?;
        tx.commit().await
    }

    /// Notes that an intent is to be taken back; false where the home is ready after all: the answer that said so was lost, or
    /// somebody else has finished it.
    pub(crate) async fn give_up_home(&self, home: TenantId) -> Result<bool> {
        let mut tx = self.db.write().await?;
        let mut given_up = 0;
        for sql in [
            "UPDATE tenants SET provisioned = -1 WHERE id = $1 AND provisioned = 0",
            "UPDATE corpora SET provisioned = -1 WHERE id = $1 AND provisioned = 0",
        ] {
            given_up += tx.exec(sql, args![home]).await?;
        }
        tx.commit().await?;
        Ok(given_up == 1)
    }

    /// Forgets an intent that was given up and of which nothing is left, so that its name is free again.
    pub(crate) async fn abandon_home(&self, home: TenantId) -> Result<()> {
        let mut tx = self.db.write().await?;
        if tx.exec("DELETE FROM tenants WHERE id = $1 AND provisioned = -1", args![home]).await? == 1 {
            tx.exec("DELETE FROM budgets WHERE tenant = $1", args![home]).await?;
        }
        tx.exec("DELETE FROM corpora WHERE id = $1 AND provisioned = -1", args![home]).await?;
        tx.commit().await
    }

    /// Homes whose making began before `before` and was interrupted.
    pub(crate) async fn unfinished_homes(&self, before: Timestamp) -> Result<Vec<TenantId>> {
        let unfinished = "SELECT id FROM tenants WHERE provisioned <> 1 AND state <> $1 AND created_at < $2 \
                          UNION ALL SELECT id FROM corpora WHERE provisioned <> 1 AND erasing = 0 AND created_at < $2";
        let homes: Vec<Home> = self.db.read().await?.all(unfinished, args![TenantState::Erasing, before]).await?;
        Ok(homes.into_iter().map(|home| home.id).collect())
    }
}
