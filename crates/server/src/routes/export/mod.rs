//! `.../usage/export` of a tenant, and of all together: the ledger row by row, for metering and billing systems.

mod csv;
mod row;

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use insula_engine::{
    directory::{ManagedTenant, Operator},
    manage::export::{self, Export, ExportAsk},
};
use insula_model::{Error, Result};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, IntoResponses, ToSchema,
    openapi::{self, ContentBuilder, HeaderBuilder, Object, RefOr, ResponseBuilder, Type},
};

use crate::{
    App,
    errors::{Failure, OperatorErrors, ParamErrors, TenantErrors},
    extract::{Authorised, StrictQuery},
};

const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");
const HAS_MORE: HeaderName = HeaderName::from_static("x-has-more");

/// Which rows, and how they are written.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// How rows are written; absent: `jsonl`.
    #[param(inline)]
    format: Option<Format>,
    /// `x-next-cursor` of the answer before; absent: from the first row on.
    cursor: Option<String>,
    /// Rows at most; 1000 where absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// An event of CloudEvents 1.0 on each line; its id is the attempt's.
    Cloudevents,
    /// A JSON object on each line.
    Jsonl,
    /// RFC 4180, with a heading on the first page.
    Csv,
}

/// What an export answers, for the API document.
enum Rows {}

impl IntoResponses for Rows {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let text = || ContentBuilder::new().schema(Some(Object::with_type(Type::String))).build();
        let header = |kind, says| HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(says)).build();
        let rows = ResponseBuilder::new()
            .description("Rows, a line for each")
            .content("application/x-ndjson", text())
            .content("text/csv", text())
            .header(NEXT_CURSOR.as_str(), header(Type::String, "Pass it on as `cursor`, at once or when there is more"))
            .header(HAS_MORE.as_str(), header(Type::Boolean, "Whether there may be more rows already"));
        BTreeMap::from([("200".to_owned(), RefOr::T(rows.build()))])
    }
}

/// Exports a tenant's ledger, oldest row first. Whoever passes on the cursor gets each row exactly once.
///
/// A row is an attempt, or a correction with the differences to one; the sum over all rows is the bill. Its `time` is when the
/// attempt was reserved, which decides the month that it belongs to. To the tenant itself `cost_usd` and `price_row` tell what it is
/// charged and by which row, as on its statement; operators are told the cost.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/usage/export", operation_id = "export_tenant_usage", tag = "usage",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), ExportQuery),
    responses(Rows, TenantErrors, ParamErrors),
)]
pub(crate) async fn of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(query): StrictQuery<ExportQuery>,
) -> Result<Response, Failure> {
    let (format, ask) = query.read();
    let found = export::of_tenant(&app.engine, &tenant, &ask).await?;
    Ok(answer(&found, format, ask.cursor.is_none())?)
}

/// Exports the ledger of all tenants, as for one.
#[utoipa::path(
    get, path = "/api/v1/usage/export", operation_id = "export_usage", tag = "usage",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(ExportQuery),
    responses(Rows, OperatorErrors, ParamErrors),
)]
pub(crate) async fn of_all(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictQuery(query): StrictQuery<ExportQuery>,
) -> Result<Response, Failure> {
    let (format, ask) = query.read();
    let found = export::of_all(&app.engine, &by, &ask).await?;
    Ok(answer(&found, format, ask.cursor.is_none())?)
}

impl ExportQuery {
    fn read(self) -> (Format, ExportAsk) {
        (self.format.unwrap_or(Format::Jsonl), ExportAsk { cursor: self.cursor, limit: self.limit })
    }
}

/// The rows as lines, so that pages can be appended to each other: only the first has a heading.
fn answer(found: &Export, format: Format, is_first: bool) -> Result<Response> {
    let mut body = String::new();
    let media = match format {
        Format::Cloudevents | Format::Jsonl => "application/x-ndjson",
        Format::Csv if is_first => "text/csv; charset=utf-8; header=present",
        Format::Csv => "text/csv; charset=utf-8; header=absent",
    };
    if format == Format::Csv && is_first {
        csv::heading(&mut body);
    }
    for entry in &found.rows {
        match format {
            Format::Cloudevents => push_json(&mut body, &row::Event::of(entry))?,
            Format::Jsonl => push_json(&mut body, &row::Line::of(entry))?,
            Format::Csv => csv::line(&mut body, entry)?,
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(NEXT_CURSOR, HeaderValue::try_from(&found.cursor).map_err(Error::internal)?);
    headers.insert(HAS_MORE, HeaderValue::from_static(if found.more { "true" } else { "false" }));
    Ok((headers, body).into_response())
}

fn push_json(body: &mut String, value: &impl Serialize) -> Result<()> {
    body.push_str(&serde_json::to_string(value).map_err(Error::internal)?);
    body.push('\n');
    Ok(())
}
