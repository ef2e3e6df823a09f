//! What webhooks are told, and what became of telling them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    /// A share of a budget was passed.
    #[serde(rename = "budget.alert")]
    BudgetAlert,
    /// A budget refused a request, or is used up.
    #[serde(rename = "budget.exhausted")]
    BudgetExhausted,
    /// A month is over and its statement can be read.
    #[serde(rename = "statement.ready")]
    StatementReady,
    /// Somebody wants to see whether the webhook works.
    #[serde(rename = "webhook.test")]
    WebhookTest,
}

impl EventType {
    /// Those that a webhook can ask for; a test is sent to whoever is tested.
    pub const TOLD: [EventType; 3] = [EventType::BudgetAlert, EventType::BudgetExhausted, EventType::StatementReady];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            EventType::BudgetAlert => "budget.alert",
            EventType::BudgetExhausted => "budget.exhausted",
            EventType::StatementReady => "statement.ready",
            EventType::WebhookTest => "webhook.test",
        }
    }
}

/// What became of telling one webhook of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is sent, or sent again, when its time comes.
    Pending,
    /// The receiver said that it has it.
    Delivered,
    /// It is not sent again by itself.
    Failed,
}

impl DeliveryState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Failed => "failed",
        }
    }
}
