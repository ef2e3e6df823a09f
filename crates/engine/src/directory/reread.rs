//! What changed is read again and takes its place in the directory.
//!
//! Entries are replaced, not made anew, so that requests which are under way hear of it: a stream that runs on a revoked
//! key sees its [`Withdrawal`](super::entries::Withdrawal) whichever node revoked it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use insula_model::{Budget, Key, KeyId, Limits, Result, Subject, Tenant, TenantId, TenantState};
use insula_store::{Changes, CorpusGrantRow};

use super::{Directory, KeyEntry, TenantEntry, entries::OperatorEntry, register::Register};
use crate::accounts::Accounts;

/// From how many changed tenants on reading everything is cheaper than reading one after the other.
const TENANTS_ONE_BY_ONE_MAX: usize = 256;

impl Directory {
    /// Reads again what changed. What was read shows at least these changes, perhaps later ones too.
    pub(super) async fn reread(&self, accounts: &Accounts, changes: &Changes) -> Result<()> {
        if changes.all || changes.tenants.len() > TENANTS_ONE_BY_ONE_MAX {
            return self.reread_all(accounts).await;
        }
        if changes.platform {
            self.reread_platform(accounts).await?;
        }
        for tenant in &changes.tenants {
            self.reread_tenant(accounts, *tenant).await?;
        }
        Ok(())
    }

    async fn reread_platform(&self, accounts: &Accounts) -> Result<()> {
        let control = self.store.upkeep();
        let (keys, budgets, plans, segments, corpora) = tokio::try_join!(
            control.operator_keys(),
            control.budgets_of(None),
            control.plans(),
            control.segments(),
            control.corpora()
        )?;
        let live = keys.into_iter().filter(|key| key.revoked_at.is_none());
        let live = live.map(|key| OperatorEntry { id: key.id, hash: key.hash, local: false });
        let (plans, segments) = (plans.into_iter().map(Arc::new), segments.into_iter().map(Arc::new));
        let shut = {
            let mut register = self.register.write();
            register.renew_operators(live.collect());
            register.renew_catalogue(plans.collect(), segments.collect());
            register.corpora.renew(corpora)
        };
        for home in shut {
            self.store.forget_seals(home).await;
        }
        renew_budgets(accounts, Subject::Platform, budgets);
        Ok(())
    }

    async fn reread_tenant(&self, accounts: &Accounts, id: TenantId) -> Result<()> {
        let control = self.store.upkeep();
        let (record, keys, limits, budgets, grants) = tokio::try_join!(
            control.tenant(id),
            control.keys_of(id),
            control.limits_of(id),
            control.budgets_of(Some(id)),
            control.corpus_grants_of(id)
        )?;
        let Some(record) = record else {
            self.forget_tenant(accounts, id).await;
            return Ok(());
        };
        self.renew_tenant(accounts, Known { record, keys, limits: limits.into_iter().collect(), budgets, grants }).await;
        Ok(())
    }

    async fn reread_all(&self, accounts: &Accounts) -> Result<()> {
        // First, so that no tenant is shown without what it inherits.
        self.reread_platform(accounts).await?;
        let control = self.store.upkeep();
        let (tenants, keys, limits, budgets, grants) =
            tokio::try_join!(control.tenants(), control.keys(), control.limits(), control.budgets(), control.corpus_grants())?;
        let mut known: BTreeMap<TenantId, Known> = tenants.into_iter().map(|record| (record.id, Known::new(record))).collect();
        for key in keys {
            if let Some(tenant) = known.get_mut(&key.tenant) {
                tenant.keys.push(key);
            }
        }
        for (subject, limits) in limits {
            if let Some(tenant) = subject.tenant().and_then(|id| known.get_mut(&id)) {
                tenant.limits.insert(subject, limits);
            }
        }
        for budget in budgets {
            if let Some(tenant) = budget.subject.tenant().and_then(|id| known.get_mut(&id)) {
                tenant.budgets.push(budget);
            }
        }
        for grant in grants {
            if let Some(tenant) = known.get_mut(&grant.tenant) {
                tenant.grants.push(grant);
            }
        }
        let missing = self.tenants_after(None, usize::MAX).into_iter().map(|entry| entry.record.id);
        let missing: Vec<_> = missing.filter(|id| !known.contains_key(id)).collect();
        for tenant in known.into_values() {
            self.renew_tenant(accounts, tenant).await;
        }
        // Gone, or half erased: each is looked at.
        for id in missing {
            self.reread_tenant(accounts, id).await?;
        }
        Ok(())
    }

