//! `/api/v1/tenants/{tenant}/end-users`.

use axum::{Json, extract::State};
use insula_engine::{EndUser, directory::ManagedTenant, manage::end_users};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, ParamErrors, TenantErrors},
    extract::{Authorised, StrictQuery},
    wire::{Listed, PageQuery},
};

/// An end user of a tenant's product.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeenEndUser {
    /// What the product calls it: as in a token, or in `user` of a request's body.
    id: String,
    /// What stands for it where its name does not, such as in the sums over all tenants.
    alias: String,
}

impl From<&EndUser> for SeenEndUser {
    fn from(user: &EndUser) -> Self {
        Self { id: user.name.clone(), alias: user.id.to_string() }
    }
}

/// Lists the end users for whom something was sent, or who have a budget, in no order that means anything.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/end-users", operation_id = "list_end_users", tag = "usage",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id"), PageQuery),
    responses((status = 200, description = "A page of end users", body = Listed<SeenEndUser>), TenantErrors, ParamErrors),
)]
pub(crate) async fn list(
    State(app): State<App>,
    Authorised(tenant): Authorised<ManagedTenant>,
    StrictQuery(page): StrictQuery<PageQuery>,
) -> Result<Json<Listed<SeenEndUser>>, Failure> {
    let page = end_users::list(&app.engine, &tenant, page.ask()?).await?;
    Ok(Json(Listed::page(page, |user| SeenEndUser::from(user))))
}
