//! Plans and segments: named defaults that tenants inherit, and what the operator charges under a plan.

use serde::{Deserialize, Serialize};

use crate::{BudgetMode, CacheRules, Cap, Limits, Price, Routing, Slug, Timestamp, VectorRules, Window};

/// What tenants have where they have nothing of their own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Defaults {
    /// Limits; about an absent one nothing is said.
    #[serde(default)]
    pub limits: Limits,
    /// Budgets of each tenant for itself, one per window and unit.
    #[serde(default)]
    pub budgets: Vec<BudgetTerms>,
    /// The models that may be called; about them nothing is said where absent.
    #[serde(default)]
    pub models: Option<Vec<String>>,
    /// How requests are routed; about an absent value nothing is said.
    #[serde(default)]
    pub routing: Routing,
    /// Rules of the answer cache; about an absent one nothing is said.
    #[serde(default)]
    pub cache: CacheRules,
    /// Where vectors are to be; about an absent value nothing is said.
    #[serde(default)]
    pub vectors: VectorRules,
    /// What places documents among each other; about it nothing is said where absent.
    #[serde(default)]
    pub embedder: Option<String>,
}

/// What a budget says, whoever it caps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetTerms {
    /// How often it starts afresh.
    pub window: Window,
    /// How much is allowed.
    pub cap: Cap,
    /// Whether it refuses.
    pub mode: BudgetMode,
    /// Shares of the cap, each above 0 and at most 1, at which somebody wants to know.
    pub alert_at: Vec<f64>,
}

/// What tenants pay for: defaults, and the prices that they are charged.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its name, unique among plans.
    pub name: Slug,
    /// What its tenants inherit.
    pub defaults: Defaults,
    /// What its tenants are charged, one price per model and moment.
    pub prices: Vec<SellPrice>,
    /// Counts its changes.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A group of tenants, whatever they pay: its defaults come before those of their plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its name, unique among segments.
    pub name: Slug,
    /// What its tenants inherit.
    pub defaults: Defaults,
    /// Counts its changes.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What the operator charges for a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellPrice {
    /// The model as the price book names it, or [`SellPrice::ANY_MODEL`] for those without a price of their own.
    pub model: String,
    /// From when on it holds.
    pub effective_from: Timestamp,
    /// Per token of each class.
    pub price: Price,
}

impl SellPrice {
    /// Stands for every model that has no price of its own.
    pub const ANY_MODEL: &'static str = "*";
}
