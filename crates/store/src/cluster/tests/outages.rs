//! Connections that break, at the worst moments.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use insula_model::{ErrorKind, Subject};

use super::{
    proxy::Proxy,
    world::{COST, Node, RESERVED, World, attempt, begin, end, moved},
};
use crate::cluster::Unit;

#[tokio::test]
async fn a_commit_whose_answer_is_lost_counts_once() {
    let world = World::new().await;
    let proxy = Proxy::new(world.address()).await;
    let node = Node::new(&world, world.pool_through(proxy.port), 1).await;
    let usd = world.window(Subject::Platform, Unit::Usd, 100_000).await;
    world.lease(1, &usd, 20_000).await;
    for n in 0..10 {
        proxy.break_at(b"COMMIT");
        node.begun(n).await;
        assert!(proxy.has_broken());
        proxy.break_at(b"COMMIT");
        if n % 2 == 0 {
            node.ended(n, &[moved(usd, COST, RESERVED - COST)]).await;
        } else {
            node.register.synced(node.register.release(attempt(n), &[moved(usd, 0, RESERVED)])).await;
        }
        assert!(proxy.has_broken());
    }
    // A release of an attempt that never began is counted once too.
    proxy.break_at(b"COMMIT");
    node.register.synced(node.register.release(attempt(77), &[moved(usd, 0, RESERVED)])).await;
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger").await, 5);
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    assert_eq!(world.state(&usd).await, (5 * COST, 20_000 - 11 * RESERVED, 0));
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn ends_wait_for_storage_and_begins_do_not() {
    let world = World::new().await;
    let proxy = Proxy::new(world.address()).await;
    let node = Node::new(&world, world.pool_through(proxy.port), 1).await;
    for n in 0..50 {
        node.begun(n).await;
    }
    proxy.breaks.store(1_000_000, SeqCst);
    let refused = node.register.begin(&begin(100)).unwrap();
    let ends: Vec<_> = (0..50).map(|n| node.register.end(&end(n), None, &[])).collect();
    let error = tokio::time::timeout(Duration::from_secs(12), node.register.admitted(refused)).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }));
    let released = node.register.release(attempt(100), &[]);
    let error = node.register.flush_ends().await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }));
    assert!(!node.register.is_synced(ends[0]));

    proxy.breaks.store(0, SeqCst);
    for seq in ends.into_iter().chain([released]) {
        node.register.synced(seq).await;
    }
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger").await, 50);
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    world.check().await;
    node.register.close().await;
    world.remove().await;
}

#[tokio::test]
async fn a_node_that_stands_still_holds_up_nobody_for_long() {
    let world = World::new().await;
    let proxy = Proxy::new(world.address()).await;
    let (asleep, awake) = (Node::new(&world, world.pool_through(proxy.port), 1).await, world.node(2).await);
    let usd = world.window(Subject::Platform, Unit::Usd, 100_000).await;
    world.lease(1, &usd, 2_000).await;
    asleep.begun(1).await;
    awake.begun(2).await;
    // In the middle of a transaction that has locked everybody's accounts.
    proxy.stand_at(b"COMMIT");
    let late = asleep.register.end(&end(1), None, &[moved(usd, COST, RESERVED - COST)]);
    while !proxy.stands() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.silence(1).await;
    world.sweep().await;
    assert_eq!(world.rows(1).await, [], "its transaction may still be committed");

    // The server gives such a transaction up.
    tokio::time::timeout(Duration::from_secs(15), awake.ended(2, &[])).await.unwrap();
    world.sweep().await;
    assert_eq!(world.rows(1).await, [(0, "lost".to_owned(), RESERVED, 1)]);
    assert_eq!(world.state(&usd).await, (RESERVED + COST, 0, 0));

    proxy.go_on();
    asleep.register.synced(late).await;
    assert_eq!(world.rows(1).await.len(), 2, "what it knew is added");
    assert_eq!(world.state(&usd).await, (2 * COST, 0, 0));
    let seq = asleep.register.begin(&begin(3)).unwrap();
    assert!(asleep.register.admitted(seq).await.is_err(), "it begins nothing before it has joined again");
    world.check().await;
    world.remove().await;
}
