use std::time::Duration;

use super::*;

const WEBHOOKS: &str = "/api/v1/tenants/acme/webhooks";

#[tokio::test]
async fn a_secret_is_shown_when_it_is_made_and_never_again() {
    let world = World::new().await;
    let order = json!({"url": "https://hooks.example.com/1", "events": ["budget.alert"], "description": "ours"});
    let made = world.call("POST", WEBHOOKS, &world.acme.admin, Some(order)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, secret) = (made.text("id").to_owned(), made.text("secret").to_owned());
    assert!(id.starts_with("whk_") && secret.starts_with("whsec_"));
    let path = format!("{WEBHOOKS}/{id}");
    let shown = world.get(&path, &world.acme.admin).await;
    let want = json!({
        "id": id, "url": "https://hooks.example.com/1", "events": ["budget.alert"], "description": "ours", "active": true,
        "created_at": "2026-03-15T12:00:00Z", "rotated_at": null,
    });
    assert_eq!(shown.body, want);
    let listed = world.get(WEBHOOKS, &world.acme.admin).await;
    assert_eq!(listed.body["data"], json!([want]));
    let rotated = world.call("POST", &format!("{path}/rotate"), &world.operator, None).await;
    assert!(rotated.status == 200 && rotated.text("secret") != secret);
    assert_eq!(rotated.text("rotated_at"), "2026-03-15T12:00:00Z");
    let off = world.call("PATCH", &path, &world.acme.admin, Some(json!({"active": false}))).await;
    assert_eq!((off.status.as_u16(), &off.body["active"]), (200, &json!(false)));
    let test = world.call("POST", &format!("{path}/test"), &world.acme.admin, None).await;
    assert_eq!((test.status.as_u16(), test.text("code")), (409, "conflict"));
    assert_eq!(world.call("DELETE", &path, &world.acme.admin, None).await.status, 204);
    assert_eq!(world.get(&path, &world.acme.admin).await.status, 404);
}

#[tokio::test]
async fn what_may_not_be_reached_is_refused_by_name() {
    let world = World::new().await;
    for url in [
        "http://hooks.example.com",
        "https://127.0.0.1/x",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://10.1.2.3",
        "https://user@example.com",
        "ftp://example.com",
        "nonsense",
    ] {
        let refused = world.call("POST", WEBHOOKS, &world.operator, Some(json!({"url": url}))).await;
        assert_eq!((refused.status.as_u16(), refused.body["param"].as_str()), (400, Some("url")), "{url}: {refused:?}");
    }
    let inside = world.call("POST", "/api/v1/webhooks", &world.operator, Some(json!({"url": "http://127.0.0.1"}))).await;
    assert_eq!(inside.status, 400, "nor by the platform's, unless it is configured");
    let order = |field: &str, value: Value| {
        let mut order = json!({"url": "https://hooks.example.com"});
        order[field] = value;
        order
    };
    for (field, value) in [
        ("events", json!([])),
        ("events", json!(["webhook.test"])),
        ("events[0]", json!(["budget.gone"])),
        ("description", json!("x".repeat(201))),
        ("secret", json!("whsec_x")),
    ] {
        let name = field.split('[').next().expect("a name");
        let refused = world.call("POST", WEBHOOKS, &world.operator, Some(order(name, value))).await;
        assert_eq!((refused.status.as_u16(), refused.body["param"].as_str()), (400, Some(field)), "{refused:?}");
    }
}

#[tokio::test]
async fn the_log_is_read_page_by_page_and_an_event_replayed() {
    let world = World::new().await;
    let (id, first) = world.webhook("acme").await;
    world.clock.advance(Duration::from_secs(1));
    let path = format!("{WEBHOOKS}/{id}");
    let second = world.call("POST", &format!("{path}/test"), &world.acme.admin, None).await.text("event").to_owned();
    let log = world.get(&format!("{path}/deliveries?limit=1"), &world.acme.admin).await;
    let line = &log.body["data"][0];
    assert_eq!((&line["event"], &line["type"], &line["state"]), (&json!(second), &json!("webhook.test"), &json!("pending")));
    let rest = world.get(&format!("{path}/deliveries?cursor={}", log.text("next_cursor")), &world.acme.admin).await;
    assert_eq!((&rest.body["data"][0]["event"], &rest.body["next_cursor"]), (&json!(first), &Value::Null));
    let replay = |path: &str, event: &str| format!("{path}/deliveries/{event}/replay");
    assert_eq!(world.call("POST", &replay(&path, &first), &world.acme.admin, None).await.status, 202);
    let (foreign, event) = world.webhook("globex").await;
    for (webhook, event) in [(&*id, &*event), (&*foreign, &*event), (&*id, "evt_x"), ("whk_x", &*first)] {
        let path = replay(&format!("{WEBHOOKS}/{webhook}"), event);
        assert_eq!(world.call("POST", &path, &world.acme.admin, None).await.status, 404, "{path}");
    }
    let platforms = replay(&format!("/api/v1/webhooks/{id}"), &first);
    assert_eq!(world.call("POST", &platforms, &world.operator, None).await.status, 404, "a tenant's is not the platform's");
}
