//! Responses that are kept: asked for again by their id, and gone on from.
//!
//! A response is kept in its tenant's own store, sealed, before its caller sees its end ([`Keeping`]). A request that names a previous
//! response gets the whole conversation put in front of it before anything is reserved ([`resume`]), so that what is held covers all of it.
//!
//! Its id is the request's in other words, so it tells without a look into storage that another tenant's is none of this one's. One that
//! was made for an end user is there for that end user, and for the tenant's keys to read; the conversation goes on for the same one only.
//! One that was made of documents is there for as long as all of them are.

mod keep;
mod read;
mod resume;

pub(crate) use keep::Keeping;
pub use read::{ItemsAsk, ItemsPage};
pub(crate) use resume::resume;

use insula_model::{Error, ErrorKind, RequestId, Result};
use insula_store::ResponseRow;

use crate::{Call, Engine, Origin, retrieval};

const PREFIX: &str = "resp_";
const TABLE: &str = "responses";
const INPUT: &str = "input";
const RESPONSE: &str = "response";

/// The request that a response's id stands for, where it can be one of this caller's tenant.
fn known(call: &Call, id: &str) -> Result<RequestId, Error> {
    let request = id.strip_prefix(PREFIX).and_then(RequestId::from_bare);
    request.filter(|request| request.tag() == call.request.tag()).ok_or_else(unknown)
}

/// The documents that a response was made of, all of which are there. Once one is gone the response is too, and is forgotten here and now.
async fn still_there(engine: &Engine, call: &Call, row: &ResponseRow, response: &[u8]) -> Result<Vec<Origin>> {
    let (scope, documents) = (&call.credential.scope, retrieval::documents_of(response));
    if retrieval::all_there(engine, scope, &documents).await? {
        return Ok(documents);
    }
    engine.store.tenant(scope).await?.forget_response(row.response).await?;
    Err(unknown())
}

/// Never there, not there any more, or another's: they all look the same.
fn unknown() -> Error {
    Error::new(ErrorKind::NotFound, "there is no response with this id; it may have been deleted, or its time is over")
}
