//! `GET /v1/models` and `GET /v1/models/{model}`.

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::{Call, Dialect, ModelCard, manage::catalogue::PriceRow};
use insula_model::{Error, ErrorKind, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{answer, arrival::Arrival};
use crate::{
    App,
    errors::{self, Failure},
    extract::PathTexts,
};

/// A model in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct Model {
    /// What to write in `model`.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Since when its price is effective, seconds since 1970.
    created: i64,
    /// The provider's configured name.
    owned_by: String,
}

/// Models in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// The models.
    data: Vec<Model>,
}

fn model(card: &ModelCard, since: Timestamp) -> Model {
    Model { id: card.name.clone(), object: "model", created: since.seconds(), owned_by: card.provider.clone() }
}

/// The models that this caller's tenant may call, each with its price.
fn offered(app: &App, call: &Call) -> Vec<(Arc<ModelCard>, Arc<PriceRow>)> {
    let mut models = app.engine.providers.prices(call.started_at);
    models.retain(|(card, _)| call.credential.tenant.may_see(card));
    models
}

/// Lists the models that have a provider and a price, and that the tenant may call.
#[utoipa::path(
    get,
    path = "/v1/models",
    operation_id = "list_models",
    tag = "data plane",
    responses(
        (status = 200, description = "The models", body = ModelList),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_models(State(app): State<App>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    let data = offered(&app, &call).iter().map(|(card, price)| model(card, price.effective_from)).collect();
    answer::json(&ModelList { object: "list", data }, Dialect::ChatCompletions, call.request)
}

/// One model.
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    operation_id = "retrieve_model",
    tag = "data plane",
    params(("model" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "The model", body = Model),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such model"),
    ),
    security(("tenantKey" = []))
)]
pub async fn retrieve_model(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let call = match Arrival::new(&app, request).await {
        Ok(arrival) => arrival.call,
        Err(away) => return errors::openai(&away.error, away.request),
    };
    // A name that does not decode is the name of nothing.
    let name = path.as_ref().ok().and_then(|path| path.get("model").ok()).unwrap_or_default();
    match offered(&app, &call).iter().find(|(card, _)| card.name == name) {
        Some((card, price)) => answer::json(&model(card, price.effective_from), Dialect::ChatCompletions, call.request),
        None => {
            let error = Error::new(ErrorKind::ModelNotFound, "no such model; GET /v1/models lists them").at("model");
            errors::openai(&error, call.request)
        }
    }
}
