//! Deliveries: which are due, who sends them, and what became of them.

use insula_model::{DeliveryState, Error, EventId, EventType, Result, TenantId, Timestamp, WebhookId};

use super::{
    Control,
    webhooks::{Webhook, find, find_active, give_up},
};
use crate::query::{Rec, Row, Tx, args, rec};

/// A line of a webhook's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What it is told.
    pub event: EventId,
    /// What that is about.
    pub kind: EventType,
    /// When that came about.
    pub created_at: Timestamp,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was sent since it was raised or replayed.
    pub attempts: u32,
    /// When it is sent next, while it is pending.
    pub next_at: Timestamp,
    /// What the receiver last answered.
    pub last_status: Option<u16>,
    /// Why that was no success.
    pub last_error: Option<String>,
    /// When the receiver said that it has it.
    pub delivered_at: Option<Timestamp>,
}

rec!(Delivery { event, kind, created_at, state, attempts, next_at, last_status, last_error, delivered_at });

/// A delivery that is this node's to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// What is told.
    pub event: EventId,
    /// How often it was sent before.
    pub attempts: u32,
    /// What is sent.
    pub payload: String,
    /// Who is told.
    pub webhook: Webhook,
}

impl Rec for DueDelivery {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(DueDelivery {
            event: row.get("event")?,
            attempts: row.get("attempts")?,
            payload: row.get("payload")?,
            webhook: Webhook::read(row)?,
        })
    }
}

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// What the receiver answered.
    pub status: Option<u16>,
    /// Why that is no success.
    pub error: Option<String>,
    /// What follows.
    pub next: NextStep,
}

/// What follows from sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Nothing: the receiver had it at this moment.
    Delivered(Timestamp),
    /// It is sent again then.
    Again(Timestamp),
    /// It was tried often enough.
    GiveUp,
    /// The receiver wants to be told nothing more: the webhook is switched off.
    SwitchOff,
}

/// How many due deliveries are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Until when nobody else sends them.
    pub until: Timestamp,
    /// Under way to one webhook at once, so that a slow one does not hold up the others.
    pub per_webhook_max: u32,
    /// The same for all webhooks of one owner together, so that nobody's slow ones hold up the others'.
    pub per_owner_max: u32,
    /// All together.
    pub deliveries_max: u32,
}

/// What is due and nobody's: of each webhook and of each owner the first ones, those that are under way included in the count.
/// Owners take turns.
const DUE: &str = "SELECT d.event AS event, d.attempts AS attempts, e.payload AS payload, w.id AS id, w.tenant AS tenant, \
                   w.url AS url, w.events AS events, w.description AS description, w.active AS active, \
                   w.rotation AS rotation, w.created_at AS created_at, w.rotated_at AS rotated_at \
                   FROM (SELECT event, webhook, attempts, next_at, claimed_until, \
                   ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY place, next_at, event, webhook) AS turn \
                   FROM (SELECT event, webhook, tenant, attempts, next_at, claimed_until, \
                   ROW_NUMBER() OVER (PARTITION BY webhook ORDER BY next_at, event) AS place \
                   FROM webhook_deliveries WHERE state = 'pending' AND next_at <= $1) q WHERE place <= $2) d \
                   JOIN webhook_events e ON e.id = d.event JOIN webhooks w ON w.id = d.webhook \
                   WHERE d.turn <= $3 AND d.claimed_until <= $1 ORDER BY d.turn, d.next_at, d.event, w.id LIMIT $4";

impl Control {
    /// Takes deliveries that are due at `now`, for this node to send: each goes to one node, until `claim.until`.
    pub async fn claim_deliveries(&self, now: Timestamp, claim: &Claim) -> Result<Vec<DueDelivery>> {
        // Most of the time nothing is due, and then nobody has to wait for a turn to write.
        if due(&mut self.db.read().await?, now, claim).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.db.write().await?;
        let due = due(&mut tx, now, claim).await?;
        for delivery in &due {
            tx.exec(
                "UPDATE webhook_deliveries SET claimed_until = $3 WHERE event = $1 AND webhook = $2",
                args![delivery.event, delivery.webhook.id, claim.until],
            )
            .await?;
        }
        tx.commit().await?;
        Ok(due)
    }

