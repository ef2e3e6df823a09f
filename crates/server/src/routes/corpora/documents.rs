//! `/api/v1/corpora/{corpus}/documents`: what operators hand in for all who may read it.

use axum::{Json, body::Body, extract::State};
use http::{Request, StatusCode};
use insula_engine::{directory::OperatedCorpus, manage::corpora};

use crate::{
    App,
    errors::{Failure, InputErrors, ParamErrors, TenantErrors},
    extract::{Authorised, PathTexts, StrictQuery},
    routes::documents::{
        Document,
        body::{self, DocumentForm, DocumentText},
    },
    wire::{Listed, PageQuery},
};

/// Hands in a document of a reference corpus: text in JSON, or a file in a form. It is kept, and read after this has answered;
/// `status` tells how far it is. `access` is refused: a corpus is read by whole tenants.
#[utoipa::path(
    post, path = "/api/v1/corpora/{corpus}/documents", operation_id = "add_corpus_document", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("corpus" = String, Path, description = "Name or id")),
    request_body(content(
        (DocumentText = "application/json"),
        (DocumentForm = "multipart/form-data"),
    )),
    responses((status = 201, description = "The document, queued", body = Document), TenantErrors, InputErrors),
)]
pub(crate) async fn add(
    State(app): State<App>,
    Authorised(corpus): Authorised<OperatedCorpus>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Document>), Failure> {
    let added = body::take(&app, &corpus.scope, request).await?;
    Ok((StatusCode::CREATED, Json(Document::of(added, true))))
}

/// Lists a reference corpus's documents, latest first.
#[utoipa::path(
    get, path = "/api/v1/corpora/{corpus}/documents", operation_id = "list_corpus_documents", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("corpus" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of documents", body = Listed<Document>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(corpus): Authorised<OperatedCorpus>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Document>>, Failure> {
    let page = corpora::documents(&app.engine, &corpus, page.ask()?).await?;
    Ok(Json(Listed::page(page, |view| Document::of(view.clone(), true))))
}

/// Shows a document of a reference corpus.
#[utoipa::path(
    get, path = "/api/v1/corpora/{corpus}/documents/{document}", operation_id = "read_corpus_document", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(
        ("corpus" = String, Path, description = "Name or id"),
        ("document" = String, Path, description = "The document's id"),
    ),
    responses((status = 200, description = "The document", body = Document), TenantErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(corpus): Authorised<OperatedCorpus>,
    path: PathTexts,
) -> Result<Json<Document>, Failure> {
    let view = corpora::document(&app.engine, &corpus, path.get("document")?).await?;
    Ok(Json(Document::of(view, true)))
}

/// Removes a document from a reference corpus. Once this has answered no search finds it, whoever's.
#[utoipa::path(
    delete, path = "/api/v1/corpora/{corpus}/documents/{document}", operation_id = "remove_corpus_document", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(
        ("corpus" = String, Path, description = "Name or id"),
        ("document" = String, Path, description = "The document's id"),
    ),
    responses((status = 204, description = "It is gone"), TenantErrors),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Authorised(corpus): Authorised<OperatedCorpus>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    corpora::remove_document(&app.engine, &corpus, path.get("document")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
