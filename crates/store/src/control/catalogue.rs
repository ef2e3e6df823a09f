//! Plans and segments: named defaults, both kept in one way and handed down to their tenants with every change.

use insula_model::{Budget, Error, ErrorKind, Plan, Result, Segment, Slug, TenantId, TenantState};

use super::{
    Control,
    inherited::{Heir, hand_down},
};
use crate::{
    cluster,
    query::{Db, Rec, Val, args, rec},
};

rec!(Plan { name, defaults, prices, version, created_at });
rec!(Segment { name, defaults, version, created_at });

/// Tenants with all their budgets, own and inherited.
pub type Heirs = Vec<(TenantId, Vec<Budget>)>;

/// One of the two: what its statements are.
struct Kind {
    list: &'static str,
    put: &'static str,
    /// Finds the tenants that inherit from one, `any_heir` the first of them.
    heirs: &'static str,
    any_heir: &'static str,
    delete: &'static str,
    /// What is said to whoever would delete one that tenants inherit from.
    inherited: &'static str,
}

const PLANS: Kind = Kind {
    list: "SELECT name, defaults, prices, version, created_at FROM plans ORDER BY name",
    put: "INSERT INTO plans (name, defaults, prices, version, created_at) VALUES ($1, $2, $3, 1, $4) \
          ON CONFLICT (name) DO UPDATE SET defaults = excluded.defaults, prices = excluded.prices, \
          version = plans.version + 1 RETURNING name, defaults, prices, version, created_at",
    heirs: "SELECT id, plan, segment FROM tenants WHERE plan = $1 AND state <> $2 ORDER BY id",
    any_heir: "SELECT id, plan, segment FROM tenants WHERE plan = $1 AND state <> $2 ORDER BY id LIMIT 1",
    delete: "DELETE FROM plans WHERE name = $1",
    inherited: "tenants have this plan; give them another one first",
};

const SEGMENTS: Kind = Kind {
    list: "SELECT name, defaults, version, created_at FROM segments ORDER BY name",
    put: "INSERT INTO segments (name, defaults, version, created_at) VALUES ($1, $2, 1, $3) \
          ON CONFLICT (name) DO UPDATE SET defaults = excluded.defaults, version = segments.version + 1 \
          RETURNING name, defaults, version, created_at",
    heirs: "SELECT id, plan, segment FROM tenants WHERE segment = $1 AND state <> $2 ORDER BY id",
    any_heir: "SELECT id, plan, segment FROM tenants WHERE segment = $1 AND state <> $2 ORDER BY id LIMIT 1",
    delete: "DELETE FROM segments WHERE name = $1",
    inherited: "tenants are in this segment; move them to another one first",
};

impl Control {
    /// All plans, in order of their names.
    pub async fn plans(&self) -> Result<Vec<Plan>> {
        self.db.read().await?.all(PLANS.list, &[]).await
    }

    /// All segments, in order of their names.
    pub async fn segments(&self) -> Result<Vec<Segment>> {
        self.db.read().await?.all(SEGMENTS.list, &[]).await
    }

    /// Makes a plan, or replaces it and with it what its tenants inherit. Answers the plan as it is stored, with the number of
    /// its changes, and its tenants with the budgets that they have now.
    pub async fn put_plan(&self, plan: &Plan) -> Result<(Plan, Heirs)> {
        PLANS.put(&self.db, &plan.name, args![plan.name, plan.defaults, plan.prices, plan.created_at]).await
    }

    /// The same of a segment.
    pub async fn put_segment(&self, segment: &Segment) -> Result<(Segment, Heirs)> {
        SEGMENTS.put(&self.db, &segment.name, args![segment.name, segment.defaults, segment.created_at]).await
    }

    /// Removes a plan. `NotFound` where there is none, `Conflict` while a tenant has it.
    pub async fn delete_plan(&self, name: &Slug) -> Result<()> {
        PLANS.delete(&self.db, name).await
    }

    /// Removes a segment. `NotFound` where there is none, `Conflict` while a tenant is in it.
    pub async fn delete_segment(&self, name: &Slug) -> Result<()> {
        SEGMENTS.delete(&self.db, name).await
    }
}

impl Kind {
    async fn put<T: Rec>(&self, db: &Db, name: &Slug, fields: &[Val<'_>]) -> Result<(T, Heirs)> {
        let mut tx = db.write().await?;
        let stored = tx.one(self.put, fields).await?;
        let heirs: Vec<Heir> = tx.all(self.heirs, args![name, TenantState::Erasing]).await?;
        let heirs = hand_down(&mut tx, heirs).await?;
        cluster::note(&mut tx, None).await?;
        tx.commit().await?;
        Ok((stored, heirs))
    }

    async fn delete(&self, db: &Db, name: &Slug) -> Result<()> {
        let mut tx = db.write().await?;
        if tx.optional::<Heir>(self.any_heir, args![name, TenantState::Erasing]).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, self.inherited));
        }
        if tx.exec(self.delete, args![name]).await? == 0 {
            return Err(Error::not_found());
        }
        cluster::note(&mut tx, None).await?;
        tx.commit().await
    }
}
