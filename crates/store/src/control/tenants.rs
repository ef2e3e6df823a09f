//! Tenants.

use insula_model::{Budget, Error, ErrorKind, Result, Slug, Tenant, TenantId, TenantState};

use super::{
    Control,
    inherited::{Heir, put_together},
};
use crate::{
    cluster,
    query::{Tx, args, rec},
};

rec!(Tenant {
    id,
    slug,
    name,
    external_id,
    plan,
    segment,
    models,
    cache,
    vectors,
    embedder,
    region,
    routing,
    provider_credentials,
    placement,
    tags,
    state,
    version,
    created_at
});

impl Control {
    /// All tenants that are ready and not being erased, oldest first.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        self.db
            .read()
            .await?
            .all(
                "SELECT id, slug, name, external_id, plan, segment, models, cache, vectors, embedder, region, routing, provider_credentials, placement, tags, state, \
                 version, created_at \
                 FROM tenants WHERE provisioned = 1 AND state <> $1 ORDER BY id",
                args![TenantState::Erasing],
            )
            .await
    }

    /// One tenant, where it is ready; also one that is being erased.
    pub async fn tenant(&self, tenant: TenantId) -> Result<Option<Tenant>> {
        let find = "SELECT id, slug, name, external_id, plan, segment, models, cache, vectors, embedder, region, routing, provider_credentials, placement, tags, state, \
                 version, created_at \
                    FROM tenants WHERE id = $1 AND provisioned = 1";
        self.db.read().await?.optional(find, args![tenant]).await
    }

    /// Replaces a tenant's record, its version included, where it still has `expected_version`. `PreconditionFailed` where it
    /// has another, `NotFound` where there is no such tenant, `Conflict` where its slug or external id is taken, `Invalid` where
    /// its plan or segment is unknown. With another plan or segment it inherits other budgets: answers all that it then has.
    pub async fn update_tenant(&self, tenant: &Tenant, expected_version: u64) -> Result<Vec<Budget>> {
        let mut tx = self.db.write().await?;
        let current: Tenant = tx
            .one(
                "SELECT id, slug, name, external_id, plan, segment, models, cache, vectors, embedder, region, routing, provider_credentials, placement, tags, state, \
                 version, created_at \
                 FROM tenants WHERE id = $1 AND state <> $2",
                args![tenant.id, TenantState::Erasing],
            )
            .await?;
        if current.version != expected_version {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the tenant was changed meanwhile; read it again"));
        }
        refuse_taken(&mut tx, tenant).await?;
        tx.exec(
            "UPDATE tenants SET slug = $2, name = $3, external_id = $4, plan = $5, segment = $6, models = $7, cache = $8, \
             region = $9, routing = $10, placement = $11, tags = $12, state = $13, version = $14, \
             provider_credentials = $15, vectors = $16, embedder = $17 WHERE id = $1",
            args![
                tenant.id,
                tenant.slug,
                tenant.name,
                tenant.external_id,
                tenant.plan,
                tenant.segment,
                tenant.models,
                tenant.cache,
                tenant.region,
                tenant.routing,
                tenant.placement,
                tenant.tags,
                tenant.state,
                tenant.version,
                tenant.provider_credentials,
                tenant.vectors,
                tenant.embedder,
            ],
        )
        .await?;
        let budgets = inherit(&mut tx, tenant).await?;
        cluster::note(&mut tx, Some(tenant.id)).await?;
        tx.commit().await?;
        Ok(budgets)
    }

    /// Notes the intent to make a tenant: it exists, but is not ready. `Conflict` where its slug or external id is taken,
    /// `Invalid` where its plan or segment is unknown. Answers the budgets that it inherits.
    pub(crate) async fn begin_tenant(&self, tenant: &Tenant) -> Result<Vec<Budget>> {
        let mut tx = self.db.write().await?;
        refuse_taken(&mut tx, tenant).await?;
        tx.exec(
            "INSERT INTO tenants (id, slug, name, external_id, plan, segment, models, cache, region, routing, placement, tags, state, \
             version, created_at, provider_credentials, vectors, embedder, provisioned) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0)",
            args![
                tenant.id,
                tenant.slug,
                tenant.name,
                tenant.external_id,
                tenant.plan,
                tenant.segment,
                tenant.models,
                tenant.cache,
                tenant.region,
                tenant.routing,
                tenant.placement,
                tenant.tags,
                tenant.state,
                tenant.version,
                tenant.created_at,
                tenant.provider_credentials,
                tenant.vectors,
                tenant.embedder,
            ],
        )
        .await?;
        let budgets = inherit(&mut tx, tenant).await?;
        tx.commit().await?;
        Ok(budgets)
    }

    /// Tenants whose erasure has begun and did not end.
    pub async fn erasing_tenants(&self) -> Result<Vec<Tenant>> {
        let erasing = "SELECT id, slug, name, external_id, plan, segment, models, cache, vectors, embedder, region, routing, provider_credentials, placement, tags, state, \
                 version, created_at \
                       FROM tenants WHERE provisioned = 1 AND state = $1 ORDER BY id";
        self.db.read().await?.all(erasing, args![TenantState::Erasing]).await
    }
}

/// The tenant's budgets with what it inherits by the plan and the segment of its record.
async fn inherit(tx: &mut Tx, tenant: &Tenant) -> Result<Vec<Budget>> {
    let heir = Heir { id: tenant.id, plan: tenant.plan.clone(), segment: tenant.segment.clone() };
    put_together(tx, &heir, None).await
}

/// Refuses to write anything of a tenant that is being erased or was: another node may have begun that.
pub(super) async fn refuse_gone(tx: &mut Tx, tenant: Option<TenantId>) -> Result<()> {
    let Some(tenant) = tenant else { return Ok(()) };
    struct Erasures {
        rows: u64,
    }
    rec!(Erasures { rows });

    let gone: Erasures = tx.one("SELECT COUNT(*) AS rows FROM erasures WHERE tenant = $1", args![tenant]).await?;
    if gone.rows > 0 { Err(Error::not_found()) } else { Ok(()) }
}

/// Says which name is taken, where one is.
async fn refuse_taken(tx: &mut Tx, tenant: &Tenant) -> Result<()> {
    struct Taken {
        slug: Slug,
    }
    rec!(Taken { slug });

    let taken: Option<Taken> = tx
        .optional(
            "SELECT slug FROM tenants WHERE id <> $1 AND (slug = $2 OR external_id = $3) ORDER BY slug = $2 DESC",
            args![tenant.id, tenant.slug, tenant.external_id],
        )
        .await?;
    match taken {
        None => Ok(()),
        Some(taken) if taken.slug == tenant.slug => {
            Err(Error::new(ErrorKind::Conflict, format!("the slug {} is taken", tenant.slug)).at("slug"))
        }
        Some(_) => Err(Error::new(ErrorKind::Conflict, "the external id is taken by another tenant").at("external_id")),
    }
}
