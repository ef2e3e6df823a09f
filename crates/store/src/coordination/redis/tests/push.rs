//! Changes are pushed to all nodes.

use super::{
    World,
    proxy::{Proxy, Wire},
    soon, url,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_hear_of_a_change() {
    let world = World::new().await;
    let (one, two) = (world.node_at(url()).await, world.node_at(url()).await);
    let (mut here, mut there) = (one.changes(), two.changes());
    // Once each because they have just subscribed.
    here.wait_for(|count| *count > 0).await.unwrap();
    there.wait_for(|count| *count > 0).await.unwrap();
    let before = *here.borrow_and_update();
    for _ in 0..3 {
        one.push_changes().await;
        there.changed().await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(*here.borrow(), before + 3, "its own are not heard twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_something_may_have_been_missed() {
    let world = World::new().await;
    let proxy = Proxy::to(&url()).await;
    let (one, two) = (world.node_at(url()).await, world.node_at(proxy.url()).await);
    let mut there = two.changes();
    there.wait_for(|count| *count > 0).await.unwrap();
    proxy.set(Wire::Cut);
    one.push_changes().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!there.has_changed().unwrap());
    proxy.set(Wire::Whole);
    tokio::time::timeout(std::time::Duration::from_secs(5), there.changed()).await.unwrap().unwrap();
    let before = *there.borrow_and_update();
    one.push_changes().await;
    soon("it listens again", async || *there.borrow() == before + 1).await;
}
