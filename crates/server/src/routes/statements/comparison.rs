//! `.../statements/{month}/comparison/{other}`: two tenants side by side.

use axum::{Json, extract::State};
use insula_engine::{
    directory::OperatedTenant,
    statement::{self, Compared},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    forms::{Amounts, Bridge},
    month,
};
use crate::{
    App,
    errors::{Failure, ParamErrors, TenantErrors},
    extract::{Authorised, PathTexts},
};

/// Two tenants' charges in one month.
#[derive(Serialize, ToSchema)]
pub(crate) struct Comparison {
    /// The month, `YYYY-MM`.
    month: String,
    /// The tenant in the path.
    one: Side,
    /// The one that it is compared with.
    other: Side,
    /// From the one's charges to the other's.
    bridge: Bridge,
    /// The same in words, the weightiest reason first.
    words: Vec<String>,
}

/// One of two tenants.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparedTenant)]
struct Side {
    /// Its short name.
    tenant: String,
    #[serde(flatten)]
    amounts: Amounts,
}

impl From<&Compared> for Side {
    fn from(compared: &Compared) -> Self {
        Self { tenant: compared.slug.clone(), amounts: Amounts::of(compared.charged, false) }
    }
}

/// Explains why two tenants were charged differently in a month.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/statements/{month}/comparison/{other}", operation_id = "compare_statements",
    tag = "statements",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"), ("month" = String, Path, description = "The month, `YYYY-MM`"),
        ("other" = String, Path, description = "Slug or id of the other tenant"),
    ),
    responses((status = 200, description = "What differs, and why", body = Comparison), TenantErrors, ParamErrors),
)]
pub(crate) async fn compare(
    State(app): State<App>,
    Authorised((one, other)): Authorised<(OperatedTenant, OperatedTenant)>,
    path: PathTexts,
) -> Result<Json<Comparison>, Failure> {
    let month = month(&app, &path)?;
    let compared = statement::compare(&app.engine, &one, &other, month, &app.engine.sell_prices()).await?;
    Ok(Json(Comparison {
        month: compared.month.to_string(),
        one: Side::from(&compared.one),
        other: Side::from(&compared.other),
        bridge: Bridge::from(&compared.bridge),
        words: compared.words(),
    }))
}
