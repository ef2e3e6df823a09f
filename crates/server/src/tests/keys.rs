use std::time::Duration;

use super::*;

const KEYS: &str = "/api/v1/tenants/acme/keys";

async fn opens(world: &World, key: &str) -> bool {
    match world.get("/v1/models", key).await.status.as_u16() {
        200 => true,
        401 => false,
        other => panic!("unexpected {other}"),
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoked_at_once() {
    let world = World::new().await;
    let made = world.call("POST", KEYS, &world.acme.admin, Some(json!({"name": "app", "tags": {"a": "b"}}))).await;
    assert_eq!((made.status.as_u16(), made.text("role"), made.text("state")), (201, "service", "active"), "{made:?}");
    let (key, id) = (made.text("key").to_owned(), made.text("id").to_owned());
    assert!(key.starts_with(made.text("prefix")) && opens(&world, &key).await);
    assert_eq!(made.headers["cache-control"], "no-store");

    let path = format!("{KEYS}/{id}");
    let secret = key.rsplit('_').next().expect("a secret");
    for shown in [world.get(KEYS, &world.acme.admin).await, world.get(&path, &world.operator).await] {
        assert!(!shown.body.to_string().contains(secret), "no list shows a secret");
    }
    for _ in 0..2 {
        assert_eq!(world.call("DELETE", &path, &world.acme.admin, None).await.status, 204);
        assert!(!opens(&world, &key).await);
    }
    let revoked = world.get(&path, &world.acme.admin).await;
    assert_eq!(revoked.text("state"), "revoked");
    assert_eq!(revoked.text("revoked_at"), "2026-03-15T12:00:00Z");
}

#[tokio::test]
async fn keys_expire_by_the_clock() {
    let world = World::new().await;
    let past =
        world.call("POST", KEYS, &world.acme.admin, Some(json!({"name": "x", "expires_at": "2026-03-15T12:00:00Z"}))).await;
    assert_eq!((past.status.as_u16(), past.body["param"].as_str()), (400, Some("expires_at")));
    let made =
        world.call("POST", KEYS, &world.acme.admin, Some(json!({"name": "x", "expires_at": "2026-03-15T12:00:10Z"}))).await;
    let key = made.text("key");
    world.clock.advance(Duration::from_secs(9));
    assert!(opens(&world, key).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!opens(&world, key).await);
    assert_eq!(world.get(&format!("{KEYS}/{}", made.text("id")), &world.acme.admin).await.text("state"), "expired");
}

#[tokio::test]
async fn a_rotation_overlaps_and_keeps_what_was_set() {
    let world = World::new().await;
    let (old, id) = world.key("acme", "service").await;
    let path = format!("{KEYS}/{id}");
    world.call("PUT", &format!("{path}/limits"), &world.acme.admin, Some(json!({"concurrency": 2}))).await;
    let budget = json!([{"window": "day", "limit_usd": "1.00"}]);
    world.call("PUT", &format!("{path}/budgets"), &world.acme.admin, Some(budget)).await;

    let too_long =
        world.call("POST", &format!("{path}/rotate"), &world.acme.admin, Some(json!({"overlap_seconds": 604_801}))).await;
    assert_eq!((too_long.status.as_u16(), too_long.body["param"].as_str()), (400, Some("overlap_seconds")));
    let made = world.call("POST", &format!("{path}/rotate"), &world.acme.admin, Some(json!({"overlap_seconds": 60}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (new, new_path) = (made.text("key").to_owned(), format!("{KEYS}/{}", made.text("id")));
    assert!(opens(&world, &old).await && opens(&world, &new).await);
    assert_eq!(world.get(&format!("{new_path}/limits"), &world.acme.admin).await.body, json!({"concurrency": 2}));
    let budgets = world.get(&format!("{new_path}/budgets"), &world.acme.admin).await;
    assert_eq!(budgets.body["data"][0]["limit_usd"], "1.00");

    world.clock.advance(Duration::from_secs(60));
    assert!(!opens(&world, &old).await && opens(&world, &new).await);
    let expired = world.call("POST", &format!("{path}/rotate"), &world.acme.admin, None).await;
    assert_eq!((expired.status.as_u16(), expired.text("code")), (409, "conflict"));

    // Without an overlap the old key ends now.
    let last = world.call("POST", &format!("{new_path}/rotate"), &world.acme.admin, None).await;
    assert!(!opens(&world, &new).await && opens(&world, last.text("key")).await);
}

#[tokio::test]
async fn tokens_open_the_data_plane_alone_and_die_in_time() {
    let world = World::new().await;
    let path = "/api/v1/tenants/acme/tokens";
    for ttl in [json!(0), json!(86_401), json!(-1), json!("1"), json!(null)] {
        let reply = world.call("POST", path, &world.acme.admin, Some(json!({ "ttl_seconds": ttl }))).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some("ttl_seconds")), "{ttl}");
    }
    for issuer in [&world.acme.admin, &world.operator] {
        let issued = world.call("POST", path, issuer, Some(json!({"end_user": "ada", "ttl_seconds": 60}))).await;
        assert_eq!(issued.status, 201);
        let token = issued.text("token");
        assert!(opens(&world, token).await);
        assert_eq!(world.get("/api/v1/tenants/acme", token).await.status, 403);
        assert_eq!(world.get("/api/v1/tenants/globex", token).await.status, 404);
        world.clock.advance(Duration::from_secs(60));
        assert!(!opens(&world, token).await);
    }
}

#[tokio::test]
async fn nothing_but_the_credential_chooses_the_tenant() {
    let world = World::new().await;
    let mut request = Request::get("/api/v1/tenants/globex").header("x-api-key", &world.acme.admin);
    for name in ["x-tenant-id", "openai-project", "openai-organization", "x-insula-tenant"] {
        request = request.header(name, &world.globex.tenant);
    }
    assert_eq!(world.answer(request.body(Body::empty()).expect("a request")).await.status, 404);
    let own = Request::get("/api/v1/tenants/acme").header("x-api-key", &world.acme.admin).header("x-tenant-id", "globex");
    assert_eq!(world.answer(own.body(Body::empty()).expect("a request")).await.text("slug"), "acme");
}

#[tokio::test]
async fn operator_keys_come_and_go() {
    let world = World::new().await;
    let made = world.call("POST", "/api/v1/operator-keys", &world.operator, Some(json!({"name": "ops"}))).await;
    let (key, id) = (made.text("key").to_owned(), made.text("id").to_owned());
    assert!(made.status == 201 && key.starts_with("ins_op_"));
    let issued = world.call("POST", "/api/v1/tenants/acme/tokens", &key, Some(json!({"ttl_seconds": 60}))).await;
    assert!(opens(&world, issued.text("token")).await);
    let listed = world.get("/api/v1/operator-keys", &key).await;
    assert_eq!(listed.body["data"][0]["name"], "ops");
    assert_eq!(world.call("DELETE", &format!("/api/v1/operator-keys/{id}"), &key, None).await.status, 204);
    assert_eq!(world.get("/api/v1/tenants", &key).await.status, 401);
    assert!(!opens(&world, issued.text("token")).await);
    assert_eq!(world.call("DELETE", &format!("/api/v1/operator-keys/{id}"), &world.operator, None).await.status, 204);
    assert_eq!(world.call("DELETE", "/api/v1/operator-keys/key_x", &world.operator, None).await.status, 404);
}
