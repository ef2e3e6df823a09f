use std::time::Duration;

use super::*;

const FREE: &str = "/api/v1/plans/free";
const EFFECTIVE: &str = "/api/v1/tenants/acme/effective";

impl World {
    async fn put(&self, path: &str, body: Value) -> Value {
        let reply = self.call("PUT", path, &self.operator, Some(body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    async fn patch_acme(&self, body: Value) -> Value {
        let reply = self.call("PATCH", "/api/v1/tenants/acme", &self.operator, Some(body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// The origins and amounts of acme's budgets.
    async fn budgets(&self) -> Vec<(String, String)> {
        let shown = self.get("/api/v1/tenants/acme/budgets", &self.acme.admin).await.body;
        let text = |budget: &Value, field: &str| budget[field].as_str().unwrap_or_default().to_owned();
        shown["data"].as_array().expect("data").iter().map(|b| (text(b, "level"), text(b, "limit_usd"))).collect()
    }
}

#[tokio::test]
async fn a_plans_life() {
    let world = World::new().await;
    let order = json!({
        "limits": {"concurrency": 4},
        "budgets": [{"window": "month", "limit_usd": "20", "alert_at": [0.8]}, {"window": "day", "limit_tokens": 5, "mode": "soft"}],
        "models": ["sim-small"],
        "prices": [
            {"model": "*", "input_usd_per_million": "2", "output_usd_per_million": "8.5"},
            {"model": "sim-small", "effective_from": "2026-03-10T00:00:00Z", "input_usd_per_million": "1",
             "cache_read_usd_per_million": "0.1", "cache_write_usd_per_million": "1.25", "output_usd_per_million": "2"},
        ],
    });
    let want = json!({
        "name": "free", "limits": {"concurrency": 4}, "models": ["sim-small"], "routing": {}, "cache": {}, "vectors": {},
        "embedder": null, "version": 1, "created_at": "2026-03-15T12:00:00Z",
        "budgets": [
            {"window": "month", "limit_usd": "20.00", "mode": "hard", "alert_at": [0.8]},
            {"window": "day", "limit_tokens": 5, "mode": "soft", "alert_at": []},
        ],
        "prices": [
            {"model": "*", "effective_from": "2026-03-01T00:00:00Z", "input_usd_per_million": "2.00",
             "cache_read_usd_per_million": "2.00", "cache_write_usd_per_million": "2.00",
             "cache_write_1h_usd_per_million": "2.00", "output_usd_per_million": "8.50"},
            {"model": "sim-small", "effective_from": "2026-03-10T00:00:00Z", "input_usd_per_million": "1.00",
             "cache_read_usd_per_million": "0.10", "cache_write_usd_per_million": "1.25",
             "cache_write_1h_usd_per_million": "1.25", "output_usd_per_million": "2.00"},
        ],
    });
    assert_eq!(world.put(FREE, order).await, want);
    assert_eq!(world.get(FREE, &world.operator).await.body, want);
    assert_eq!(world.get("/api/v1/plans", &world.operator).await.body, json!({"data": [want], "next_cursor": null}));
    let emptied = world.put(FREE, json!({})).await;
    assert_eq!((&emptied["version"], &emptied["models"], &emptied["budgets"]), (&json!(2), &Value::Null, &json!([])));

    world.patch_acme(json!({"plan": "free"})).await;
    let used = world.call("DELETE", FREE, &world.operator, None).await;
    assert_eq!((used.status.as_u16(), used.text("code")), (409, "conflict"));
    world.patch_acme(json!({"plan": null})).await;
    assert_eq!(world.call("DELETE", FREE, &world.operator, None).await.status, 204);
    for (method, path) in [("GET", FREE), ("DELETE", FREE), ("GET", "/api/v1/plans/No%20Plan"), ("GET", "/api/v1/plans/%ff")] {
        assert_eq!(world.call(method, path, &world.operator, None).await.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn what_a_plan_charged_in_past_months_stays() {
    let world = World::new().await;
    let price =
        |model: &str, amount: &str| json!({"model": model, "input_usd_per_million": amount, "output_usd_per_million": amount});
    let first = world.put(FREE, json!({"prices": [price("*", "1")]})).await["prices"][0].clone();
    assert_eq!(
        world.put(FREE, json!({"prices": [price("*", "2")]})).await["prices"][0]["effective_from"],
        first["effective_from"]
    );
    world.put(FREE, json!({"prices": [price("*", "1")]})).await;
    world.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    for (prices, field) in [(json!([]), "prices"), (json!([price("*", "2")]), "prices")] {
        let reply = world.call("PUT", FREE, &world.operator, Some(json!({"prices": prices}))).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{reply:?}");
    }
    let mut changed = first.clone();
    changed["input_usd_per_million"] = json!("2");
    let reply = world.call("PUT", FREE, &world.operator, Some(json!({"prices": [changed]}))).await;
    assert_eq!(reply.body["param"], "prices[0].effective_from", "{reply:?}");
    assert!(reply.text("detail").contains("2026-04-01T00:00:00Z"), "{reply:?}");
    let both = world.put(FREE, json!({"prices": [price("*", "1"), price("*", "2")]})).await["prices"].clone();
    assert_eq!((&both[0], &both[1]["effective_from"]), (&first, &json!("2026-04-01T00:00:00Z")));
    let reply = world.call("DELETE", FREE, &world.operator, None).await;
    assert_eq!((reply.status.as_u16(), reply.text("code")), (409, "conflict"));
}

#[tokio::test]
async fn a_segments_life() {
    let world = World::new().await;
    let path = "/api/v1/segments/eu";
    let order = json!({"limits": {"weight": 4}, "budgets": [{"window": "hour", "limit_usd": "1"}], "models": ["a", "b"]});
    let made = world.put(path, order).await;
    assert_eq!((&made["name"], &made["limits"], &made["models"]), (&json!("eu"), &json!({"weight": 4}), &json!(["a", "b"])));
    assert_eq!(world.get("/api/v1/segments", &world.operator).await.body["data"], json!([made]));
    assert_eq!(world.patch_acme(json!({"segment": "eu"})).await["segment"], "eu");
    assert_eq!(world.call("DELETE", path, &world.operator, None).await.status, 409);
    world.patch_acme(json!({"segment": null})).await;
    assert_eq!(world.call("DELETE", path, &world.operator, None).await.status, 204);
    assert_eq!(world.get(path, &world.operator).await.status, 404);
}

#[tokio::test]
async fn wrong_plans_name_their_field() {
    let world = World::new().await;
    let sells =
        |price: Value| json!({"prices": [{"model": "a", "input_usd_per_million": "1", "output_usd_per_million": price}]});
    for (order, field) in [
        (json!({"limits": {"concurrency": 0}}), "limits.concurrency"),
        (json!({"limits": {"speed": 1}}), "limits.speed"),
        (json!({"budgets": [{"window": "day"}]}), "budgets[0].limit_usd"),
        (json!({"budgets": [{"window": "day", "limit_usd": "1"}, {"window": "day", "limit_usd": "2"}]}), "budgets[1].window"),
        (json!({"models": ["a", "a"]}), "models[1]"),
        (json!({"models": "a"}), "models"),
        (sells(json!("0.0000001")), "prices[0].output_usd_per_million"),
        (sells(json!(1)), "prices[0].output_usd_per_million"),
        (json!({"prices": [{"model": "a b", "input_usd_per_million": "1", "output_usd_per_million": "1"}]}), "prices[0].model"),
        (
            json!({"prices": [{"model": "a", "effective_from": "2026-02-28T23:59:59Z", "input_usd_per_million": "1", "output_usd_per_million": "1"}]}),
            "prices[0].effective_from",
        ),
        (json!({"colour": 1}), "colour"),
    ] {
        let reply = world.call("PUT", FREE, &world.operator, Some(order.clone())).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{order}: {reply:?}");
    }
    for name in ["No%20Plan", "-x", "%C3%BC"] {
        let reply = world.call("PUT", &format!("/api/v1/plans/{name}"), &world.operator, Some(json!({}))).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some("name")), "{name}");
    }
    for field in ["plan", "segment"] {
        let reply = world.call("PATCH", "/api/v1/tenants/acme", &world.operator, Some(json!({field: "gold"}))).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)));
    }
}

#[tokio::test]
async fn the_nearest_value_is_in_force_and_says_where_it_comes_from() {
    let world = World::new().await;
    let budget = |window: &str, limit: &str| json!({"window": window, "limit_usd": limit});
    world
        .put(
            FREE,
            json!({
                "limits": {"requests_per_minute": 60, "concurrency": 2, "weight": 3},
                "budgets": [budget("month", "10"), budget("day", "1"), budget("hour", "0.5")],
                "models": ["sim-small"],
            }),
        )
        .await;
    world.put("/api/v1/segments/eu", json!({"limits": {"concurrency": 5}, "budgets": [budget("day", "2")]})).await;
    world.patch_acme(json!({"plan": "free", "segment": "eu"})).await;
    world.put("/api/v1/tenants/acme/limits", json!({"requests_per_minute": 600})).await;
    let set = world.put("/api/v1/tenants/acme/budgets", json!([budget("hour", "3")])).await;
    assert_eq!(set["data"].as_array().map(Vec::len), Some(3), "own and inherited: {set}");

    let shown = world.get(EFFECTIVE, &world.acme.admin).await.body;
    assert_eq!((&shown["plan"], &shown["segment"]), (&json!("free"), &json!("eu")));
    let limits = [
        ("requests_per_minute", json!({"value": 600, "origin": "own"})),
        ("tokens_per_minute", json!({"value": null, "origin": "default"})),
        ("concurrency", json!({"value": 5, "origin": "segment"})),
        ("weight", json!({"value": 3, "origin": "plan"})),
        ("mode", json!({"value": "balanced", "origin": "default"})),
        ("provider_isolation", json!({"value": "keyed", "origin": "default"})),
    ];
    for (name, want) in limits {
        assert_eq!(shown["limits"][name], want, "{name}");
    }
    let budgets = json!([
        {"origin": "own", "budget": {"window": "hour", "limit_usd": "3.00", "mode": "hard", "alert_at": []}},
        {"origin": "segment", "budget": {"window": "day", "limit_usd": "2.00", "mode": "hard", "alert_at": []}},
        {"origin": "plan", "budget": {"window": "month", "limit_usd": "10.00", "mode": "hard", "alert_at": []}},
    ]);
    assert_eq!(shown["budgets"], budgets);
    assert_eq!(shown["models"], json!({"value": ["sim-small"], "origin": "plan"}));
    assert!(!shown.to_string().contains("price"), "what is charged is the operator's: {shown}");

    let own = world.get("/api/v1/tenants/acme/limits", &world.acme.admin).await.body;
    assert_eq!(own, json!({"requests_per_minute": 600}), "its own alone, to be changed and put back");
    world.patch_acme(json!({"models": []})).await;
    let shown = world.get(EFFECTIVE, &world.operator).await.body;
    assert_eq!(shown["models"], json!({"value": [], "origin": "own"}));
}

#[tokio::test]
async fn budgets_follow_the_plan_of_the_moment() {
    let world = World::new().await;
    let plan = |limit: &str| json!({"budgets": [{"window": "month", "limit_usd": limit}]});
    world.put(FREE, plan("1")).await;
    world.put("/api/v1/plans/pro", plan("10")).await;
    assert!(world.budgets().await.is_empty());
    world.patch_acme(json!({"plan": "free"})).await;
    let level = |level: &str, limit: &str| vec![(level.to_owned(), limit.to_owned())];
    assert_eq!(world.budgets().await, level("plan", "1.00"));
    world.patch_acme(json!({"plan": "pro"})).await;
    assert_eq!(world.budgets().await, level("plan", "10.00"));
    world.put("/api/v1/plans/pro", plan("20")).await;
    assert_eq!(world.budgets().await, level("plan", "20.00"));
    world.put("/api/v1/tenants/acme/budgets", json!([{"window": "month", "limit_usd": "5"}])).await;
    world.put("/api/v1/plans/pro", plan("30")).await;
    assert_eq!(world.budgets().await, level("tenant", "5.00"));
    world.put("/api/v1/tenants/acme/budgets", json!([])).await;
    assert_eq!(world.budgets().await, level("plan", "30.00"));
    world.patch_acme(json!({"plan": null})).await;
    assert!(world.budgets().await.is_empty());

    let order = json!({"slug": "new", "name": "New", "plan": "pro", "models": ["m"]});
    let made = world.call("POST", "/api/v1/tenants", &world.operator, Some(order)).await;
    assert_eq!((made.status.as_u16(), made.text("plan"), &made.body["models"]), (201, "pro", &json!(["m"])));
    let shown = world.get("/api/v1/tenants/new/budgets", &world.operator).await.body;
    assert_eq!((&shown["data"][0]["level"], &shown["data"][0]["limit_usd"]), (&json!("plan"), &json!("30.00")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_is_what_is_stored_whoever_changes_it() {
    let world = World::new().await;
    let plan = |limit: u32| json!({"budgets": [{"window": "month", "limit_usd": limit.to_string()}], "limits": {"concurrency": limit + 1}});
    let (acme, engine) = (world.acme.tenant.parse().expect("an id"), &world.app.engine);
    world.put(FREE, plan(0)).await;
    world.put("/api/v1/plans/pro", plan(0)).await;
    for round in 0..30 {
        let name = if round % 2 == 0 { "free" } else { "pro" };
        let own = if round % 3 == 0 { json!([{"window": "month", "limit_usd": "7"}]) } else { json!([]) };
        tokio::join!(
            world.put(FREE, plan(round)),
            world.patch_acme(json!({"plan": name})),
            world.put("/api/v1/plans/pro", plan(100 + round)),
            world.put("/api/v1/tenants/acme/budgets", own),
            world.put("/api/v1/tenants/acme/limits", json!({"weight": round + 1})),
        );
        let stored = engine.store.control().budgets_of(Some(acme)).await.expect("read");
        assert_eq!(engine.accounts.budgets(&insula_model::Subject::Tenant(acme)), stored);
        let limits = engine.directory.tenant(acme).expect("known").limits;
        let concurrency = if name == "free" { round + 1 } else { round + 101 };
        assert_eq!((limits.concurrency, limits.weight), (Some(concurrency), Some(round + 1)));
    }
}
