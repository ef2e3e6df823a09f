//! A tenant's own data, seen by its owner and by another tenant.

use insula_model::{Clock, TenantScope, Timestamp};

use super::{
    samples::{replayable, row, settle, trace, write},
    world::{Engine, World, at, usd},
};
use crate::{GroupBy, IdempotencyState, UsageQuery};

/// Runs a case on every engine: `write` writes as the owner, then `look` sees `seen` as the owner and nothing as the stranger; on
/// another node too, where there can be one.
macro_rules! cases {
    ($($name:ident: $write:expr, $look:expr, $seen:expr;)*) => { $(
        #[tokio::test]
        async fn $name() {
            for engine in Engine::ALL {
                let world = World::on(engine).await;
                let written = $write(&world, world.owner).await;
                let seen: Vec<String> = $look(&world, world.owner, &written).await;
                assert_eq!(seen, $seen, "the owner on {engine:?}");
                let seen: Vec<String> = $look(&world, world.stranger, &written).await;
                assert!(seen.is_empty(), "the stranger on {engine:?} sees {seen:?}");
                if let Some(other) = world.beside(engine).await {
                    let seen: Vec<String> = $look(&other, other.owner, &written).await;
                    assert_eq!(seen, $seen, "the owner on another node of {engine:?}");
                    assert!(($look(&other, other.stranger, &written).await as Vec<String>).is_empty());
                    other.store.close().await.unwrap();
                }

                // What was written survives a restart, and so does who may see it.
                let world = world.reopen().await;
                let seen: Vec<String> = $look(&world, world.owner, &written).await;
                assert_eq!(seen, $seen, "the owner on {engine:?} after a restart");
                assert!(($look(&world, world.stranger, &written).await as Vec<String>).is_empty());
            }
        }
    )* };
}

cases! {
    requests_are_listed_newest_first: three_requests, list, ["third", "second", "first"];
    a_request_is_found_by_its_id: one_request, find, ["asked"];
    pages_begin_where_the_last_ended: three_requests, second_page, ["first"];
    a_finished_answer_is_kept: finished_answer, idempotency, ["finished: answered"];
    an_answer_may_be_too_large: large_answer, idempotency, ["too large"];
    attempts_are_found_by_request: two_attempts, attempts, ["0.25", "0.50"];
    usage_is_summed: two_attempts, usage, ["1 request, 2 attempts, 0.75"];
    sealed_content_opens: sealed, unsealed, ["secret"];
}

type Id = insula_model::RequestId;

async fn one_request(world: &World, scope: TenantScope) -> Id {
    let trace = trace(world, &scope, "asked").await;
    write(world, std::slice::from_ref(&trace)).await;
    trace.request
}

async fn three_requests(world: &World, scope: TenantScope) -> Vec<Id> {
    let mut traces = Vec::new();
    for said in ["first", "second", "third"] {
        world.clock.advance(std::time::Duration::from_millis(1));
        traces.push(trace(world, &scope, said).await);
    }
    write(world, &traces).await;
    traces.iter().map(|trace| trace.request).collect()
}

/// Opens what was said with the looker's own keys.
async fn said(world: &World, scope: &TenantScope, row: &crate::RequestRow) -> String {
    let seals = world.store.seals(scope).await.unwrap();
    let sealed = row.sealed_detail.as_ref().unwrap();
    String::from_utf8(seals.open("request", "detail", row.request.as_bytes(), sealed).unwrap()).unwrap()
}

async fn list(world: &World, scope: TenantScope, _: &[Id]) -> Vec<String> {
    let rows = world.store.tenant(&scope).await.unwrap().requests(None, 10).await.unwrap();
    let mut all = Vec::new();
    for row in &rows {
        all.push(said(world, &scope, row).await);
    }
    all
}

async fn second_page(world: &World, scope: TenantScope, ids: &[Id]) -> Vec<String> {
    let rows = world.store.tenant(&scope).await.unwrap().requests(Some(ids[1]), 10).await.unwrap();
    let mut all = Vec::new();
    for row in &rows {
        all.push(said(world, &scope, row).await);
    }
    all
}

async fn find(world: &World, scope: TenantScope, id: &Id) -> Vec<String> {
    match world.store.tenant(&scope).await.unwrap().request(*id).await.unwrap() {
        Some(row) => vec![said(world, &scope, &row).await],
        None => Vec::new(),
    }
}

