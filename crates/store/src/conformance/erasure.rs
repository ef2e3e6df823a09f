//! A tenant is erased, whatever comes in between.

use std::time::Duration;

use insula_model::{Clock, ErrorKind, Key, Limits, Role, Subject, Tenant, Timestamp};

use super::{
    differences::INTERRUPTED_AGE_MIN,
    provider_credentials,
    responses::keep,
    samples::{KEY, row, settle, trace, write},
    world::{Engine, World, tenant, usd},
};
use crate::{GroupBy, UsageQuery};

/// Gives both tenants a key, limits, a request and an attempt.
pub(super) async fn furnish(world: &World) {
    let control = world.store.control();
    for (n, scope) in [world.owner, world.stranger].iter().enumerate() {
        let key = Key {
            id: world.ids().key(),
            tenant: scope.tenant(),
            name: "k".to_owned().try_into().unwrap(),
            role: Role::Service,
            hash: [n as u8; 32],
            tags: Default::default(),
            created_at: world.clock.now(),
            expires_at: None,
            revoked_at: None,
        };
        control.insert_key(&key).await.unwrap();
        control.put_limits(&Subject::Key(scope.tenant(), KEY), &Limits::default()).await.unwrap();
        let trace = trace(world, scope, "said").await;
        write(world, std::slice::from_ref(&trace)).await;
        keep(world, scope, trace.request, None).await;
        provider_credentials::keep(world, scope).await;
        settle(world, &[row(world, scope, trace.request, world.clock.now(), usd("1.00"))]).await;
    }
    world.store.flush().await.unwrap();
}

/// Nothing of the owner is left but money; nothing of the stranger is missing.
pub(super) async fn assert_erased(world: &World) {
    let (store, control) = (&world.store, world.store.control());
    assert_eq!(store.tenant(&world.owner).await.err().map(|e| e.kind().clone()), Some(ErrorKind::NotFound));
    assert_eq!(store.seals(&world.owner).await.err().map(|e| e.kind().clone()), Some(ErrorKind::NotFound));
    let tenants: Vec<Tenant> = control.tenants().await.unwrap();
    assert!(tenants.iter().all(|tenant| tenant.id == world.stranger.tenant()) && tenants.len() == 1);
    assert!(control.keys().await.unwrap().iter().all(|key| key.tenant == world.stranger.tenant()));
    assert_eq!(control.limits().await.unwrap().len(), 1);
    assert!(!world.place.keeps_data_of(&world.owner).await);
    assert!(world.place.keeps_data_of(&world.stranger).await);

    assert_eq!(store.tenant(&world.stranger).await.unwrap().requests(None, 10).await.unwrap().len(), 1);
    let now = world.clock.now();
    let from = Timestamp::default();
    let query = UsageQuery { tenant: None, from, to: now.plus(Duration::from_secs(1)), group_by: GroupBy::None };
    assert_eq!(control.usage(&query).await.unwrap()[0].cost, usd("2.00"), "money stays");
    assert!(control.verify_ledger().await.unwrap().mismatches.is_empty());
}

#[tokio::test]
async fn erased_for_good() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        furnish(&world).await;
        // A request in flight holds the tenant open; its keys are at hand.
        let held = world.store.tenant(&world.owner).await.unwrap();
        let seals = world.store.seals(&world.owner).await.unwrap();
        let late = trace(&world, &world.owner, "late").await;

        let receipt = world.store.erase_tenant(&world.owner, world.clock.now()).await.unwrap();
        assert_eq!(receipt.tenant, world.owner.tenant());
        assert_eq!(receipt.erased_at, world.clock.now());
        assert_eq!(receipt.keys_gone_after, world.clock.now().plus(Duration::from_secs(30 * 86_400)));
        assert!(receipt.rows_kept.contains("no content"));
        assert_erased(&world).await;

        assert_eq!(held.requests(None, 1).await.unwrap_err().kind(), &ErrorKind::NotFound);
        // What it still writes goes nowhere and harms nobody.
        assert!(!seals.seal("t", "c", b"r", b"x", world.random()).is_empty());
        write(&world, std::slice::from_ref(&late)).await;
        world.store.flush().await.unwrap();
        assert_erased(&world).await;

        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.store.erase_tenant(&world.owner, world.clock.now()).await.unwrap(), receipt, "the first receipt");
        let nobody = insula_model::TenantScope::mint(world.ids().tenant(), insula_model::ScopeSource::Operator);
        assert_eq!(world.store.erase_tenant(&nobody, world.clock.now()).await.unwrap_err().kind(), &ErrorKind::NotFound);

        let world = world.reopen().await;
        assert_erased(&world).await;
        // Its slug is free again.
        let successor = Tenant { external_id: None, ..tenant(&world.ids(), "acme", world.clock.now()) };
        world.store.create_tenant(&successor).await.unwrap();
    }
}

#[tokio::test]
async fn an_interrupted_erasure_goes_on_at_the_next_start() {
    for engine in Engine::ALL {
        for steps in 0..4 {
            let world = World::on(engine).await;
            furnish(&world).await;
            world.store.erase_halfway(&world.owner, world.clock.now(), steps).await.unwrap();
            world.clock.advance(INTERRUPTED_AGE_MIN);
            let world = world.reopen().await;
            assert_erased(&world).await;
            let receipt = world.store.erase_tenant(&world.owner, Timestamp::from_micros(i64::MAX)).await.unwrap();
            assert_eq!(receipt.erased_at, world.clock.now(), "interrupted after {steps} steps");
        }
    }
}

#[tokio::test]
async fn a_tenant_half_made_is_finished_at_the_next_start() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let unfinished = tenant(&world.ids(), "initech", world.clock.now());
        world.store.control().begin_tenant(&unfinished).await.unwrap();
        assert_eq!(world.store.control().tenants().await.unwrap().len(), 2, "not ready, not shown");
        world.clock.advance(INTERRUPTED_AGE_MIN);
        let world = world.reopen().await;
        assert_eq!(world.store.control().tenants().await.unwrap().len(), 3);
        let scope = insula_model::TenantScope::mint(unfinished.id, insula_model::ScopeSource::Operator);
        assert!(world.store.tenant(&scope).await.unwrap().requests(None, 1).await.unwrap().is_empty());
    }
}
