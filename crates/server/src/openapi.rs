//! `/openapi.json`: one document for both planes, put together from what stands beside each handler.
//!
//! Every operation says in `x-credential` what it needs: `none`, `tenant` (any key or token of a tenant), `tenant-admin`
//! (an admin key of the tenant in the path, or an operator key) or `operator`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        extensions::ExtensionsBuilder,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{App, errors::Problem, router};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Insula",
        description = "A multi-tenant AI platform: OpenAI-compatible under `/v1`, management under `/api/v1`.",
    ),
    components(schemas(Problem)),
    modifiers(&Credentials),
    tags(
        (name = "data plane", description = "What a tenant's programs call, in the dialects of OpenAI and Anthropic"),
        (name = "tenants", description = "Customers and their state"),
        (name = "cache", description = "Answers that are given again to the very same request"),
        (name = "provider credentials", description = "Tenants' own accounts at providers"),
        (name = "plans", description = "Defaults that tenants inherit, and what is in force for a tenant"),
        (name = "keys", description = "Tenants' keys and tokens"),
        (name = "budgets", description = "Caps on spending"),
        (name = "limits", description = "Caps on pace and concurrency"),
        (name = "usage", description = "What was used, request by request and in sums"),
        (name = "batches", description = "Many requests in a file"),
        (name = "knowledge", description = "Documents, and what is found in them"),
        (name = "corpora", description = "Texts that are no tenant's, who may read them, and what a tenant holds above them"),
        (name = "statements", description = "What is charged, and why"),
        (name = "webhooks", description = "Who is told what happens"),
        (name = "platform", description = "What concerns all tenants: operators only"),
        (name = "health", description = "For supervisors"),
    ),
)]
struct Base;

/// The two kinds of credentials; both go into `Authorization: Bearer`.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for (name, description) in [
            ("operatorKey", "An operator key, `ins_op_...`"),
            ("tenantKey", "A tenant's key, `ins_live_...`, or a tenant token"),
        ] {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// The document as it is sent.
pub(crate) fn document() -> Bytes {
    let mut document = Base::openapi();
    let mut data = router::data_plane().into_openapi();
    for operation in data.paths.paths.values_mut().flat_map(operations) {
        let credential = ExtensionsBuilder::new().add("x-credential", "tenant").build();
        operation.extensions.get_or_insert_default().merge(credential);
    }
    document.merge(data);
    document.merge(router::management().into_openapi());
    document.merge(router::health().into_openapi());
    // Plain data always serialises.
    serde_json::to_vec(&document).unwrap_or_default().into()
}

/// The operations of one path.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Serves it to everybody: it holds nothing that the source does not.
pub(crate) async fn serve(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi).into_response()
}
