//! `GET /v1/responses/{response}/input_items`.

use axum::{
    body::Body,
    extract::{Query, State},
    response::Response,
};
use http::{Request, Uri};
use insula_engine::{Dialect, ItemsAsk, ItemsPage};
use insula_model::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::about;
use crate::{App, data::answer, errors::Failure, extract::PathTexts};

/// The most items on a page, and how many there are where nobody says: OpenAI's numbers.
const ITEMS_MAX: usize = 100;
const ITEMS: usize = 20;

/// Which items; what else OpenAI knows here changes nothing.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ItemsQuery {
    /// The id of the item before the first.
    after: Option<String>,
    /// Items on the page; 20 where absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `asc` or `desc`; the last item comes first where absent.
    order: Option<String>,
}

impl ItemsQuery {
    fn read(uri: &Uri) -> Result<ItemsAsk> {
        let Query(query) = Query::<Self>::try_from_uri(uri).map_err(|error| Error::invalid(error.body_text()))?;
        let limit = query.limit.unwrap_or(ITEMS);
        if !(1..=ITEMS_MAX).contains(&limit) {
            return Err(Error::invalid(format!("`limit` must be a whole number from 1 to {ITEMS_MAX}")).at("limit"));
        }
        let is_descending = match query.order.as_deref() {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(_) => return Err(Error::invalid("`order` must be \"asc\" or \"desc\"").at("order")),
        };
        Ok(ItemsAsk { after: query.after, limit, is_descending })
    }
}

/// Items in OpenAI's form.
#[derive(Serialize)]
struct ItemList {
    object: &'static str,
    data: Vec<Box<RawValue>>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl From<ItemsPage> for ItemList {
    fn from(page: ItemsPage) -> Self {
        let id = |item: Option<&(String, Box<RawValue>)>| item.map(|(id, _)| id.clone());
        let (first_id, last_id) = (id(page.items.first()), id(page.items.last()));
        let data = page.items.into_iter().map(|(_, item)| item).collect();
        Self { object: "list", data, first_id, last_id, has_more: page.has_more }
    }
}

/// What the request of a kept response brought; not what `previous_response_id` put in front of it.
#[utoipa::path(
    get,
    path = "/v1/responses/{response}/input_items",
    operation_id = "list_input_items",
    tag = "data plane",
    params(("response" = String, Path, description = "The response's id"), ItemsQuery),
    responses(
        (status = 200, description = "The items"),
        (status = 400, description = "A parameter is wrong; `param` names it"),
        (status = 401, description = "No valid credential"),
        (status = 403, description = "The tenant is suspended, or the credential is an operator's"),
        (status = 404, description = "No such response, not kept any more, or another end user's"),
    ),
    security(("tenantKey" = []))
)]
pub async fn list_input_items(
    State(app): State<App>,
    path: Result<PathTexts, Failure>,
    uri: Uri,
    request: Request<Body>,
) -> Response {
    about(&app, path, request, async |call, id| {
        let page = app.engine.response_items(call, id, &ItemsQuery::read(&uri)?).await?;
        Ok(answer::json(&ItemList::from(page), Dialect::Responses, call.request))
    })
    .await
}
