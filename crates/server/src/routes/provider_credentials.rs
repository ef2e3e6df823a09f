//! `.../provider-credentials` of a tenant.

use std::{fmt, marker::PhantomData};

use axum::{Json, extract::State};
use http::StatusCode;
use insula_engine::{
    SecretText,
    directory::ManagedTenant,
    manage::provider_credentials::{self, ProviderCredential as Record},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, PathTexts, StrictJson},
    wire::{Listed, Moment},
};

/// A tenant's own credential at a provider, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProviderCredential {
    /// The provider's configured name.
    provider: String,
    /// Whose API it is for: `openai`, `azure`, `anthropic` or `gemini`.
    kind: String,
    /// Scheme, host and port that it is sent to, and nowhere else.
    origin: String,
    /// The last characters of the key; null where it is short, or cannot be read.
    ends_with: Option<String>,
    /// `active`: requests to the provider are sent with it. Otherwise they are refused until it is stored again or removed:
    /// `other_origin` (the provider has another address by now), `not_taken` (the operator takes none for it any more),
    /// `no_provider` (it is not configured any more).
    state: &'static str,
    /// When the tenant first had one for the provider.
    created_at: Moment,
    /// When this one was stored.
    updated_at: Moment,
}

impl From<Record> for ProviderCredential {
    fn from(record: Record) -> Self {
        Self {
            provider: record.provider,
            kind: record.origin.kind,
            origin: record.origin.address,
            ends_with: record.ends_with,
            state: record.state.name(),
            created_at: Moment(record.created_at),
            updated_at: Moment(record.updated_at),
        }
    }
}

/// A credential to be stored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderCredentialOrder {
    /// The key, as the provider issued it. It is never shown again.
    #[schema(value_type = String, min_length = 8, max_length = 4096)]
    api_key: Secret,
}

/// A text that no message repeats: what is no text is refused without showing it.
struct Secret(SecretText);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Secret(SecretText::new(text))),
            _ => Err(D::Error::custom("a text is expected")),
        }
    }
}

/// A body of which nothing is repeated where it is no object: it may be the key alone.
pub(crate) struct Unechoed<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unechoed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<T, E> {
                Err(E::custom("an object is expected"))
            }
        }
        from.deserialize_any(Object(PhantomData)).map(Unechoed)
    }
}

/// Lists the providers for which a tenant has a credential of its own.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/provider-credentials", operation_id = "list_provider_credentials",
    tag = "provider credentials",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "All of them, without their secrets", body = Listed<ProviderCredential>), TenantErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
) -> Result<Json<Listed<ProviderCredential>>, Failure> {
    let found = provider_credentials::list(&app.engine, &tenant).await?;
    Ok(Json(Listed::whole(found.into_iter().map(ProviderCredential::from))))
}

/// Shows a tenant's own credential at a provider, without its secret.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/provider-credentials/{provider}", operation_id = "read_provider_credential",
    tag = "provider credentials",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("provider" = String, Path, description = "The provider's configured name"),
    ),
    responses((status = 200, description = "The credential", body = ProviderCredential), TenantErrors),
)]
pub(crate) async fn read(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<Json<ProviderCredential>, Failure> {
    Ok(Json(provider_credentials::read(&app.engine, &tenant, path.get("provider")?).await?.into()))
}

/// Stores a tenant's own credential at a provider, in the place of the one before. From now on all of the tenant's requests to
/// the provider are made with it, on every node; the platform's account there never steps in for it.
///
/// It is sealed with the tenant's own key and bound to the address that the provider has now: where the operator moves the provider
/// elsewhere, it is not sent there.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/provider-credentials/{provider}", operation_id = "store_provider_credential",
    tag = "provider credentials",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("provider" = String, Path, description = "The provider's configured name"),
    ),
    request_body = ProviderCredentialOrder,
    responses(
        (status = 200, description = "The credential, without its secret", body = ProviderCredential),
        (status = 409, description = "The provider takes no credentials of tenants", body = crate::errors::Problem, content_type = "application/problem+json"),
        TenantErrors, InputErrors,
    ),
)]
pub(crate) async fn store(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
    StrictJson(Unechoed(order)): StrictJson<Unechoed<ProviderCredentialOrder>>,
) -> Result<Json<ProviderCredential>, Failure> {
    let stored = provider_credentials::store(&app.engine, &tenant, path.get("provider")?, order.api_key.0).await?;
    Ok(Json(stored.into()))
}

/// Removes a tenant's own credential at a provider: from now on its requests are made by the platform's account there.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/provider-credentials/{provider}", operation_id = "remove_provider_credential",
    tag = "provider credentials",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"),
        ("provider" = String, Path, description = "The provider's configured name"),
    ),
    responses((status = 204, description = "It is gone"), TenantErrors),
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
) -> Result<StatusCode, Failure> {
    provider_credentials::remove(&app.engine, &tenant, path.get("provider")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
