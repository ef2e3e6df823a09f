//! What tenants inherit is written out among their budgets, so that whoever counts reads one table. It is put together by the
//! law of [`Lineage`], in the transaction of whatever changes it.

use insula_model::{Budget, BudgetOrigin, Defaults, Error, Lineage, Result, Slug, Subject, TenantId};

use super::{
    budgets::{stored, write},
    plans::Heirs,
};
use crate::{
    cluster,
    query::{Tx, args, rec},
};

/// A tenant that may inherit.
pub(super) struct Heir {
    pub(super) id: TenantId,
    pub(super) plan: Option<Slug>,
    pub(super) segment: Option<Slug>,
}

rec!(Heir { id, plan, segment });

struct Found {
    defaults: Defaults,
}

rec!(Found { defaults });

/// Puts the budgets of these tenants together anew, in this order, and notes that the tenants changed.
pub(super) async fn hand_down(tx: &mut Tx, heirs: Vec<Heir>) -> Result<Heirs> {
    let mut done = Vec::with_capacity(heirs.len());
    for heir in heirs {
        let budgets = put_together(tx, &heir, None).await?;
        cluster::note(tx, Some(heir.id)).await?;
        done.push((heir.id, budgets));
    }
    Ok(done)
}

/// A tenant's budgets: its `own` ones, those that it has where absent, and what it inherits beside them. Written where they are
/// not what is stored. `Invalid`, naming the field, where there is no such plan or segment.
pub(super) async fn put_together(tx: &mut Tx, heir: &Heir, own: Option<&[Budget]>) -> Result<Vec<Budget>> {
    let subject = Subject::Tenant(heir.id);
    let before = stored(tx, &subject).await?;
    let own = match own {
        Some(own) => own.to_vec(),
        None => before.iter().filter(|budget| budget.origin == BudgetOrigin::Own).cloned().collect(),
    };
    let plan = match &heir.plan {
        Some(name) => Some(defaults(tx, "SELECT defaults FROM plans WHERE name = $1", name, "plan").await?),
        None => None,
    };
    let segment = match &heir.segment {
        Some(name) => Some(defaults(tx, "SELECT defaults FROM segments WHERE name = $1", name, "segment").await?),
        None => None,
    };
    let lineage = Lineage { segment: segment.as_ref(), plan: plan.as_ref() };
    let budgets = lineage.budgets(heir.id, own, &before);
    if budgets != before {
        write(tx, &subject, &budgets).await?;
    }
    Ok(budgets)
}

async fn defaults(tx: &mut Tx, find: &'static str, name: &Slug, noun: &str) -> Result<Defaults> {
    let found: Option<Found> = tx.optional(find, args![name]).await?;
    let unknown = || Error::invalid(format!("this platform has no {noun} of this name")).at(noun);
    found.map(|found| found.defaults).ok_or_else(unknown)
}

/// The tenant as an heir; nothing where there is none.
pub(super) async fn heir(tx: &mut Tx, tenant: TenantId) -> Result<Option<Heir>> {
    tx.optional("SELECT id, plan, segment FROM tenants WHERE id = $1", args![tenant]).await
}
