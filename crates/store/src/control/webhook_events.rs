//! Events: written once, together with who is to be told.

use insula_model::{BudgetId, DeliveryState, EventId, EventType, Result, TenantId, TenantState, Timestamp, WebhookId};

use super::{
    Control,
    tenants::refuse_gone,
    webhooks::{Webhook, find_active},
};
use crate::query::{Tx, args, rec};

/// Something that webhooks are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Its id, the same however often it is sent.
    pub id: EventId,
    /// Whose it is; without a tenant the platform's.
    pub tenant: Option<TenantId>,
    /// What it is about.
    pub kind: EventType,
    /// When it came about.
    pub created_at: Timestamp,
    /// What is sent, as JSON.
    pub payload: String,
}

/// What an event must be the only one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// Of a budget, in one window: a share of it in permille, or 0 when it is used up.
    BudgetMark(BudgetId, Timestamp, u32),
    /// The statement of the month that began then.
    Statement(Timestamp),
}

impl Control {
    /// Writes an event that is told once over all nodes and restarts, with a delivery to every webhook that wants it and has
    /// less than `pending_max` before it. False where it was told before, or where nobody wants to know: then it may be told
    /// later.
    pub async fn raise_event(&self, once: &Once, event: &WebhookEvent, pending_max: u64) -> Result<bool> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, event.tenant).await?;
        let listening = listening(&mut tx, event).await?;
        if listening.is_empty() || !is_first(&mut tx, once, event.tenant).await? {
            return Ok(false);
        }
        insert(&mut tx, event).await?;
        for webhook in listening {
            if !deliver(&mut tx, event, webhook.id, pending_max).await? {
                tracing::warn!(webhook = %webhook.id, event = %event.id, "too much is already waiting for this webhook; it is not told");
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Writes an event for one webhook alone; false where `pending_max` are before it. `Conflict` where it is switched off.
    pub async fn send_event(
        &self,
        owner: Option<TenantId>,
        webhook: WebhookId,
        event: &WebhookEvent,
        pending_max: u64,
    ) -> Result<bool> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, event.tenant).await?;
        find_active(&mut tx, owner, webhook).await?;
        insert(&mut tx, event).await?;
        if !deliver(&mut tx, event, webhook, pending_max).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Tenants that were there before `month_end`, whose statement of the month from `month_start` is not told of yet, and for
    /// whom some webhook of that time wants to know.
    pub async fn statements_untold(&self, month_start: Timestamp, month_end: Timestamp, limit: u32) -> Result<Vec<TenantId>> {
        struct Untold {
            id: TenantId,
        }
        rec!(Untold { id });

        let untold = "SELECT t.id AS id FROM tenants t WHERE t.provisioned = 1 AND t.state <> $1 AND t.created_at < $3 \
                      AND NOT EXISTS (SELECT 1 FROM statement_notices n WHERE n.tenant = t.id AND n.month_start = $2) \
                      AND EXISTS (SELECT 1 FROM webhooks w WHERE w.active = 1 AND w.created_at < $3 \
                      AND (w.tenant IS NULL OR w.tenant = t.id) AND w.events LIKE $4) ORDER BY t.id LIMIT $5";
        let wants = format!("%\"{}\"%", EventType::StatementReady.name());
        let args = args![TenantState::Erasing, month_start, month_end, wants, limit];
        let untold: Vec<Untold> = self.db.read().await?.all(untold, args).await?;
        Ok(untold.into_iter().map(|tenant| tenant.id).collect())
    }
}

/// Who wants to be told.
async fn listening(tx: &mut Tx, event: &WebhookEvent) -> Result<Vec<Webhook>> {
    let active = "SELECT id, tenant, url, events, description, active, rotation, created_at, rotated_at FROM webhooks \
                  WHERE active = 1 AND (tenant IS NULL OR tenant = $1) ORDER BY id";
    let mut webhooks: Vec<Webhook> = tx.all(active, args![event.tenant]).await?;
    webhooks.retain(|webhook| webhook.events.contains(&event.kind));
    Ok(webhooks)
}

/// Takes the place that only one event can have.
async fn is_first(tx: &mut Tx, once: &Once, tenant: Option<TenantId>) -> Result<bool> {
    let taken = match once {
        Once::BudgetMark(budget, window_start, mark) => {
            let take = "INSERT INTO budget_alerts (budget, window_start, mark, tenant) VALUES ($1, $2, $3, $4) \
                        ON CONFLICT (budget, window_start, mark) DO NOTHING";
            tx.exec(take, args![*budget, *window_start, *mark, tenant]).await?
        }
        Once::Statement(month_start) => {
            let take = "INSERT INTO statement_notices (tenant, month_start) VALUES ($1, $2) \
                        ON CONFLICT (tenant, month_start) DO NOTHING";
            tx.exec(take, args![tenant, *month_start]).await?
        }
    };
    Ok(taken == 1)
}

async fn insert(tx: &mut Tx, event: &WebhookEvent) -> Result<()> {
    tx.exec(
        "INSERT INTO webhook_events (id, tenant, kind, created_at, payload) VALUES ($1, $2, $3, $4, $5)",
        args![event.id, event.tenant, event.kind, event.created_at, event.payload],
    )
    .await
    .map(drop)
}

/// Lets a webhook be told at once; false where too much waits for it already.
async fn deliver(tx: &mut Tx, event: &WebhookEvent, webhook: WebhookId, pending_max: u64) -> Result<bool> {
    struct Count {
        pending: u64,
    }
    rec!(Count { pending });

    let count = "SELECT COUNT(*) AS pending FROM webhook_deliveries WHERE webhook = $1 AND state = $2";
    if tx.one::<Count>(count, args![webhook, DeliveryState::Pending]).await?.pending >= pending_max {
        return Ok(false);
    }
    tx.exec(
        "INSERT INTO webhook_deliveries (event, webhook, tenant, state, attempts, next_at, claimed_until) \
         VALUES ($1, $2, $3, $4, 0, $5, 0)",
        args![event.id, webhook, event.tenant, DeliveryState::Pending, event.created_at],
    )
    .await?;
    Ok(true)
}
