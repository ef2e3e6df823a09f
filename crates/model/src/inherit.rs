//! What a tenant inherits, value by value: its own, else its segment's, else its plan's.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Budget, BudgetId, BudgetOrigin, BudgetTerms, CacheRules, Defaults, Limits, ProviderIsolation, ReleaseMode, Subject,
    TenantId, VectorCollection, VectorRules, Window,
};

/// Where a value of a tenant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was set for this very tenant.
    Own,
    /// Its segment has it.
    Segment,
    /// Its plan has it.
    Plan,
    /// Nobody has set it: it is what the platform does by default.
    Default,
}

/// A value that is in force, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Effective<T> {
    /// The value; null where there is none.
    pub value: Option<T>,
    /// Where it comes from.
    pub origin: Origin,
}

impl<T> Effective<T> {
    /// The same, or `default` where nobody has set it.
    pub(crate) fn or(self, default: Option<T>) -> Self {
        Self { value: self.value.or(default), ..self }
    }
}

/// A tenant's limits in force, each with where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveLimits {
    /// Requests in a minute.
    pub requests_per_minute: Effective<u32>,
    /// Tokens in a minute, input and output together.
    pub tokens_per_minute: Effective<u32>,
    /// Requests under way at once, open streams included.
    pub concurrency: Effective<u32>,
    /// Requests that may wait in the queue at once.
    pub queue_depth_max: Effective<u32>,
    /// How long a request waits in the queue at most, in milliseconds.
    pub queue_wait_ms_max: Effective<u32>,
    /// Its part of what is contended, beside the weights of the others.
    pub weight: Effective<u32>,
    /// How its requests are released toward the providers.
    pub mode: Effective<ReleaseMode>,
    /// How its prompts are kept apart from others' in the caches of providers.
    pub provider_isolation: Effective<ProviderIsolation>,
}

impl EffectiveLimits {
    /// The values alone.
    pub fn values(&self) -> Limits {
        Limits {
            requests_per_minute: self.requests_per_minute.value,
            tokens_per_minute: self.tokens_per_minute.value,
            concurrency: self.concurrency.value,
            queue_depth_max: self.queue_depth_max.value,
            queue_wait_ms_max: self.queue_wait_ms_max.value,
            weight: self.weight.value,
            mode: self.mode.value,
            provider_isolation: self.provider_isolation.value,
        }
    }
}

/// What a tenant has of the answer cache, each value with where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveCache {
    /// Whether answers are kept and given again.
    pub enabled: Effective<bool>,
    /// How long an answer is given again, in seconds.
    pub ttl_seconds: Effective<u32>,
    /// Whether an answer is for the end user alone for whom it was made.
    pub per_end_user: Effective<bool>,
}

impl EffectiveCache {
    /// The values alone.
    pub fn values(&self) -> CacheRules {
        CacheRules { enabled: self.enabled.value, ttl_seconds: self.ttl_seconds.value, per_end_user: self.per_end_user.value }
    }
}

/// Where a tenant's vectors are to be, and where that comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveVectors {
    /// Which collection they are in; null where the vector engine knows none.
    pub collection: Effective<VectorCollection>,
}

/// Whose defaults a tenant inherits, the nearest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lineage<'a> {
    /// Its segment's.
    pub segment: Option<&'a Defaults>,
    /// Its plan's.
    pub plan: Option<&'a Defaults>,
}

impl<'a> Lineage<'a> {
    /// The limits in force: each is its own, or inherited, or the platform's.
    pub fn limits(&self, own: &Limits, platform: &Limits) -> EffectiveLimits {
        let count = |of: fn(&Limits) -> Option<u32>| self.nearest(of(own), |defaults| of(&defaults.limits)).or(of(platform));
        EffectiveLimits {
            requests_per_minute: count(|limits| limits.requests_per_minute),
            tokens_per_minute: count(|limits| limits.tokens_per_minute),
            concurrency: count(|limits| limits.concurrency),
            queue_depth_max: count(|limits| limits.queue_depth_max),
            queue_wait_ms_max: count(|limits| limits.queue_wait_ms_max),
            weight: count(|limits| limits.weight),
            mode: self.nearest(own.mode, |defaults| defaults.limits.mode).or(platform.mode),
            provider_isolation: self
                .nearest(own.provider_isolation, |defaults| defaults.limits.provider_isolation)
                .or(platform.provider_isolation),
        }
    }