    async fn renew_tenant(&self, accounts: &Accounts, known: Known) {
        let Known { record, keys, limits, budgets, grants } = known;
        let (id, is_erasing) = (record.id, record.state == TenantState::Erasing);
        let tag = self.hasher.request_tag(id);
        let subjects = {
            let mut register = self.register.write();
            register.corpora.renew_grants(id, grants);
            register.renew_tenant(record, keys, limits, tag)
        };
        if is_erasing {
            self.store.forget_seals(id).await;
        }
        // End users have no entry: those that are known are those with budgets.
        let subjects = subjects.into_iter().chain(accounts.budgeted(id));
        let mut of: BTreeMap<Subject, Vec<Budget>> = subjects.map(|subject| (subject, vec![])).collect();
        for budget in budgets {
            of.entry(budget.subject).or_default().push(budget);
        }
        for (subject, budgets) in of {
            renew_budgets(accounts, subject, budgets);
        }
    }

    /// A tenant that is no more: whoever still holds something of it sees it withdrawn.
    async fn forget_tenant(&self, accounts: &Accounts, id: TenantId) {
        self.register.write().remove_tenant(id);
        accounts.forget(id);
        self.store.forget_seals(id).await;
    }
}

/// All that a tenant's entries are made of.
struct Known {
    record: Tenant,
    keys: Vec<Key>,
    limits: HashMap<Subject, Limits>,
    budgets: Vec<Budget>,
    grants: Vec<CorpusGrantRow>,
}

impl Known {
    fn new(record: Tenant) -> Self {
        Self { record, keys: vec![], limits: HashMap::new(), budgets: vec![], grants: vec![] }
    }
}

/// Only what differs is set: setting a budget lets everybody who waits for money look again.
pub(super) fn renew_budgets(accounts: &Accounts, subject: Subject, budgets: Vec<Budget>) {
    if accounts.budgets(&subject) != budgets {
        accounts.set_budgets(&subject, budgets);
    }
}

impl Register {
    /// Shows a tenant and its keys as they are stored now. Answers whose budgets may have changed: the tenant and its keys,
    /// also those that are gone.
    fn renew_tenant(
        &mut self,
        record: Tenant,
        keys: Vec<Key>,
        mut limits: HashMap<Subject, Limits>,
        tag: [u8; 4],
    ) -> BTreeSet<Subject> {
        let id = record.id;
        let own = limits.remove(&Subject::Tenant(id)).unwrap_or_default();
        let entry = match self.tenant(id) {
            Some(now) if now.record == record && now.own_limits == own => None,
            Some(now) => Some(now.with_record(record).with_limits(own)),
            None => Some(TenantEntry::new(record, own, tag)),
        };
        if let Some(entry) = entry {
            self.put_tenant(entry);
        }
        let mut gone: BTreeSet<KeyId> = self.keys_after(id, None, usize::MAX).iter().map(|key| key.record.id).collect();
        let mut subjects: BTreeSet<Subject> = gone.iter().map(|key| Subject::Key(id, *key)).collect();
        subjects.insert(Subject::Tenant(id));
        for key in keys {
            let subject = Subject::Key(id, key.id);
            let own = limits.remove(&subject).unwrap_or_default();
            subjects.insert(subject);
            gone.remove(&key.id);
            let entry = match self.key(key.id) {
                Some(now) if now.record == key && now.limits == own => None,
                Some(now) => Some(now.with_record(key).with_limits(own)),
                None => Some(KeyEntry::new(key, own)),
            };
            if let Some(entry) = entry {
                self.put_key(entry);
            }
        }
        for key in gone {
            self.remove_key(key);
        }
        subjects
    }

    /// Lets in these operators and no others, but for those that this process made for itself.
    fn renew_operators(&mut self, live: Vec<OperatorEntry>) {
        self.keep_local_operators();
        for operator in live {
            self.put_operator(operator);
        }
    }
}
