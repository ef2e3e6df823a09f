//! Many tenants and room for a few: files are opened and closed all the time, and nobody gets another's.

use insula_tests::config::ServeConfig;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, list};
use insula_tests::{Reply, TestTenant, eventually};

const CHAT: &str = "/v1/chat/completions";
const TENANTS: usize = 9;
const OPEN_AT_ONCE: usize = 4;
const WORKERS: usize = 3;
const ROUNDS: usize = 8;

/// A chat under an `Idempotency-Key`; asked again where all files are in use at this moment.
async fn ask(tenant: &TestTenant, canary: &str, key: &str) -> Reply {
    eventually("there is room", || async {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&chat(canary));
        let reply = call.header("idempotency-key", key).send().await;
        (reply.status != 503).then_some(reply)
    })
    .await
    .expect(200)
}

/// One round of one tenant: an answer, its trace, and the answer again from a file that was closed meanwhile.
async fn ask_and_read_back(tenant: &TestTenant, index: usize, round: usize) {
    let canary = format!("CANARY-{index}-{round}-");
    let key = format!("round {round}");
    let reply = ask(tenant, &canary, &key).await;
    assert!(reply.text().contains(&canary), "{}", reply.text());
    let path = format!("/api/v1/requests/{}?include=content", reply.request_id());
    let content = eventually("the request is traced", || async {
        let shown = tenant.admin.get(&path).await;
        (shown.status == 200).then(|| shown.text())
    })
    .await;
    assert!(content.contains(&canary), "{content}");
    assert_eq!(ask(tenant, &canary, &key).await.body, reply.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_finds_its_own_however_often_it_was_closed() {
    let more = vec![("storage", format!("tenants_open_max = {OPEN_AT_ONCE}"))];
    let mut node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let mut tenants = Vec::new();
    for index in 0..TENANTS {
        tenants.push(node.tenant(&format!("evicted-{index}")).await);
    }
    let workers = (0..WORKERS).map(|worker| {
        let tenants = tenants.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                for (index, tenant) in tenants.iter().enumerate().skip(worker).step_by(WORKERS) {
                    ask_and_read_back(tenant, index, round).await;
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    assert_eq!(node.simulator().count() as usize, TENANTS * ROUNDS);
    for tenant in &tenants {
        assert_eq!(list(tenant.admin.get(&tenant.path("/requests")).await).len(), ROUNDS);
    }
    node.stop();
}
