//! `/v1/vector_stores/{vector_store_id}/files`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::knowledge::{
    Trouble, access_list,
    stores::{self as vector_stores, NewStoreFile, StoreFileView},
};
use insula_model::{DocumentStatus, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    super::answer::Paged,
    answered, polled,
    stores::file,
    wire::{ChunkingStrategy, StoreFilesQuery, attributes},
};
use crate::{App, errors::Failure, extract::PathTexts};

/// A file that is to come into a store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreFileOrder {
    /// Which file.
    pub(super) file_id: String,
    /// To filter by: up to 16 fields, each text, a number, true or false.
    #[schema(value_type = Option<Object>)]
    pub(super) attributes: Option<BTreeMap<String, Value>>,
    /// How it is cut.
    #[schema(inline)]
    pub(super) chunking_strategy: Option<ChunkingStrategy>,
    /// Our own: the end users who may see it; all where nobody is named.
    #[serde(default)]
    pub(super) access: Vec<String>,
}

impl StoreFileOrder {
    /// What it says; `at` is what the caller calls the file.
    pub(super) fn read(self, at: &str) -> Result<NewStoreFile> {
        Ok(NewStoreFile {
            file: file(&self.file_id, at)?,
            attributes: attributes(self.attributes)?,
            chunking: self.chunking_strategy.map_or(Ok(None), ChunkingStrategy::read)?,
            access: access_list(self.access)?,
        })
    }
}

/// What is to change of a file in a store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreFileChange {
    /// To filter by, instead of what there is.
    #[schema(value_type = Option<Object>)]
    attributes: Option<BTreeMap<String, Value>>,
}

/// A file in a vector store, in OpenAI's form; `access` is our own.
#[derive(Serialize, ToSchema)]
pub struct VectorStoreFile {
    /// The file's id.
    id: String,
    /// Always `vector_store.file`.
    object: &'static str,
    /// Its size, as it was uploaded; 0 until it can be searched.
    usage_bytes: u64,
    /// When it came into the store, seconds since 1970.
    created_at: i64,
    /// The store.
    vector_store_id: String,
    /// `in_progress`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// Why it cannot be searched.
    last_error: Option<StoreFileError>,
    /// How it is cut.
    #[schema(inline)]
    chunking_strategy: ChunkingStrategy,
    /// To filter by.
    #[schema(value_type = Object)]
    attributes: BTreeMap<String, Value>,
    /// The end users who may see it; all where nobody is named.
    access: Vec<String>,
}

/// Why a file cannot be searched.
#[derive(Serialize, ToSchema)]
#[schema(as = VectorStoreFileError)]
pub struct StoreFileError {
    /// `unsupported_file`, `invalid_file` or `server_error`.
    code: &'static str,
    /// What is wrong, and what to do about it.
    message: String,
}

impl From<Trouble> for StoreFileError {
    fn from(Trouble { code, message }: Trouble) -> Self {
        let code = match code.as_str() {
            "unsupported" => "unsupported_file",
            "too_many_chunks" => "server_error",
            _ => "invalid_file",
        };
        Self { code, message }
    }
}

impl From<StoreFileView> for VectorStoreFile {
    fn from(file: StoreFileView) -> Self {
        Self {
            id: file.file.to_string(),
            object: "vector_store.file",
            usage_bytes: if file.status == DocumentStatus::Ready { file.bytes } else { 0 },
            created_at: file.created_at.seconds(),
            vector_store_id: file.store.to_string(),
            status: match file.status {
                DocumentStatus::Queued | DocumentStatus::Reading | DocumentStatus::Embedding => "in_progress",
                DocumentStatus::Ready => "completed",
                DocumentStatus::Failed => "failed",
                DocumentStatus::Cancelled => "cancelled",
            },
            last_error: file.trouble.map(StoreFileError::from),
            chunking_strategy: file.chunking.into(),
            attributes: file.attributes,
            access: file.access,
        }
    }
}

/// That a file is in a store no more.
#[derive(Serialize, ToSchema)]
pub struct DeletedVectorStoreFile {
    /// The file's id.
    id: String,
    /// Always `vector_store.file.deleted`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// The text of a file.
#[derive(Serialize, ToSchema)]
pub struct FileContent {
    /// Always `vector_store.file_content.page`.
    object: &'static str,
    /// Its pieces, as they are searched: where they overlap, that is said twice.
    data: Vec<TextContent>,
    /// Always false.
    has_more: bool,
    /// Always null.
    next_page: Option<String>,
}

/// A piece of text.
#[derive(Serialize, ToSchema)]
pub struct TextContent {
    /// Always `text`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// It.
    text: String,
}

impl From<String> for TextContent {
    fn from(text: String) -> Self {
        Self { kind: "text", text }
    }
}

/// Puts a file into a vector store; it is read after this has answered. One that is in it already is read anew.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{vector_store_id}/files",
    operation_id = "create_vector_store_file",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id")),
    request_body = StoreFileOrder,
    responses(
        (status = 200, description = "The file in the store", body = VectorStoreFile),
        (status = 400, description = "The input is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store or file"),
        (status = 409, description = "Somebody else is putting the file into the store"),
        (status = 413, description = "The body is over its bound, or the tenant has no room"),
    ),
    security(("tenantKey" = []))
)]
pub async fn create_vector_store_file(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, new) = (asked.store()?, asked.json::<StoreFileOrder>()?.read("file_id")?);
        vector_stores::attach(&app.engine, &asked.call.credential, id, new).await.map(VectorStoreFile::from)
    })
    .await
}

