//! Every route, and the document that describes them: one list for both.

use axum::{Router, middleware, routing::get};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use crate::{App, data, finish, openapi, routes as api};

/// The whole HTTP surface of a node.
pub fn router(app: App) -> Router {
    let (management, _) = management().split_for_parts();
    let (data, _) = data_plane().split_for_parts();
    let (health, _) = health().split_for_parts();
    let management = management.layer(middleware::from_fn(finish::to_the_end));
    Router::new()
        .merge(data)
        .merge(management)
        .merge(health)
        .route("/openapi.json", get(openapi::serve))
        .fallback(finish::not_found)
        .method_not_allowed_fallback(finish::method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), finish::finish))
        .with_state(app)
}

/// `/v1`: the data plane, in the vendors' dialects.
pub(crate) fn data_plane() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(data::chat::chat_completions))
        .routes(routes!(data::embeddings::embeddings))
        .routes(routes!(data::moderations::moderations))
        .routes(routes!(data::messages::messages))
        .routes(routes!(data::messages::count_tokens))
        .routes(routes!(data::responses::create::create_response))
        .routes(routes!(data::responses::kept::retrieve_response, data::responses::kept::delete_response))
        .routes(routes!(data::responses::kept::cancel_response))
        .routes(routes!(data::responses::items::list_input_items))
        .routes(routes!(data::models::list_models))
        .routes(routes!(data::models::retrieve_model))
        .routes(routes!(data::files::list_files, data::files::upload_file))
        .routes(routes!(data::files::retrieve_file, data::files::delete_file))
        .routes(routes!(data::files::download_file))
        .routes(routes!(data::batches::list_batches, data::batches::create_batch))
        .routes(routes!(data::batches::retrieve_batch))
        .routes(routes!(data::batches::cancel_batch))
        .merge(vector_stores())
}

/// `/v1/vector_stores`.
fn vector_stores() -> OpenApiRouter<App> {
    use data::vector_stores::{file_batches, files, search, stores};

    OpenApiRouter::default()
        .routes(routes!(stores::list_vector_stores, stores::create_vector_store))
        .routes(routes!(stores::retrieve_vector_store, stores::update_vector_store, stores::delete_vector_store))
        .routes(routes!(search::search_vector_store))
        .routes(routes!(files::list_vector_store_files, files::create_vector_store_file))
        .routes(routes!(files::retrieve_vector_store_file, files::update_vector_store_file, files::delete_vector_store_file))
        .routes(routes!(files::retrieve_vector_store_file_content))
        .routes(routes!(file_batches::create_vector_store_file_batch))
        .routes(routes!(file_batches::retrieve_vector_store_file_batch))
        .routes(routes!(file_batches::cancel_vector_store_file_batch))
        .routes(routes!(file_batches::list_vector_store_file_batch_files))
}

/// `/api/v1`: management.
pub(crate) fn management() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(api::tenants::list, api::tenants::create))
        .routes(routes!(api::tenants::read, api::tenants::change, api::tenants::erase))
        .routes(routes!(api::tenants::suspend))
        .routes(routes!(api::tenants::resume))
        .routes(routes!(api::keys::list, api::keys::create))
        .routes(routes!(api::keys::read, api::keys::revoke))
        .routes(routes!(api::keys::rotate))
        .routes(routes!(api::tokens::issue))
        .routes(routes!(api::budgets::of_tenant, api::budgets::replace_of_tenant))
        .routes(routes!(api::budgets::of_key, api::budgets::replace_of_key))
        .routes(routes!(api::budgets::of_end_user, api::budgets::replace_of_end_user))
        .routes(routes!(api::budgets::of_platform, api::budgets::replace_of_platform))
        .routes(routes!(api::limits::of_tenant, api::limits::replace_of_tenant))
        .routes(routes!(api::limits::of_key, api::limits::replace_of_key))
        .routes(routes!(api::routing::of_tenant, api::routing::replace_of_tenant))
        .routes(routes!(api::routing::explain))
        .routes(routes!(api::provider_credentials::list))
        .routes(routes!(api::provider_credentials::read, api::provider_credentials::store, api::provider_credentials::remove))
        .routes(routes!(api::cache::of_tenant, api::cache::replace_of_tenant))
        .routes(routes!(api::effective::of_tenant))
        .routes(routes!(api::plans::list))
        .routes(routes!(api::plans::read, api::plans::replace, api::plans::remove))
        .routes(routes!(api::segments::list))
        .routes(routes!(api::segments::read, api::segments::replace, api::segments::remove))
        .routes(routes!(api::usage::of_tenant))
        .routes(routes!(api::usage::of_all))
        .routes(routes!(api::end_users::list))
        .routes(routes!(api::documents::list, api::documents::add))
        .routes(routes!(api::documents::read, api::documents::remove))
        .routes(routes!(api::search::search))
        .routes(routes!(api::vectors::of_tenant, api::vectors::replace_of_tenant))
        .routes(routes!(api::vectors::audit))
        .routes(routes!(api::profile::read, api::profile::replace, api::profile::remove))
        .routes(routes!(api::corpora::list, api::corpora::create))
        .routes(routes!(api::corpora::read, api::corpora::change, api::corpora::erase))
        .routes(routes!(api::corpora::documents::list, api::corpora::documents::add))
        .routes(routes!(api::corpora::documents::read, api::corpora::documents::remove))
        .routes(routes!(api::corpora::grants::list))
        .routes(routes!(api::corpora::grants::read, api::corpora::grants::grant, api::corpora::grants::revoke))
        .routes(routes!(api::embedder::of_tenant, api::embedder::replace_of_tenant))
        .routes(routes!(api::batches::list))
        .routes(routes!(api::batches::read))
        .routes(routes!(api::batches::cancel))
        .routes(routes!(api::statements::list))
        .routes(routes!(api::statements::read))
        .routes(routes!(api::statements::attempts::list))
        .routes(routes!(api::statements::comparison::compare))
        .routes(routes!(api::credits::list, api::credits::give))
        .routes(routes!(api::export::of_tenant))
        .routes(routes!(api::export::of_all))
        .routes(routes!(api::requests::list))
        .routes(routes!(api::requests::read))
        .routes(routes!(api::catalogue::providers))
        .routes(routes!(api::catalogue::models))
        .routes(routes!(api::catalogue::prices))
        .routes(routes!(api::ledger::verify))
        .routes(routes!(api::operator_keys::list, api::operator_keys::create))
        .routes(routes!(api::operator_keys::revoke))
        .merge(webhooks())
}

/// The platform's webhooks and each tenant's: the same operations, twice.
fn webhooks() -> OpenApiRouter<App> {
    use api::webhooks::{operations, tenant::below_tenant};

    let platform: [UtoipaMethodRouter<App>; 6] = [
        routes!(operations::list, operations::create),
        routes!(operations::read, operations::change, operations::delete),
        routes!(operations::rotate),
        routes!(operations::test),
        routes!(operations::deliveries),
        routes!(operations::replay),
    ];
    let both = platform.into_iter().flat_map(|routes| [routes.clone(), below_tenant(routes)]);
    both.fold(OpenApiRouter::default(), OpenApiRouter::routes)
}

/// What a supervisor asks.
pub(crate) fn health() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(api::health::live)).routes(routes!(api::health::ready))
}
