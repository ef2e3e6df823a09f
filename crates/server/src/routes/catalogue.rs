//! `/api/v1/providers`, `/api/v1/models` and `/api/v1/prices`.

use axum::{Json, extract::State};
use insula_engine::{
    directory::{Credential, Operator},
    manage::catalogue::{self, ModelCard, PriceRow, ProviderInfo},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, OperatorErrors},
    extract::Authorised,
    wire::{Listed, Moment, Rates},
};

/// A configured provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct Provider {
    /// Its name.
    name: String,
    /// Where its API starts.
    base_url: String,
    /// Where it processes data.
    region: Option<String>,
    /// Whether a key for it is set.
    has_key: bool,
    /// How many models of the price book it serves.
    models: usize,
}

impl From<ProviderInfo> for Provider {
    fn from(info: ProviderInfo) -> Self {
        let ProviderInfo { name, base_url, region, has_key, models } = info;
        Self { name, base_url, region, has_key, models }
    }
}

/// A model that can be called.
#[derive(Serialize, ToSchema)]
pub(crate) struct CatalogueModel {
    /// What callers write in `model`.
    name: String,
    /// Other names for it.
    aliases: Vec<String>,
    /// Who serves it.
    provider: String,
    /// The provider's own name for it.
    upstream_model: String,
    /// `chat`, `embeddings` or `moderations`.
    operations: Vec<&'static str>,
    /// Input and output together, tokens.
    context_tokens_max: Option<u64>,
    /// The longest output, tokens.
    output_tokens_max: u64,
    /// The most that one image can cost, tokens; unknown where null.
    image_tokens_max: Option<u64>,
    /// Where it is processed, where that is not what its provider says.
    region: Option<String>,
    /// `tools`, `parallel_tools`, `images`, `json_schema` and `reasoning`, as far as it can do them; all of them where null.
    capabilities: Option<Vec<&'static str>>,
    /// The exact version that its answers must name.
    snapshot: Option<String>,
    /// Labels of the catalogue.
    tags: Vec<String>,
    /// The tenants that alone may see it, told to operators; all where null.
    tenants: Option<Vec<String>>,
}

impl CatalogueModel {
    /// What `is_operator` shows: to a tenant it is nothing who else sees a model.
    fn of(card: &ModelCard, is_operator: bool) -> Self {
        Self {
            name: card.name.to_string(),
            aliases: card.aliases.iter().map(ToString::to_string).collect(),
            provider: card.provider.to_string(),
            upstream_model: card.upstream_model.to_string(),
            operations: card.operations.iter().map(|operation| operation.name()).collect(),
            context_tokens_max: card.context_tokens_max,
            output_tokens_max: card.output_tokens_max,
            image_tokens_max: card.image_tokens_max,
            region: card.region.clone(),
            capabilities: card.capabilities.as_ref().map(|can| can.iter().map(|capability| capability.name()).collect()),
            snapshot: card.snapshot.clone(),
            tags: card.tags.clone(),
            tenants: card.tenants.clone().filter(|_| is_operator),
        }
    }
}

/// A price in force, in USD per million tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct Price {
    /// The row of the price book: `provider/model@date`.
    id: String,
    /// The model.
    model: String,
    /// Who serves it.
    provider: String,
    /// Since when it holds.
    effective_from: Moment,
    /// What a million tokens cost.
    #[serde(flatten)]
    rates: Rates,
    /// The vendor's public page.
    source: String,
    /// When somebody last looked there.
    checked: String,
}

impl Price {
    fn of(card: &ModelCard, row: &PriceRow) -> Self {
        Self {
            id: row.id.to_string(),
            model: card.name.to_string(),
            provider: card.provider.to_string(),
            effective_from: Moment(row.effective_from),
            rates: row.price.into(),
            source: row.source.to_string(),
            checked: row.checked.to_string(),
        }
    }
}

/// Lists the configured providers.
#[utoipa::path(
    get, path = "/api/v1/providers", operation_id = "list_providers", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The providers", body = Listed<Provider>), OperatorErrors),
)]
pub(crate) async fn providers(State(app): State<App>, Authorised(by): Authorised<Operator>) -> Json<Listed<Provider>> {
    Json(Listed::whole(catalogue::providers(&app.engine, &by).into_iter().map(Provider::from)))
}

/// Lists the models that have a provider and a price now: all of them for operators, for a tenant's admin those that its tenant
/// may call.
#[utoipa::path(
    get, path = "/api/v1/models", operation_id = "list_catalogue_models", tag = "platform",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    responses((status = 200, description = "The models", body = Listed<CatalogueModel>), OperatorErrors),
)]
pub(crate) async fn models(
    State(app): State<App>,
    Authorised(by): Authorised<Credential>,
) -> Result<Json<Listed<CatalogueModel>>, Failure> {
    let models = catalogue::models(&app.engine, &by)?;
    let is_operator = matches!(by, Credential::Operator(_));
    Ok(Json(Listed::whole(models.iter().map(|card| CatalogueModel::of(card, is_operator)))))
}

/// Lists the prices that are in force now.
#[utoipa::path(
    get, path = "/api/v1/prices", operation_id = "list_prices", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    responses((status = 200, description = "The prices", body = Listed<Price>), OperatorErrors),
)]
pub(crate) async fn prices(State(app): State<App>, Authorised(by): Authorised<Operator>) -> Json<Listed<Price>> {
    Json(Listed::whole(catalogue::prices(&app.engine, &by).iter().map(|(card, row)| Price::of(card, row))))
}
