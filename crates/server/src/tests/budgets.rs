use super::*;

const BUDGETS: &str = "/api/v1/tenants/acme/budgets";

#[tokio::test]
async fn budgets_are_replaced_and_keep_their_ids() {
    let world = World::new().await;
    let order = json!([
        {"window": "month", "limit_usd": "10", "alert_at": [0.8, 1.0]},
        {"window": "day", "limit_tokens": 1000, "mode": "soft"},
    ]);
    let set = world.call("PUT", BUDGETS, &world.operator, Some(order)).await;
    assert_eq!(set.status, 200, "{set:?}");
    let month = &set.body["data"].as_array().expect("data").iter().find(|b| b["window"] == "month").expect("month").clone();
    let want = json!({
        "id": month["id"], "level": "tenant", "subject": world.acme.tenant, "window": "month", "mode": "hard", "alert_at": [0.8, 1.0],
        "limit_usd": "10.00", "used_usd": "0.00", "reserved_usd": "0.00", "resets_at": "2026-04-01T00:00:00Z",
    });
    assert_eq!(month, &want);
    assert_eq!(world.get(BUDGETS, &world.acme.admin).await.body, set.body);

    let again = world.call("PUT", BUDGETS, &world.operator, Some(json!([{"window": "month", "limit_usd": "20.00"}]))).await;
    assert_eq!(again.body["data"].as_array().map(Vec::len), Some(1));
    assert_eq!((&again.body["data"][0]["id"], &again.body["data"][0]["limit_usd"]), (&month["id"], &json!("20.00")));
    let none = world.call("PUT", BUDGETS, &world.operator, Some(json!([]))).await;
    assert_eq!(none.body, json!({"data": [], "next_cursor": null}));
}

#[tokio::test]
async fn every_level_has_budgets() {
    let world = World::new().await;
    let order = json!([{"window": "hour", "limit_tokens": 0}]);
    let key = format!("/api/v1/tenants/acme/keys/{}/budgets", world.acme.service_id);
    for (path, caller, level, subject) in [
        (&*key, &world.acme.admin, "key", &*world.acme.service_id),
        ("/api/v1/platform/budgets", &world.operator, "platform", "platform"),
    ] {
        let set = world.call("PUT", path, caller, Some(order.clone())).await;
        let budget = &set.body["data"][0];
        assert_eq!(
            (&budget["level"], &budget["subject"], &budget["limit_tokens"]),
            (&json!(level), &json!(subject), &json!(0)),
            "{set:?}"
        );
        assert_eq!((&budget["used_tokens"], &budget["reserved_tokens"]), (&json!(0), &json!(0)));
    }
}

#[tokio::test]
async fn wrong_budgets_name_their_field() {
    let world = World::new().await;
    for (order, field) in [
        (json!([{"limit_usd": "1"}]), Some("[0].window")),
        (json!([{"window": "week", "limit_usd": "1"}]), Some("[0].window")),
        (json!([{"window": "day"}]), Some("[0].limit_usd")),
        (json!([{"window": "day", "limit_usd": "1", "limit_tokens": 1}]), Some("[0].limit_tokens")),
        (json!([{"window": "day", "limit_usd": 1}]), Some("[0].limit_usd")),
        (json!([{"window": "day", "limit_usd": "-1"}]), Some("[0].limit_usd")),
        (json!([{"window": "day", "limit_tokens": -1}]), Some("[0].limit_tokens")),
        (json!([{"window": "day", "limit_usd": "1"}, {"window": "day", "limit_usd": "2"}]), Some("[1].window")),
        (json!([{"window": "day", "limit_usd": "1", "alert_at": [0]}]), Some("[0].alert_at[0]")),
        (json!([{"window": "day", "limit_usd": "1", "alert_at": [0.5, 1.5]}]), Some("[0].alert_at[1]")),
        (json!([{"window": "day", "limit_usd": "1", "mode": "gentle"}]), Some("[0].mode")),
        (json!([{"window": "day", "limit_usd": "1", "extra": 1}]), Some("[0].extra")),
        (json!({"window": "day"}), None),
    ] {
        let reply = world.call("PUT", BUDGETS, &world.operator, Some(order.clone())).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, field), "{order}: {reply:?}");
    }
}

#[tokio::test]
async fn limits_are_replaced_whole() {
    let world = World::new().await;
    let path = "/api/v1/tenants/acme/limits";
    let set = world.call("PUT", path, &world.operator, Some(json!({"requests_per_minute": 60, "concurrency": 4}))).await;
    assert_eq!(set.body, json!({"requests_per_minute": 60, "concurrency": 4}));
    let set = world.call("PUT", path, &world.operator, Some(json!({"tokens_per_minute": 1000}))).await;
    assert_eq!(set.body, json!({"tokens_per_minute": 1000}));
    assert_eq!(world.get(path, &world.acme.admin).await.body, set.body);
    for (order, field) in [
        (json!({"requests_per_minute": 0}), "requests_per_minute"),
        (json!({"concurrency": -1}), "concurrency"),
        (json!({"tokens_per_minute": 1.5}), "tokens_per_minute"),
        (json!({"requests_per_second": 1}), "requests_per_second"),
    ] {
        let reply = world.call("PUT", path, &world.operator, Some(order)).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)));
    }
}
