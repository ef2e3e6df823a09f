//! `/api/v1/tenants/{tenant}/search`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use insula_engine::{
    directory::ManagedTenant,
    manage::documents::{self, Ask, Citation, Filter, Found, Hit},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, TenantErrors},
    extract::{Authorised, StrictJson},
};

/// What is asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// The question.
    #[schema(min_length = 1, max_length = 4096)]
    query: String,
    /// How many chunks at most; 10 where absent.
    #[schema(minimum = 1, maximum = 50)]
    limit: Option<u32>,
    /// Only documents with these fields: `{"field": value}`, or `{"field": {"in": [value]}}` for any of several.
    #[serde(default)]
    #[schema(value_type = Object)]
    filter: BTreeMap<String, Value>,
    /// Only documents that this end user may see. Where absent, what documents say of end users does not count.
    end_user: Option<String>,
}

/// A chunk that is found.
#[derive(Serialize, ToSchema)]
#[schema(as = SearchHit)]
struct Passage {
    /// The document's id.
    document: String,
    /// Which chunk of it, from 0.
    chunk: u64,
    /// The chunk's text.
    text: String,
    /// How well it answers, beside others of the same search.
    score: f64,
    /// Where it stands; null where no quote of it holds.
    citation: Option<Quoted>,
}

/// What is found.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchResult {
    /// The chunks, the best first.
    data: Vec<Passage>,
    /// Whether the question could not be embedded, because its embedder cannot be reached: then only chunks with its words are found, and there may be fewer.
    words_only: bool,
    /// Always null: a search answers all that it finds at once.
    next_cursor: Option<String>,
}

/// A quote, word for word, and where it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Citation)]
struct Quoted {
    /// The document's id.
    document: String,
    /// What the document is called.
    name: String,
    /// What stands there.
    quote: String,
    /// Where the quote begins in the document's text as it was read, in bytes of UTF-8.
    start: usize,
    /// Where it ends. Where the quote holds `[withheld]`, this counts what stood there.
    end: usize,
    /// Where its passage begins in the document.
    place: Place,
}

/// Where a passage begins in its document, as far as its format tells.
#[derive(Serialize, ToSchema)]
#[schema(as = DocumentPlace)]
struct Place {
    /// The page, from 1.
    page: Option<u32>,
    /// The slide, from 1.
    slide: Option<u32>,
    /// The name of the sheet.
    sheet: Option<String>,
    /// The row of its sheet or file, from 1.
    row: Option<u32>,
    /// Who speaks.
    speaker: Option<String>,
    /// When it is said, from the beginning.
    time_ms: Option<u64>,
}

impl From<Hit> for Passage {
    fn from(hit: Hit) -> Self {
        let Hit { document, chunk, text, score, citation } = hit;
        Self { document: document.to_string(), chunk, text, score, citation: citation.map(Quoted::from) }
    }
}

impl From<Citation> for Quoted {
    fn from(citation: Citation) -> Self {
        let Citation { document, name, span, place, quote, .. } = citation;
        let place = Place {
            page: place.page,
            slide: place.slide,
            sheet: place.sheet.map(|sheet| sheet.to_string()),
            row: place.row,
            speaker: place.speaker.map(|speaker| speaker.to_string()),
            time_ms: place.time_ms,
        };
        Self { document: document.to_string(), name, quote, start: span.start, end: span.end, place }
    }
}

/// Searches a tenant's documents, the best first. Not for operators, who see no content.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/search", operation_id = "search", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")), request_body = Search,
    responses((status = 200, description = "What is found", body = SearchResult), TenantErrors, InputErrors),
)]
pub(crate) async fn search(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictJson(asked): StrictJson<Search>,
) -> Result<Json<SearchResult>, Failure> {
    let Search { query, limit, filter, end_user } = asked;
    let ask = Ask::new(query, limit, Filter::parse(&filter)?, end_user)?;
    let Found { hits, words_only } = documents::search(&app.engine, &tenant, ask).await?;
    Ok(Json(SearchResult { data: hits.into_iter().map(Passage::from).collect(), words_only, next_cursor: None }))
}
