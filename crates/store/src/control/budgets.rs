//! Budgets.

use insula_model::{Budget, Cap, Error, ErrorKind, Result, Subject, TenantId};

use super::{
    Control,
    inherited::{heir, put_together},
    tenants::refuse_gone,
};
use crate::{
    cluster,
    query::{Rec, Row, Tx, args, rec},
};

const USD: &str = "usd";
const TOKENS: &str = "tokens";

impl Rec for Budget {
    fn read(row: &Row<'_>) -> Result<Self> {
        let cap = match row.get::<String>("unit")?.as_str() {
            USD => Cap::Usd(row.get("cap")?),
            TOKENS => Cap::Tokens(row.get("cap")?),
            other => return Err(Error::internal(format!("a budget counts {other}"))),
        };
        Ok(Budget {
            id: row.get("id")?,
            subject: row.get("subject")?,
            window: row.get("span")?,
            cap,
            mode: row.get("mode")?,
            alert_at: row.get("alert_at")?,
            origin: row.get("origin")?,
        })
    }
}

/// The unit and the amount as they are written.
fn written(cap: Cap) -> Result<(String, i64)> {
    match cap {
        Cap::Usd(money) => Ok((USD.to_owned(), money.storable()?)),
        Cap::Tokens(tokens) => {
            let tokens = i64::try_from(tokens).map_err(|_| Error::invalid("the number of tokens is too large"))?;
            Ok((TOKENS.to_owned(), tokens))
        }
    }
}

impl Control {
    /// All budgets of all subjects, each subject's in the order in which they were set.
    pub async fn budgets(&self) -> Result<Vec<Budget>> {
        let budgets = "SELECT id, subject, span, unit, cap, mode, alert_at, origin FROM budgets ORDER BY subject, position";
        self.db.read().await?.all(budgets, &[]).await
    }

    /// The budgets of one tenant and of its keys, or without a tenant those of the platform.
    pub async fn budgets_of(&self, tenant: Option<TenantId>) -> Result<Vec<Budget>> {
        let of_tenant = "SELECT id, subject, span, unit, cap, mode, alert_at, origin FROM budgets WHERE tenant = $1 \
                         ORDER BY subject, position";
        let of_platform = "SELECT id, subject, span, unit, cap, mode, alert_at, origin FROM budgets WHERE tenant IS NULL \
                           ORDER BY subject, position";
        let mut tx = self.db.read().await?;
        match tenant {
            Some(tenant) => tx.all(of_tenant, args![tenant]).await,
            None => tx.all(of_platform, &[]).await,
        }
    }

    /// Replaces all budgets that a subject has of its own at once. Answers all that it has then: a tenant may inherit more.
    pub async fn replace_budgets(&self, subject: &Subject, own: &[Budget]) -> Result<Vec<Budget>> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, subject.tenant()).await?;
        if let Subject::EndUser(tenant, _) = subject
            && !own.is_empty()
        {
            refuse_crowd(&mut tx, *tenant, subject).await?;
        }
        let heir = match subject {
            Subject::Tenant(tenant) => heir(&mut tx, *tenant).await?,
            Subject::Platform | Subject::Key(..) | Subject::EndUser(..) => None,
        };
        let budgets = match heir {
            Some(heir) => put_together(&mut tx, &heir, Some(own)).await?,
            None => {
                write(&mut tx, subject, own).await?;
                own.to_vec()
            }
        };
        cluster::note(&mut tx, subject.tenant()).await?;
        tx.commit().await?;
        Ok(budgets)
    }
}

/// End users of a tenant that have budgets: every node keeps these in memory.
const BUDGETED_END_USERS_MAX: u64 = 10_000;

/// Refuses one more end user with budgets where there are so many already.
async fn refuse_crowd(tx: &mut Tx, tenant: TenantId, subject: &Subject) -> Result<()> {
    struct Others {
        count: u64,
    }
    rec!(Others { count });
    // Subjects begin with a byte for their level, and end users come last.
    let first = vec![3_u8];
    let others = "SELECT COUNT(DISTINCT subject) AS count FROM budgets WHERE tenant = $1 AND subject >= $2 AND subject <> $3";
    let others: Others = tx.one(others, args![tenant, first, *subject]).await?;
    if others.count >= BUDGETED_END_USERS_MAX {
        let message = format!("{BUDGETED_END_USERS_MAX} end users of this tenant have budgets; remove one first");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(())
}

/// All budgets of a subject, in the order in which they were set.
pub(super) async fn stored(tx: &mut Tx, subject: &Subject) -> Result<Vec<Budget>> {
    let budgets =
        "SELECT id, subject, span, unit, cap, mode, alert_at, origin FROM budgets WHERE subject = $1 ORDER BY position";
    tx.all(budgets, args![*subject]).await
}

/// Writes all budgets of a subject in place of those that it has.
pub(super) async fn write(tx: &mut Tx, subject: &Subject, budgets: &[Budget]) -> Result<()> {
    if let Tx::Postgres(tx) = tx {
        cluster::before_budgets_change(tx).await?;
    }
    tx.exec("DELETE FROM budgets WHERE subject = $1", args![*subject]).await?;
    for (position, budget) in (0_u64..).zip(budgets) {
        let (unit, cap) = written(budget.cap)?;
        tx.exec(
            "INSERT INTO budgets (id, subject, tenant, position, span, unit, cap, mode, alert_at, origin) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            args![
                budget.id,
                *subject,
                subject.tenant(),
                position,
                budget.window,
                unit,
                cap,
                budget.mode,
                budget.alert_at,
                budget.origin,
            ],
        )
        .await?;
    }
    // Caps that changed hold in the running windows at once. Nothing else moves: windows are made when one is leased.
    if let Tx::Postgres(tx) = tx {
        cluster::follow_budgets(tx, subject).await?;
    }
    Ok(())
}