    /// Notes what came of sending. Nothing, where somebody else has sent it since: this node's claim was over.
    pub async fn note_sending(&self, delivery: &DueDelivery, sending: &Sending) -> Result<()> {
        let (state, next_at, delivered_at) = match sending.next {
            NextStep::Delivered(at) => (DeliveryState::Delivered, None, Some(at)),
            NextStep::Again(at) => (DeliveryState::Pending, Some(at), None),
            NextStep::GiveUp | NextStep::SwitchOff => (DeliveryState::Failed, None, None),
        };
        let mut tx = self.db.write().await?;
        let noted = tx
            .exec(
                "UPDATE webhook_deliveries SET state = $4, attempts = attempts + 1, next_at = COALESCE($5, next_at), \
                 claimed_until = 0, last_status = $6, last_error = $7, delivered_at = $8 \
                 WHERE event = $1 AND webhook = $2 AND attempts = $3 AND state = 'pending'",
                args![
                    delivery.event,
                    delivery.webhook.id,
                    delivery.attempts,
                    state,
                    next_at,
                    sending.status,
                    sending.error,
                    delivered_at,
                ],
            )
            .await?;
        if noted == 1 && sending.next == NextStep::SwitchOff {
            tx.exec("UPDATE webhooks SET active = 0 WHERE id = $1", args![delivery.webhook.id]).await?;
            give_up(&mut tx, delivery.webhook.id).await?;
        }
        tx.commit().await
    }

    /// Up to `limit` deliveries to a webhook, latest event first, from the one before `before`. `NotFound` where its owner has
    /// no such webhook.
    pub async fn deliveries(
        &self,
        owner: Option<TenantId>,
        webhook: WebhookId,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Delivery>> {
        let mut tx = self.db.read().await?;
        find(&mut tx, owner, webhook).await?;
        let log = "SELECT d.event AS event, e.kind AS kind, e.created_at AS created_at, d.state AS state, \
                   d.attempts AS attempts, d.next_at AS next_at, d.last_status AS last_status, d.last_error AS last_error, \
                   d.delivered_at AS delivered_at FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event \
                   WHERE d.webhook = $1 AND d.event < $2 ORDER BY d.event DESC LIMIT $3";
        tx.all(log, args![webhook, before.unwrap_or(EventId::from_bytes([0xff; 16])), limit]).await
    }

    /// Sends a delivery again from the beginning, whatever became of it. `NotFound` where the webhook was never to be told of
    /// this event, or its owner has no such webhook; `Conflict` where it is switched off.
    pub async fn replay_delivery(
        &self,
        owner: Option<TenantId>,
        webhook: WebhookId,
        event: EventId,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.db.write().await?;
        find_active(&mut tx, owner, webhook).await?;
        let replayed = tx
            .exec(
                "UPDATE webhook_deliveries SET state = $3, attempts = 0, next_at = $4, claimed_until = 0, last_status = NULL, \
                 last_error = NULL, delivered_at = NULL WHERE event = $1 AND webhook = $2",
                args![event, webhook, DeliveryState::Pending, now],
            )
            .await?;
        if replayed == 0 {
            return Err(Error::not_found());
        }
        tx.commit().await
    }

    /// Forgets events from before `events_before` and of each webhook all but its latest `per_webhook_max` deliveries, and what
    /// was told in windows from before `windows_before`.
    pub async fn prune_webhook_log(
        &self,
        events_before: Timestamp,
        windows_before: Timestamp,
        per_webhook_max: u64,
    ) -> Result<()> {
        let mut tx = self.db.write().await?;
        tx.exec(
            "DELETE FROM webhook_deliveries WHERE event IN (SELECT id FROM webhook_events WHERE created_at < $1)",
            args![events_before],
        )
        .await?;
        tx.exec(
            "DELETE FROM webhook_deliveries WHERE state <> 'pending' AND (event, webhook) IN (SELECT event, webhook FROM \
             (SELECT event, webhook, ROW_NUMBER() OVER (PARTITION BY webhook ORDER BY event DESC) AS place \
             FROM webhook_deliveries) d WHERE place > $1)",
            args![per_webhook_max],
        )
        .await?;
        let untold_of = "DELETE FROM webhook_events WHERE NOT EXISTS \
                      (SELECT 1 FROM webhook_deliveries d WHERE d.event = webhook_events.id)";
        tx.exec(untold_of, &[]).await?;
        tx.exec("DELETE FROM budget_alerts WHERE window_start < $1", args![windows_before]).await?;
        tx.exec("DELETE FROM statement_notices WHERE month_start < $1", args![windows_before]).await?;
        tx.commit().await
    }
}

async fn due(tx: &mut Tx, now: Timestamp, claim: &Claim) -> Result<Vec<DueDelivery>> {
    tx.all(DUE, args![now, claim.per_webhook_max, claim.per_owner_max, claim.deliveries_max]).await
}
