//! Redis is away: no hang, no open limit, no storm.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use insula_model::{Subject, TenantId};

use super::{
    ACME, BETA, World,
    proxy::{Proxy, Wire},
    requests, soon, url,
};
use crate::coordination::{Charge, RateKind};

const TENANT: Subject = Subject::Tenant(ACME);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_server_is_waited_for_once() {
    let world = World::new().await;
    let proxy = Proxy::to(&url()).await;
    let node = Arc::new(world.node_at(proxy.url()).await);
    assert!(node.charge(&[requests(TENANT, 100)]).await.allowed);
    proxy.set(Wire::Silent);
    let before = proxy.accepted();
    let started = Instant::now();
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let node = node.clone();
            let subject = Subject::Tenant(TenantId::from_bytes([number as u8; 16]));
            tokio::spawn(async move { node.charge(&[requests(subject, 1_000)]).await.allowed })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let waited = started.elapsed();
    // One after the other they would wait for two minutes.
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    let started = Instant::now();
    for _ in 0..1_000 {
        node.charge(&[requests(TENANT, 100)]).await;
        drop(node.seat(&[(TENANT, 5)]).await);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "nobody asks while it is known to be away");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    // One task for calls, one for answers and one that listens, each with a try a second at most.
    assert!(proxy.accepted() - before <= 9, "{} connections", proxy.accepted() - before);
    proxy.set(Wire::Whole);
    soon("it is asked again", async || node.link.lines().borrow().is_some()).await;
    assert_eq!(node.charge(&[Charge { amount: 0, ..requests(TENANT, 100) }]).await.remaining[0].limit, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_gives_out_its_share() {
    let mut world = World::new().await;
    world.nodes.store(3, Ordering::Relaxed);
    let proxy = Proxy::to(&url()).await;
    let node = world.node_at(proxy.url()).await;
    // Half of everything is used up while Redis answers, a third of it by this node's seats.
    let tokens = |amount| Charge { subject: TENANT, kind: RateKind::Tokens, per_minute: 600, amount };
    assert!(node.charge(&[tokens(300)]).await.allowed);
    let held = node.seat(&[(TENANT, 4)]).await.unwrap();
    proxy.set(Wire::Cut);
    soon("the loss is noticed", async || node.link.lines().borrow().is_none()).await;
    // 200 are this node's, and half of them are still there.
    assert_eq!(node.charge(&[tokens(0)]).await.remaining[0].remaining, 100);
    assert!(node.charge(&[tokens(100)]).await.allowed);
    assert!(!node.charge(&[tokens(1)]).await.allowed);
    // Of four seats two are this node's, rounded up, and one of them is taken.
    let second = node.seat(&[(TENANT, 4)]).await.unwrap();
    assert_eq!(node.seat(&[(Subject::Platform, 9), (TENANT, 4)]).await.unwrap_err(), 1);
    assert!(node.seat(&[(Subject::Tenant(BETA), 4)]).await.is_ok(), "another tenant has its own");
    proxy.set(Wire::Whole);
    soon("it is back", async || node.link.lines().borrow().is_some()).await;
    // What was given out meanwhile is told: 300 before, 100 since.
    assert_eq!(node.charge(&[tokens(0)]).await.remaining[0].remaining, 200);
    assert_eq!(node.charge(&[tokens(0)]).await.remaining[0].remaining, 200, "once");
    let key = world.names.of(&TENANT).seats.clone();
    soon("both seats are known to all", async || {
        redis::cmd("ZCARD").arg(&key).query_async::<u32>(&mut world.server.clone()).await.unwrap() == 3
    })
    .await;
    drop((held, second));
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(node.charge(&[tokens(0)]).await.remaining[0].remaining, 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_larger_than_a_share_are_paid_in_full() {
    let mut world = World::new().await;
    world.nodes.store(4, Ordering::Relaxed);
    let node = world.node_at("redis://127.0.0.1:1".to_owned()).await;
    let tokens = |amount| Charge { subject: TENANT, kind: RateKind::Tokens, per_minute: 400, amount };
    // All of the 400, of which 100 a minute flow back here.
    assert!(node.charge(&[tokens(9_999)]).await.allowed);
    assert_eq!(node.charge(&[tokens(1)]).await.refused.unwrap().1, Duration::from_millis(180_600));
    world.advance(Duration::from_millis(180_599)).await;
    assert!(!node.charge(&[tokens(1)]).await.allowed);
    world.advance(Duration::from_millis(1)).await;
    assert!(node.charge(&[tokens(1)]).await.allowed);
}
