//! `/api/v1/webhooks`: the platform's, which are told the events of all tenants. Below a tenant the same handlers serve that
//! tenant's: [`super::tenant`] says what the API document has otherwise there.

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::manage::webhooks::{self, Owner};

use super::{Delivery, MadeWebhook, SentEvent, Webhook, WebhookChange, WebhookOrder};
use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, ParamErrors},
    extract::{Authorised, PathTexts, StrictJson, StrictQuery},
    wire::{Listed, PageQuery},
};

/// Lists the platform's webhooks in order of creation.
#[utoipa::path(
    get, path = "/api/v1/webhooks", operation_id = "list_webhooks", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The webhooks", body = Listed<Webhook>), OperatorErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
) -> Result<Json<Listed<Webhook>>, Failure> {
    let webhooks = webhooks::list(&app.engine, &owner).await?;
    Ok(Json(Listed::whole(webhooks.into_iter().map(Webhook::from))))
}

/// Creates a webhook that is told all tenants' events, and shows its secret, this once.
#[utoipa::path(
    post, path = "/api/v1/webhooks", operation_id = "create_webhook", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    request_body = WebhookOrder,
    responses(
        (status = 201, description = "The webhook", body = MadeWebhook),
        (status = 409, description = "There are too many webhooks", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors, InputErrors,
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    StrictJson(order): StrictJson<WebhookOrder>,
) -> Result<(StatusCode, Json<MadeWebhook>), Failure> {
    let made = webhooks::create(&app.engine, &owner, order.into()).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Shows a webhook, without its secret.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook}", operation_id = "read_webhook", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("webhook" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The webhook", body = Webhook),
        (status = 404, description = "There is no such webhook", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
) -> Result<Json<Webhook>, Failure> {
    Ok(Json(webhooks::read(&app.engine, &owner, path.get("webhook")?).await?.into()))
}

/// Changes a webhook.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{webhook}", operation_id = "change_webhook", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("webhook" = String, Path, description = "The webhook's id")),
    request_body = WebhookChange,
    responses(
        (status = 200, description = "The webhook as it is now", body = Webhook),
        (status = 404, description = "There is no such webhook", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors, InputErrors,
    ),
)]
pub(crate) async fn change(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
    StrictJson(change): StrictJson<WebhookChange>,
) -> Result<Json<Webhook>, Failure> {
    Ok(Json(webhooks::change(&app.engine, &owner, path.get("webhook")?, change.into()).await?.into()))
}

/// Removes a webhook with its log.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{webhook}", operation_id = "delete_webhook", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("webhook" = String, Path, description = "The webhook's id")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is no such webhook", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    webhooks::delete(&app.engine, &owner, path.get("webhook")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a webhook's secret and shows the new one, this once. For 24 hours requests are signed with both.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/rotate", operation_id = "rotate_webhook", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("webhook" = String, Path, description = "The webhook's id")),
    responses(
        (status = 200, description = "The webhook with its new secret", body = MadeWebhook),
        (status = 404, description = "There is no such webhook", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
) -> Result<Json<MadeWebhook>, Failure> {
    Ok(Json(webhooks::rotate(&app.engine, &owner, path.get("webhook")?).await?.into()))
}

/// Sends an event of the type `webhook.test`.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/test", operation_id = "test_webhook", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("webhook" = String, Path, description = "The webhook's id")),
    responses(
        (status = 202, description = "It is sent", body = SentEvent),
        (status = 404, description = "There is no such webhook", body = crate::errors::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The webhook is switched off, or too much waits for it", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn test(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
) -> Result<(StatusCode, Json<SentEvent>), Failure> {
    let event = webhooks::test(&app.engine, &owner, path.get("webhook")?).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(SentEvent { event })))
}

/// Shows what a webhook was told and what came of it, latest event first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{webhook}/deliveries", operation_id = "list_webhook_deliveries", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("webhook" = String, Path, description = "The webhook's id"), PageQuery),
    responses(
        (status = 200, description = "A page of the log", body = Listed<Delivery>),
        (status = 404, description = "There is no such webhook", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors, ParamErrors,
    ),
)]
pub(crate) async fn deliveries(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Delivery>>, Failure> {
    let page = webhooks::deliveries(&app.engine, &owner, path.get("webhook")?, page.ask()?).await?;
    Ok(Json(Listed::page(page, |delivery| Delivery::from(delivery))))
}

/// Sends an event to a webhook again, under the same id, whatever became of it before.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook}/deliveries/{event}/replay", operation_id = "replay_webhook_delivery", tag = "webhooks",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(
        ("webhook" = String, Path, description = "The webhook's id"),
        ("event" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 202, description = "It is sent again"),
        (status = 404, description = "The platform has no such webhook, or it was never told of this event", body = crate::errors::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The webhook is switched off", body = crate::errors::Problem, content_type = "application/problem+json"),
        OperatorErrors,
    ),
)]
pub(crate) async fn replay(
    State(app): State<App>,
    Authorised(owner): Authorised<Owner>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    webhooks::replay(&app.engine, &owner, path.get("webhook")?, path.get("event")?).await?;
    Ok(StatusCode::ACCEPTED)
}
