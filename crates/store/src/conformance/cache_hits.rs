//! Hits of the answer cache are counted once, and go with their tenant.

use insula_model::{Clock, TenantScope, Timestamp, WindowSpan};

use super::world::{Engine, World, at, usd};
use crate::{CacheHitRow, CacheHits, GroupBy, UsageQuery};

fn hits(hits: u64) -> CacheHits {
    CacheHits { hits, tokens: hits * 10, saved: usd("0.50") }
}

fn row(scope: &TenantScope, hour: &str, model: &str, count: u64) -> CacheHitRow {
    CacheHitRow { tenant: scope.tenant(), hour: at(hour), model: model.to_owned(), hits: hits(count) }
}

async fn grouped(world: &World, tenant: Option<TenantScope>, group_by: GroupBy) -> Vec<(Option<String>, u64, String)> {
    let query = UsageQuery { tenant, from: at("2026-03-01T00:00:00Z"), to: at("2026-04-01T00:00:00Z"), group_by };
    let sums = world.store.control().cache_hits(&query).await.unwrap().unwrap();
    sums.into_iter().map(|sums| (sums.group, sums.hits.hits, sums.hits.saved.to_string())).collect()
}

#[tokio::test]
async fn they_are_counted_once_however_often_they_are_written() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (control, owner, stranger) = (world.store.control(), world.owner, world.stranger);
        let first = [row(&owner, "2026-03-30T10:00:00Z", "a", 1), row(&stranger, "2026-03-30T10:00:00Z", "a", 7)];
        for _ in 0..2 {
            control.keep_cache_hits([1; 16], &first).await.unwrap();
        }
        let more = [row(&owner, "2026-03-30T10:00:00Z", "a", 3), row(&owner, "2026-03-31T23:00:00Z", "b", 4)];
        control.keep_cache_hits([1; 16], &more).await.unwrap();
        // Another process counts for itself; what is of another month stays out.
        let other = [row(&owner, "2026-03-30T10:00:00Z", "a", 2), row(&owner, "2026-04-01T00:00:00Z", "a", 100)];
        control.keep_cache_hits([2; 16], &other).await.unwrap();

        let group = |name: Option<&str>, count, saved: &str| (name.map(str::to_owned), count, saved.to_owned());
        assert_eq!(grouped(&world, Some(owner), GroupBy::None).await, [group(None, 9, "1.50")]);
        let models = [group(Some("a"), 5, "1.00"), group(Some("b"), 4, "0.50")];
        assert_eq!(grouped(&world, Some(owner), GroupBy::Model).await, models);
        let days = [group(Some("2026-03-30"), 5, "1.00"), group(Some("2026-03-31"), 4, "0.50")];
        assert_eq!(grouped(&world, Some(owner), GroupBy::Day).await, days);
        assert_eq!(grouped(&world, Some(stranger), GroupBy::None).await, [group(None, 7, "0.50")]);
        assert_eq!(grouped(&world, None, GroupBy::None).await, [group(None, 16, "2.00")]);
        assert_eq!(grouped(&world, None, GroupBy::Tenant).await.len(), 2);
        let span = WindowSpan { start: at("2026-03-01T00:00:00Z"), end: at("2026-04-01T00:00:00Z") };
        assert_eq!(control.cache_hits_in(&owner, span).await.unwrap(), CacheHits { saved: usd("1.50"), ..hits(9) });
        let by_key = UsageQuery { tenant: None, from: Timestamp::default(), to: world.clock.now(), group_by: GroupBy::Key };
        assert_eq!(control.cache_hits(&by_key).await.unwrap(), None, "nobody counts them by key");

        world.store.erase_tenant(&owner, world.clock.now()).await.unwrap();
        // What comes late finds nobody.
        control.keep_cache_hits([1; 16], &more).await.unwrap();
        assert_eq!(grouped(&world, None, GroupBy::None).await, [group(None, 7, "0.50")]);
    }
}
