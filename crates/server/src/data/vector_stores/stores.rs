//! `/v1/vector_stores` and `/v1/vector_stores/{vector_store_id}`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::knowledge::stores::{self as vector_stores, Change, NewStore, Slice, StoreView};
use insula_model::{Error, FileId, Result, Timestamp, VectorStoreId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    super::answer::Paged,
    answered,
    wire::{ChunkingStrategy, Counts, limit, oldest_first},
};
use crate::{App, errors::Failure, extract::PathTexts, wire::or_null};

/// When a store expires.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpiresAfter {
    /// Always `last_active_at`.
    anchor: String,
    /// So many days without use.
    #[schema(minimum = 1, maximum = 365)]
    days: u32,
}

/// What expiry is counted from.
const ANCHOR: &str = "last_active_at";

impl ExpiresAfter {
    fn read(self) -> Result<u32> {
        if self.anchor == ANCHOR {
            return Ok(self.days);
        }
        Err(Error::invalid(format!("`anchor` is always `{ANCHOR}`")).at("expires_after.anchor"))
    }
}

/// What a store is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorStoreOrder {
    /// What it is called.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// The files that it is made of.
    file_ids: Option<Vec<String>>,
    /// When it expires; never where absent.
    #[schema(inline)]
    expires_after: Option<ExpiresAfter>,
    /// How its files are cut.
    #[schema(inline)]
    chunking_strategy: Option<ChunkingStrategy>,
    /// The caller's notes.
    metadata: Option<BTreeMap<String, String>>,
}

impl VectorStoreOrder {
    fn read(self) -> Result<NewStore> {
        Ok(NewStore {
            name: self.name,
            description: self.description,
            metadata: self.metadata.unwrap_or_default(),
            expires_days: self.expires_after.map(ExpiresAfter::read).transpose()?,
            files: self.file_ids.unwrap_or_default().iter().map(|id| file(id, "file_ids")).collect::<Result<_>>()?,
            chunking: self.chunking_strategy.map_or(Ok(None), ChunkingStrategy::read)?,
        })
    }
}

/// A file that a body names. A text that is no id names nothing.
pub(super) fn file(id: &str, at: &str) -> Result<FileId> {
    id.parse().map_err(|_| insula_engine::files::no_such_file().at(at))
}

/// What is to change of a store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorStoreChange {
    /// What it is called.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// When it expires; never where null.
    #[serde(default, deserialize_with = "or_null")]
    #[schema(inline, value_type = Option<ExpiresAfter>)]
    expires_after: Option<Option<ExpiresAfter>>,
    /// The caller's notes, instead of those that there are.
    metadata: Option<BTreeMap<String, String>>,
}

impl VectorStoreChange {
    fn read(self) -> Result<Change> {
        let expires_days = self.expires_after.map(|after| after.map(ExpiresAfter::read).transpose()).transpose()?;
        Ok(Change { name: self.name, description: self.description, metadata: self.metadata, expires_days })
    }
}

/// A vector store in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct VectorStore {
    /// Its id.
    id: String,
    /// Always `vector_store`.
    object: &'static str,
    /// When it was made, seconds since 1970.
    created_at: i64,
    /// What it is called.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The size of the files in it that can be searched, as they were uploaded.
    usage_bytes: u64,
    /// The files in it.
    #[schema(inline)]
    file_counts: Counts,
    /// `in_progress` while files are being read, else `completed`; or `expired`.
    status: &'static str,
    /// When it expires.
    expires_after: Option<ExpiresAfter>,
    /// When that is, seconds since 1970.
    expires_at: Option<i64>,
    /// When it was last used, to a minute.
    last_active_at: i64,
    /// The caller's notes.
    metadata: BTreeMap<String, String>,
}

impl From<StoreView> for VectorStore {
    fn from(store: StoreView) -> Self {
        let status = match (store.is_expired, store.files.in_progress) {
            (true, _) => "expired",
            (false, 0) => "completed",
            (false, _) => "in_progress",
        };
        Self {
            id: store.id.to_string(),
            object: "vector_store",
            created_at: store.created_at.seconds(),
            name: store.name.unwrap_or_default(),
            description: store.description,
            usage_bytes: store.usage_bytes,
            file_counts: store.files.into(),
            status,
            expires_after: store.expires_days.map(|days| ExpiresAfter { anchor: ANCHOR.to_owned(), days }),
            expires_at: store.expires_at.map(Timestamp::seconds),
            last_active_at: store.active_at.seconds(),
            metadata: store.metadata,
        }
    }
}

