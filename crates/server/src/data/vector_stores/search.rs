//! `/v1/vector_stores/{vector_store_id}/search`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use insula_engine::knowledge::{
    Filter, Hit,
    stores::{self as vector_stores, StoreAsk},
};
use insula_model::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{answer, answered, files::TextContent};
use crate::{App, errors::Failure, extract::PathTexts};

/// The rankers that OpenAI names. There is one here, whatever its name.
const RANKERS: [&str; 3] = ["auto", "default-2024-11-15", "none"];

/// What is asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorStoreSearch {
    /// A question, or up to eight of them: what answers any is found.
    #[schema(inline)]
    query: Questions,
    /// Only files with these attributes: `{"type": "eq", "key", "value"}`, or `{"type": "and", "filters": [..]}`.
    #[schema(value_type = Option<Object>)]
    filters: Option<Value>,
    /// Chunks at most; 10 where absent.
    #[schema(minimum = 1, maximum = 50)]
    max_num_results: Option<u32>,
    /// How they are ranked.
    #[schema(inline)]
    ranking_options: Option<RankingOptions>,
    /// Only `false`: a question is asked as it is.
    rewrite_query: Option<bool>,
    /// Our own: only files that this end user may see. A token's own end user counts before it.
    user: Option<String>,
}

/// One question or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum Questions {
    One(String),
    Several(Vec<String>),
}

/// How what is found is ranked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RankingOptions {
    /// `auto`, `default-2024-11-15` or `none`, which here are all the same.
    ranker: Option<String>,
    /// Only chunks that answer so well.
    #[schema(minimum = 0, maximum = 1)]
    score_threshold: Option<f64>,
}

impl VectorStoreSearch {
    fn read(self) -> Result<StoreAsk> {
        if self.rewrite_query == Some(true) {
            let message = "questions are not rewritten here: leave `rewrite_query` out, or rewrite it before you ask";
            return Err(Error::invalid(message).at("rewrite_query"));
        }
        let RankingOptions { ranker, score_threshold } =
            self.ranking_options.unwrap_or(RankingOptions { ranker: None, score_threshold: None });
        if ranker.is_some_and(|ranker| !RANKERS.contains(&ranker.as_str())) {
            let message = format!("`ranker` is one of `{}`", RANKERS.join("`, `"));
            return Err(Error::invalid(message).at("ranking_options.ranker"));
        }
        let score_min = score_threshold.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&score_min) {
            return Err(Error::invalid("a score is from 0 to 1").at("ranking_options.score_threshold"));
        }
        Ok(StoreAsk {
            queries: match self.query {
                Questions::One(query) => vec![query],
                Questions::Several(queries) => queries,
            },
            limit: self.max_num_results,
            filter: self.filters.map_or(Ok(Filter::default()), |filters| Filter::tree(&filters, "filters"))?,
            score_min,
            reader: self.user,
        })
    }
}

/// What is found, in OpenAI's form.
#[derive(Serialize, ToSchema)]
pub struct SearchResults {
    /// Always `vector_store.search_results.page`.
    object: &'static str,
    /// What was asked.
    search_query: Vec<String>,
    /// What is found, the best first.
    data: Vec<SearchResult>,
    /// Always false.
    has_more: bool,
    /// Always null.
    next_page: Option<String>,
}

/// A chunk that is found.
#[derive(Serialize, ToSchema)]
pub struct SearchResult {
    /// The file's id.
    file_id: String,
    /// What it is called.
    filename: String,
    /// How well it answers, from 0 to 1: by its place among what is found, not by its meaning.
    score: f64,
    /// The file's attributes.
    #[schema(value_type = Object)]
    attributes: BTreeMap<String, Value>,
    /// The chunk.
    #[schema(inline)]
    content: Vec<TextContent>,
}

impl SearchResult {
    /// Nothing for what is in no store.
    fn of(hit: Hit) -> Option<Self> {
        Some(Self {
            file_id: hit.origin.file?.to_string(),
            filename: hit.origin.name,
            score: hit.score,
            attributes: hit.origin.attributes,
            content: vec![hit.text.into()],
        })
    }
}

/// Searches a vector store, the best first. Each question counts as a request of the tenant's and the key's limits.
#[utoipa::path(
    post,
    path = "/v1/vector_stores/{vector_store_id}/search",
    operation_id = "search_vector_store",
    tag = "data plane",
    params(("vector_store_id" = String, Path, description = "The store's id")),
    request_body = VectorStoreSearch,
    responses(
        (status = 200, description = "What is found", body = SearchResults),
        (status = 400, description = "The input is wrong, or the store has expired; `param` names the field"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such store"),
        (status = 413, description = "The body is over its bound"),
        (status = 429, description = "A limit is reached, or too many searches are under way; `Retry-After` says when to come again"),
    ),
    security(("tenantKey" = []))
)]
pub async fn search_vector_store(State(app): State<App>, path: Result<PathTexts, Failure>, request: Request<Body>) -> Response {
    let mut rates = Vec::new();
    let mut response = answered(&app, path, request, async |asked| {
        let (id, ask) = (asked.store()?, asked.json::<VectorStoreSearch>()?.read()?);
        let search_query = ask.queries.clone();
        let hits;
        (hits, rates) = vector_stores::search(&app.engine, &asked.call.credential, id, ask).await?;
        let data = hits.into_iter().filter_map(SearchResult::of).collect();
        Ok(SearchResults { object: "vector_store.search_results.page", search_query, data, has_more: false, next_page: None })
    })
    .await;
    answer::put_rates(response.headers_mut(), &rates);
    response
}
