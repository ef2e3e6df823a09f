//! `/api/v1/operator-keys`.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::{KeyKind, KeyText, Operator},
    manage::operator_keys,
};
use insula_model::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors},
    extract::{Authorised, PathTexts, StrictJson},
    wire::{Listed, Moment},
};

/// An operator's key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperatorKey {
    /// Its id.
    id: String,
    /// Its name for people.
    name: String,
    /// How its text begins.
    prefix: String,
    /// When it was created.
    created_at: Moment,
    /// When it was revoked.
    revoked_at: Option<Moment>,
}

impl From<operator_keys::OperatorKey> for OperatorKey {
    fn from(key: operator_keys::OperatorKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.into(),
            prefix: KeyText::prefix(KeyKind::Operator, key.id),
            created_at: Moment(key.created_at),
            revoked_at: key.revoked_at.map(Moment),
        }
    }
}

/// An operator's key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeOperatorKey {
    /// The key itself. It is shown here and never again.
    key: String,
    #[serde(flatten)]
    about: OperatorKey,
}

/// A new operator key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorKeyOrder {
    /// 1 to 200 characters.
    #[schema(value_type = String, max_length = 200)]
    name: Name,
}

/// Lists operator keys in order of creation, revoked ones included.
#[utoipa::path(
    get, path = "/api/v1/operator-keys", operation_id = "list_operator_keys", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The keys", body = Listed<OperatorKey>), OperatorErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
) -> Result<Json<Listed<OperatorKey>>, Failure> {
    Ok(Json(Listed::whole(operator_keys::list(&app.engine, &by).await?.into_iter().map(OperatorKey::from))))
}

/// Creates an operator key and shows it, this once.
#[utoipa::path(
    post, path = "/api/v1/operator-keys", operation_id = "create_operator_key", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    request_body = OperatorKeyOrder,
    responses((status = 201, description = "The key", body = MadeOperatorKey), OperatorErrors, InputErrors),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictJson(order): StrictJson<OperatorKeyOrder>,
) -> Result<(StatusCode, Json<MadeOperatorKey>), Failure> {
    let (key, text) = operator_keys::create(&app.engine, &by, order.name).await?;
    Ok((StatusCode::CREATED, Json(MadeOperatorKey { key: text.expose().to_owned(), about: key.into() })))
}

/// Revokes an operator key: refused from the next request on, with the tokens that it issued.
#[utoipa::path(
    delete, path = "/api/v1/operator-keys/{key}", operation_id = "revoke_operator_key", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("key" = String, Path, description = "The key's id")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is no such key", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    operator_keys::revoke(&app.engine, &by, path.get("key")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