/// Lists the files in a vector store.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{vector_store_id}/files",
    operation_id = "list_vector_store_files",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id"), StoreFilesQuery),
    responses(
        (status = 200, description = "A page of files", body = Paged<VectorStoreFile>),
        (status = 400, description = "A parameter is wrong, `param` names it; or the store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_vector_store_files(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, part) = (asked.store()?, asked.query::<StoreFilesQuery>()?.read()?);
        let (files, more) = vector_stores::list_files(&app.engine, &asked.call.credential, id, &part).await?;
        Ok(page(files, more))
    })
    .await
}

/// A page of files.
pub(super) fn page(files: Vec<StoreFileView>, more: bool) -> Paged<VectorStoreFile> {
    Paged::new(files.into_iter().map(VectorStoreFile::from).collect(), more, |file| &file.id)
}

/// Shows a file in a vector store.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{vector_store_id}/files/{store_file_id}",
    operation_id = "retrieve_vector_store_file",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("store_file_id" = String, Path, description = "The file's id"),
    ),
    responses(
        (status = 200, description = "The file in the store", body = VectorStoreFile),
        (status = 400, description = "The store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store, or no such file in it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_vector_store_file(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    let found = answered(&app, path, request, async |asked| {
        let (id, file) = (asked.store()?, asked.file()?);
        vector_stores::find_file(&app.engine, &asked.call.credential, id, file).await.map(VectorStoreFile::from)
    });
    polled(found.await)
}

/// Changes what a file in a vector store can be filtered by.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{vector_store_id}/files/{store_file_id}",
    operation_id = "update_vector_store_file",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("store_file_id" = String, Path, description = "The file's id"),
    ),
    request_body = StoreFileChange,
    responses(
        (status = 200, description = "The file in the store", body = VectorStoreFile),
        (status = 400, description = "The input is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store, or no such file in it"),
        (status = 409, description = "The file is being read"),
        (status = 413, description = "The body is over its bound"),
    ),
    security(("tenantKey" = []))
)]
pub async fn update_vector_store_file(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, file) = (asked.store()?, asked.file()?);
        let attributes = attributes(asked.json::<StoreFileChange>()?.attributes)?;
        vector_stores::amend(&app.engine, &asked.call.credential, id, file, attributes).await.map(VectorStoreFile::from)
    })
    .await
}

/// Takes a file out of a vector store. The file itself stays.
#[utoipa::path(
    delete,
    path = "/v1/vector_stores/{vector_store_id}/files/{store_file_id}",
    operation_id = "delete_vector_store_file",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("store_file_id" = String, Path, description = "The file's id"),
    ),
    responses(
        (status = 200, description = "It is in the store no more", body = DeletedVectorStoreFile),
        (status = 400, description = "The store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store, or no such file in it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn delete_vector_store_file(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, file) = (asked.store()?, asked.file()?);
        vector_stores::detach(&app.engine, &asked.call.credential, id, file).await?;
        Ok(DeletedVectorStoreFile { id: file.to_string(), object: "vector_store.file.deleted", deleted: true })
    })
    .await
}

/// Shows the text of a file in a vector store, piece by piece as it is searched.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{vector_store_id}/files/{store_file_id}/content",
    operation_id = "retrieve_vector_store_file_content",
    tag = "data plane",
    params(
        ("vector_store_id" = String, Path, description = "The store's id"),
        ("store_file_id" = String, Path, description = "The file's id"),
    ),
    responses(
        (status = 200, description = "Its text", body = FileContent),
        (status = 400, description = "The file is not read, or could not be; or the store has expired"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store, or no such file in it"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_vector_store_file_content(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, file) = (asked.store()?, asked.file()?);
        let texts = vector_stores::content(&app.engine, &asked.call.credential, id, file).await?;
        let data = texts.into_iter().map(TextContent::from).collect();
        Ok(FileContent { object: "vector_store.file_content.page", data, has_more: false, next_page: None })
    })
    .await
}