    /// The rules of the answer cache in force: each is its own, or inherited, or the platform's.
    pub fn cache(&self, own: &CacheRules) -> EffectiveCache {
        let platform = CacheRules::DEFAULT;
        EffectiveCache {
            enabled: self.nearest(own.enabled, |defaults| defaults.cache.enabled).or(platform.enabled),
            ttl_seconds: self.nearest(own.ttl_seconds, |defaults| defaults.cache.ttl_seconds).or(platform.ttl_seconds),
            per_end_user: self.nearest(own.per_end_user, |defaults| defaults.cache.per_end_user).or(platform.per_end_user),
        }
    }

    /// Where vectors are to be: as it is said for the tenant, or inherited, or as the platform does.
    pub fn vectors(&self, own: &VectorRules, platform: Option<VectorCollection>) -> EffectiveVectors {
        let collection = self.nearest(own.collection, |defaults| defaults.vectors.collection);
        EffectiveVectors { collection: collection.or(platform) }
    }

    /// The models that may be called: the nearest list there is; all where there is none.
    pub fn models(&self, own: Option<&'a [String]>) -> Effective<&'a [String]> {
        self.nearest(own, |defaults| defaults.models.as_deref())
    }

    /// The name of what places documents among each other: the nearest that there is.
    pub fn embedder(&self, own: Option<&'a str>) -> Effective<&'a str> {
        self.nearest(own, |defaults| defaults.embedder.as_deref())
    }

    /// A tenant's budgets: its own, then of those that it inherits the nearest of each window and unit for which nothing
    /// nearer is there. One that is `stored` keeps its id.
    pub fn budgets(&self, tenant: TenantId, own: Vec<Budget>, stored: &[Budget]) -> Vec<Budget> {
        let mut budgets = own;
        for (origin, defaults) in [(BudgetOrigin::Segment, self.segment), (BudgetOrigin::Plan, self.plan)] {
            for terms in defaults.iter().flat_map(|defaults| &defaults.budgets) {
                if !budgets.iter().any(|nearer| is_same(nearer, terms)) {
                    let id = stored.iter().find(|budget| is_same(budget, terms)).map(|budget| budget.id);
                    budgets.push(Budget {
                        id: id.unwrap_or_else(|| inherited_id(tenant, terms)),
                        subject: Subject::Tenant(tenant),
                        window: terms.window,
                        cap: terms.cap,
                        mode: terms.mode,
                        alert_at: terms.alert_at.clone(),
                        origin,
                    });
                }
            }
        }
        budgets
    }

    pub(crate) fn nearest<T>(&self, own: Option<T>, of: impl Fn(&'a Defaults) -> Option<T>) -> Effective<T> {
        let places = [(Origin::Segment, self.segment), (Origin::Plan, self.plan)];
        let inherited = || places.into_iter().find_map(|(origin, defaults)| Some((of(defaults?)?, origin)));
        match own.map(|value| (value, Origin::Own)).or_else(inherited) {
            Some((value, origin)) => Effective { value: Some(value), origin },
            None => Effective { value: None, origin: Origin::Default },
        }
    }
}

/// Whether one budget stands in the place of the other: a tenant has one per window and unit.
fn is_same(budget: &Budget, terms: &BudgetTerms) -> bool {
    (budget.window, budget.cap.is_usd()) == (terms.window, terms.cap.is_usd())
}

/// The id of a tenant's inherited budget: made of the tenant's, so that it is the same whoever puts the budgets together.
fn inherited_id(tenant: TenantId, terms: &BudgetTerms) -> BudgetId {
    let window = match terms.window {
        Window::Hour => 1,
        Window::Day => 2,
        Window::Month => 3,
    };
    let mut bytes = *tenant.as_bytes();
    bytes[15] ^= window << 1 | u8::from(terms.cap.is_usd());
    BudgetId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BudgetMode, Cap, Money};

    const TENANT: TenantId = TenantId::from_bytes([7; 16]);

    fn terms(window: Window, cap: Cap) -> BudgetTerms {
        BudgetTerms { window, cap, mode: BudgetMode::Hard, alert_at: vec![0.8] }
    }

    fn own(id: u8, window: Window, cap: Cap) -> Budget {
        Budget {
            id: BudgetId::from_bytes([id; 16]),
            subject: Subject::Tenant(TENANT),
            window,
            cap,
            mode: BudgetMode::Soft,
            alert_at: vec![],
            origin: BudgetOrigin::Own,
        }
    }

    fn shown(budgets: &[Budget]) -> Vec<(BudgetOrigin, Window, Cap)> {
        budgets.iter().map(|budget| (budget.origin, budget.window, budget.cap)).collect()
    }

    #[test]
    fn limits_are_inherited_field_by_field() {
        let limits =
            |requests, concurrency, weight| Limits { requests_per_minute: requests, concurrency, weight, ..Limits::default() };
        let segment = Defaults { limits: limits(None, Some(2), Some(20)), ..Defaults::default() };
        let plan = Defaults { limits: limits(Some(3), Some(30), Some(300)), ..Defaults::default() };
        let lineage = Lineage { segment: Some(&segment), plan: Some(&plan) };
        let platform = Limits { queue_depth_max: Some(100), ..limits(Some(9), None, Some(1)) };
        let found = lineage.limits(&limits(None, None, Some(1000)), &platform);
        assert_eq!(found.weight, Effective { value: Some(1000), origin: Origin::Own });
        assert_eq!(found.concurrency, Effective { value: Some(2), origin: Origin::Segment });
        assert_eq!(found.requests_per_minute, Effective { value: Some(3), origin: Origin::Plan });
        assert_eq!(found.queue_depth_max, Effective { value: Some(100), origin: Origin::Default });
        assert_eq!(found.tokens_per_minute, Effective { value: None, origin: Origin::Default });
        assert_eq!(found.mode, Effective { value: None, origin: Origin::Default });
    }

    #[test]
    fn rules_of_the_cache_are_inherited_field_by_field() {
        let segment = Defaults { cache: CacheRules { enabled: Some(true), ..CacheRules::default() }, ..Defaults::default() };
        let plan = Defaults {
            cache: CacheRules { enabled: Some(false), ttl_seconds: Some(60), per_end_user: None },
            ..Defaults::default()
        };
        let found = Lineage { segment: Some(&segment), plan: Some(&plan) }.cache(&CacheRules::default());
        assert_eq!(found.enabled, Effective { value: Some(true), origin: Origin::Segment });
        assert_eq!(found.ttl_seconds, Effective { value: Some(60), origin: Origin::Plan });
        assert_eq!(found.per_end_user, Effective { value: Some(true), origin: Origin::Default });
        assert_eq!(Lineage::default().cache(&CacheRules::default()).values(), CacheRules::DEFAULT);
    }

    #[test]
    fn the_nearest_word_about_vectors_counts() {
        use VectorCollection::{Own, Shared};
        let says = |collection| VectorRules { collection };
        let segment = Defaults { vectors: says(Some(Own)), ..Defaults::default() };
        let lineage = Lineage { segment: Some(&segment), plan: None };
        let found = |lineage: Lineage<'_>, own, platform| lineage.vectors(&says(own), platform).collection;
        assert_eq!(found(lineage, Some(Shared), Some(Own)), Effective { value: Some(Shared), origin: Origin::Own });
        assert_eq!(found(lineage, None, Some(Shared)), Effective { value: Some(Own), origin: Origin::Segment });
        let nobody = Lineage::default();
        assert_eq!(found(nobody, None, Some(Shared)), Effective { value: Some(Shared), origin: Origin::Default });
        assert_eq!(found(nobody, None, None), Effective { value: None, origin: Origin::Default });
    }

    #[test]
    fn the_nearest_list_of_models_counts_whole() {
        let list = |name: &str| Some(vec![name.to_owned()]);
        let segment = Defaults { models: list("segment"), ..Defaults::default() };
        let plan = Defaults { models: list("plan"), ..Defaults::default() };
        let of = |segment, plan, own: Option<Vec<String>>| {
            let found = Lineage { segment, plan }.models(own.as_deref());
            (found.value.map(<[String]>::to_vec), found.origin)
        };
        assert_eq!(of(Some(&segment), Some(&plan), Some(vec![])), (Some(vec![]), Origin::Own), "none at all is a list too");
        assert_eq!(of(Some(&segment), Some(&plan), None), (list("segment"), Origin::Segment));
        let nothing = Defaults::default();
        assert_eq!(of(Some(&nothing), Some(&plan), None), (list("plan"), Origin::Plan));
        assert_eq!(of(None, None, None), (None, Origin::Default));
    }

    #[test]
    fn the_nearest_embedder_counts() {
        let of = |name: &str| Defaults { embedder: Some(name.to_owned()), ..Defaults::default() };
        let (segment, plan) = (of("segment"), of("plan"));
        let both = Lineage { segment: Some(&segment), plan: Some(&plan) };
        assert_eq!(both.embedder(Some("own")), Effective { value: Some("own"), origin: Origin::Own });
        assert_eq!(both.embedder(None), Effective { value: Some("segment"), origin: Origin::Segment });
        assert_eq!(Lineage { plan: Some(&plan), ..Lineage::default() }.embedder(None).origin, Origin::Plan);
        assert_eq!(Lineage::default().embedder(None), Effective { value: None, origin: Origin::Default });
    }

    #[test]
    fn budgets_stand_in_for_each_other_by_window_and_unit() {
        let (usd, tokens) = (|pico| Cap::Usd(Money::from_pico(pico)), Cap::Tokens);
        let segment =
            Defaults { budgets: vec![terms(Window::Day, usd(2)), terms(Window::Month, usd(20))], ..Defaults::default() };
        let plan = Defaults {
            budgets: vec![terms(Window::Month, usd(30)), terms(Window::Day, tokens(3)), terms(Window::Hour, usd(3))],
            ..Defaults::default()
        };
        let lineage = Lineage { segment: Some(&segment), plan: Some(&plan) };
        let found = lineage.budgets(TENANT, vec![own(1, Window::Day, usd(1))], &[own(9, Window::Hour, usd(5))]);
        let want = [
            (BudgetOrigin::Own, Window::Day, usd(1)),
            (BudgetOrigin::Segment, Window::Month, usd(20)),
            (BudgetOrigin::Plan, Window::Day, tokens(3)),
            (BudgetOrigin::Plan, Window::Hour, usd(3)),
        ];
        assert_eq!(shown(&found), want);
        assert_eq!(found[3].id, BudgetId::from_bytes([9; 16]), "what is stored keeps its id");
        assert_eq!(Lineage::default().budgets(TENANT, vec![], &found), []);
    }

    fn some_terms() -> impl Strategy<Value = Vec<BudgetTerms>> {
        let windows = prop::sample::subsequence(vec![Window::Hour, Window::Day, Window::Month], 0..=3);
        (windows, any::<bool>(), 0..9u64).prop_map(|(windows, in_usd, cap)| {
            let cap = if in_usd { Cap::Usd(Money::from_pico(cap.into())) } else { Cap::Tokens(cap) };
            windows.into_iter().map(|window| terms(window, cap)).collect()
        })
    }

    proptest! {
        #[test]
        fn one_budget_per_window_and_unit_from_the_nearest(a in some_terms(), b in some_terms(), c in some_terms()) {
            let mine: Vec<_> = a.iter().zip(1..).map(|(terms, id)| own(id, terms.window, terms.cap)).collect();
            let segment = Defaults { budgets: b, ..Defaults::default() };
            let plan = Defaults { budgets: c, ..Defaults::default() };
            let lineage = Lineage { segment: Some(&segment), plan: Some(&plan) };
            let found = lineage.budgets(TENANT, mine.clone(), &mine);
            prop_assert_eq!(&found[..mine.len()], &mine[..]);
            for (i, budget) in found.iter().enumerate() {
                let others = found.iter().skip(i + 1);
                prop_assert!(others.clone().all(|other| (other.window, other.cap.is_usd()) != (budget.window, budget.cap.is_usd())));
                prop_assert!(others.clone().all(|other| other.id != budget.id));
                let nearer = |terms: &&BudgetTerms| is_same(budget, terms);
                if budget.origin == BudgetOrigin::Plan {
                    prop_assert!(segment.budgets.iter().find(nearer).is_none());
                }
            }
            let all = segment.budgets.iter().chain(&plan.budgets);
            prop_assert!(all.clone().all(|terms| found.iter().any(|budget| is_same(budget, terms))), "nothing is lost");
            // Putting together what was put together changes nothing.
            let again = lineage.budgets(TENANT, mine, &found);
            prop_assert_eq!(again, found);
        }
    }
}
