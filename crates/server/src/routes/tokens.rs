//! `/api/v1/tenants/{tenant}/tokens`.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{directory::ManagedTenant, manage::tokens};
use insula_model::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
    wire::Moment,
};

/// A new token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenOrder {
    /// The end user for whom the token's holder acts, as the product calls them.
    #[schema(value_type = Option<String>, max_length = 200)]
    end_user: Option<Name>,
    /// How long it is good: 1 second to 1 day.
    #[schema(minimum = 1, maximum = 86_400)]
    ttl_seconds: u64,
}

/// A token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    /// What goes into `Authorization: Bearer`; its role is `service`.
    token: String,
    /// From when on it is refused.
    expires_at: Moment,
}

/// Issues a short-lived token for a tenant. It dies with the key that issued it.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/tokens", operation_id = "issue_token", tag = "keys",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = TokenOrder,
    responses((status = 201, description = "The token", body = Token), TenantErrors, InputErrors),
)]
pub(crate) async fn issue(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictJson(order): StrictJson<TokenOrder>,
) -> Result<(StatusCode, Json<Token>), Failure> {
    let issued = tokens::issue(&app.engine, &tenant, order.end_user, order.ttl_seconds)?;
    Ok((StatusCode::CREATED, Json(Token { token: issued.text, expires_at: Moment(issued.expires_at) })))
}
