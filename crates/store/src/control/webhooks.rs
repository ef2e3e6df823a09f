//! Webhooks: who wants to be told of what.

use std::collections::BTreeSet;

use insula_model::{DeliveryState, Error, ErrorKind, EventType, Result, TenantId, Timestamp, WebhookId};

use super::{Control, tenants::refuse_gone};
use crate::query::{Tx, args, rec};

/// An address that wants to be told, without its secret: that is derived from the id and the rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose events it is told; without a tenant it is the platform's and is told everybody's.
    pub tenant: Option<TenantId>,
    /// Where it listens.
    pub url: String,
    /// What it wants to be told.
    pub events: BTreeSet<EventType>,
    /// What it is for.
    pub description: String,
    /// Whether it is told anything.
    pub active: bool,
    /// How often its secret was replaced.
    pub rotation: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its secret was last replaced.
    pub rotated_at: Option<Timestamp>,
}

rec!(Webhook { id, tenant, url, events, description, active, rotation, created_at, rotated_at });

/// What a delivery says that was given up because its webhook was switched off.
const SWITCHED_OFF: &str = "the webhook was switched off";

impl Control {
    /// The webhooks of a tenant, or without one the platform's, oldest first.
    pub async fn webhooks_of(&self, tenant: Option<TenantId>) -> Result<Vec<Webhook>> {
        let webhooks = "SELECT id, tenant, url, events, description, active, rotation, created_at, rotated_at FROM webhooks \
                        WHERE tenant IS NOT DISTINCT FROM $1 ORDER BY id";
        self.db.read().await?.all(webhooks, args![tenant]).await
    }

    /// One webhook. `NotFound` where its owner has none of this id.
    pub async fn webhook(&self, tenant: Option<TenantId>, id: WebhookId) -> Result<Webhook> {
        find(&mut self.db.read().await?, tenant, id).await
    }

    /// Adds a webhook. `Conflict` where its owner has `per_owner_max` of them.
    pub async fn insert_webhook(&self, webhook: &Webhook, per_owner_max: u64) -> Result<()> {
        struct Count {
            webhooks: u64,
        }
        rec!(Count { webhooks });

        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, webhook.tenant).await?;
        let count = "SELECT COUNT(*) AS webhooks FROM webhooks WHERE tenant IS NOT DISTINCT FROM $1";
        if tx.one::<Count>(count, args![webhook.tenant]).await?.webhooks >= per_owner_max {
            let message = format!("there are {per_owner_max} webhooks already, which is the most; delete one first");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        tx.exec(
            "INSERT INTO webhooks (id, tenant, url, events, description, active, rotation, created_at, rotated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![
                webhook.id,
                webhook.tenant,
                webhook.url,
                webhook.events,
                webhook.description,
                webhook.active,
                webhook.rotation,
                webhook.created_at,
                webhook.rotated_at,
            ],
        )
        .await?;
        tx.commit().await
    }

    /// Replaces a webhook by what `change` makes of it. One that is switched off gives up what it was not yet told.
    pub async fn change_webhook(
        &self,
        tenant: Option<TenantId>,
        id: WebhookId,
        change: impl FnOnce(Webhook) -> Webhook + Send,
    ) -> Result<Webhook> {
        // Changes happen one at a time, over all nodes: what is read here is what is replaced.
        let mut tx = self.db.write().await?;
        let webhook = change(find(&mut tx, tenant, id).await?);
        tx.exec(
            "UPDATE webhooks SET url = $2, events = $3, description = $4, active = $5, rotation = $6, rotated_at = $7 \
             WHERE id = $1",
            args![id, webhook.url, webhook.events, webhook.description, webhook.active, webhook.rotation, webhook.rotated_at,],
        )
        .await?;
        if !webhook.active {
            give_up(&mut tx, id).await?;
        }
        tx.commit().await?;
        Ok(webhook)
    }

    /// Removes a webhook with the log of its deliveries.
    pub async fn delete_webhook(&self, tenant: Option<TenantId>, id: WebhookId) -> Result<()> {
        let mut tx = self.db.write().await?;
        find(&mut tx, tenant, id).await?;
        tx.exec("DELETE FROM webhook_deliveries WHERE webhook = $1", args![id]).await?;
        tx.exec("DELETE FROM webhooks WHERE id = $1", args![id]).await?;
        tx.commit().await
    }
}

/// One webhook of its owner.
pub(super) async fn find(tx: &mut Tx, tenant: Option<TenantId>, id: WebhookId) -> Result<Webhook> {
    let find = "SELECT id, tenant, url, events, description, active, rotation, created_at, rotated_at FROM webhooks \
                WHERE id = $1 AND tenant IS NOT DISTINCT FROM $2";
    tx.one(find, args![id, tenant]).await
}

/// The same, refused where it is switched off.
pub(super) async fn find_active(tx: &mut Tx, tenant: Option<TenantId>, id: WebhookId) -> Result<Webhook> {
    let webhook = find(tx, tenant, id).await?;
    if webhook.active {
        return Ok(webhook);
    }
    Err(Error::new(ErrorKind::Conflict, format!("{SWITCHED_OFF}; switch it on first")))
}

/// Tells a webhook that is off nothing more; each delivery can still be replayed once it is on again.
pub(super) async fn give_up(tx: &mut Tx, id: WebhookId) -> Result<()> {
    let error = SWITCHED_OFF.to_owned();
    tx.exec(
        "UPDATE webhook_deliveries SET state = $2, last_error = $3 WHERE webhook = $1 AND state = $4",
        args![id, DeliveryState::Failed, error, DeliveryState::Pending],
    )
    .await
    .map(drop)
}
