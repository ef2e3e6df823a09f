//! `/api/v1/tenants/{tenant}/webhooks`: a tenant's, which are told its own events. What is done with them is done with the
//! platform's too; only what the API document says of path, caller and refusals differs.

use utoipa::{
    IntoResponses,
    openapi::{
        ObjectBuilder, Required,
        extensions::ExtensionsBuilder,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, Paths},
        schema::Type,
        security::SecurityRequirement,
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{App, errors::TenantErrors, openapi};

/// The platform's operations of one path, moved below a tenant. The handlers see by the path whose webhooks are meant.
pub(crate) fn below_tenant((schemas, paths, handlers): UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    let mut moved = Paths::new();
    for (path, mut item) in paths.paths {
        openapi::operations(&mut item).for_each(reword);
        moved.paths.insert(path.replacen("/webhooks", "/tenants/{tenant}/webhooks", 1), item);
    }
    (schemas, moved, handlers)
}

/// Says of a tenant's webhooks what was said of the platform's. A tenant's refusals take the place of the operators'.
fn reword(operation: &mut Operation) {
    operation.operation_id = operation.operation_id.take().map(|id| id.replacen("webhook", "tenant_webhook", 1));
    let summary = operation.summary.take();
    operation.summary =
        summary.map(|text| text.replace("the platform's", "a tenant's").replace("all tenants'", "this tenant's"));
    operation.parameters.get_or_insert_default().insert(0, tenant().into());
    operation.security.get_or_insert_default().push(SecurityRequirement::new("tenantKey", [""; 0]));
    let credential = ExtensionsBuilder::new().add("x-credential", "tenant-admin").build();
    operation.extensions.get_or_insert_default().merge(credential);
    operation.responses.responses.extend(TenantErrors::responses());
}

fn tenant() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let tenant = ParameterBuilder::new().name("tenant").parameter_in(ParameterIn::Path).required(Required::True);
    tenant.description(Some("Slug or id")).schema(Some(text)).build()
}
