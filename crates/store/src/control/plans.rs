//! Plans.

use insula_model::{Budget, Error, ErrorKind, Plan, Result, Slug, TenantId, TenantState};

use super::{
    Control,
    inherited::{Heir, hand_down},
};
use crate::{
    cluster,
    query::{args, rec},
};

rec!(Plan { name, defaults, prices, version, created_at });

/// Tenants with all their budgets, own and inherited.
pub type Heirs = Vec<(TenantId, Vec<Budget>)>;

impl Control {
    /// All plans, in order of their names.
    pub async fn plans(&self) -> Result<Vec<Plan>> {
        let plans = "SELECT name, defaults, prices, version, created_at FROM plans ORDER BY name";
        self.db.read().await?.all(plans, &[]).await
    }

    /// Makes a plan, or replaces it and with it what its tenants inherit. Answers the plan as it is stored, with the number of
    /// its changes, and its tenants with the budgets that they have now.
    pub async fn put_plan(&self, plan: &Plan) -> Result<(Plan, Heirs)> {
        let mut tx = self.db.write().await?;
        let stored: Plan = tx
            .one(
                "INSERT INTO plans (name, defaults, prices, version, created_at) VALUES ($1, $2, $3, 1, $4) \
                 ON CONFLICT (name) DO UPDATE SET defaults = excluded.defaults, prices = excluded.prices, \
                 version = plans.version + 1 RETURNING name, defaults, prices, version, created_at",
                args![plan.name, plan.defaults, plan.prices, plan.created_at],
            )
            .await?;
        let heirs = "SELECT id, plan, segment FROM tenants WHERE plan = $1 AND state <> $2 ORDER BY id";
        let heirs: Vec<Heir> = tx.all(heirs, args![plan.name, TenantState::Erasing]).await?;
        let heirs = hand_down(&mut tx, heirs).await?;
        cluster::note(&mut tx, None).await?;
        tx.commit().await?;
        Ok((stored, heirs))
    }

    /// Removes a plan. `NotFound` where there is none, `Conflict` while a tenant has it.
    pub async fn delete_plan(&self, name: &Slug) -> Result<()> {
        let mut tx = self.db.write().await?;
        let used = "SELECT id, plan, segment FROM tenants WHERE plan = $1 AND state <> $2 ORDER BY id LIMIT 1";
        if tx.optional::<Heir>(used, args![name, TenantState::Erasing]).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "tenants have this plan; give them another one first"));
        }
        if tx.exec("DELETE FROM plans WHERE name = $1", args![name]).await? == 0 {
            return Err(Error::not_found());
        }
        cluster::note(&mut tx, None).await?;
        tx.commit().await
    }
}
