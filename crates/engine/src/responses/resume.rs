//! Going on from a response: what was said before is put in front of what is asked now.

use std::sync::Arc;

use insula_model::{Error, ErrorKind, RequestId, Result};
use insula_providers::{ChatRequest, Exchange};
use insula_store::{ResponseRow, TenantSeals};

use super::{INPUT, RESPONSE, TABLE, known, still_there, unknown};
use crate::{
    Call, Engine,
    trace::Trace,
    work::{Chat, Work},
};

const PARAM: &str = "previous_response_id";

/// The work with the conversation that it goes on from; all other work as it is.
///
/// # Errors
/// `NotFound` where the response that it names, or one before that, is none of this tenant's and end user's; `TooLarge` or `Invalid`
/// where the whole is more than a request may be.
pub(crate) async fn resume(engine: &Engine, call: &Call, work: Arc<Work>, trace: &mut Trace) -> Result<Arc<Work>> {
    let Work::Chat(chat) = &*work else { return Ok(work) };
    let Some(previous) = chat.chain.as_ref().and_then(|chain| chain.previous.as_deref()) else { return Ok(work) };
    let whole = trace.stage(engine, "conversation", whole(engine, call, chat, previous)).await?;
    Ok(Arc::new(Work::Chat(Box::new(whole))))
}

async fn whole(engine: &Engine, call: &Call, chat: &ChatRequest, previous: &str) -> Result<Chat> {
    let last = known(call, previous).map_err(|error| error.at(PARAM))?;
    let bytes_max = engine.settings.responses.conversation_bytes_max;
    let tenant = engine.store.tenant(&call.credential.scope).await?;
    let rows = tenant.conversation(last, bytes_max as u64).await?;
    check(call, last, &rows, bytes_max)?;
    let seals = engine.store.seals(&call.credential.scope).await?;
    let before = rows.iter().rev().map(|row| exchange(&seals, row)).collect::<Result<Vec<_>>>()?;
    let mut documents = Vec::new();
    for (exchange, row) in before.iter().zip(rows.iter().rev()) {
        // What was said of documents that are gone is gone with them.
        documents.extend(still_there(engine, call, row, &exchange.response).await.map_err(|error| error.at(PARAM))?);
    }
    Ok(Chat { before: documents, ..chat.after(&before, bytes_max)?.into() })
}

/// All of it must be there, and be this caller's.
fn check(call: &Call, last: RequestId, rows: &[ResponseRow], bytes_max: usize) -> Result<()> {
    let end_user = call.end_user.as_ref().map(|user| user.id);
    let unknown = || Err(unknown().at(PARAM));
    if rows.first().is_none_or(|row| row.response != last) || rows.iter().any(|row| row.end_user != end_user) {
        return unknown();
    }
    if rows.last().is_none_or(|oldest| oldest.previous.is_none()) {
        return Ok(());
    }
    let kept: usize = rows.iter().map(|row| row.sealed_input.len() + row.sealed_response.len()).sum();
    if kept <= bytes_max && rows.len() < CONVERSATION_MAX {
        return unknown();
    }
    let why = "the conversation is longer than what can be sent; begin a new one";
    Err(Error::new(ErrorKind::TooLarge, why).at(PARAM))
}

/// As many responses as the store hands over at once.
const CONVERSATION_MAX: usize = 1_000;

fn exchange(seals: &TenantSeals, row: &ResponseRow) -> Result<Exchange> {
    let open = |column, sealed: &[u8]| seals.open(TABLE, column, row.response.as_bytes(), sealed);
    Ok(Exchange { input: open(INPUT, &row.sealed_input)?.into(), response: open(RESPONSE, &row.sealed_response)?.into() })
}
