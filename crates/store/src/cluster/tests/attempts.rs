//! Attempts that begin and end while nothing breaks.

use std::sync::atomic::Ordering::SeqCst;

use insula_model::{ErrorKind, Subject};

use super::world::{COST, RESERVED, World, attempt, begin, end, mark, moved, tenant, trace};
use crate::{cluster::Unit, records::Begin, store::Admission};

#[tokio::test]
async fn an_end_moves_everything_once() {
    let world = World::new().await;
    let node = world.node(1).await;
    let usd = world.window(Subject::Platform, Unit::Usd, 10_000).await;
    let tokens = world.window(Subject::Tenant(tenant(1)), Unit::Tokens, 10_000).await;
    world.lease(1, &usd, 3_000).await;
    world.lease(1, &tokens, 600).await;

    node.begun(1).await;
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts WHERE reserved = 1000 AND tokens_max = 300").await, 1);
    node.ended(1, &[moved(usd, COST, RESERVED - COST), moved(tokens, 30, 270)]).await;
    assert_eq!(world.rows(1).await, [(0, "completed".to_owned(), COST, 0)]);
    assert_eq!(world.state(&usd).await, (COST, 2_000, 0));
    assert_eq!(world.state(&tokens).await, (30, 300, 0));
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);

    // A second end of the same attempt is none of an open one.
    node.ended(1, &[moved(usd, COST, 0)]).await;
    assert_eq!(world.state(&usd).await, (COST, 2_000, 0));

    // More than was leased is overdrawn, never lost.
    node.begun(2).await;
    let dear = crate::End { cost: insula_model::Money::from_pico(9_000), ..end(2) };
    let seq = node.register.end(&dear, None, &[moved(usd, 9_000, 0)]);
    node.register.synced(seq).await;
    assert_eq!(world.state(&usd).await, (9_050, 0, 0));
    node.begun(3).await;
    let seq = node.register.end(&crate::End { attempt: attempt(3), ..dear }, None, &[]);
    node.register.synced(seq).await;
    assert_eq!(world.state(&usd).await, (18_050, 0, 8_050));
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn a_released_attempt_leaves_no_row() {
    let world = World::new().await;
    let node = world.node(1).await;
    let usd = world.window(Subject::Platform, Unit::Usd, 10_000).await;
    world.lease(1, &usd, 4_000).await;
    node.begun(1).await;
    node.register.synced(node.register.release(attempt(1), &[moved(usd, 0, RESERVED)])).await;
    assert_eq!(world.state(&usd).await, (0, 3_000, 0));

    // One that never was asked about, and one that never was begun.
    let begun = node.register.begin(&begin(2)).unwrap();
    node.register.synced(node.register.release(attempt(2), &[moved(usd, 0, RESERVED)])).await;
    node.register.synced(begun).await;
    node.register.synced(node.register.release(attempt(3), &[moved(usd, 0, RESERVED)])).await;
    assert_eq!(world.state(&usd).await, (0, 1_000, 0));
    assert_eq!(world.one("SELECT (SELECT COUNT(*) FROM begun_attempts) + (SELECT COUNT(*) FROM ledger)").await, 0);
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn a_twin_elsewhere_is_told() {
    let world = World::new().await;
    let (one, two) = (world.node(1).await, world.node(2).await);
    let usd = world.window(Subject::Platform, Unit::Usd, 10_000).await;
    world.lease(2, &usd, 1_000).await;
    let marked = |n: u64| Begin { tenant: tenant(0), idempotency: Some(mark(7)), ..begin(n) };
    let first = one.register.begin(&marked(1)).unwrap();
    assert_eq!(one.register.admitted(first).await.unwrap(), Admission::Admitted);
    let second = two.register.begin(&marked(2)).unwrap();
    let beside = two.register.begin(&begin(3)).unwrap();
    let other_tenant = two.register.begin(&Begin { tenant: tenant(1), ..marked(4) }).unwrap();
    assert_eq!(two.register.admitted(second).await.unwrap(), Admission::TwinElsewhere);
    assert_eq!(two.register.admitted(beside).await.unwrap(), Admission::Admitted);
    assert_eq!(two.register.admitted(other_tenant).await.unwrap(), Admission::Admitted, "a key is its tenant's");

    // What the twin held goes back, once.
    two.register.synced(two.register.release(attempt(2), &[moved(usd, 0, 1_000)])).await;
    assert_eq!(world.state(&usd).await, (0, 0, 0));
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 3);

    // Once the first is over, the next is no twin.
    one.ended(1, &[]).await;
    let third = two.register.begin(&marked(5)).unwrap();
    assert_eq!(two.register.admitted(third).await.unwrap(), Admission::Admitted);
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn a_node_without_standing_begins_nothing() {
    let world = World::new().await;
    let node = world.node(1).await;
    node.standing.stands.store(false, SeqCst);
    let unavailable = |error: insula_model::Error| matches!(error.kind(), ErrorKind::Unavailable { .. });
    assert!(unavailable(node.register.begin(&begin(1)).unwrap_err()));

    // It does not know yet that it was declared dead.
    node.standing.stands.store(true, SeqCst);
    world.admin.execute("UPDATE nodes SET epoch = epoch + 1", &[]).await.unwrap();
    let seq = node.register.begin(&begin(2)).unwrap();
    assert!(unavailable(node.register.admitted(seq).await.unwrap_err()));
    node.register.synced(node.register.release(attempt(2), &[])).await;
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);

    node.register.close().await;
    assert!(unavailable(node.register.begin(&begin(3)).unwrap_err()));
    world.remove().await;
}

