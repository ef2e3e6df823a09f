//! Every operation of the document with every kind of credential.

use super::*;

struct Operation {
    method: String,
    path: String,
    credential: String,
    refusals: Vec<String>,
}

async fn operations(world: &World) -> Vec<Operation> {
    let document = world.get("/openapi.json", "").await.body;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                credential: operation["x-credential"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{path} needs x-credential"))
                    .to_owned(),
                refusals: operation["responses"].as_object().expect("responses").keys().cloned().collect(),
            });
        }
    }
    all
}

fn path_of(operation: &Operation, tenant: &str, key: &str, request: &str) -> String {
    operation
        .path
        .replace("{tenant}", tenant)
        .replace("{key}", key)
        .replace("{request}", request)
        .replace("{model}", "m")
        .replace("{name}", "n")
        .replace("{end_user}", "ada")
        .replace("{month}", "2026-03")
        .replace("{other}", tenant)
        .replace("{webhook}", "whk_x")
        .replace("{event}", "evt_x")
}

/// The path of an operation on `acme`, with a spare of everything that it may take away.
async fn spare_path(world: &World, operation: &Operation, tenant: &str, request: &str) -> String {
    let (_, key) = world.key("acme", "service").await;
    let (webhook, event) = match operation.path.contains("{webhook}") {
        true => world.webhook("acme").await,
        false => Default::default(),
    };
    let path = operation.path.replace("{webhook}", &webhook).replace("{event}", &event);
    path.replace("{tenant}", tenant).replace("{key}", &key).replace("{request}", request)
}

#[tokio::test]
async fn the_document_lists_the_contract() {
    let world = World::new().await;
    let mut listed: Vec<_> = operations(&world).await.iter().map(|o| format!("{} {}", o.method, o.path)).collect();
    listed.sort();
    let mut want: Vec<String> = include_str!("operations.txt").lines().map(str::to_owned).collect();
    want.sort();
    assert_eq!(listed, want);
}

#[tokio::test]
async fn no_credential_is_the_first_question() {
    let world = World::new().await;
    for operation in operations(&world).await.iter().filter(|o| o.credential != "none") {
        let mistyped = format!("{}x", world.acme.admin);
        for path in [path_of(operation, "acme", &world.acme.admin_id, "req_x"), path_of(operation, "%ff", "%00", "%ff")] {
            for key in ["", "x", &mistyped] {
                let reply = world.call(&operation.method, &path, key, None).await;
                assert_eq!(reply.status, 401, "{} {path} with {key:?}", operation.method);
                assert_eq!(reply.headers["www-authenticate"], "Bearer");
            }
        }
        for status in ["401", "403"] {
            assert!(operation.refusals.iter().any(|known| known == status), "{} documents {status}", operation.path);
        }
    }
}

#[tokio::test]
async fn foreign_is_like_nothing_and_comes_before_insufficient() {
    let world = World::new().await;
    let request = world.app.engine.request_id([0xff; 4]).to_string();
    let nobody = "ten_00000000000000000000000000";
    let no_key = "key_00000000000000000000000000";
    for operation in operations(&world).await.iter().filter(|o| o.path.contains("{tenant}")) {
        for key in [&world.acme.service, &world.acme.admin] {
            let nothing = world.call(&operation.method, &path_of(operation, nobody, no_key, &request), key, None).await;
            assert_eq!(nothing.status, 404);
            for tenant in ["globex", &world.globex.tenant, "nobody", "%ff", "%00", "x%2Fy"] {
                let path = path_of(operation, tenant, &world.globex.admin_id, &request);
                let foreign = world.call(&operation.method, &path, key, None).await;
                assert_eq!(foreign.said(), nothing.said(), "{} {path}", operation.method);
                let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
                assert_eq!(names(&foreign), names(&nothing));
            }
        }
        for tenant in ["acme", &world.acme.tenant] {
            let path = path_of(operation, tenant, &world.acme.service_id, &request);
            assert_eq!(world.call(&operation.method, &path, &world.acme.service, None).await.status, 403, "{path}");
            let path = spare_path(&world, operation, tenant, &request).await;
            let admin = world.call(&operation.method, &path, &world.acme.admin, Some(json!({"no such field": 1}))).await;
            if operation.credential == "operator" {
                assert_eq!(admin.status, 403, "{} {path}", operation.method);
            } else {
                // A batch takes a file first, a document its time, a credential a provider, a corpus an operator: that there is none is told
                // to its own tenant.
                let takes_more =
                    ["{batch}", "{document}", "{provider}", "{corpus}"].iter().any(|part| operation.path.contains(part));
                let is_told = takes_more && admin.status == 404;
                assert!(is_told || ![401, 403, 404].contains(&admin.status.as_u16()), "{} {path}: {admin:?}", operation.method);
            }
        }
        if operation.path.contains("{key}") {
            for key in [&*world.globex.admin_id, no_key, "key_", "%ff", "x"] {
                for (tenant, caller) in [("acme", &world.acme.admin), ("acme", &world.operator)] {
                    let path = path_of(operation, tenant, key, &request);
                    let reply = world.call(&operation.method, &path, caller, None).await;
                    assert_eq!(reply.said(), (StatusCode::NOT_FOUND, not_found()), "{} {path}", operation.method);
                }
            }
        }
    }
}

