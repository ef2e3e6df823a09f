//! Which of several models that could serve a request does, in the words of tenants, plans and segments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Effective, Lineage};

/// What is said about routing; about an absent value nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// How candidates are put in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Providers, the best first: what `preferred` goes by, and all that `pinned` leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Vec<String>>,
    /// How much of the requests each provider gets beside the others, for `weighted`; one that is not named only steps in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u32>>,
    /// Which models the name `auto` stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Matrix>,
    /// Models that step in for a model, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallbacks: Option<BTreeMap<String, Vec<String>>>,
    /// Attempts at one request together; at least 1, and never more than the platform allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub attempts_max: Option<u32>,
    /// Models whose version must not change unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locks: Option<Vec<VersionLock>>,
}

/// How candidates are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As the platform's configuration lists their providers.
    #[default]
    Configured,
    /// Those of `prefer` first, in its order.
    Preferred,
    /// By what this request is expected to cost.
    Cheapest,
    /// By chance, in proportion to `weights`.
    Weighted,
    /// By how much of its seats each has under way.
    LeastLoaded,
    /// Those of `prefer` and no other.
    Pinned,
}

impl Strategy {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Configured => "configured",
            Strategy::Preferred => "preferred",
            Strategy::Cheapest => "cheapest",
            Strategy::Weighted => "weighted",
            Strategy::LeastLoaded => "least_loaded",
            Strategy::Pinned => "pinned",
        }
    }
}

/// Which models the name `auto` stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// For simple requests.
    pub simple: String,
    /// For complex ones.
    pub complex: String,
}

/// How demanding a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Complexity {
    /// A small model does.
    Simple,
    /// It wants a large one.
    Complex,
}

impl Complexity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Complexity::Simple => "simple",
            Complexity::Complex => "complex",
        }
    }

    /// The complexity that a word names.
    pub fn from_name(name: &str) -> Option<Self> {
        [Complexity::Simple, Complexity::Complex].into_iter().find(|complexity| complexity.name() == name)
    }
}

/// The version of a model that a tenant has approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionLock {
    /// The model, as callers or the price book name it.
    pub model: String,
    /// What its answers must name as their model; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The provider's fingerprint that they must carry; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What becomes of an answer of another version.
    #[serde(default)]
    pub on_mismatch: OnMismatch,
}

/// What becomes of an answer of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMismatch {
    /// It is passed on, and marked on its trace.
    #[default]
    Flag,
    /// It is kept back: the caller gets an error.
    Refuse,
}

/// How a tenant's requests are routed, each value with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveRouting {
    /// How candidates are put in order.
    pub strategy: Effective<Strategy>,
    /// Providers, the best first.
    pub prefer: Effective<Vec<String>>,
    /// How much of the requests each provider gets beside the others.
    pub weights: Effective<BTreeMap<String, u32>>,
    /// Which models the name `auto` stands for.
    pub matrix: Effective<Matrix>,
    /// Models that step in for a model.
    pub fallbacks: Effective<BTreeMap<String, Vec<String>>>,
    /// Attempts at one request together.
    pub attempts_max: Effective<u32>,
    /// Models whose version must not change unnoticed.
    pub locks: Effective<Vec<VersionLock>>,
}

impl EffectiveRouting {
    /// The values alone.
    pub fn into_values(self) -> Routing {
        Routing {
            strategy: self.strategy.value,
            prefer: self.prefer.value,
            weights: self.weights.value,
            matrix: self.matrix.value,
            fallbacks: self.fallbacks.value,
            attempts_max: self.attempts_max.value,
            locks: self.locks.value,
        }
    }
}

impl Lineage<'_> {
    /// The routing in force: each value is its own, or inherited, or the platform's.
    pub fn routing(&self, own: &Routing, platform: &Routing) -> EffectiveRouting {
        fn pick<T: Clone>(
            lineage: &Lineage<'_>,
            own: &Routing,
            platform: &Routing,
            of: fn(&Routing) -> &Option<T>,
        ) -> Effective<T> {
            lineage.nearest(of(own).clone(), |defaults| of(&defaults.routing).clone()).or(of(platform).clone())
        }
        EffectiveRouting {
            strategy: pick(self, own, platform, |routing| &routing.strategy),
            prefer: pick(self, own, platform, |routing| &routing.prefer),
            weights: pick(self, own, platform, |routing| &routing.weights),
            matrix: pick(self, own, platform, |routing| &routing.matrix),
            fallbacks: pick(self, own, platform, |routing| &routing.fallbacks),
            attempts_max: pick(self, own, platform, |routing| &routing.attempts_max),
            locks: pick(self, own, platform, |routing| &routing.locks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Defaults, Origin};

    #[test]
    fn routing_is_inherited_value_by_value() {
        let routing = |strategy, attempts_max| Routing { strategy, attempts_max, ..Routing::default() };
        let plan = Defaults { routing: routing(Some(Strategy::Cheapest), Some(2)), ..Defaults::default() };
        let segment = Defaults { routing: routing(Some(Strategy::Weighted), None), ..Defaults::default() };
        let lineage = Lineage { segment: Some(&segment), plan: Some(&plan) };
        let prefer = Some(vec!["vllm".to_owned()]);
        let own = Routing { prefer: prefer.clone(), ..Routing::default() };
        let found = lineage.routing(&own, &routing(Some(Strategy::Configured), Some(3)));
        assert_eq!(found.strategy, Effective { value: Some(Strategy::Weighted), origin: Origin::Segment });
        assert_eq!(found.attempts_max, Effective { value: Some(2), origin: Origin::Plan });
        assert_eq!(found.prefer, Effective { value: prefer, origin: Origin::Own });
        assert_eq!(found.locks.origin, Origin::Default);
        assert_eq!(Lineage::default().routing(&own, &Routing::default()).into_values(), own);
    }
}
