//! `/api/v1/tenants/{tenant}/search`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use insula_engine::{
    directory::ManagedTenant,
    manage::documents::{self, Ask, Citation, CorporaChoice, Filter, Hit, Looked, Source},
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
    /// Only documents with these fields: `{"field": value}`, `{"field": {"in": [value]}}` for any of several, or with `nin`, `ne`, `gt`,
    /// `gte`, `lt` and `lte` in its place. Also `{"type": "eq", "key", "value"}` and `{"type": "and", "filters": [..]}`, as OpenAI has it.
    #[serde(default)]
    #[schema(value_type = Object)]
    filter: BTreeMap<String, Value>,
    /// Only documents that this end user may see. Where absent, what documents say of end users does not count.
    end_user: Option<String>,
    /// Which reference corpora are looked into too: `"all"` that the tenant may read, or a list of names and ids; `[]` for none. Where
    /// absent, those of the jurisdictions in the tenant's profile, or all where it names none.
    corpora: Option<Corpora>,
}

/// Which reference corpora are looked into.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "write \"all\", or a list of the names or ids of corpora")]
#[schema(as = CorporaChoice)]
enum Corpora {
    /// All that the tenant may read.
    All(All),
    /// These.
    Named(Vec<String>),
}

/// The word for all of them.
#[derive(Deserialize, ToSchema)]
#[schema(as = AllCorpora)]
enum All {
    #[serde(rename = "all")]
    All,
}

impl From<Corpora> for CorporaChoice {
    fn from(corpora: Corpora) -> Self {
        match corpora {
            Corpora::All(All::All) => CorporaChoice::All,
            Corpora::Named(names) => CorporaChoice::Named(names),
        }
    }
}

/// Whose a text is.
#[derive(Clone, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = TextSource)]
enum Whose {
    /// The tenant's own.
    Tenant,
    /// That of a reference corpus.
    Corpus {
        /// The corpus's name.
        corpus: String,
        /// Where it holds.
        jurisdiction: String,
    },
}

impl From<Source> for Whose {
    fn from(source: Source) -> Self {
        match source {
            Source::Tenant => Whose::Tenant,
            Source::Corpus(corpus) => {
                Whose::Corpus { corpus: corpus.name.to_string(), jurisdiction: corpus.jurisdiction.to_string() }
            }
        }
    }
}

/// A chunk that is found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Found {
    /// Whose the text is: the tenant's own, or a reference corpus's.
    source: Whose,
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

/// A quote, word for word, and where it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Citation)]
struct Quoted {
    /// Whose the text is.
    source: Whose,
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

impl From<Hit> for Found {
    fn from(hit: Hit) -> Self {
        let Hit { source, document, chunk, text, score, citation, .. } = hit;
        let source = Whose::from(source);
        let citation = citation.map(|citation| Quoted::of(citation, source.clone()));
        Self { source, document: document.to_string(), chunk, text, score, citation }
    }
}

impl Quoted {
    fn of(citation: Citation, source: Whose) -> Self {
        let Citation { document, name, span, place, quote, .. } = citation;
        let place = Place {
            page: place.page,
            slide: place.slide,
            sheet: place.sheet.map(|sheet| sheet.to_string()),
            row: place.row,
            speaker: place.speaker.map(|speaker| speaker.to_string()),
            time_ms: place.time_ms,
        };
        Self { source, document: document.to_string(), name, quote, start: span.start, end: span.end, place }
    }
}

/// What a search brings.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchResult {
    /// The chunks, the best first.
    data: Vec<Found>,
    /// Null: all of them are told.
    next_cursor: Option<String>,
    /// `words_alone` while what makes or searches vectors does not answer: chunks that have no word of the question are not found. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<&'static str>,
}

/// Searches a tenant's documents and the reference corpora that it may read, the best first. Not for operators, who see no content.
///
/// Counts as a request of the tenant's and the key's limits: 429 where one is reached, or too many searches are under way.
///
/// Each hit says whose its text is. A corpus that the tenant may not read is answered like one that never was.
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
    let Search { query, limit, filter, end_user, corpora } = asked;
    let ask = Ask::new(query, limit, Filter::parse(&filter)?, end_user)?
        .within(corpora.map_or(CorporaChoice::Profile, CorporaChoice::from));
    let Looked { hits, by_words_alone } = documents::search(&app.engine, &tenant, ask).await?;
    let degraded = by_words_alone.then_some("words_alone");
    Ok(Json(SearchResult { data: hits.into_iter().map(Found::from).collect(), next_cursor: None, degraded }))
}