async fn finished_answer(world: &World, scope: TenantScope) -> Id {
    let trace = replayable(world, &scope, 1, Some("answered")).await;
    write(world, std::slice::from_ref(&trace)).await;
    trace.request
}

async fn large_answer(world: &World, scope: TenantScope) -> Id {
    let trace = replayable(world, &scope, 1, None).await;
    write(world, std::slice::from_ref(&trace)).await;
    trace.request
}

async fn idempotency(world: &World, scope: TenantScope, id: &Id) -> Vec<String> {
    let Some(row) = world.store.tenant(&scope).await.unwrap().idempotency(&[1; 32]).await.unwrap() else { return Vec::new() };
    assert_eq!((row.request, row.body_hash), (*id, [7; 32]));
    vec![match row.state {
        IdempotencyState::Finished { sealed_transcript } => {
            let seals = world.store.seals(&scope).await.unwrap();
            let plain = seals.open("idempotency", "transcript", id.as_bytes(), &sealed_transcript).unwrap();
            format!("finished: {}", String::from_utf8(plain).unwrap())
        }
        IdempotencyState::TooLarge => "too large".to_owned(),
        IdempotencyState::Unknown => "unknown".to_owned(),
    }]
}

async fn two_attempts(world: &World, scope: TenantScope) -> Id {
    let request = world.ids().request([0; 4]);
    let now = world.clock.now();
    let rows = vec![row(world, &scope, request, now, usd("0.25")), row(world, &scope, request, now, usd("0.50"))];
    settle(world, &rows).await;
    world.clock.advance(std::time::Duration::from_secs(5));
    request
}

async fn attempts(world: &World, scope: TenantScope, request: &Id) -> Vec<String> {
    let rows = world.store.control().attempts(&scope, *request, at("2026-03-31T23:30:00Z")).await.unwrap();
    let mut costs: Vec<String> = rows.iter().map(|row| row.end.cost.to_string()).collect();
    costs.sort();
    costs
}

async fn usage(world: &World, scope: TenantScope, _: &Id) -> Vec<String> {
    let from = Timestamp::default();
    let query = UsageQuery { tenant: Some(scope), from, to: world.clock.now(), group_by: GroupBy::Key };
    let rows = world.store.control().usage(&query).await.unwrap();
    rows.iter().map(|row| format!("{} request, {} attempts, {}", row.requests, row.attempts, row.cost)).collect()
}

async fn sealed(world: &World, scope: TenantScope) -> Vec<u8> {
    world.store.seals(&scope).await.unwrap().seal("t", "c", b"r", b"secret", world.random())
}

async fn unsealed(world: &World, scope: TenantScope, sealed: &[u8]) -> Vec<String> {
    let opened = world.store.seals(&scope).await.unwrap().open("t", "c", b"r", sealed);
    opened.map(|plain| String::from_utf8(plain).unwrap()).into_iter().collect()
}

#[tokio::test]
async fn keys_expire_and_outcomes_stay() {
    for engine in Engine::ALL {
        let world = World::on(engine).await;
        let (store, owner) = (&world.store, &world.owner);
        let finished = replayable(&world, owner, 1, Some("answered")).await;
        let mut lost = replayable(&world, owner, 2, None).await;
        lost.status = 0;
        lost.sealed_detail.clear();
        // The same request, noted as lost after its answer was kept; and another request under a key that is taken.
        let mut late = finished.clone();
        late.status = 0;
        late.idempotency.as_mut().unwrap().sealed_transcript = None;
        let other = replayable(&world, owner, 1, Some("of another request")).await;
        write(&world, &[finished.clone(), lost.clone(), late, other]).await;

        let tenant = store.tenant(owner).await.unwrap();
        assert_eq!(idempotency(&world, *owner, &finished.request).await, ["finished: answered"]);
        assert_eq!(tenant.request(finished.request).await.unwrap().unwrap().status, 200);
        assert_eq!(tenant.idempotency(&[2; 32]).await.unwrap().unwrap().state, IdempotencyState::Unknown);
        assert_eq!(tenant.request(lost.request).await.unwrap().unwrap().sealed_detail, None);

        world.clock.advance(std::time::Duration::from_secs(24 * 60 * 60));
        assert_eq!(tenant.idempotency(&[1; 32]).await.unwrap(), None, "not honoured any more");
        let again = replayable(&world, owner, 1, Some("anew")).await;
        write(&world, std::slice::from_ref(&again)).await;
        assert_eq!(idempotency(&world, *owner, &again.request).await, ["finished: anew"]);
    }
}
