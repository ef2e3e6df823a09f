//! `/api/v1/tenants/{tenant}/documents`: what a tenant hands in to be searched.

pub(super) mod body;
mod report;

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use http::{Request, StatusCode};
use insula_engine::{
    directory::ManagedTenant,
    manage::documents::{self, DocumentView},
};
use insula_model::{DocumentStatus, EmbeddingWait};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::{
    body::{DocumentForm, DocumentText},
    report::{Finding, Report},
};
use crate::{
    App,
    errors::{Failure, InputErrors, ParamErrors, TenantErrors},
    extract::{Authorised, PathTexts, StrictQuery},
    wire::{Listed, Moment, PageQuery},
};

/// A document. What it holds is told to its tenant alone: to an operator `name`, `media_type`, `metadata`, `access`, `report` and
/// `findings` are null.
#[derive(Serialize, ToSchema)]
pub(crate) struct Document {
    /// Its id.
    id: String,
    /// How it stands.
    status: DocumentStatus,
    /// Why it cannot be searched; null where it can, or will.
    error: Option<DocumentError>,
    /// How far it is.
    progress: Progress,
    /// What its chunks wait for that are not embedded; null where they do not. It goes on by itself.
    waiting: Option<EmbeddingWait>,
    /// What it is called.
    name: Option<String>,
    /// What it is said to be.
    media_type: Option<String>,
    /// Its fields, to filter by.
    #[schema(value_type = Option<Object>)]
    metadata: Option<BTreeMap<String, Value>>,
    /// The end users who may see it; empty where all may.
    access: Option<Vec<String>>,
    /// How well it could be read; null until it was.
    report: Option<Report>,
    /// What was found in it that is meant for a model and not for a reader; null until it was read.
    findings: Option<Vec<Finding>>,
    /// Findings that are not listed, because there are too many.
    findings_left_out: Option<u64>,
    /// Its size, as it was handed in.
    bytes: u64,
    /// What embedded it; null until it is.
    embedding: Option<Embedding>,
    /// The vector store that it is in; null where it is in none.
    vector_store: Option<String>,
    /// The file that it was made of, where it is in one.
    file: Option<String>,
    /// When it was handed in.
    created_at: Moment,
    /// When it came to stand as it does.
    changed_at: Moment,
}

/// Why a document cannot be searched.
#[derive(Serialize, ToSchema)]
struct DocumentError {
    /// What programs tell it by.
    code: String,
    /// What is wrong, and what to do about it.
    message: String,
}

/// How far a document is.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentProgress)]
struct Progress {
    /// Chunks that are embedded.
    done: u64,
    /// Its chunks; 0 until they are counted.
    total: u64,
}

/// What embedded a document.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentEmbedding)]
struct Embedding {
    /// Its name.
    model: String,
    /// The numbers of each vector.
    dimension: u32,
}

impl Document {
    pub(super) fn of(view: DocumentView, sees_content: bool) -> Self {
        let content = sees_content.then_some(view.content);
        let told = content.as_ref().and_then(|content| Some((content.report.clone()?, content.findings.clone())));
        Self {
            id: view.id.to_string(),
            status: view.status,
            error: view.trouble.map(|trouble| DocumentError { code: trouble.code, message: trouble.message }),
            progress: Progress { done: view.chunks_done, total: view.chunks_total },
            waiting: view.waiting,
            name: content.as_ref().map(|content| content.name.clone()),
            media_type: content.as_ref().and_then(|content| content.media_type.clone()),
            metadata: content.as_ref().map(|content| content.metadata.clone()),
            access: content.as_ref().map(|content| content.access.clone()),
            report: told.as_ref().map(|(report, _)| Report::of(report)),
            findings: told.as_ref().map(|(_, findings)| findings.listed.iter().map(Finding::of).collect()),
            findings_left_out: told.map(|(_, findings)| findings.left_out),
            bytes: view.bytes,
            embedding: view.embedder.zip(view.dimension).map(|(model, dimension)| Embedding { model, dimension }),
            vector_store: view.vector_store.map(|id| id.to_string()),
            file: view.file.map(|id| id.to_string()),
            created_at: Moment(view.created_at),
            changed_at: Moment(view.changed_at),
        }
    }
}

/// Hands in a document: text in JSON, or a file in a form. It is kept, and read after this has answered; `status` tells how far it is.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/documents", operation_id = "add_document", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body(content(
        (DocumentText = "application/json"),
        (DocumentForm = "multipart/form-data"),
    )),
    responses((status = 201, description = "The document, queued", body = Document), TenantErrors, InputErrors),
)]
pub(crate) async fn add(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    request: Request<axum::body::Body>,
) -> Result<(StatusCode, Json<Document>), Failure> {
    let added = body::take(&app, &tenant.scope, request).await?;
    Ok((StatusCode::CREATED, Json(Document::of(added, documents::sees_content(&tenant)))))
}

/// Lists a tenant's documents, latest first.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/documents", operation_id = "list_documents", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), PageQuery),
    responses((status = 200, description = "A page of documents", body = Listed<Document>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Document>>, Failure> {
    let page = documents::list(&app.engine, &tenant, page.ask()?).await?;
    Ok(Json(Listed::page(page, |view| Document::of(view.clone(), documents::sees_content(&tenant)))))
}

/// Shows a document.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/documents/{document}", operation_id = "read_document", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("document" = String, Path, description = "The document's id"),
    ),
    responses((status = 200, description = "The document", body = Document), TenantErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<Json<Document>, Failure> {
    let view = documents::read(&app.engine, &tenant, path.get("document")?).await?;
    Ok(Json(Document::of(view, documents::sees_content(&tenant))))
}

/// Removes a document with everything that was made of it. Once this has answered no search finds it.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/documents/{document}", operation_id = "remove_document", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("document" = String, Path, description = "The document's id"),
    ),
    responses((status = 204, description = "It is gone"), TenantErrors),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    documents::remove(&app.engine, &tenant, path.get("document")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
