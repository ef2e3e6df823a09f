//! `/api/v1/tenants/{tenant}/keys`.

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    directory::{KeyEntry, KeyKind, KeyText, ManagedKey, ManagedTenant},
    manage::{
        keys::{self, NewKey},
        tags::Tags,
    },
};
use insula_model::{Name, Role, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictJson, StrictQuery},
    wire::{Listed, Moment, PageQuery},
};

/// A tenant's key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct Key {
    /// Its id.
    id: String,
    /// Its name for people.
    name: String,
    /// What it may do: `service` is for `/v1` only, `admin` also manages its own tenant.
    role: Role,
    /// How its text begins.
    prefix: String,
    /// Labels.
    tags: BTreeMap<String, String>,
    /// Whether it opens anything now.
    state: KeyState,
    /// When it was created.
    created_at: Moment,
    /// From when on it is refused.
    expires_at: Option<Moment>,
    /// When it was revoked.
    revoked_at: Option<Moment>,
}

/// Whether a key opens anything.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KeyState {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Key {
    fn of(entry: &KeyEntry, now: Timestamp) -> Self {
        let record = entry.record.clone();
        let state = match record.revoked_at {
            Some(_) => KeyState::Revoked,
            None if record.is_live(now) => KeyState::Active,
            None => KeyState::Expired,
        };
        Self {
            id: record.id.to_string(),
            name: record.name.into(),
            role: record.role,
            prefix: KeyText::prefix(KeyKind::Tenant, record.id),
            tags: record.tags,
            state,
            created_at: Moment(record.created_at),
            expires_at: record.expires_at.map(Moment),
            revoked_at: record.revoked_at.map(Moment),
        }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey {
    /// The key itself. It is shown here and never again.
    #[schema(examples("ins_live_01jx3v9d3k8m2q5r7t0w4y6z8a_..."))]
    key: String,
    #[serde(flatten)]
    about: Key,
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyOrder {
    /// 1 to 200 characters.
    #[schema(value_type = String, max_length = 200)]
    name: Name,
    /// What it may do.
    #[serde(default)]
    role: Role,
    /// From when on it is refused; absent for never.
    expires_at: Option<Moment>,
    /// At most 32 labels.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    tags: Tags,
}

/// How a key is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// How long the old key goes on beside the new one; at most 7 days.
    #[serde(default)]
    #[schema(maximum = 604_800)]
    overlap_seconds: u64,
}

/// Lists a tenant's keys in order of creation, revoked ones included.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/keys", operation_id = "list_keys", tag = "keys",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), PageQuery),
    responses((status = 200, description = "A page of keys", body = Listed<Key>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<Key>>, Failure> {
    let (page, now) = (keys::list(&app.engine, &tenant, page.ask()?), app.engine.clock.now());
    Ok(Json(Listed::page(page, |entry| Key::of(entry, now))))
}

/// Creates a key and shows it, this once.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/keys", operation_id = "create_key", tag = "keys",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = KeyOrder,
    responses(
        (status = 201, description = "The key", body = MadeKey),
        (status = 409, description = "The tenant has too many keys", body = crate::errors::Problem, content_type = "application/problem+json"),
        TenantErrors, InputErrors,
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictJson(order): StrictJson<KeyOrder>,
) -> Result<(StatusCode, Json<MadeKey>), Failure> {
    let KeyOrder { name, role, expires_at, tags } = order;
    let new = NewKey { name, role, expires_at: expires_at.map(|at| at.0), tags };
    let (entry, text) = keys::create(&app.engine, &tenant, new).await?;
    Ok(made(&app, &entry, &text))
}

/// Shows a key, without its secret.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/keys/{key}", operation_id = "read_key", tag = "keys",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = Key), TenantErrors),
)]
pub(crate) async fn read(State(app): State<App>, Authorised(key): Authorised<ManagedKey>) -> Json<Key> {
    Json(Key::of(&key.entry, app.engine.clock.now()))
}

/// Revokes a key: refused from the next request on; open streams end, and so do tokens that it issued.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/keys/{key}", operation_id = "revoke_key", tag = "keys",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is revoked"), TenantErrors),
)]
pub(crate) async fn revoke(State(app): State<App>, Authorised(key): Authorised<ManagedKey>) -> Result<StatusCode, Failure> {
    keys::revoke(&app.engine, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a successor with the same name, role, labels, limits and budgets; the old key is refused after the overlap.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/keys/{key}/rotate", operation_id = "rotate_key", tag = "keys",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ("key" = String, Path, description = "The key's id")),
    request_body = Option<Rotation>,
    responses(
        (status = 201, description = "The new key", body = MadeKey),
        (status = 409, description = "The key is revoked or expired", body = crate::errors::Problem, content_type = "application/problem+json"),
        TenantErrors, InputErrors,
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Authorised(key): Authorised<ManagedKey>,
    StrictJson(rotation): StrictJson<Rotation>,
) -> Result<(StatusCode, Json<MadeKey>), Failure> {
    let overlap = Duration::from_secs(rotation.overlap_seconds);
    let (entry, text) = keys::rotate(&app.engine, &key, overlap).await?;
    Ok(made(&app, &entry, &text))
}

fn made(app: &App, entry: &KeyEntry, text: &KeyText) -> (StatusCode, Json<MadeKey>) {
    let about = Key::of(entry, app.engine.clock.now());
    (StatusCode::CREATED, Json(MadeKey { key: text.expose().to_owned(), about }))
}
