//! Limits.

use insula_model::{Limits, Result, Subject, TenantId};

use super::{Control, tenants::refuse_gone};
use crate::{
    cluster,
    query::{Rec, Row, args},
};

struct Of(Subject, Limits);

impl Rec for Of {
    fn read(row: &Row<'_>) -> Result<Self> {
        let limits = Limits {
            requests_per_minute: row.get("requests_per_minute")?,
            tokens_per_minute: row.get("tokens_per_minute")?,
            concurrency: row.get("concurrency")?,
            queue_depth_max: row.get("queue_depth_max")?,
            queue_wait_ms_max: row.get("queue_wait_ms_max")?,
            weight: row.get("weight")?,
            mode: row.get("mode")?,
            provider_isolation: row.get("provider_isolation")?,
        };
        Ok(Of(row.get("subject")?, limits))
    }
}

impl Control {
    /// The limits of all subjects that have some.
    pub async fn limits(&self) -> Result<Vec<(Subject, Limits)>> {
        let limits = "SELECT subject, requests_per_minute, tokens_per_minute, concurrency, queue_depth_max, \
                      queue_wait_ms_max, weight, mode, provider_isolation FROM limits ORDER BY subject";
        let limits: Vec<Of> = self.db.read().await?.all(limits, &[]).await?;
        Ok(limits.into_iter().map(|Of(subject, limits)| (subject, limits)).collect())
    }

    /// The limits of one tenant and of its keys.
    pub async fn limits_of(&self, tenant: TenantId) -> Result<Vec<(Subject, Limits)>> {
        let limits = "SELECT subject, requests_per_minute, tokens_per_minute, concurrency, queue_depth_max, \
                      queue_wait_ms_max, weight, mode, provider_isolation FROM limits WHERE tenant = $1 \
                      ORDER BY subject";
        let limits: Vec<Of> = self.db.read().await?.all(limits, args![tenant]).await?;
        Ok(limits.into_iter().map(|Of(subject, limits)| (subject, limits)).collect())
    }

    /// Replaces a subject's limits.
    pub async fn put_limits(&self, subject: &Subject, limits: &Limits) -> Result<()> {
        let mut tx = self.db.write().await?;
        refuse_gone(&mut tx, subject.tenant()).await?;
        tx.exec(
            "INSERT INTO limits (subject, tenant, requests_per_minute, tokens_per_minute, concurrency, queue_depth_max, \
             queue_wait_ms_max, weight, mode, provider_isolation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (subject) DO UPDATE SET \
             requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute, \
             concurrency = excluded.concurrency, queue_depth_max = excluded.queue_depth_max, \
             queue_wait_ms_max = excluded.queue_wait_ms_max, weight = excluded.weight, mode = excluded.mode, \
             provider_isolation = excluded.provider_isolation",
            args![
                *subject,
                subject.tenant(),
                limits.requests_per_minute,
                limits.tokens_per_minute,
                limits.concurrency,
                limits.queue_depth_max,
                limits.queue_wait_ms_max,
                limits.weight,
                limits.mode,
                limits.provider_isolation,
            ],
        )
        .await?;
        cluster::note(&mut tx, subject.tenant()).await?;
        tx.commit().await
    }
}
