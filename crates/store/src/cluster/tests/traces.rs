//! Finished requests.

use std::time::Duration;

use super::world::{NOW, Node, World, begin, end, mark, request, tenant, trace};
use crate::records::{Begin, TraceRecord};

#[tokio::test]
async fn an_answer_is_kept_before_its_attempt_ends() {
    let world = World::new().await;
    let node = world.node(1).await;
    let seq = node.register.begin(&Begin { idempotency: Some(mark(1)), ..begin(1) }).unwrap();
    node.register.admitted(seq).await.unwrap();
    node.begun(2).await;

    let other = world.another().await;
    other.batch_execute("BEGIN; LOCK TABLE idempotency IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let seq = node.register.end(&end(1), Some(&trace(1, Some(mark(1)))), &[]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!node.register.is_synced(seq));
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 2, "twins on other nodes are still kept away");
    other.batch_execute("ROLLBACK").await.unwrap();
    node.register.synced(seq).await;
    assert_eq!(world.one("SELECT COUNT(*) FROM idempotency WHERE state = 'finished'").await, 1);
    assert_eq!(world.rows(1).await.len(), 1);

    // Others are in no hurry, but they come.
    let seq = node.register.end(&end(2), Some(&trace(2, None)), &[]);
    node.register.synced(seq).await;
    node.register.flush_tenant(tenant(2)).await.unwrap();
    assert_eq!(world.one("SELECT COUNT(*) FROM requests WHERE status = 200").await, 2);
    let seq = node.register.trace(&trace(3, None));
    tokio::time::timeout(Duration::from_secs(2), node.register.synced(seq)).await.unwrap();
    assert_eq!(world.one("SELECT COUNT(*) FROM requests").await, 3);
    world.remove().await;
}

#[tokio::test]
async fn an_erased_tenant_has_none() {
    let world = World::new().await;
    let node = world.node(1).await;
    world
        .admin
        .execute("DELETE FROM homes WHERE tenant_id = encode($1::bytea, 'hex')::uuid", &[&tenant(1).as_bytes().as_slice()])
        .await
        .unwrap();
    node.begun(1).await;
    let seq = node.register.end(&end(1), Some(&trace(1, Some(mark(1)))), &[]);
    node.register.trace(&trace(3, None));
    node.register.synced(seq).await;
    node.register.flush().await.unwrap();
    assert_eq!(world.rows(1).await.len(), 1, "it is billed all the same");
    assert_eq!(world.one("SELECT COUNT(*) FROM requests").await, 1, "the other tenant's");
    world.remove().await;
}

#[tokio::test]
async fn each_tenants_rows_are_its_own() {
    let world = World::new().await;
    let node = world.node(1).await;
    for n in 0..300 {
        let mark = (n % 4 == 0).then(|| mark(n));
        node.register.trace(&TraceRecord { model: format!("of {}\0", n % 3), ..trace(n, mark) });
    }
    // The same again, and once more as lost: what is known stays.
    node.register.trace(&trace(0, Some(mark(0))));
    node.register.trace(&TraceRecord { status: 0, ..trace(4, Some(mark(4))) });
    node.register.flush().await.unwrap();
    let wrong = "SELECT COUNT(*) FROM requests WHERE tenant_id <> encode('\\x0202020202020202'::bytea || \
                 int8send(get_byte(sealed_detail, 0) % 3), 'hex')::uuid";
    // Of 300 numbers one byte is kept: 256 is 1 of 3.
    let wrong = format!("{wrong} AND request < $1");
    let wrong: i64 = world.admin.query_one(&wrong, &[&request(256).as_bytes().as_slice()]).await.unwrap().get(0);
    assert_eq!(wrong, 0);
    assert_eq!(world.one("SELECT COUNT(*) FROM requests").await, 300);
    assert_eq!(world.one("SELECT COUNT(*) FROM requests WHERE status = 0").await, 0);
    assert_eq!(world.one("SELECT COUNT(*) FROM idempotency WHERE state = 'finished'").await, 75);
    world.remove().await;
}

