//! `/api/v1/corpora`: reference corpora, which operators keep; and below a tenant, those that it may read.

pub(crate) mod documents;
pub(crate) mod grants;

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::{LeavingCorpus, OperatedCorpus, Operator},
    manage::corpora::{self, NewCorpus},
};
use insula_model::{CorpusName, Jurisdiction, Name, ReferenceCorpus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictJson, StrictQuery},
    wire::{Listed, Moment, PageQuery},
};

/// A reference corpus.
#[derive(Serialize, ToSchema)]
pub(crate) struct Corpus {
    /// Its id.
    id: String,
    /// Its short name, such as `eu_gdpr`.
    name: String,
    /// Its name for people.
    title: String,
    /// Where what stands in it holds, such as `eu`.
    jurisdiction: String,
    /// When it was created.
    created_at: Moment,
}

impl From<&Arc<ReferenceCorpus>> for Corpus {
    fn from(corpus: &Arc<ReferenceCorpus>) -> Self {
        Self {
            id: corpus.id.to_string(),
            name: corpus.name.to_string(),
            title: corpus.title.to_string(),
            jurisdiction: corpus.jurisdiction.to_string(),
            created_at: Moment(corpus.created_at),
        }
    }
}

/// A new corpus.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CorpusOrder {
    /// Its short name: 1 to 63 of a-z, 0-9, hyphens and underscores. It stays.
    #[schema(value_type = String, min_length = 1, max_length = 63)]
    name: CorpusName,
    /// Its name for people.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    title: Name,
    /// Where what stands in it holds: 1 to 63 of a-z, 0-9, hyphens and underscores. It stays.
    #[schema(value_type = String, min_length = 1, max_length = 63)]
    jurisdiction: Jurisdiction,
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CorpusChange {
    /// Its name for people.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    title: Name,
}

/// Proof that a corpus was erased.
#[derive(Serialize, ToSchema)]
pub(crate) struct CorpusErasure {
    /// Its id.
    corpus: String,
    /// When its key was destroyed and its documents dropped.
    erased_at: Moment,
    /// From then on no backup holds its key either.
    keys_gone_after: Moment,
}

/// Makes a reference corpus, empty, that nobody may read.
#[utoipa::path(
    post, path = "/api/v1/corpora", operation_id = "create_corpus", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    request_body = CorpusOrder,
    responses(
        (status = 201, description = "The corpus", body = Corpus),
        (status = 409, description = "The name is taken, or there are too many", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors, InputErrors,
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictJson(order): StrictJson<CorpusOrder>,
) -> Result<(StatusCode, Json<Corpus>), Failure> {
    let CorpusOrder { name, title, jurisdiction } = order;
    let made = corpora::create(&app.engine, &by, NewCorpus { name, title, jurisdiction }).await?;
    Ok((StatusCode::CREATED, Json(Corpus::from(&made))))
}

/// Lists reference corpora in order of creation.
#[utoipa::path(
    get, path = "/api/v1/corpora", operation_id = "list_corpora", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page of corpora", body = Listed<Corpus>), OperatorErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Corpus>>, Failure> {
    Ok(Json(Listed::page(corpora::list(&app.engine, &by, page.ask()?), |corpus| Corpus::from(corpus))))
}

/// Shows a reference corpus.
#[utoipa::path(
    get, path = "/api/v1/corpora/{corpus}", operation_id = "read_corpus", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("corpus" = String, Path, description = "Name or id")),
    responses((status = 200, description = "The corpus", body = Corpus), TenantErrors),
)]
pub(crate) async fn read(Authorised(corpus): Authorised<OperatedCorpus>) -> Json<Corpus> {
    Json(Corpus::from(&corpus.entry))
}

/// Gives a reference corpus another title.
#[utoipa::path(
    patch, path = "/api/v1/corpora/{corpus}", operation_id = "change_corpus", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("corpus" = String, Path, description = "Name or id")),
    request_body = CorpusChange,
    responses((status = 200, description = "The corpus as it is now", body = Corpus), TenantErrors, InputErrors),
)]
pub(crate) async fn change(
    State(app): State<App>,
    Authorised(corpus): Authorised<OperatedCorpus>,
    StrictJson(change): StrictJson<CorpusChange>,
) -> Result<Json<Corpus>, Failure> {
    Ok(Json(Corpus::from(&corpora::retitle(&app.engine, &corpus, change.title).await?)))
}

/// Erases a reference corpus for good, with its documents and all grants, and answers a receipt. No search finds anything of it any
/// more, on any node.
#[utoipa::path(
    delete, path = "/api/v1/corpora/{corpus}", operation_id = "erase_corpus", tag = "corpora",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("corpus" = String, Path, description = "Name or id")),
    responses((status = 200, description = "The receipt", body = CorpusErasure), TenantErrors),
)]
pub(crate) async fn erase(
    State(app): State<App>,
    Authorised(corpus): Authorised<LeavingCorpus>,
) -> Result<Json<CorpusErasure>, Failure> {
    let receipt = corpora::erase(&app.engine, &corpus).await?;
    Ok(Json(CorpusErasure {
        corpus: corpus.0.entry.id.to_string(),
        erased_at: Moment(receipt.erased_at),
        keys_gone_after: Moment(receipt.keys_gone_after),
    }))
}
