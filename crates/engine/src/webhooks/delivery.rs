//! Sending what is due.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use insula_gate::{Message, Reach, Target, Unsent};
use insula_model::{Result, TenantId};
use insula_store::{Claim, DueDelivery, NextStep, Sending};
use tokio::task::JoinSet;

use super::schedule::pause;
use crate::{Engine, WebhookSettings};

/// Deliveries that a node sends at once.
const SENDING_MAX: usize = 64;

/// Deliveries to one webhook at once: a receiver that stands still holds up nobody else.
const PER_WEBHOOK_MAX: u32 = 4;
/// Deliveries to all webhooks of one owner at once: an eighth of what there is.
const PER_OWNER_MAX: u32 = 8;

/// How much longer than one sending may take a delivery stays this node's, so that what came of it can be noted.
const CLAIM_MARGIN: Duration = Duration::from_secs(10);

/// The receiver wants to be told nothing more.
const GONE: u16 = 410;

impl WebhookSettings {
    /// What the webhooks of this owner may reach. Operators answer for their own and may leave TLS out.
    pub(crate) fn reach(&self, owner: Option<TenantId>) -> Reach {
        match owner {
            None => Reach { also: self.allow_private.clone(), plain: true },
            Some(_) => Reach { also: self.tenants_allow_private.clone(), plain: false },
        }
    }
}

impl Engine {
    /// Claims what is due and starts to send it, as far as there is room.
    pub(super) async fn send_due(self: &Arc<Self>, sending: &mut JoinSet<()>) -> Result<()> {
        while sending.try_join_next().is_some() {}
        let room = SENDING_MAX.saturating_sub(sending.len());
        if room == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let claim = Claim {
            until: now.plus(self.settings.webhooks.timeout + CLAIM_MARGIN),
            per_webhook_max: PER_WEBHOOK_MAX,
            per_owner_max: PER_OWNER_MAX,
            deliveries_max: u32::try_from(room).unwrap_or(u32::MAX),
        };
        for due in self.store.control().claim_deliveries(now, &claim).await? {
            let engine = self.clone();
            sending.spawn(async move { engine.send_one(&due).await });
        }
        Ok(())
    }

    async fn send_one(&self, due: &DueDelivery) {
        let answered = self.post(due).await;
        let came_of_it = self.judge(due, answered);
        let (event, webhook) = (due.event, due.webhook.id);
        tracing::info!(%event, %webhook, attempt = due.attempts + 1, status = came_of_it.status, next = ?came_of_it.next, "webhook told");
        if let Err(error) = self.store.control().note_sending(due, &came_of_it).await {
            tracing::warn!(%error, %event, %webhook, "what came of telling a webhook cannot be noted; it is told again");
        }
    }

    async fn post(&self, due: &DueDelivery) -> Result<u16, Unsent> {
        let (settings, now) = (&self.settings.webhooks, self.clock.now());
        let target = Target::parse(&due.webhook.url)?;
        let message = Message {
            headers: vec![
                ("webhook-id", due.event.to_string()),
                ("webhook-timestamp", now.seconds().to_string()),
                ("webhook-signature", self.webhooks.secrets.sign(&due.webhook, due.event, now, &due.payload)),
            ],
            body: Bytes::from(due.payload.clone()),
            total_max: settings.timeout,
            answer_bytes_max: settings.answer_bytes_max,
        };
        self.gate.post(&target, &settings.reach(due.webhook.tenant), &message).await
    }

    /// What follows from an answer, or from none.
    fn judge(&self, due: &DueDelivery, answered: Result<u16, Unsent>) -> Sending {
        let (settings, now) = (&self.settings.webhooks, self.clock.now());
        let (status, error) = match answered {
            Ok(status @ 200..=299) => {
                return Sending { status: Some(status), error: None, next: NextStep::Delivered(now) };
            }
            Ok(GONE) => {
                let error = Some("the receiver answered 410: it wants to be told nothing more".to_owned());
                return Sending { status: Some(GONE), error, next: NextStep::SwitchOff };
            }
            Ok(status @ 300..=399) => (Some(status), format!("the receiver answered {status}; redirects are not followed")),
            Ok(status) => (Some(status), format!("the receiver answered {status}")),
            Err(error) => {
                // Which names there are inside is told to the log alone.
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::info!(event = %due.event, webhook = %due.webhook.id, %error, cause, "webhook not reached");
                (None, error.to_string())
            }
        };
        let attempts = due.attempts + 1;
        let next = match attempts < settings.attempts_max {
            true => NextStep::Again(now.plus(pause(attempts, settings.retry_first, &*self.random))),
            false => NextStep::GiveUp,
        };
        Sending { status, error: Some(error), next }
    }
}
