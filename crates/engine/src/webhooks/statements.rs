//! A month is over: whose statement can be read.

use std::time::Duration;

use insula_model::{ErrorKind, EventType, Result, Window};
use insula_store::{Once, WebhookEvent};

use super::payload::statement_payload;
use crate::Engine;

/// Tenants that are told in one go.
const TENANTS_MAX: u32 = 256;

/// How long what was told in a window is remembered: longer than any window, and than the month after a statement's.
const WINDOWS_KEPT: Duration = Duration::from_secs(70 * 24 * 60 * 60);

impl Engine {
    /// Announces the statements of the last month, once it has been over for the configured time.
    pub(super) async fn look_for_statements(&self) -> Result<()> {
        let now = self.clock.now();
        let this_month = Window::Month.span(now).start;
        if now < this_month.plus(self.settings.webhooks.statement_delay) {
            return Ok(());
        }
        let month = Window::Month.span(this_month.minus(Duration::from_micros(1)));
        let control = self.store.control();
        loop {
            let untold = control.statements_untold(month.start, month.end, TENANTS_MAX).await?;
            for tenant in &untold {
                // Unknown here while it is being erased: then it is not asked for again.
                let Some(entry) = self.directory.tenant(*tenant) else { continue };
                let event = WebhookEvent {
                    id: self.ids.event(),
                    tenant: Some(*tenant),
                    kind: EventType::StatementReady,
                    created_at: now,
                    payload: statement_payload(now, month.start, &entry),
                };
                let once = Once::Statement(month.start);
                match control.raise_event(&once, &event, self.settings.webhooks.pending_max).await {
                    Err(error) if *error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            if untold.len() < TENANTS_MAX as usize {
                return Ok(());
            }
        }
    }

    /// Forgets what is older than the log is kept.
    pub(super) async fn forget_old_events(&self) -> Result<()> {
        let (now, settings) = (self.clock.now(), &self.settings.webhooks);
        let (events_before, windows_before) = (now.minus(settings.retention), now.minus(WINDOWS_KEPT));
        self.store.control().prune_webhook_log(events_before, windows_before, settings.log_max).await
    }
}
