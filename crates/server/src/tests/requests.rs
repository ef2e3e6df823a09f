use insula_model::{AttemptOutcome, Cause, Clock, Money, Operation, Overhead, TokenCounts};
use insula_store::{Begin, End, TraceRecord};

use super::*;

/// A request of which only its ledger row and its bare record are known; answers its id.
pub(super) fn settled(world: &World, of: &Keys, cost: &str) -> String {
    settled_as(world, of, cost, |_, _| {})
}

/// The same, its attempt changed before it is written.
pub(super) fn settled_as(world: &World, of: &Keys, cost: &str, change: impl FnOnce(&mut Begin, &mut End)) -> String {
    let (engine, now) = (&world.app.engine, world.clock.now());
    let tenant = of.tenant.parse().expect("an id");
    let tag = engine.directory.tenant(tenant).expect("known").request_tag;
    let (request, attempt, key) = (engine.request_id(tag), engine.ids.attempt(), of.service_id.parse().ok());
    let (cost, tokens) = (Money::from_usd(cost).expect("money"), TokenCounts { input: 3, output: 4, ..TokenCounts::default() });
    let mut begin = Begin {
        attempt,
        request,
        tenant,
        key,
        reserved_at: now,
        operation: Operation::Chat,
        cause: Cause::Base,
        provider: "simulator".into(),
        model: "sim-small".into(),
        price_row: "simulator/sim-small@2026-01-01".into(),
        reserved: cost,
        input_tokens_max: 30,
        output_tokens_max: 40,
        idempotency: None,
        attribution: Default::default(),
    };
    let isolation = Overhead { tokens: TokenCounts { input: 2, ..TokenCounts::default() }, cost: Money::from_pico(5) };
    let mut end =
        End { attempt, settled_at: now, outcome: AttemptOutcome::Completed, tokens, cost, estimated: false, isolation };
    change(&mut begin, &mut end);
    let trace = TraceRecord {
        request,
        tenant,
        key,
        started_at: now,
        duration_us: 1_500,
        operation: Operation::Chat,
        model: "sim-small".into(),
        status: 200,
        cost,
        sealed_detail: Vec::new(),
        idempotency: None,
    };
    engine.store.journal().begin(&begin).expect("room");
    engine.store.journal().end(&end, Some(&trace), &[]);
    request.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_is_readable_at_once() {
    let world = World::new().await;
    let id = settled_as(&world, &world.acme, "0.25", |begin, _| begin.attribution.queued_us = 1_999);
    for caller in [&world.acme.admin, &world.operator] {
        let read = world.get(&format!("/api/v1/requests/{id}"), caller).await;
        assert_eq!((read.status.as_u16(), read.text("id"), read.text("tenant")), (200, &*id, &*world.acme.tenant), "{read:?}");
        assert_eq!((read.text("cost_usd"), read.text("model"), &read.body["status"]), ("0.25", "sim-small", &json!(200)));
        let attempt = &read.body["attempts"][0];
        assert_eq!(
            (&attempt["cause"], &attempt["cost_usd"], &attempt["estimated"]),
            (&json!("base"), &json!("0.25"), &json!(false))
        );
        let causes = json!({
            "base": "0.25", "retry": "0.00", "repair": "0.00", "fallback": "0.00", "embedding": "0.00", "evaluation": "0.00",
        });
        let want = json!({
            "total_usd": "0.25", "by_cause": causes, "cache_savings_usd": "0.00", "queue_ms": 1,
            "isolation_tokens": 2, "isolation_cached_tokens": 0, "isolation_usd": "0.000000000005",
        });
        assert_eq!(read.body["cost"], want, "{read:?}");
        assert_eq!((&attempt["isolation_tokens"], &attempt["isolation_usd"]), (&json!(2), &json!("0.000000000005")));
        assert_eq!((&attempt["price_row"], &attempt["rates"]), (&json!("simulator/sim-small@2026-01-01"), &Value::Null));
        let tokens = json!({"input": 3, "cache_read": 0, "cache_write": 0, "cache_write_1h": 0, "output": 4, "reasoning": 0});
        assert_eq!(attempt["tokens"], tokens);
    }
    let listed = world.get("/api/v1/tenants/acme/requests", &world.acme.admin).await;
    assert_eq!((&listed.body["data"][0]["id"], listed.body["data"].as_array().map(Vec::len)), (&json!(id), Some(1)));
    for (path, caller) in [
        (format!("/api/v1/requests/{id}"), &world.globex.admin),
        (format!("/api/v1/requests/{id}?include=content"), &world.globex.admin),
    ] {
        assert_eq!(world.get(&path, caller).await.status, 404);
    }

    settled(&world, &world.globex, "0.50");
    let own = world.get("/api/v1/tenants/acme/usage?group_by=key", &world.acme.admin).await;
    let row = &own.body["data"][0];
    assert_eq!(
        (&row["group"], &row["requests"], &row["cost_usd"]),
        (&json!(world.acme.service_id), &json!(1), &json!("0.25")),
        "{own:?}"
    );
    let all = world.get("/api/v1/usage", &world.operator).await;
    assert_eq!((&all.body["data"][0]["attempts"], &all.body["data"][0]["cost_usd"]), (&json!(2), &json!("0.75")), "{all:?}");
    let ledger = world.get("/api/v1/ledger/verification", &world.operator).await;
    assert_eq!((&ledger.body["rows"], ledger.text("ledger_usd"), ledger.text("difference_usd")), (&json!(2), "0.75", "0.00"));
}

#[tokio::test]
async fn another_tenants_request_is_like_none() {
    let world = World::new().await;
    let engine = &world.app.engine;
    let tag = |tenant: &Keys| engine.directory.tenant(tenant.tenant.parse().expect("an id")).expect("known").request_tag;
    let (own, foreign) = (engine.request_id(tag(&world.acme)).to_string(), engine.request_id(tag(&world.globex)).to_string());
    let nothing = world.get("/api/v1/requests/req_x", &world.acme.admin).await;
    assert_eq!(nothing.status, 404);
    for id in [&*own, &foreign, "%ff", "req_00000000000000000000000000"] {
        for key in [&world.acme.admin, &world.operator] {
            assert_eq!(world.get(&format!("/api/v1/requests/{id}"), key).await.said(), nothing.said(), "{id}");
        }
    }
    assert_eq!(world.get(&format!("/api/v1/requests/{own}"), &world.acme.service).await.status, 403);
    assert_eq!(world.get(&format!("/api/v1/requests/{foreign}"), &world.acme.service).await.said(), nothing.said());
    let content = world.get(&format!("/api/v1/requests/{own}?include=content"), &world.operator).await;
    assert_eq!((content.status.as_u16(), content.body["param"].as_str()), (403, Some("include")));
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let world = World::new().await;
    let listed = world.get("/api/v1/tenants/acme/requests", &world.acme.admin).await;
    assert_eq!(listed.body, json!({"data": [], "next_cursor": null}));
}