/// Of tenant 0.
async fn expire(world: &World, rows: i32) {
    let sql = "INSERT INTO idempotency SELECT encode($1::bytea, 'hex')::uuid, sha256(int4send(n)), '', '', 'finished', n, NULL \
               FROM generate_series(1, $2::int) AS n";
    world.admin.execute(sql, &[&tenant(0).as_bytes().as_slice(), &rows]).await.unwrap();
    world.admin.batch_execute("ANALYZE idempotency").await.unwrap();
}

const EXPIRED: &str = "SELECT COUNT(*) FROM idempotency WHERE expires_at <= 200000";

#[tokio::test]
async fn many_expired_rows_of_one_tenant_stop_no_traces() {
    let world = World::new().await;
    expire(&world, 200_000).await;
    let node = Node::new(&world, world.impatient_pool(Duration::from_millis(150)), 1).await;
    for n in 0..4 {
        node.register.trace(&trace(n, Some(mark(n))));
    }
    tokio::time::timeout(Duration::from_secs(30), async { while node.register.flush().await.is_err() {} }).await.unwrap();
    assert_eq!(world.one("SELECT COUNT(*) FROM idempotency WHERE expires_at > 200000").await, 4);
    // They go, but not all at once.
    let mut left = 200_000;
    for n in 0..50 {
        node.register.trace(&trace(30 + n * 3, Some(mark(30 + n))));
        tokio::time::sleep(Duration::from_millis(300)).await;
        left = world.one(EXPIRED).await;
        if left < 200_000 {
            break;
        }
    }
    assert!((100_000..200_000).contains(&left) && left % 1_000 == 0, "{left}");
    world.remove().await;
}

#[tokio::test]
async fn what_has_expired_is_replaced_though_it_is_not_forgotten() {
    let world = World::new().await;
    expire(&world, 3_000).await;
    let sql = "UPDATE idempotency SET key_hash = $1 WHERE expires_at = 3000";
    world.admin.execute(sql, &[&mark(3).key_hash.as_slice()]).await.unwrap();
    let node = world.node(1).await;
    node.register.trace(&trace(3, Some(mark(3))));
    node.register.flush().await.unwrap();
    let sql = "SELECT request FROM idempotency WHERE key_hash = $1 AND expires_at > $2";
    let row = world.admin.query_one(sql, &[&mark(3).key_hash.as_slice(), &NOW.micros()]).await.unwrap();
    assert_eq!(row.get::<_, &[u8]>(0), request(3).as_bytes());
    world.remove().await;
}

#[tokio::test]
async fn a_tenant_that_takes_too_long_holds_up_no_other() {
    let world = World::new().await;
    let node = Node::new(&world, world.impatient_pool(Duration::from_millis(500)), 1).await;
    for n in 0..2 {
        let seq = node.register.begin(&Begin { idempotency: Some(mark(n)), ..begin(n) }).unwrap();
        node.register.admitted(seq).await.unwrap();
    }
    node.register.trace(&trace(0, Some(mark(0))));
    node.register.flush().await.unwrap();

    let other = world.another().await;
    let lock = "SELECT 1 FROM requests WHERE request = $1 FOR UPDATE";
    other.batch_execute("BEGIN").await.unwrap();
    assert_eq!(other.query(lock, &[&request(0).as_bytes().as_slice()]).await.unwrap().len(), 1);
    let slow = node.register.end(&end(0), Some(&trace(0, Some(mark(0)))), &[]);
    let well = node.register.end(&end(1), Some(&trace(1, Some(mark(1)))), &[]);
    tokio::time::timeout(Duration::from_secs(20), node.register.synced(well)).await.unwrap();
    node.register.flush_tenant(tenant(1)).await.unwrap();
    node.register.flush_ends().await.unwrap();
    // And what comes later, while the slow one is tried again.
    for n in 0..5 {
        let seq = node.register.trace(&trace(31 + n * 3, Some(mark(31 + n))));
        tokio::time::timeout(Duration::from_secs(5), node.register.synced(seq)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(!node.register.is_synced(slow));
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 1, "twins of the slow one are still kept away");

    other.batch_execute("ROLLBACK").await.unwrap();
    tokio::time::timeout(Duration::from_secs(40), node.register.synced(slow)).await.unwrap();
    node.register.flush().await.unwrap();
    assert_eq!(world.one("SELECT COUNT(*) FROM begun_attempts").await, 0);
    assert_eq!(world.rows(0).await.len(), 1);
    world.check().await;
    world.remove().await;
}
