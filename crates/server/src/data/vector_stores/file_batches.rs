//! `/v1/vector_stores/{vector_store_id}/file_batches`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::knowledge::{
    access_list,
    stores::{self as vector_stores, FileBatchView, NewStoreFile},
};
use insula_model::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::answer::Paged,
    answered,
    files::{StoreFileOrder, VectorStoreFile, page},
    polled,
    stores::file,
    wire::{ChunkingStrategy, Counts, StoreFilesQuery, attributes},
};
use crate::{App, errors::Failure, extract::PathTexts};

/// Files that are to come into a store together: `file_ids` with what is said of all of them, or `files` with what is said of each.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileBatchOrder {
    /// Which files.
    file_ids: Option<Vec<String>>,
    /// Which files, each with what is said of it.
    files: Option<Vec<StoreFileOrder>>,
    /// To filter by: up to 16 fields, each text, a number, true or false.
    #[schema(value_type = Option<Object>)]
    attributes: Option<BTreeMap<String, Value>>,
    /// How they are cut.
    #[schema(inline)]
    chunking_strategy: Option<ChunkingStrategy>,
    /// Our own: the end users who may see them; all where nobody is named.
    #[serde(default)]
    access: Vec<String>,
}

impl FileBatchOrder {
    /// What it says, and what the caller calls the files.
    fn read(self) -> Result<(Vec<NewStoreFile>, &'static str)> {
        let attributes = attributes(self.attributes)?;
        let chunking = self.chunking_strategy.map_or(Ok(None), ChunkingStrategy::read)?;
        let access = access_list(self.access)?;
        match (self.file_ids, self.files) {
            (Some(ids), None) => {
                let new = |id: &String| -> Result<NewStoreFile> {
                    let file = file(id, "file_ids")?;
                    Ok(NewStoreFile { file, attributes: attributes.clone(), chunking, access: access.clone() })
                };
                Ok((ids.iter().map(new).collect::<Result<_>>()?, "file_ids"))
            }
            // As OpenAI has it, what is said of all counts for none of them.
            (None, Some(files)) => Ok((files.into_iter().map(|file| file.read("files")).collect::<Result<_>>()?, "files")),
            _ => Err(Error::invalid("name the files in `file_ids` or in `files`, not in both").at("file_ids")),
        }
    }
}

/// Files that came into a vector store together, in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct VectorStoreFileBatch {
    /// Its id.
    id: String,
    /// Always `vector_store.files_batch`.
    object: &'static str,
    /// When they came, seconds since 1970.
    created_at: i64,
    /// The store.
    vector_store_id: String,
    /// `in_progress` while files are being read, then `completed`, whether they could be or not; or `cancelled`.
    status: &'static str,
    /// The files, but for those that were taken out of the store again.
    #[schema(inline)]
    file_counts: Counts,
}

impl From<FileBatchView> for VectorStoreFileBatch {
    fn from(batch: FileBatchView) -> Self {
        let status = match (batch.is_cancelled, batch.files.in_progress) {
            (true, _) => "cancelled",
            (false, 0) => "completed",
            (false, _) => "in_progress",
        };
        Self {
            id: batch.id.to_string(),
            object: "vector_store.files_batch",
            created_at: batch.created_at.seconds(),
            vector_store_id: batch.store.to_string(),
            status,
            file_counts: batch.files.into(),
        }
    }
}

/// Puts files into a vector store, all or none of them; they are read after this has answered.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{vector_store_id}/file_batches",
    operation_id = "create_vector_store_file_batch",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id")),
    request_body = FileBatchOrder,
    responses(
        (status = 200, description = "The batch", body = VectorStoreFileBatch),
        (status = 400, description = "The input is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store or file"),
        (status = 409, description = "Somebody else is putting one of the files into the store"),
        (status = 413, description = "The body is over its bound, or the tenant has no room"),
    ),
    security(("tenantKey" = []))
)]
pub async fn create_vector_store_file_batch(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, (files, at)) = (asked.store()?, asked.json::<FileBatchOrder>()?.read()?);
        let created = vector_stores::create_batch(&app.engine, &asked.call.credential, id, files, at).await;
        created.map(VectorStoreFileBatch::from)
    })
    .await
}

/// Shows a batch of files and how far it is.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}",
    operation_id = "retrieve_vector_store_file_batch",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("file_batch_id" = String, Path, description = "The batch's id"),
    ),
    responses(
        (status = 200, description = "The batch", body = VectorStoreFileBatch),
        (status = 400, description = "The store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store, or no such batch in it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_vector_store_file_batch(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    let found = answered(&app, path, request, async |asked| {
        let (id, batch) = (asked.store()?, asked.batch()?);
        vector_stores::find_batch(&app.engine, &asked.call.credential, id, batch).await.map(VectorStoreFileBatch::from)
    });
    polled(found.await)
}

/// Cancels those files of a batch that are not read yet. A batch that is over stays as it is.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}/cancel",
    operation_id = "cancel_vector_store_file_batch",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("file_batch_id" = String, Path, description = "The batch's id"),
    ),
    responses(
        (status = 200, description = "The batch", body = VectorStoreFileBatch),
        (status = 400, description = "The store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store, or no such batch in it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn cancel_vector_store_file_batch(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, batch) = (asked.store()?, asked.batch()?);
        vector_stores::cancel(&app.engine, &asked.call.credential, id, batch).await.map(VectorStoreFileBatch::from)
    })
    .await
}

/// Lists the files of a batch.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}/files",
    operation_id = "list_vector_store_file_batch_files",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("file_batch_id" = String, Path, description = "The batch's id"),
        StoreFilesQuery,
    ),
    responses(
        (status = 200, description = "A page of files", body = Paged<VectorStoreFile>),
        (status = 400, description = "A parameter is wrong, `param` names it; or the store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store, or no such batch in it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_vector_store_file_batch_files(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, batch) = (asked.store()?, asked.batch()?);
        let part = asked.query::<StoreFilesQuery>()?.read()?;
        let (files, more) = vector_stores::list_batch(&app.engine, &asked.call.credential, id, batch, &part).await?;
        Ok(page(files, more))
    })
    .await
}
