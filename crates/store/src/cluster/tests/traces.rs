//! Finished requests.

use std::time::Duration;

use super::world::{World, begin, end, mark, request, tenant, trace};
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
