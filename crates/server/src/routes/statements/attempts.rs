//! `.../statements/{month}/attempts`: the attempts behind a line.

use axum::{Json, extract::State};
use insula_engine::{
    directory::ManagedTenant,
    manage::page::PageAsk,
    statement::{self, AttemptAsk, Charged, ChargedAttempt},
};
use insula_model::{Cause, CredentialOwner, Error, KeyId, Operation, Result};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Include,
    forms::{Margin, PriceRow},
    month, shows_margin,
};
use crate::{
    App,
    errors::{Failure, ParamErrors, TenantErrors},
    extract::{Authorised, PathTexts, StrictQuery},
    wire::{Isolation, Listed, Moment, Tokens, Usd},
};

/// One attempt on a bill.
#[derive(Serialize, ToSchema)]
pub(crate) struct BilledAttempt {
    /// Its id in the ledger.
    id: String,
    /// The request that it served.
    request: String,
    /// The key that asked; null for a tenant token.
    key: Option<String>,
    /// When it was reserved: this decides the month.
    reserved_at: Moment,
    /// The model as the price book names it.
    model: String,
    /// `chat`, `embeddings` or `moderations`.
    operation: &'static str,
    /// Why it was made.
    cause: &'static str,
    /// Under which plan; null for none.
    plan: Option<String>,
    /// By whose account at the provider it was made: `platform` or `tenant`. A credit of the statement takes off what is charged
    /// for the latter.
    credential: &'static str,
    /// What it is charged by.
    price_row: PriceRow,
    /// How it ended.
    outcome: &'static str,
    /// What was used.
    tokens: Tokens,
    /// Whether `tokens` is our estimate rather than the provider's report.
    estimated: bool,
    /// What is charged.
    amount_usd: Usd,
    #[serde(flatten)]
    isolation: Isolation,
    #[serde(flatten)]
    margin: Margin,
}

impl BilledAttempt {
    fn of(attempt: &ChargedAttempt, shows_margin: bool) -> Self {
        let (begin, end) = (&attempt.row.begin, &attempt.row.end);
        let charged = Charged::of_attempt(attempt);
        Self {
            id: begin.attempt.to_string(),
            request: begin.request.to_string(),
            key: begin.key.map(|key| key.to_string()),
            reserved_at: Moment(begin.reserved_at),
            model: begin.model.clone(),
            operation: begin.operation.name(),
            cause: begin.cause.name(),
            plan: begin.attribution.plan.clone(),
            credential: begin.attribution.credential.name(),
            price_row: PriceRow::of(&attempt.price_row, attempt.rates),
            outcome: end.outcome.name(),
            tokens: end.tokens.into(),
            estimated: end.estimated,
            amount_usd: Usd(attempt.amount),
            isolation: attempt.isolation.into(),
            margin: if shows_margin { Margin::of(&charged) } else { Margin::default() },
        }
    }
}

/// Which attempts; what is absent is not asked about.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptsQuery {
    /// Of this model, as the price book names it.
    model: Option<String>,
    /// Of this kind of call: `chat`, `embeddings` or `moderations`.
    #[param(value_type = Option<String>)]
    operation: Option<Operation>,
    /// Made for this reason: `base`, `retry`, `repair`, `fallback`, `embedding` or `evaluation`.
    #[param(value_type = Option<String>)]
    cause: Option<Cause>,
    /// Priced by this row of the price book.
    price_row: Option<String>,
    /// Made under this plan; empty for none.
    plan: Option<String>,
    /// Made by this one's account at the provider: `platform` or `tenant`.
    #[param(value_type = Option<String>)]
    credential: Option<CredentialOwner>,
    /// Asked for with this key, by its id; empty for tenant tokens.
    key: Option<String>,
    /// With a label of this name, and the value `tag_value`.
    tag: Option<String>,
    /// The value of the label `tag`.
    tag_value: Option<String>,
    /// Reserved from here on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Moment>,
    /// Reserved before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Moment>,
    /// `margin` for what the providers charge and what is left; for operators only.
    #[param(inline)]
    include: Option<Include>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Attempts on the page; 50 where absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl AttemptsQuery {
    fn ask(self) -> Result<AttemptAsk> {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let key = |text: String| some(text).map(|text| text.parse::<KeyId>()).transpose();
        let tag = match (self.tag, self.tag_value) {
            (None, None) => None,
            (Some(name), Some(value)) => Some((name, value)),
            _ => return Err(Error::invalid("give `tag` and `tag_value` together").at("tag")),
        };
        Ok(AttemptAsk {
            model: self.model,
            operation: self.operation,
            cause: self.cause,
            price_row: self.price_row,
            plan: self.plan.map(some),
            credential: self.credential,
            key: self.key.map(key).transpose().map_err(|_| Error::invalid("name a key by its id").at("key"))?,
            tag,
            from: self.from.map(|at| at.0),
            to: self.to.map(|at| at.0),
            page: PageAsk::parse(self.cursor.as_deref(), self.limit)?,
        })
    }
}

/// Lists the attempts behind a month's charges, in the order in which they were reserved. Follow a `drill` of the statement:
/// what it lists adds up to its line exactly.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/statements/{month}/attempts", operation_id = "list_statement_attempts",
    tag = "statements",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(
        ("tenant" = String, Path, description = "Slug or id"), ("month" = String, Path, description = "The month, `YYYY-MM`"),
        AttemptsQuery,
    ),
    responses((status = 200, description = "A page of attempts", body = Listed<BilledAttempt>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    path: PathTexts,
    StrictQuery(query): StrictQuery<AttemptsQuery>,
) -> Result<Json<Listed<BilledAttempt>>, Failure> {
    let month = month(&app, &path)?;
    let shows_margin = shows_margin(&tenant, query.include)?;
    let sell = app.engine.sell_prices();
    let page = statement::attempts(&app.engine, &tenant, month, &sell, query.ask()?).await?;
    Ok(Json(Listed::page(page, |attempt| BilledAttempt::of(attempt, shows_margin))))
}