fn not_found() -> Value {
    json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "not found", "code": "not_found"})
}

#[tokio::test]
async fn the_platform_is_the_operators() {
    let world = World::new().await;
    let platform = |o: &&Operation| o.credential == "operator" && !o.path.contains("{tenant}");
    for operation in operations(&world).await.iter().filter(platform) {
        let path = path_of(operation, "", "key_x", "");
        for key in [&world.acme.service, &world.acme.admin] {
            let reply = world.call(&operation.method, &path, key, None).await;
            assert_eq!((reply.status.as_u16(), reply.text("code")), (403, "forbidden"), "{} {path}", operation.method);
        }
        let operator = world.call(&operation.method, &path, &world.operator, None).await;
        assert!(![401, 403].contains(&operator.status.as_u16()), "{} {path}: {operator:?}", operation.method);
    }
}

#[tokio::test]
async fn the_data_plane_takes_any_tenants_credential_and_no_operators() {
    let world = World::new().await;
    for operation in operations(&world).await.iter().filter(|o| o.credential == "tenant") {
        let path = path_of(operation, "", "", "");
        let reply = world.call(&operation.method, &path, &world.operator, None).await;
        assert_eq!((reply.status.as_u16(), &reply.body["error"]["code"]), (403, &json!("forbidden")), "{path}");
        for key in [&world.acme.service, &world.acme.admin] {
            let reply = world.call(&operation.method, &path, key, None).await;
            assert!(![401, 403].contains(&reply.status.as_u16()), "{} {path}: {reply:?}", operation.method);
        }
    }
}

#[tokio::test]
async fn unknown_routes_answer_in_the_callers_dialect() {
    let world = World::new().await;
    let reply = world.get("/v1/nothing", "").await;
    assert_eq!((reply.status.as_u16(), &reply.body["error"]["code"]), (404, &json!("not_found")));
    let reply = world.get("/v1", "").await;
    assert_eq!((reply.status.as_u16(), &reply.body["error"]["code"]), (404, &json!("not_found")));
    for path in ["/api/v1/nothing", "/v1x", "/", "/api/v1/tenants/acme/nothing"] {
        let reply = world.get(path, "").await;
        assert_eq!(reply.said(), (StatusCode::NOT_FOUND, not_found()), "{path}");
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    }
    let reply = world.call("DELETE", "/api/v1/tenants", "", None).await;
    assert_eq!((reply.status.as_u16(), reply.text("code")), (405, "method_not_allowed"));
    let allowed = reply.headers["allow"].to_str().expect("text");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let reply = world.call("GET", "/v1/chat/completions", "", None).await;
    assert_eq!((reply.status.as_u16(), &reply.body["error"]["code"]), (405, &json!("method_not_allowed")));
    assert_eq!(reply.headers["allow"], "POST");
}
