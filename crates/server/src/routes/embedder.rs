//! `.../embedder` of a tenant.

use axum::{Json, extract::State};
use insula_engine::{
    directory::{ManagedTenant, OperatedTenant},
    manage::embedder::{self, TenantEmbedder},
};
use insula_model::{EmbeddingWait, Origin};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
};

/// What places a tenant's documents among each other.
#[derive(Serialize, ToSchema)]
pub(crate) struct Embedder {
    /// The name of the one that is chosen.
    embedder: String,
    /// Where that comes from.
    origin: Origin,
    /// What searches look into; null while nothing was embedded.
    serving: Option<Serving>,
    /// What is to take its place, while the documents are embedded anew; null where they need not be.
    next: Option<Next>,
}

/// What made the vectors that are searched.
#[derive(Serialize, ToSchema)]
#[schema(as = ServingEmbedder)]
struct Serving {
    /// What tells its vectors from others: a model, `@` and its dimensions where they were asked for; of a local one `#` and a checksum.
    embedder: String,
    /// The numbers of each vector.
    dimension: u32,
}

/// How far a change is.
#[derive(Serialize, ToSchema)]
#[schema(as = NextEmbedder)]
struct Next {
    /// What makes the new vectors; null while it is not there.
    embedder: Option<String>,
    /// Chunks that are embedded anew.
    chunks_done: u64,
    /// All chunks.
    chunks_total: u64,
    /// What the others wait for; null where they do not. It goes on by itself.
    waiting: Option<EmbeddingWait>,
}

impl From<TenantEmbedder> for Embedder {
    fn from(TenantEmbedder { chosen, view }: TenantEmbedder) -> Self {
        Self {
            embedder: view.chosen,
            origin: chosen.origin,
            serving: view.serving.map(|space| Serving { embedder: space.embedder, dimension: space.dimension }),
            next: view.next.map(|next| Next {
                embedder: next.embedder,
                chunks_done: next.chunks_done,
                chunks_total: next.chunks_total,
                waiting: next.waiting,
            }),
        }
    }
}

/// Which embedder a tenant is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedderOrder {
    /// The name of one: `lexical-hashing-1`, one of `[[embedders]]`, or a model that can embed. Null: what its segment or plan says.
    embedder: Option<String>,
}

/// Shows what places a tenant's documents among each other, and how far a change is.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/embedder", operation_id = "tenant_embedder", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "The embedder", body = Embedder), TenantErrors),
)]
pub(crate) async fn of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
) -> Result<Json<Embedder>, Failure> {
    Ok(Json(embedder::of_tenant(&app.engine, &tenant).await?.into()))
}

/// Chooses what places a tenant's documents among each other. They are embedded anew in the background, at the tenant's cost where the embedder is a
/// provider's model, while the old vectors are searched; `next` tells how far that is.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/embedder", operation_id = "choose_tenant_embedder", tag = "knowledge",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = EmbedderOrder,
    responses((status = 200, description = "The embedder as it is now", body = Embedder), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    StrictJson(order): StrictJson<EmbedderOrder>,
) -> Result<Json<Embedder>, Failure> {
    Ok(Json(embedder::replace_of_tenant(&app.engine, &tenant, order.embedder).await?.into()))
}
