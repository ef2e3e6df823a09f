//! Asking for what is kept, and having it forgotten.

use bytes::Bytes;
use insula_model::{RequestId, Result};
use insula_providers::input_items;
use insula_store::ResponseRow;
use serde_json::value::RawValue;

use super::{INPUT, RESPONSE, TABLE, known, still_there, unknown};
use crate::{Call, Engine};

/// Which items of a response's request.
#[derive(Debug, Clone)]
pub struct ItemsAsk {
    /// Those behind this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// The last first.
    pub is_descending: bool,
}

/// Items of a response's request.
#[derive(Debug)]
pub struct ItemsPage {
    /// Each with its id.
    pub items: Vec<(String, Box<RawValue>)>,
    /// Whether there are more behind them.
    pub has_more: bool,
}

impl Engine {
    /// A kept response, as its caller got it.
    ///
    /// # Errors
    /// `NotFound` where there is none of this tenant, or where a token's end user asks for another's.
    pub async fn response(&self, call: &Call, id: &str) -> Result<Bytes> {
        let row = self.kept(call, id).await?;
        self.opened(call, &row, RESPONSE, &row.sealed_response).await
    }

    /// Forgets a kept response. What goes on from it cannot be gone on from any more.
    ///
    /// # Errors
    /// As of [`Engine::response`].
    pub async fn forget_response(&self, call: &Call, id: &str) -> Result<()> {
        let row = self.kept(call, id).await?;
        let tenant = self.store.tenant(&call.credential.scope).await?;
        if tenant.forget_response(row.response).await? { Ok(()) } else { Err(unknown()) }
    }

    /// What a kept response's own request brought; not what was said before.
    ///
    /// # Errors
    /// As of [`Engine::response`].
    pub async fn response_items(&self, call: &Call, id: &str, ask: &ItemsAsk) -> Result<ItemsPage> {
        let row = self.kept(call, id).await?;
        let kept = self.opened(call, &row, INPUT, &row.sealed_input).await?;
        let mut items = input_items(&kept, &row.response.bare())?;
        if ask.is_descending {
            items.reverse();
        }
        if let Some(after) = &ask.after {
            let place = items.iter().position(|(id, _)| id == after).map_or(items.len(), |place| place + 1);
            items.drain(..place);
        }
        let has_more = items.len() > ask.limit;
        items.truncate(ask.limit);
        Ok(ItemsPage { items, has_more })
    }

    async fn kept(&self, call: &Call, id: &str) -> Result<ResponseRow> {
        let response: RequestId = known(call, id)?;
        let row = self.store.tenant(&call.credential.scope).await?.response(response).await?.ok_or_else(unknown)?;
        let answer = self.opened(call, &row, RESPONSE, &row.sealed_response).await?;
        still_there(self, call, &row, &answer).await?;
        let Some(name) = call.credential.end_user.as_deref() else { return Ok(row) };
        let asks = self.end_users.named(call.credential.scope.tenant(), name);
        if row.end_user == Some(asks.id) { Ok(row) } else { Err(unknown()) }
    }

    async fn opened(&self, call: &Call, row: &ResponseRow, column: &str, sealed: &[u8]) -> Result<Bytes> {
        let seals = self.store.seals(&call.credential.scope).await?;
        seals.open(TABLE, column, row.response.as_bytes(), sealed).map(Bytes::from)
    }
}
