//! Keeping a response.

use std::sync::Arc;

use bytes::Bytes;
use insula_model::{EndUserId, RequestId, Result, TenantScope};
use insula_providers::ChatRequest;
use insula_store::{ResponseRow, ResponsesMax};

use super::{INPUT, PREFIX, RESPONSE, TABLE};
use crate::{Engine, flight::Flight, work::Work};

/// A response that shall be kept once it is there.
pub(crate) struct Keeping {
    engine: Arc<Engine>,
    scope: TenantScope,
    work: Arc<Work>,
    response: RequestId,
    end_user: Option<EndUserId>,
}

impl Keeping {
    /// What this attempt's answer is kept as, if its caller wants it kept.
    pub fn of(flight: &Flight) -> Option<Self> {
        let chain = flight.work.chain().filter(|chain| chain.store)?;
        let response = RequestId::from_bare(chain.id.as_deref()?)?;
        let (engine, scope) = (flight.engine.clone(), flight.credential.scope);
        let end_user = engine.end_users.of(&flight.credential, &flight.work).map(|user| user.id);
        Some(Self { engine, scope, work: flight.work.clone(), response, end_user })
    }

    /// Keeps it. When storage fails the answer still reaches its caller, who pays for it: it cannot be asked for again then.
    pub async fn keep(self, response: Bytes) {
        let Work::Chat(chat) = &*self.work else { return };
        if let Err(error) = self.store(chat, &response).await {
            tracing::error!(%error, response = %self.response, "a response could not be kept");
        }
    }

    async fn store(&self, chat: &ChatRequest, response: &Bytes) -> Result<()> {
        let Self { engine, scope, response: id, .. } = self;
        let (seals, tenant) = (engine.store.seals(scope).await?, engine.store.tenant(scope).await?);
        let seal = |column, plain: &[u8]| seals.seal(TABLE, column, id.as_bytes(), plain, &*engine.random);
        let previous = chat.chain.as_ref().and_then(|chain| chain.previous.as_deref()?.strip_prefix(PREFIX));
        let (now, bounds) = (engine.clock.now(), &engine.settings.responses);
        let row = ResponseRow {
            response: *id,
            previous: previous.and_then(RequestId::from_bare),
            end_user: self.end_user,
            created_at: now,
            expires_at: now.plus(bounds.ttl),
            sealed_input: seal(INPUT, &chat.own_input()?),
            sealed_response: seal(RESPONSE, response),
        };
        tenant.keep_response(&row, ResponsesMax { count: bounds.count_max, bytes: bounds.bytes_max }).await
    }
}