#[tokio::test]
async fn one_that_is_refused_holds_up_nobody() {
    let world = World::new().await;
    let node = world.node(1).await;
    for n in 0..20 {
        node.begun(n).await;
    }
    // A row that cannot be: the tables have one for an attempt that is open.
    let copy = "INSERT INTO ledger SELECT attempt, 0, '\\x00', tenant, NULL, 0, 'chat', 'base', '', '', '', 0, 0, 0, 0, \
                'completed', 0, 0, 0, 0, 0, 0, 0 FROM begun_attempts WHERE attempt = $1";
    world.admin.execute(copy, &[&attempt(7).as_bytes().as_slice()]).await.unwrap();
    let seqs: Vec<_> = (0..20).map(|n| node.register.end(&end(n), None, &[])).collect();
    for seq in seqs {
        node.register.synced(seq).await;
    }
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger WHERE cost = 50").await, 19);
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 1, "it stays open");
    // And is nobody's debt twice when the node is gone.
    world.silence(1).await;
    world.sweep().await;
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger").await, 20);
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    world.remove().await;
}

#[tokio::test]
async fn who_stops_waiting_harms_nobody() {
    let world = World::new().await;
    let node = world.node(1).await;
    for n in 0..200u64 {
        let seq = node.register.begin(&begin(n)).unwrap();
        let admitted = node.register.admitted(seq);
        if n.is_multiple_of(2) {
            let _ = tokio::time::timeout(std::time::Duration::from_micros(300), admitted).await;
            node.register.release(attempt(n), &[]);
        } else {
            admitted.await.unwrap();
            let seq = node.register.end(&end(n), None, &[]);
            let _ = tokio::time::timeout(std::time::Duration::from_micros(300), node.register.synced(seq)).await;
        }
    }
    node.register.flush().await.unwrap();
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger").await, 100);
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    world.check().await;
    node.register.close().await;
    world.remove().await;
}

#[tokio::test]
async fn closing_writes_what_ended_and_leaves_what_is_open() {
    let world = World::new().await;
    let node = world.node(1).await;
    node.begun(1).await;
    node.begun(2).await;
    node.register.end(&end(1), Some(&trace(1, Some(mark(1)))), &[]);
    node.register.trace(&trace(5, None));
    node.register.close().await;
    assert!(node.register.begin(&begin(3)).is_err());
    assert_eq!(world.rows(1).await.len(), 1);
    assert_eq!(world.one("SELECT COUNT(*) FROM requests").await, 2);
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 1);
    world.silence(1).await;
    world.sweep().await;
    assert_eq!(world.rows(2).await, [(0, "lost".to_owned(), RESERVED, 1)]);
    world.check().await;
    world.remove().await;
}
