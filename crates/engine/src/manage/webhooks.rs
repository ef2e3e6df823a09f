//! Webhooks of the platform or a tenant: who is told what, the log of it, and telling it again.

use std::collections::BTreeSet;

use insula_gate::Target;
use insula_model::{Error, ErrorKind, EventId, EventType, KeyId, Result, TenantId, WebhookId};
use insula_store::WebhookEvent;
pub use insula_store::{Delivery, Webhook};

use super::page::{Page, PageAsk};
use crate::{
    Engine,
    directory::{ManagedTenant, Operator},
    webhooks::test_payload,
};

/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 200;

/// Whose webhooks a caller may manage: the platform's, or one tenant's.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    tenant: Option<TenantId>,
    by: KeyId,
}

impl From<Operator> for Owner {
    fn from(by: Operator) -> Self {
        Self { tenant: None, by: by.key() }
    }
}

impl From<ManagedTenant> for Owner {
    fn from(tenant: ManagedTenant) -> Self {
        Self { tenant: Some(tenant.scope.tenant()), by: tenant.by.key() }
    }
}

/// What a new webhook is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where it listens.
    pub url: String,
    /// What it wants to be told.
    pub events: BTreeSet<EventType>,
    /// What it is for.
    pub description: String,
}

/// What is to change; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookPatch {
    /// Where it listens.
    pub url: Option<String>,
    /// What it wants to be told.
    pub events: Option<BTreeSet<EventType>>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is told anything.
    pub active: Option<bool>,
}

/// An owner's webhooks in order of creation.
pub async fn list(engine: &Engine, owner: &Owner) -> Result<Vec<Webhook>> {
    engine.store.control().webhooks_of(owner.tenant).await
}

/// One webhook.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the owner has none of this id; so of all that follow.
pub async fn read(engine: &Engine, owner: &Owner, id: &str) -> Result<Webhook> {
    engine.store.control().webhook(owner.tenant, parsed(id)?).await
}

/// Creates a webhook. Answers it with the secret that its events are signed with, which is shown here and by [`rotate`] only.
///
/// # Errors
/// [`ErrorKind::Invalid`] naming the field; [`ErrorKind::Conflict`] when the owner has too many.
pub async fn create(engine: &Engine, owner: &Owner, new: NewWebhook) -> Result<(Webhook, String)> {
    let NewWebhook { url, events, description } = new;
    let webhook = Webhook {
        id: engine.ids.webhook(),
        tenant: owner.tenant,
        url,
        events,
        description,
        active: true,
        rotation: 0,
        created_at: engine.clock.now(),
        rotated_at: None,
    };
    check(engine, &webhook)?;
    engine.store.control().insert_webhook(&webhook, engine.settings.webhooks.per_owner_max).await?;
    engine.webhooks_changed();
    tracing::info!(webhook = %webhook.id, tenant = ?owner.tenant, by = %owner.by, "webhook created");
    let secret = engine.webhooks.secrets.shown(&webhook);
    Ok((webhook, secret))
}

/// Changes a webhook. One that is switched off gives up what it was not yet told.
///
/// # Errors
/// [`ErrorKind::Invalid`] naming the field.
pub async fn change(engine: &Engine, owner: &Owner, id: &str, patch: WebhookPatch) -> Result<Webhook> {
    let now = read(engine, owner, id).await?;
    let patched = |now: Webhook| Webhook {
        url: patch.url.clone().unwrap_or(now.url),
        events: patch.events.clone().unwrap_or(now.events),
        description: patch.description.clone().unwrap_or(now.description),
        active: patch.active.unwrap_or(now.active),
        ..now
    };
    check(engine, &patched(now.clone()))?;
    let webhook = engine.store.control().change_webhook(owner.tenant, now.id, patched).await?;
    engine.webhooks_changed();
    tracing::info!(webhook = %webhook.id, by = %owner.by, active = webhook.active, "webhook changed");
    Ok(webhook)
}

