//! The maps behind the directory's lock: found by id, by slug, by tenant.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use insula_model::{KeyId, Lineage, Plan, Segment, Slug, Tenant, TenantId};

use super::{
    corpora::Corpora,
    entries::{KeyEntry, OperatorEntry, TenantEntry},
};

/// All tenants, plans, segments, keys and operators, in step with each other.
#[derive(Default)]
pub(super) struct Register {
    /// Ordered by id, which is the order of creation: pages of a list are ranges.
    tenants: BTreeMap<TenantId, Arc<TenantEntry>>,
    slugs: HashMap<Slug, TenantId>,
    plans: BTreeMap<Slug, Arc<Plan>>,
    segments: BTreeMap<Slug, Arc<Segment>>,
    keys: HashMap<KeyId, Arc<KeyEntry>>,
    keys_of: BTreeSet<(TenantId, KeyId)>,
    operators: HashMap<KeyId, OperatorEntry>,
    /// Reference corpora, and who may read them.
    pub(super) corpora: Corpora,
}

impl Register {
    pub(super) fn tenant(&self, id: TenantId) -> Option<&Arc<TenantEntry>> {
        self.tenants.get(&id)
    }

    pub(super) fn tenant_of_slug(&self, slug: &str) -> Option<&Arc<TenantEntry>> {
        // A slug is compared as text here, so that a path that is no slug at all is simply not found.
        let slug = Slug::try_from(slug.to_owned()).ok()?;
        self.tenants.get(self.slugs.get(&slug)?)
    }

    /// Up to `count` tenants in order of creation, from the one after `after`.
    pub(super) fn tenants_after(&self, after: Option<TenantId>, count: usize) -> Vec<Arc<TenantEntry>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tenants.range((from, Bound::Unbounded)).take(count).map(|(_, entry)| Arc::clone(entry)).collect()
    }

    /// Every tenant whose request ids carry this tag: one, but for a collision in 32 bits.
    pub(super) fn tenants_of_tag(&self, tag: [u8; 4]) -> Vec<Arc<TenantEntry>> {
        self.tenants.values().filter(|entry| entry.request_tag == tag).cloned().collect()
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&Arc<KeyEntry>> {
        self.keys.get(&id)
    }

    /// Up to `count` keys of a tenant in order of creation, from the one after `after`.
    pub(super) fn keys_after(&self, tenant: TenantId, after: Option<KeyId>, count: usize) -> Vec<Arc<KeyEntry>> {
        let from = after.map_or(Bound::Included((tenant, KeyId::from_bytes([0; 16]))), |key| Bound::Excluded((tenant, key)));
        let to = Bound::Included((tenant, KeyId::from_bytes([0xff; 16])));
        let ids = self.keys_of.range((from, to)).take(count);
        ids.filter_map(|(_, key)| self.keys.get(key).cloned()).collect()
    }

    pub(super) fn operator(&self, id: KeyId) -> Option<&OperatorEntry> {
        self.operators.get(&id)
    }

    /// All plans, in order of their names.
    pub(super) fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.plans.values()
    }

    /// All segments, in order of their names.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.values()
    }

    pub(super) fn plan(&self, name: &Slug) -> Option<&Arc<Plan>> {
        self.plans.get(name)
    }

    pub(super) fn segment(&self, name: &Slug) -> Option<&Arc<Segment>> {
        self.segments.get(name)
    }

    /// Whether the plan and the segment of a tenant are known. They are stored before it names them, but this node may read of it first.
    pub(super) fn knows_lineage(&self, tenant: &Tenant) -> bool {
        let knows_plan = tenant.plan.as_ref().is_none_or(|name| self.plans.contains_key(name));
        knows_plan && tenant.segment.as_ref().is_none_or(|name| self.segments.contains_key(name))
    }

    /// Whose defaults a tenant inherits.
    pub(super) fn lineage(&self, tenant: &Tenant) -> Lineage<'_> {
        Lineage {
            segment: tenant.segment.as_ref().and_then(|name| Some(&self.segment(name)?.defaults)),
            plan: tenant.plan.as_ref().and_then(|name| Some(&self.plan(name)?.defaults)),
        }
    }

    /// Shows these plans and segments and no others. Tenants inherit from them at once.
    pub(super) fn renew_catalogue(&mut self, plans: Vec<Arc<Plan>>, segments: Vec<Arc<Segment>>) {
        let plans: BTreeMap<_, _> = plans.into_iter().map(|plan| (plan.name.clone(), plan)).collect();
        let segments: BTreeMap<_, _> = segments.into_iter().map(|segment| (segment.name.clone(), segment)).collect();
        if (&plans, &segments) == (&self.plans, &self.segments) {
            return;
        }
        (self.plans, self.segments) = (plans, segments);
        let inherits = |entry: &&Arc<TenantEntry>| entry.record.plan.is_some() || entry.record.segment.is_some();
        let heirs: Vec<_> = self.tenants.values().filter(inherits).cloned().collect();
        for heir in heirs {
            self.put_tenant(heir.with_record(heir.record.clone()));
        }
    }

    /// Shows a tenant with what it inherits.
    pub(super) fn put_tenant(&mut self, entry: TenantEntry) -> Arc<TenantEntry> {
        let (id, slug) = (entry.record.id, entry.record.slug.clone());
        let lineage = self.lineage(&entry.record);
        let entry = Arc::new(entry.inheriting(lineage));
        self.slugs.insert(slug, id);
        self.tenants.insert(id, Arc::clone(&entry));
        entry
    }

    pub(super) fn put_key(&mut self, entry: KeyEntry) -> Arc<KeyEntry> {
        let (tenant, id) = (entry.record.tenant, entry.record.id);
        let entry = Arc::new(entry);
        self.keys_of.insert((tenant, id));
        self.keys.insert(id, Arc::clone(&entry));
        entry
    }

    pub(super) fn put_operator(&mut self, entry: OperatorEntry) {
        self.operators.insert(entry.id, entry);
    }

    pub(super) fn remove_operator(&mut self, id: KeyId) {
        self.operators.remove(&id);
    }

    /// Forgets the operators that are stored, not those that this process made for itself.
    pub(super) fn keep_local_operators(&mut self) {
        self.operators.retain(|_, operator| operator.local);
    }

    /// Forgets a key. Whatever still holds an entry of it sees it revoked.
    pub(super) fn remove_key(&mut self, id: KeyId) {
        if let Some(entry) = self.keys.remove(&id) {
            entry.revoked.set(true);
            self.keys_of.remove(&(entry.record.tenant, id));
        }
    }

    /// Forgets a tenant and its keys. Whatever still holds an entry of theirs sees it withdrawn.
    pub(super) fn remove_tenant(&mut self, id: TenantId) {
        for key in self.keys_after(id, None, usize::MAX) {
            self.remove_key(key.record.id);
        }
        self.corpora.forget_reader(id);
        if let Some(entry) = self.tenants.remove(&id) {
            entry.denied.set(true);
            // The slug may meanwhile name another tenant.
            if self.slugs.get(&entry.record.slug) == Some(&id) {
                self.slugs.remove(&entry.record.slug);
            }
        }
    }
}