/// That a store is gone.
#[derive(Serialize, ToSchema)]
pub struct DeletedVectorStore {
    /// Its id.
    id: String,
    /// Always `vector_store.deleted`.
    object: &'static str,
    /// Always true.
    deleted: bool,
}

/// Which stores.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VectorStoresQuery {
    /// The last store of the page before.
    after: Option<String>,
    /// The first store of the page behind.
    before: Option<String>,
    /// Stores on the page; 20 where absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `desc` for the newest first, which is the default, or `asc`.
    order: Option<String>,
}

impl VectorStoresQuery {
    fn read(&self) -> Result<Slice> {
        let store = |text: &Option<String>, at: &str| -> Result<Option<[u8; 16]>> {
            let parsed = text.as_deref().map(str::parse::<VectorStoreId>).transpose();
            let parsed = parsed.map_err(|_| Error::invalid(format!("`{at}` is the id of a vector store")).at(at))?;
            Ok(parsed.map(|id| *id.as_bytes()))
        };
        Ok(Slice {
            after: store(&self.after, "after")?,
            before: store(&self.before, "before")?,
            oldest_first: oldest_first(self.order.as_deref())?,
            limit: limit(self.limit)?,
        })
    }
}

/// Makes a vector store. Its files are read after this has answered; `file_counts` tells how far they are.
#[utoipa::path(
    post,
    path = "/v1/vector_stores",
    operation_id = "create_vector_store",
    tag = "data plane",
    request_body = VectorStoreOrder,
    responses(
        (status = 200, description = "The store", body = VectorStore),
        (status = 400, description = "The input is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such file"),
        (status = 413, description = "The body is over its bound, or the tenant has no room"),
    ),
    security(("tenantKey" = []))
)]
pub async fn create_vector_store(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    answered(&app, path, request, async |asked| {
        let new = asked.json::<VectorStoreOrder>()?.read()?;
        vector_stores::create(&app.engine, &asked.call.credential, new).await.map(VectorStore::from)
    })
    .await
}

/// Lists a tenant's vector stores.
#[utoipa::path(
    get,
    path = "/v1/vector_stores",
    operation_id = "list_vector_stores",
    tag = "data plane",
    params(VectorStoresQuery),
    responses(
        (status = 200, description = "A page of stores", body = Paged<VectorStore>),
        (status = 400, description = "A parameter is wrong; `param` names it"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_vector_stores(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    answered(&app, path, request, async |asked| {
        let slice = asked.query::<VectorStoresQuery>()?.read()?;
        let (stores, more) = vector_stores::list(&app.engine, &asked.call.credential, &slice).await?;
        Ok(Paged::new(stores.into_iter().map(VectorStore::from).collect(), more, |store| &store.id))
    })
    .await
}

/// Shows a vector store.
#[utoipa::path(
    get,
    path = "/v1/vector_stores/{vector_store_id}",
    operation_id = "retrieve_vector_store",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id")),
    responses(
        (status = 200, description = "The store", body = VectorStore),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_vector_store(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    request: Request<Body>,
) -> Response {
    answered(&app, path, request, async |asked| {
        vector_stores::find(&app.engine, &asked.call.credential, asked.store()?).await.map(VectorStore::from)
    })
    .await
}

/// Changes a vector store. What is absent stays as it is.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{vector_store_id}",
    operation_id = "update_vector_store",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id")),
    request_body = VectorStoreChange,
    responses(
        (status = 200, description = "The store", body = VectorStore),
        (status = 400, description = "The input is wrong; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store"),
        (status = 413, description = "The body is over its bound"),
    ),
    security(("tenantKey" = []))
)]
pub async fn update_vector_store(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    answered(&app, path, request, async |asked| {
        let (id, change) = (asked.store()?, asked.json::<VectorStoreChange>()?.read()?);
        vector_stores::change(&app.engine, &asked.call.credential, id, change).await.map(VectorStore::from)
    })
    .await
}

/// Removes a vector store with everything that was made of its files. The files themselves stay.
#[utoipa::path(
    delete,
    path = "/v1/vector_stores/{vector_store_id}",
    operation_id = "delete_vector_store",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id")),
    responses(
        (status = 200, description = "It is gone", body = DeletedVectorStore),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's or an end user's"),
        (status = 404, description = "No such store"),
    ),
    security(("tenantKey" = []))
)]
pub async fn delete_vector_store(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    answered(&app, path, request, async |asked| {
        let id = asked.store()?;
        vector_stores::remove(&app.engine, &asked.call.credential, id).await?;
        Ok(DeletedVectorStore { id: id.to_string(), object: "vector_store.deleted", deleted: true })
    })
    .await
}
