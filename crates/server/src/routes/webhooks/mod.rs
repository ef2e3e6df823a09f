//! `.../webhooks` of the platform and of a tenant: the same operations, for different owners.

pub(crate) mod operations;
pub(crate) mod tenant;

use std::collections::BTreeSet;

use insula_engine::manage::webhooks::{self, NewWebhook, WebhookPatch};
use insula_model::{DeliveryState, EventType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::Moment;

/// A webhook, without its secret. Requests are signed after Standard Webhooks 1.0.0 (`webhook-id`, `webhook-timestamp`,
/// `webhook-signature`) and sent at least once: take the id to tell repetitions.
#[derive(Serialize, ToSchema)]
pub(crate) struct Webhook {
    /// Its id.
    id: String,
    /// Where it listens.
    url: String,
    /// What it is told.
    events: BTreeSet<EventType>,
    /// What it is for.
    description: String,
    /// Whether it is told anything. An answer of 410 switches it off.
    active: bool,
    /// When it was created.
    created_at: Moment,
    /// When its secret was last replaced.
    rotated_at: Option<Moment>,
}

impl From<webhooks::Webhook> for Webhook {
    fn from(webhook: webhooks::Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            url: webhook.url,
            events: webhook.events,
            description: webhook.description,
            active: webhook.active,
            created_at: Moment(webhook.created_at),
            rotated_at: webhook.rotated_at.map(Moment),
        }
    }
}

/// A webhook with the secret that its requests are signed with from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeWebhook {
    /// The secret. It is shown here and never again.
    #[schema(examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    secret: String,
    #[serde(flatten)]
    about: Webhook,
}

impl From<(webhooks::Webhook, String)> for MadeWebhook {
    fn from((webhook, secret): (webhooks::Webhook, String)) -> Self {
        Self { secret, about: webhook.into() }
    }
}

/// A new webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookOrder {
    /// Where it listens: `https://`, on the public internet. Ranges that the operator has opened may do without TLS.
    #[schema(max_length = 2_048)]
    url: String,
    /// What it wants to be told: `budget.alert`, `budget.exhausted`, `statement.ready`; all of it where absent.
    #[serde(default = "everything")]
    events: BTreeSet<EventType>,
    /// What it is for; at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
}

fn everything() -> BTreeSet<EventType> {
    EventType::TOLD.into()
}

impl From<WebhookOrder> for NewWebhook {
    fn from(order: WebhookOrder) -> Self {
        let WebhookOrder { url, events, description } = order;
        Self { url, events, description }
    }
}

/// What is to change; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookChange {
    /// Where it listens.
    url: Option<String>,
    /// What it wants to be told, all of it.
    events: Option<BTreeSet<EventType>>,
    /// What it is for.
    description: Option<String>,
    /// Whether it is told anything. Switched off, it gives up what it was not yet told.
    active: Option<bool>,
}

impl From<WebhookChange> for WebhookPatch {
    fn from(change: WebhookChange) -> Self {
        let WebhookChange { url, events, description, active } = change;
        Self { url, events, description, active }
    }
}

/// A line of a webhook's log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// The event's id: `webhook-id` of every request about it.
    event: String,
    /// What it is about.
    r#type: EventType,
    /// When it came about.
    created_at: Moment,
    /// How it stands.
    state: DeliveryState,
    /// How often it was sent, since it came about or was last replayed.
    attempts: u32,
    /// When it is sent next; null unless it is pending.
    next_at: Option<Moment>,
    /// What the receiver last answered.
    last_status: Option<u16>,
    /// Why that was no success.
    last_error: Option<String>,
    /// When the receiver said that it has it.
    delivered_at: Option<Moment>,
}

impl From<&webhooks::Delivery> for Delivery {
    fn from(delivery: &webhooks::Delivery) -> Self {
        let is_pending = delivery.state == DeliveryState::Pending;
        Self {
            event: delivery.event.to_string(),
            r#type: delivery.kind,
            created_at: Moment(delivery.created_at),
            state: delivery.state,
            attempts: delivery.attempts,
            next_at: is_pending.then_some(Moment(delivery.next_at)),
            last_status: delivery.last_status,
            last_error: delivery.last_error.clone(),
            delivered_at: delivery.delivered_at.map(Moment),
        }
    }
}

/// An event that is about to be sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct SentEvent {
    /// Its id: the log tells what came of it.
    event: String,
}
