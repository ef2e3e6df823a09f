//! `.../vectors` of a tenant, and `/api/v1/vectors/audit`.

use axum::{Json, extract::State};
use insula_engine::{
    directory::{ManagedTenant, OperatedTenant, Operator},
    manage::vectors::{self, AuditAsk, AuditView, Audited, AuditedFinding},
};
use insula_model::{Error, Result, VectorRules};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    App,
    errors::{Failure, InputErrors, OperatorErrors, TenantErrors},
    extract::{Authorised, StrictJson},
};

/// Shows what is said of where a tenant's vectors are to be; `effective` shows what it inherits beside that.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/vectors", operation_id = "tenant_vectors", tag = "knowledge",
    extensions(("x-credential" = json!("tenant-admin"))), security(("operatorKey" = []), ("tenantKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    responses((status = 200, description = "What is said; an absent value is inherited", body = VectorRules), TenantErrors),
)]
pub(crate) async fn of_tenant(Authorised(tenant): Authorised<ManagedTenant>) -> Json<VectorRules> {
    Json(vectors::of_tenant(&tenant))
}

/// Replaces what is said of where a tenant's vectors are to be: all of it, so that an absent value is inherited. Vectors
/// that are elsewhere move there in the background, while they are searched.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/vectors", operation_id = "replace_tenant_vectors", tag = "knowledge",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    params(("tenant" = String, Path, description = "Slug or id")),
    request_body = VectorRules,
    responses((status = 200, description = "What is said now", body = VectorRules), TenantErrors, InputErrors),
)]
pub(crate) async fn replace_of_tenant(
    State(app): State<App>,
    Authorised(tenant): Authorised<OperatedTenant>,
    StrictJson(new): StrictJson<VectorRules>,
) -> Result<Json<VectorRules>, Failure> {
    Ok(Json(vectors::replace_of_tenant(&app.engine, &tenant, new).await?))
}

/// What is to be looked at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorAuditOrder {
    /// These tenants alone, by slug or id, 50 at most; all and all reference corpora where absent, 50 in each call.
    tenants: Option<Vec<String>>,
    /// `next_cursor` of the call before.
    cursor: Option<String>,
    /// Whether what is found is mended as far as it can be: documents are brought to the vector engine anew, and what is of no tenant and no corpus is removed.
    #[serde(default)]
    repair: bool,
}

impl TryFrom<VectorAuditOrder> for AuditAsk {
    type Error = Error;

    fn try_from(order: VectorAuditOrder) -> Result<Self> {
        let VectorAuditOrder { tenants, cursor, repair } = order;
        let after = cursor.map(|cursor| cursor.parse()).transpose();
        let after = after.map_err(|_| Error::invalid("pass on `next_cursor` of the call before as it stands").at("cursor"))?;
        Ok(Self { tenants, after, repair })
    }
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct VectorAudit {
    /// What is wrong; the first thousand.
    data: Vec<VectorAuditFinding>,
    /// How much that is.
    found: usize,
    /// How many tenants were looked at.
    tenants: usize,
    /// Pass it on as `cursor` to look at what follows; null after the last.
    next_cursor: Option<String>,
}

/// Something that is wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct VectorAuditFinding {
    /// `orphan` (there without what it was made of), `missing`, `stray` (of a tenant that is not there, or where its tenant has nothing),
    /// `wrong_dimension` or `wrong_count` (a sum is not what there is).
    kind: &'static str,
    /// Whose it is; null where it is nobody's, or a reference corpus's.
    tenant: Option<String>,
    /// The reference corpus that it is in; null elsewhere.
    corpus: Option<String>,
    /// The table, or the collection of the vector engine.
    place: String,
    /// In which document, where one is known.
    document: Option<String>,
    /// How often.
    count: u64,
}

impl From<AuditedFinding> for VectorAuditFinding {
    fn from(audited: AuditedFinding) -> Self {
        let AuditedFinding { audited, finding } = audited;
        let (tenant, corpus) = match audited {
            Some(Audited::Corpus(corpus)) => (None, Some(corpus.to_string())),
            Some(Audited::Tenant(tenant)) => (Some(tenant), None),
            None => (None, None),
        };
        Self {
            kind: finding.kind.name(),
            tenant: finding.tenant.or(tenant).map(|tenant| tenant.to_string()),
            corpus,
            place: finding.place,
            document: finding.document.map(|document| document.to_string()),
            count: finding.count,
        }
    }
}

/// Compares what searches vectors with the tables that they are made of, and these tables with each other. What is being written
/// meanwhile is left out. Where no tenants are named all
/// reference corpora are looked at as well, and the first call also looks for what is of none of them.
#[utoipa::path(
    post, path = "/api/v1/vectors/audit", operation_id = "audit_vectors", tag = "platform",
    extensions(("x-credential" = json!("operator"))), security(("operatorKey" = [])),
    request_body = VectorAuditOrder,
    responses((status = 200, description = "What was found", body = VectorAudit), OperatorErrors, InputErrors),
)]
pub(crate) async fn audit(
    State(app): State<App>,
    Authorised(by): Authorised<Operator>,
    StrictJson(order): StrictJson<VectorAuditOrder>,
) -> Result<Json<VectorAudit>, Failure> {
    let AuditView { findings, found, tenants, next } = vectors::audit(&app.engine, &by, order.try_into()?).await?;
    let data = findings.into_iter().map(VectorAuditFinding::from).collect();
    Ok(Json(VectorAudit { data, found, tenants, next_cursor: next.map(|next| next.to_string()) }))
}
