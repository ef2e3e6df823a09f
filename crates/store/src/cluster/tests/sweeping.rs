//! Dead nodes.

use std::time::Duration;

use insula_model::Subject;

use super::world::{COST, RESERVED, World, attempt, begin, clock, end, mark, moved, tenant, trace};
use crate::{
    cluster::{Unit, sweeper},
    records::Begin,
};

#[tokio::test]
async fn a_dead_nodes_attempts_become_estimates() {
    let world = World::new().await;
    let node = world.node(1).await;
    let usd = world.window(Subject::Platform, Unit::Usd, 10_000).await;
    world.lease(1, &usd, 3_000).await;
    node.begun(1).await;
    let seq = node.register.begin(&Begin { idempotency: Some(mark(2)), ..begin(2) }).unwrap();
    node.register.admitted(seq).await.unwrap();

    world.sweep().await;
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 2, "it is alive");
    world.silence(1).await;
    world.sweep().await;
    assert_eq!(world.rows(1).await, [(0, "lost".to_owned(), RESERVED, 1)]);
    assert_eq!(world.state(&usd).await, (2_000, 0, 0), "what it leased is everybody's again");
    assert_eq!(world.one("SELECT COUNT(*) FROM nodes").await, 0);
    assert_eq!(world.one("SELECT COUNT(*) FROM budget_leases").await, 0);
    assert_eq!(world.one("SELECT COUNT(*) FROM requests WHERE status = 0").await, 2);
    assert_eq!(world.one("SELECT COUNT(*) FROM idempotency WHERE state = 'unknown'").await, 1);
    world.check().await;

    // What really happened comes late.
    assert!(node.enter(&world, 3).await);
    world.lease(1, &usd, 500).await;
    node.ended(1, &[moved(usd, COST, 500)]).await;
    let seq = node.register.end(&end(2), Some(&trace(2, Some(mark(2)))), &[]);
    node.register.synced(seq).await;
    for n in [1, 2] {
        assert_eq!(
            world.rows(n).await,
            [(0, "lost".to_owned(), RESERVED, 1), (1, "completed".to_owned(), COST - RESERVED, -1)]
        );
    }
    assert_eq!(world.state(&usd).await, (2 * COST, 500, 0), "what it leases now is another matter");
    assert_eq!(world.one("SELECT COUNT(*) FROM idempotency WHERE state = 'finished'").await, 1);
    assert_eq!(world.one("SELECT COUNT(*) FROM requests WHERE status = 200").await, 1);
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn what_was_never_sent_is_not_owed() {
    let world = World::new().await;
    let node = world.node(1).await;
    node.begun(1).await;
    node.begun(2).await;
    world.silence(1).await;
    world.sweep().await;
    node.register.synced(node.register.release(attempt(1), &[])).await;
    assert_eq!(
        world.rows(1).await,
        [(0, "lost".to_owned(), RESERVED, 1), (1, "rejected".to_owned(), -RESERVED, -1)],
        "its estimate is taken back"
    );
    assert_eq!(world.rows(2).await.len(), 1);
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn an_end_may_come_between_the_fence_and_the_sweep() {
    let world = World::new().await;
    let node = world.node(1).await;
    let usd = world.window(Subject::Platform, Unit::Usd, 10_000).await;
    world.lease(1, &usd, 2_000).await;
    node.begun(1).await;
    node.begun(2).await;
    world.silence(1).await;
    world.admin.execute("UPDATE nodes SET epoch = epoch + 1, swept_epoch = epoch + 1", &[]).await.unwrap();
    node.ended(1, &[moved(usd, COST, RESERVED - COST)]).await;
    assert_eq!(world.rows(1).await, [(0, "completed".to_owned(), COST, 0)]);
    assert_eq!(world.state(&usd).await, (COST, 1_000, 0));
    world.sweep().await;
    assert_eq!(world.rows(1).await.len(), 1);
    assert_eq!(world.state(&usd).await, (COST + RESERVED, 0, 0));
    world.check().await;
    world.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweepers_at_once_and_killed_in_the_middle() {
    let world = World::new().await;
    let usd = world.window(Subject::Tenant(tenant(1)), Unit::Usd, 1_000_000_000).await;
    for n in 1..=3u8 {
        let node = world.node(n).await;
        world.lease(n, &usd, 1_000_000).await;
        let seqs: Vec<_> = (0..1_500).map(|i| node.register.begin(&begin(u64::from(n) * 10_000 + i)).unwrap()).collect();
        for seq in seqs {
            node.register.admitted(seq).await.unwrap();
        }
        // As a process that is killed.
        drop(node);
        world.silence(n).await;
    }
    for round in 1..100u64 {
        let sweep = |id: u8| {
            let pool = world.pool.clone();
            tokio::spawn(async move { sweeper::sweep(&pool, [id; 16], &*clock()).await })
        };
        let sweepers = [sweep(90), sweep(91), sweep(92)];
        tokio::time::sleep(Duration::from_millis(round * 7 % 60)).await;
        sweepers.iter().for_each(tokio::task::JoinHandle::abort);
        for sweeper in sweepers {
            let _ = sweeper.await;
        }
    }
    // A row that a sweeper which was killed still holds is left for the next look.
    for _ in 0..100 {
        world.sweep().await;
        if world.one("SELECT COUNT(*) FROM nodes").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger WHERE outcome = 'lost' AND correction = 0").await, 4_500);
    assert_eq!(world.one("SELECT COUNT(*) FROM ledger").await, 4_500);
    assert_eq!(world.one("SELECT COUNT(*) FROM requests").await, 4_500);
    assert_eq!(world.one("SELECT COUNT(*) FROM nodes").await, 0);
    assert_eq!(world.state(&usd).await, (1_500 * RESERVED, 0, 0));
    world.check().await;
    world.remove().await;
}

#[tokio::test]
async fn what_no_node_on_the_list_left_is_found() {
    let world = World::new().await;
    let node = world.node(1).await;
    node.begun(1).await;
    world.admin.execute("DELETE FROM nodes", &[]).await.unwrap();
    world.sweep().await;
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 1);
    sweeper::adopt(&world.pool).await.unwrap();
    world.sweep().await;
    assert_eq!(world.rows(1).await, [(0, "lost".to_owned(), RESERVED, 1)]);
    assert_eq!(world.one("SELECT COUNT(*) FROM nodes").await, 0);
    world.check().await;
    world.remove().await;
}
