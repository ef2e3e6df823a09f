//! Segments.

use insula_model::{Error, ErrorKind, Result, Segment, Slug, TenantState};

use super::{
    Control,
    inherited::{Heir, hand_down},
    plans::Heirs,
};
use crate::{
    cluster,
    query::{args, rec},
};

rec!(Segment { name, defaults, version, created_at });

impl Control {
    /// All segments, in order of their names.
    pub async fn segments(&self) -> Result<Vec<Segment>> {
        let segments = "SELECT name, defaults, version, created_at FROM segments ORDER BY name";
        self.db.read().await?.all(segments, &[]).await
    }

    /// Makes a segment, or replaces it and with it what its tenants inherit. Answers the segment as it is stored, with the
    /// number of its changes, and its tenants with the budgets that they have now.
    pub async fn put_segment(&self, segment: &Segment) -> Result<(Segment, Heirs)> {
        let mut tx = self.db.write().await?;
        let stored: Segment = tx
            .one(
                "INSERT INTO segments (name, defaults, version, created_at) VALUES ($1, $2, 1, $3) \
                 ON CONFLICT (name) DO UPDATE SET defaults = excluded.defaults, version = segments.version + 1 \
                 RETURNING name, defaults, version, created_at",
                args![segment.name, segment.defaults, segment.created_at],
            )
            .await?;
        let heirs = "SELECT id, plan, segment FROM tenants WHERE segment = $1 AND state <> $2 ORDER BY id";
        let heirs: Vec<Heir> = tx.all(heirs, args![segment.name, TenantState::Erasing]).await?;
        let heirs = hand_down(&mut tx, heirs).await?;
        cluster::note(&mut tx, None).await?;
        tx.commit().await?;
        Ok((stored, heirs))
    }

    /// Removes a segment. `NotFound` where there is none, `Conflict` while a tenant is in it.
    pub async fn delete_segment(&self, name: &Slug) -> Result<()> {
        let mut tx = self.db.write().await?;
        let used = "SELECT id, plan, segment FROM tenants WHERE segment = $1 AND state <> $2 ORDER BY id LIMIT 1";
        if tx.optional::<Heir>(used, args![name, TenantState::Erasing]).await?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, "tenants are in this segment; move them to another one first"));
        }
        if tx.exec("DELETE FROM segments WHERE name = $1", args![name]).await? == 0 {
            return Err(Error::not_found());
        }
        cluster::note(&mut tx, None).await?;
        tx.commit().await
    }
}
