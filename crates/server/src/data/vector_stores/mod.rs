//! `/v1/vector_stores`: stores ([`stores`]), what is found in them ([`search`]), and what is in them, file by file ([`files`]) or batch
//! by batch ([`file_batches`]).
//!
//! - [`wire`]: what several of them read and write;
//! - here: from a request to an answer, which is the same for all.

pub mod file_batches;
pub mod files;
pub mod search;
pub mod stores;
mod wire;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use insula_engine::{
    Call, Dialect,
    knowledge::stores::{no_such_batch, no_such_store, no_such_store_file},
};
use insula_model::{FileBatchId, FileId, Result, VectorStoreId};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    answer,
    arrival::{Arrival, Received},
};
use crate::{
    App,
    errors::{self, Failure},
    extract::{PathTexts, strict_json, strict_query},
};

/// Tells the SDKs' `poll` when to look again, in milliseconds. Most files are read sooner than in the second that they wait otherwise.
const POLL_AFTER: (&str, HeaderValue) = ("openai-poll-after-ms", HeaderValue::from_static("250"));

/// A request that is to be answered.
struct Asked<'a> {
    call: &'a Call,
    uri: &'a Uri,
    path: Result<PathTexts, Failure>,
    body: Bytes,
}

impl Asked<'_> {
    /// The store that the path names. A text that is no id names nothing.
    fn store(&self) -> Result<VectorStoreId> {
        self.named("vector_store_id").ok_or_else(no_such_store)
    }

    /// The file that the path names.
    fn file(&self) -> Result<FileId> {
        self.named("store_file_id").ok_or_else(no_such_store_file)
    }

    /// The batch that the path names.
    fn batch(&self) -> Result<FileBatchId> {
        self.named("file_batch_id").ok_or_else(no_such_batch)
    }

    fn named<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.path.as_ref().ok()?.get(name).ok()?.parse().ok()
    }

    /// The body.
    fn json<T: DeserializeOwned>(&self) -> Result<T> {
        strict_json(&self.body)
    }

    /// What the address asks for.
    fn query<T: DeserializeOwned>(&self) -> Result<T> {
        strict_query(self.uri)
    }
}

/// Answers a request with what `work` makes of it.
async fn answered<T: Serialize>(
    app: &App,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
    work: impl AsyncFnOnce(Asked<'_>) -> Result<T>,
) -> Response {
    let arrival = match Arrival::new(app, request).await {
        Ok(arrival) => arrival,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let uri = arrival.head.uri.clone();
    let (call, received) = arrival.read(app).await;
    let answered = async {
        // Its room is kept until all is done.
        let Received { bytes, room: _room } = received?;
        work(Asked { call: &call, uri: &uri, path, body: bytes }).await
    };
    match answered.await {
        Ok(value) => answer::json(&value, Dialect::ChatCompletions, call.request),
        Err(error) => errors::openai(&error, call.request),
    }
}

/// The same, told when it is worth to look again.
fn polled(mut response: Response) -> Response {
    let (name, value) = POLL_AFTER;
    response.headers_mut().insert(name, value);
    response
}
