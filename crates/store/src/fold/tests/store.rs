//! The fold with the real databases behind it.

use std::{path::Path, sync::Arc, time::Duration};

use insula_model::{
    AttemptOutcome, Clock, ErrorKind, IdGenerator, ManualClock, Placement, Result, Routing, ScopeSource, SeededRandom, Tenant,
    TenantScope, TenantState,
};

use super::samples;
use crate::{IdempotencyState, RealDisk, RootKey, Store, StoreOptions, records::Begin};

async fn open(dir: &Path, clock: &Arc<ManualClock>) -> Result<Store> {
    let random = Arc::new(SeededRandom::new(7));
    loop {
        let root_key = RootKey::load_or_create(&dir.join("root.key"), &*random)?;
        let options = StoreOptions { segment_bytes: 256 << 10, ..StoreOptions::new(dir.join("data"), root_key) };
        match Store::open(options, clock.clone(), random.clone(), Arc::new(RealDisk)).await {
            // The threads of a store that was dropped without closing it end a moment later.
            Err(error) if *error.kind() == ErrorKind::Conflict => tokio::time::sleep(Duration::from_millis(5)).await,
            opened => return opened,
        }
    }
}

async fn create_tenant(store: &Store, clock: &Arc<ManualClock>) -> Result<TenantScope> {
    let id = IdGenerator::new(clock.clone(), Arc::new(SeededRandom::new(8))).tenant();
    let tenant = Tenant {
        id,
        slug: "acme".to_owned().try_into()?,
        name: "Acme".to_owned().try_into()?,
        external_id: None,
        plan: None,
        segment: None,
        models: None,
        routing: Routing::default(),
        provider_credentials: Default::default(),
        cache: insula_model::CacheRules::default(),
        vectors: Default::default(),
        embedder: None,
        region: None,
        placement: Placement::Shared,
        tags: Default::default(),
        state: TenantState::Active,
        version: 1,
        created_at: clock.now(),
    };
    store.create_tenant(&tenant).await?;
    Ok(TenantScope::mint(id, ScopeSource::Credential))
}

#[tokio::test]
async fn a_killed_store_settles_what_was_open() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(samples::time(1_000_000)));
    let store = open(dir.path(), &clock).await?;
    let scope = create_tenant(&store, &clock).await?;
    let begin = |n| Begin { tenant: scope.tenant(), ..samples::begin(n) };
    for n in 0..6 {
        store.journal().begin(&begin(n))?;
    }
    let mut trace = samples::trace(1, 100);
    trace.tenant = scope.tenant();
    store.journal().end(&samples::end(1), Some(&trace), &[]);
    // Settled, but killed before its trace was written.
    store.journal().end(&samples::end(3), None, &[]);
    store.journal().release(samples::attempt(4), &[]);
    drop(store);

    for _ in 0..2 {
        let store = open(dir.path(), &clock).await?;
        let tenant = store.tenant(&scope).await?;
        let verified = store.control().verify_ledger().await?;
        assert_eq!((verified.rows, &verified.mismatches[..]), (5, &[][..]));
        for (n, outcome, status) in [
            (0, AttemptOutcome::Lost, 0),
            (1, AttemptOutcome::Completed, 200),
            (2, AttemptOutcome::Lost, 0),
            (3, AttemptOutcome::Completed, 0),
            (5, AttemptOutcome::Lost, 0),
        ] {
            let rows = store.control().attempts(&scope, samples::request(n), samples::time(n)).await?;
            assert_eq!(rows.iter().map(|row| row.end.outcome).collect::<Vec<_>>(), [outcome], "{n}");
            assert_eq!(rows[0].end.estimated, outcome == AttemptOutcome::Lost);
            let request = tenant.request(samples::request(n)).await?;
            assert_eq!(request.map(|request| request.status), Some(status), "{n}");
        }
        for n in [0, 3] {
            let known = tenant.idempotency(&[n; 32]).await?.unwrap();
            assert_eq!(known.state, IdempotencyState::Unknown);
        }
        assert!(store.control().attempts(&scope, samples::request(4), samples::time(4)).await?.is_empty());
        drop(tenant);
        store.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn traces_of_an_erased_tenant_are_dropped() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(samples::time(1_000_000)));
    let store = open(dir.path(), &clock).await?;
    let scope = create_tenant(&store, &clock).await?;
    let begin = Begin { tenant: scope.tenant(), ..samples::begin(1) };
    let mut trace = samples::trace(1, 100);
    trace.tenant = scope.tenant();
    store.journal().begin(&begin)?;
    store.erase_tenant(&scope, clock.now()).await?;
    store.journal().end(&samples::end(1), Some(&trace), &[]);
    store.flush().await?;
    assert_eq!(store.control().verify_ledger().await?.rows, 1);
    store.close().await
}