/// Removes a webhook with its log.
pub async fn delete(engine: &Engine, owner: &Owner, id: &str) -> Result<()> {
    let id = parsed(id)?;
    engine.store.control().delete_webhook(owner.tenant, id).await?;
    tracing::info!(webhook = %id, by = %owner.by, "webhook deleted");
    Ok(())
}

/// Replaces a webhook's secret; for a day events are signed with both.
pub async fn rotate(engine: &Engine, owner: &Owner, id: &str) -> Result<(Webhook, String)> {
    let at = engine.clock.now();
    let rotated = |now: Webhook| Webhook { rotation: now.rotation + 1, rotated_at: Some(at), ..now };
    let webhook = engine.store.control().change_webhook(owner.tenant, parsed(id)?, rotated).await?;
    tracing::info!(webhook = %webhook.id, by = %owner.by, "webhook's secret rotated");
    let secret = engine.webhooks.secrets.shown(&webhook);
    Ok((webhook, secret))
}

/// A page of what a webhook was told, latest event first.
pub async fn deliveries(engine: &Engine, owner: &Owner, id: &str, ask: PageAsk<EventId>) -> Result<Page<Delivery, EventId>> {
    let found = engine.store.control().deliveries(owner.tenant, parsed(id)?, ask.after, ask.limit + 1).await?;
    Ok(ask.cut(found, |delivery| delivery.event))
}

/// Sends an event to a webhook again, whatever became of it, as if for the first time.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the webhook was never to be told of it; [`ErrorKind::Conflict`] when it is switched off.
pub async fn replay(engine: &Engine, owner: &Owner, id: &str, event: &str) -> Result<()> {
    let (id, event) = (parsed(id)?, event.parse().map_err(|_| Error::not_found())?);
    engine.store.control().replay_delivery(owner.tenant, id, event, engine.clock.now()).await?;
    engine.webhooks.wake();
    tracing::info!(webhook = %id, %event, by = %owner.by, "event replayed");
    Ok(())
}

/// Sends a test to a webhook; answers the event's id, under which the log tells what came of it.
///
/// # Errors
/// [`ErrorKind::Conflict`] when the webhook is switched off, or too much waits for it already.
pub async fn test(engine: &Engine, owner: &Owner, id: &str) -> Result<EventId> {
    let (id, now) = (parsed(id)?, engine.clock.now());
    let tenant = owner.tenant.and_then(|tenant| engine.directory.tenant(tenant));
    let event = WebhookEvent {
        id: engine.ids.event(),
        tenant: owner.tenant,
        kind: EventType::WebhookTest,
        created_at: now,
        payload: test_payload(now, id, tenant.as_deref()),
    };
    let pending_max = engine.settings.webhooks.pending_max;
    if !engine.store.control().send_event(owner.tenant, id, &event, pending_max).await? {
        let message = format!("{pending_max} deliveries wait for this webhook already; see why in its log");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    engine.webhooks.wake();
    Ok(event.id)
}

fn parsed(id: &str) -> Result<WebhookId> {
    id.parse().map_err(|_| Error::not_found())
}

/// What can be said without asking anybody for addresses; the gate says the rest when something is sent.
fn check(engine: &Engine, webhook: &Webhook) -> Result<()> {
    let target = Target::parse(&webhook.url);
    let reach = engine.settings.webhooks.reach(webhook.tenant);
    target.and_then(|target| reach.admits(&target)).map_err(|error| Error::invalid(error.to_string()).at("url"))?;
    if webhook.events.is_empty() {
        return Err(Error::invalid("name at least one event").at("events"));
    }
    if webhook.events.contains(&EventType::WebhookTest) {
        return Err(Error::invalid("`webhook.test` is sent to whoever is tested; it cannot be asked for").at("events"));
    }
    let description = &webhook.description;
    if description.chars().count() > DESCRIPTION_CHARS_MAX || description.chars().any(char::is_control) {
        let message = format!("a description has at most {DESCRIPTION_CHARS_MAX} characters, none of them a control character");
        return Err(Error::invalid(message).at("description"));
    }
    Ok(())
}
