//! Budgets: a cap on what a subject may spend in a window.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BudgetId, BudgetTerms, EndUserId, KeyId, Money, TenantId, Window};

/// Who spends. Every subject has an account; a budget is a cap on one window of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// Everyone together.
    Platform,
    /// One tenant.
    Tenant(TenantId),
    /// One key of a tenant.
    Key(TenantId, KeyId),
    /// One end user of a tenant.
    EndUser(TenantId, EndUserId),
}

impl Subject {
    /// The level that a refusal names.
    pub fn level(&self) -> BudgetLevel {
        match self {
            Subject::Platform => BudgetLevel::Platform,
            Subject::Tenant(_) => BudgetLevel::Tenant,
            Subject::Key(..) => BudgetLevel::Key,
            Subject::EndUser(..) => BudgetLevel::EndUser,
        }
    }

    /// The tenant that it belongs to, if any.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Subject::Platform => None,
            Subject::Tenant(tenant) | Subject::Key(tenant, _) | Subject::EndUser(tenant, _) => Some(*tenant),
        }
    }
}

/// The levels at which budgets are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLevel {
    /// All tenants together.
    Platform,
    /// One tenant, by the default of its plan.
    Plan,
    /// One tenant, by the default of its segment.
    Segment,
    /// One tenant, by a budget of its own.
    Tenant,
    /// One key.
    Key,
    /// One end user.
    EndUser,
}

impl BudgetLevel {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            BudgetLevel::Platform => "platform",
            BudgetLevel::Plan => "plan",
            BudgetLevel::Segment => "segment",
            BudgetLevel::Tenant => "tenant",
            BudgetLevel::Key => "key",
            BudgetLevel::EndUser => "end_user",
        }
    }
}

/// What is counted, and how much of it is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cap {
    /// Money.
    Usd(Money),
    /// Tokens of all classes.
    Tokens(u64),
}

impl Cap {
    /// Whether it counts money.
    pub fn is_usd(&self) -> bool {
        matches!(self, Cap::Usd(_))
    }
}

/// Whether a budget refuses or only tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetMode {
    /// Nothing is sent that could pass the cap.
    #[default]
    Hard,
    /// Spending is counted and shown; nothing is refused.
    Soft,
}

/// Where a tenant's budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetOrigin {
    /// It was set for this very subject.
    #[default]
    Own,
    /// The tenant's segment has it as a default.
    Segment,
    /// The tenant's plan has it as a default.
    Plan,
}

/// A cap on one subject's spending in one kind of window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its id.
    pub id: BudgetId,
    /// Who it caps.
    pub subject: Subject,
    /// How often it starts afresh.
    pub window: Window,
    /// How much is allowed.
    pub cap: Cap,
    /// Whether it refuses.
    pub mode: BudgetMode,
    /// Shares of the cap (0 to 1) at which somebody wants to know.
    pub alert_at: Vec<f64>,
    /// Where it comes from.
    pub origin: BudgetOrigin,
}

impl Budget {
    /// What it says, whoever it caps.
    pub fn into_terms(self) -> BudgetTerms {
        BudgetTerms { window: self.window, cap: self.cap, mode: self.mode, alert_at: self.alert_at }
    }

    /// The level that a refusal names.
    pub fn level(&self) -> BudgetLevel {
        match self.origin {
            BudgetOrigin::Own => self.subject.level(),
            BudgetOrigin::Segment => BudgetLevel::Segment,
            BudgetOrigin::Plan => BudgetLevel::Plan,
        }
    }
}
