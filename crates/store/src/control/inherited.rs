//! What tenants inherit is written out among their budgets, so that whoever counts reads one table. It is put together by the
//! law of [`Lineage`], in the transaction of whatever changes it.

use std::collections::HashMap;

use insula_model::{Budget, BudgetOrigin, Defaults, Error, Lineage, Result, Slug, Subject, TenantId};

use super::{
    budgets::{stored, write},
    catalogue::Heirs,
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

/// What plans and segments say, each read once in a transaction, however many tenants inherit from it.
#[derive(Default)]
struct Catalogue {
    plans: HashMap<Slug, Defaults>,
    segments: HashMap<Slug, Defaults>,
}

impl Catalogue {
    /// Reads what this tenant inherits from. `Invalid`, naming the field, where there is no such plan or segment.
    async fn read_for(&mut self, tx: &mut Tx, heir: &Heir) -> Result<()> {
        if let Some(name) = heir.plan.as_ref().filter(|name| !self.plans.contains_key(name)) {
            let found = defaults(tx, "SELECT defaults FROM plans WHERE name = $1", name, "plan").await?;
            self.plans.insert(name.clone(), found);
        }
        if let Some(name) = heir.segment.as_ref().filter(|name| !self.segments.contains_key(name)) {
            let found = defaults(tx, "SELECT defaults FROM segments WHERE name = $1", name, "segment").await?;
            self.segments.insert(name.clone(), found);
        }
        Ok(())
    }

    fn lineage(&self, heir: &Heir) -> Lineage<'_> {
        Lineage {
            segment: heir.segment.as_ref().and_then(|name| self.segments.get(name)),
            plan: heir.plan.as_ref().and_then(|name| self.plans.get(name)),
        }
    }
}

async fn defaults(tx: &mut Tx, find: &'static str, name: &Slug, noun: &str) -> Result<Defaults> {
    let found: Option<Found> = tx.optional(find, args![name]).await?;
    let unknown = || Error::invalid(format!("this platform has no {noun} of this name")).at(noun);
    found.map(|found| found.defaults).ok_or_else(unknown)
}

/// Puts the budgets of these tenants together anew, in this order, and notes that the tenants changed.
pub(super) async fn hand_down(tx: &mut Tx, heirs: Vec<Heir>) -> Result<Heirs> {
    let mut catalogue = Catalogue::default();
    let mut done = Vec::with_capacity(heirs.len());
    for heir in heirs {
        let budgets = renew(tx, &mut catalogue, &heir, None).await?;
        cluster::note(tx, Some(heir.id)).await?;
        done.push((heir.id, budgets));
    }
    Ok(done)
}

/// A tenant's budgets: its `own` ones, those that it has where absent, and what it inherits beside them. `Invalid`, naming the
/// field, where there is no such plan or segment.
pub(super) async fn put_together(tx: &mut Tx, heir: &Heir, own: Option<&[Budget]>) -> Result<Vec<Budget>> {
    renew(tx, &mut Catalogue::default(), heir, own).await
}

/// The same; written where it is not what is stored.
async fn renew(tx: &mut Tx, catalogue: &mut Catalogue, heir: &Heir, own: Option<&[Budget]>) -> Result<Vec<Budget>> {
    catalogue.read_for(tx, heir).await?;
    let subject = Subject::Tenant(heir.id);
    let before = stored(tx, &subject).await?;
    let own = match own {
        Some(own) => own.to_vec(),
        None => before.iter().filter(|budget| budget.origin == BudgetOrigin::Own).cloned().collect(),
    };
    let budgets = catalogue.lineage(heir).budgets(heir.id, own, &before);
    if budgets != before {
        write(tx, &subject, &budgets).await?;
    }
    Ok(budgets)
}

/// The tenant as an heir; nothing where there is none.
pub(super) async fn heir(tx: &mut Tx, tenant: TenantId) -> Result<Option<Heir>> {
    tx.optional("SELECT id, plan, segment FROM tenants WHERE id = $1", args![tenant]).await
}
