//! Plans and segments: read from memory; stored, and then in force for every tenant that inherits from them.
//!
//! What a tenant inherits changes with the tenant and with its plan and segment. So a change of these two waits until no tenant
//! is being changed, and holds up those that come meanwhile.

use std::sync::Arc;

use insula_model::{Error, Plan, Result, Segment, Slug, Subject, Tenant, TenantId};
use insula_store::Heirs;

use super::{Directory, TenantEntry, register::Register, reread::renew_budgets};
use crate::accounts::Accounts;

impl Directory {
    /// All plans, in order of their names.
    pub(crate) fn plans(&self) -> Vec<Arc<Plan>> {
        self.register.read().plans().cloned().collect()
    }

    /// All segments, in order of their names.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.register.read().segments().cloned().collect()
    }

    /// The plan of this name.
    pub(crate) fn plan(&self, name: &Slug) -> Result<Arc<Plan>> {
        self.register.read().plan(name).cloned().ok_or_else(Error::not_found)
    }

    /// The segment of this name.
    pub(crate) fn segment(&self, name: &Slug) -> Result<Arc<Segment>> {
        self.register.read().segment(name).cloned().ok_or_else(Error::not_found)
    }

    /// Whether a tenant is charged by the prices of its plan, so that what the providers charge is not for its eyes. Of a plan that is
    /// not known that is to be feared.
    pub(crate) fn sells_to(&self, tenant: &Tenant) -> bool {
        let register = self.register.read();
        tenant.plan.as_ref().is_some_and(|name| register.plan(name).is_none_or(|plan| !plan.prices.is_empty()))
    }

    /// Whether what the providers charge is not for this tenant's eyes; of one that is not known that is to be feared.
    pub(crate) fn hides_cost_from(&self, tenant: TenantId) -> bool {
        let entry = self.register.read().tenant(tenant).cloned();
        entry.is_none_or(|entry| self.sells_to(&entry.record))
    }

    /// The plan and the segment of a tenant, as they are now.
    pub(crate) fn inherited_from(&self, tenant: &Tenant) -> (Option<Arc<Plan>>, Option<Arc<Segment>>) {
        let register = self.register.read();
        let plan = tenant.plan.as_ref().and_then(|name| register.plan(name).cloned());
        (plan, tenant.segment.as_ref().and_then(|name| register.segment(name).cloned()))
    }

    /// An entry that is not in the directory, with what its tenant inherits.
    pub(super) fn inheriting(&self, entry: TenantEntry) -> TenantEntry {
        let register = self.register.read();
        let lineage = register.lineage(&entry.record);
        entry.inheriting(lineage)
    }

    /// Makes a plan or replaces it. Its tenants have what it says from now on.
    pub(crate) async fn put_plan(&self, plan: &Plan, accounts: &Accounts) -> Result<Arc<Plan>> {
        let _alone = self.catalogue_changing.write().await;
        let (stored, heirs) = self.store.control().put_plan(plan).await?;
        let stored = Arc::new(stored);
        self.publish(|| {
            self.register.write().put_plan(Arc::clone(&stored));
            show_budgets(accounts, heirs);
        })
        .await;
        Ok(stored)
    }

    /// Makes a segment or replaces it. Its tenants have what it says from now on.
    pub(crate) async fn put_segment(&self, segment: &Segment, accounts: &Accounts) -> Result<Arc<Segment>> {
        let _alone = self.catalogue_changing.write().await;
        let (stored, heirs) = self.store.control().put_segment(segment).await?;
        let stored = Arc::new(stored);
        self.publish(|| {
            self.register.write().put_segment(Arc::clone(&stored));
            show_budgets(accounts, heirs);
        })
        .await;
        Ok(stored)
    }

    /// Removes a plan that no tenant has.
    pub(crate) async fn remove_plan(&self, name: &Slug) -> Result<()> {
        let _alone = self.catalogue_changing.write().await;
        self.store.control().delete_plan(name).await?;
        self.publish(|| self.register.write().remove_plan(name)).await;
        Ok(())
    }

    /// Removes a segment that no tenant is in.
    pub(crate) async fn remove_segment(&self, name: &Slug) -> Result<()> {
        let _alone = self.catalogue_changing.write().await;
        self.store.control().delete_segment(name).await?;
        self.publish(|| self.register.write().remove_segment(name)).await;
        Ok(())
    }
}

fn show_budgets(accounts: &Accounts, heirs: Heirs) {
    for (tenant, budgets) in heirs {
        renew_budgets(accounts, Subject::Tenant(tenant), budgets);
    }
}

impl Register {
    fn put_plan(&mut self, plan: Arc<Plan>) {
        let others = self.plans().filter(|other| other.name != plan.name).cloned();
        let plans = others.chain([Arc::clone(&plan)]).collect();
        self.renew_catalogue(plans, self.segments().cloned().collect());
    }

    fn put_segment(&mut self, segment: Arc<Segment>) {
        let others = self.segments().filter(|other| other.name != segment.name).cloned();
        let segments = others.chain([Arc::clone(&segment)]).collect();
        self.renew_catalogue(self.plans().cloned().collect(), segments);
    }

    fn remove_plan(&mut self, name: &Slug) {
        let plans = self.plans().filter(|plan| plan.name != *name).cloned().collect();
        self.renew_catalogue(plans, self.segments().cloned().collect());
    }

    fn remove_segment(&mut self, name: &Slug) {
        let segments = self.segments().filter(|segment| segment.name != *name).cloned().collect();
        self.renew_catalogue(self.plans().cloned().collect(), segments);
    }
}
