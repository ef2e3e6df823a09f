use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_tenants_life() {
    let world = World::new().await;
    let order =
        json!({"slug": "new-co", "name": "New & Co", "external_id": "c-17", "region": "eu-west-1", "tags": {"team": "blue"}});
    let made = world.call("POST", "/api/v1/tenants", &world.operator, Some(order.clone())).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.headers["etag"], "\"1\"");
    let (id, created) = (made.text("id").to_owned(), made.text("created_at").to_owned());
    let want = json!({
        "id": id, "slug": "new-co", "name": "New & Co", "external_id": "c-17", "plan": null, "segment": null, "models": null,
        "region": "eu-west-1", "placement": "shared", "tags": {"team": "blue"}, "state": "active", "version": 1, "created_at": created,
    });
    assert_eq!(made.body, want);
    for path in ["/api/v1/tenants/new-co".to_owned(), format!("/api/v1/tenants/{id}")] {
        assert_eq!(world.get(&path, &world.operator).await.body, want);
    }
    assert_eq!(world.call("POST", "/api/v1/tenants", &world.operator, Some(order)).await.text("code"), "conflict");

    let erased = world.call("DELETE", "/api/v1/tenants/new-co", &world.operator, None).await;
    assert_eq!((erased.status.as_u16(), erased.text("tenant")), (200, &*id));
    assert!(erased.text("keys_gone_after") > erased.text("erased_at"));
    for path in ["/api/v1/tenants/new-co".to_owned(), format!("/api/v1/tenants/{id}")] {
        assert_eq!(world.get(&path, &world.operator).await.status, 404);
        assert_eq!(world.call("DELETE", &path, &world.operator, None).await.status, 404);
    }
}

#[tokio::test]
async fn wrong_tenants_name_their_field() {
    let world = World::new().await;
    for (order, field) in [
        (json!({"name": "x"}), "slug"),
        (json!({"slug": "UPPER", "name": "x"}), "slug"),
        (json!({"slug": "a", "name": ""}), "name"),
        (json!({"slug": "a", "name": "x\n"}), "name"),
        (json!({"slug": "a", "name": "x", "placement": "moon"}), "placement"),
        (json!({"slug": "a", "name": "x", "region": "EU WEST"}), "region"),
        (json!({"slug": "a", "name": "x", "plan": "gold"}), "plan"),
        (json!({"slug": "a", "name": "x", "plan": "No Plan"}), "plan"),
        (json!({"slug": "a", "name": "x", "segment": "s"}), "segment"),
        (json!({"slug": "a", "name": "x", "models": ["m", "m"]}), "models[1]"),
        (json!({"slug": "a", "name": "x", "tags": {"a": 1}}), "tags.a"),
        (json!({"slug": "a", "name": "x", "state": "active"}), "state"),
    ] {
        let reply = world.call("POST", "/api/v1/tenants", &world.operator, Some(order.clone())).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{order}: {reply:?}");
    }
}

#[tokio::test]
async fn an_admin_changes_only_what_is_its_own() {
    let world = World::new().await;
    let path = "/api/v1/tenants/acme";
    let reply = world.call("PATCH", path, &world.acme.admin, Some(json!({"name": "Acme Inc", "tags": {"a": "b"}}))).await;
    assert_eq!((reply.status.as_u16(), reply.text("name"), &reply.body["version"]), (200, "Acme Inc", &json!(2)));
    for (field, value) in [
        ("external_id", json!("x")),
        ("plan", json!("gold")),
        ("segment", json!(null)),
        ("models", json!(["m"])),
        ("region", json!(null)),
        ("placement", json!("shared")),
    ] {
        let reply = world.call("PATCH", path, &world.acme.admin, Some(json!({"name": "no", field: value}))).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (403, Some(field)), "{reply:?}");
    }
    let unchanged = world.get(path, &world.acme.admin).await;
    assert_eq!((unchanged.text("name"), &unchanged.body["version"]), ("Acme Inc", &json!(2)));
    let reply = world.call("PATCH", path, &world.operator, Some(json!({"region": "eu", "external_id": "c-1"}))).await;
    assert_eq!((reply.text("region"), reply.text("external_id")), ("eu", "c-1"));
    let reply = world.call("PATCH", path, &world.operator, Some(json!({"region": null}))).await;
    assert_eq!((&reply.body["region"], reply.text("external_id")), (&Value::Null, "c-1"));
}

#[tokio::test]
async fn if_match_guards_against_lost_changes() {
    let world = World::new().await;
    let change = async |if_match: &str, name: &str| {
        let request = Request::patch("/api/v1/tenants/acme")
            .header(header::AUTHORIZATION, format!("Bearer {}", world.acme.admin))
            .header(header::IF_MATCH, if_match)
            .body(Body::from(json!({ "name": name }).to_string()));
        world.answer(request.expect("a request")).await
    };
    assert_eq!(change("\"1\"", "one").await.headers["etag"], "\"2\"");
    let late = change("\"1\"", "late").await;
    assert_eq!((late.status.as_u16(), late.text("code")), (412, "precondition_failed"));
    assert_eq!(change("nonsense", "late").await.status, 412);
    assert_eq!(change("*", "any").await.status, 200);
    assert_eq!(change("\"7\", \"3\"", "three").await.text("name"), "three");
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_until_it_is_resumed() {
    let world = World::new().await;
    let suspended = world.call("POST", "/api/v1/tenants/acme/suspend", &world.operator, None).await;
    assert_eq!((suspended.status.as_u16(), suspended.text("state")), (200, "suspended"));
    for key in [&world.acme.admin, &world.acme.service] {
        for path in ["/api/v1/tenants/acme", "/api/v1/tenants/globex", "/api/v1/tenants"] {
            let reply = world.get(path, key).await;
            assert_eq!((reply.status.as_u16(), reply.text("code")), (403, "tenant_suspended"), "{path}");
        }
        let reply = world.get("/v1/models", key).await;
        assert_eq!((reply.status.as_u16(), &reply.body["error"]["code"]), (403, &json!("tenant_suspended")));
    }
    assert_eq!(world.get("/api/v1/tenants/acme", &world.operator).await.text("state"), "suspended");
    let resumed = world.call("POST", "/api/v1/tenants/acme/resume", &world.operator, None).await;
    assert_eq!(resumed.text("state"), "active");
    assert_eq!(world.get("/v1/models", &world.acme.service).await.status, 200);
}

#[tokio::test]
async fn pages_cover_the_list_once() {
    let world = World::new().await;
    let mut want = vec!["acme".to_owned(), "globex".to_owned()];
    for i in 0..5 {
        world.clock.advance(Duration::from_millis(1));
        let slug = format!("t{i}");
        world.tenant(&slug).await;
        want.push(slug);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/tenants?limit=3".to_owned());
    loop {
        let page = world.get(&path, &world.operator).await;
        assert_eq!(page.status, 200, "{page:?}");
        seen.extend(
            page.body["data"].as_array().expect("data").iter().map(|t| t["slug"].as_str().unwrap_or_default().to_owned()),
        );
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        path = format!("/api/v1/tenants?limit=3&cursor={next}");
    }
    seen[..2].sort();
    assert_eq!(seen, want);
    for (query, field) in
        [("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"), ("page=1", "page")]
    {
        let reply = world.get(&format!("/api/v1/tenants?{query}"), &world.operator).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{query}");
    }
}
