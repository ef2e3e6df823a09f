//! `/livez` and `/readyz`.

use axum::{Json, extract::State};
use insula_model::{Error, ErrorKind};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use crate::{App, errors::Failure};

/// How a node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// Whether the process runs.
#[utoipa::path(
    get, path = "/livez", operation_id = "live", tag = "health",
    extensions(("x-credential" = json!("none"))),
    responses((status = 200, description = "It runs", body = Health)),
)]
pub(crate) async fn live() -> Json<Health> {
    OK
}

/// Whether the node takes requests.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "health",
    extensions(("x-credential" = json!("none"))),
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 503, description = "It is stopping, or what it shares with others is away", body = crate::errors::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Health>, Failure> {
    if app.is_draining() {
        let retry_after = Duration::from_secs(1);
        return Err(Error::new(ErrorKind::Unavailable { retry_after }, "this node is stopping").into());
    }
    app.engine.ready()?;
    Ok(OK)
}
