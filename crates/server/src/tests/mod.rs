//! The router over a real engine, without a socket; `serve.rs` with one.

mod access;
mod budgets;
mod export;
mod keys;
mod plans;
mod requests;
mod serve;
mod statements;
mod strictness;
mod tenants;
mod usage;
mod webhooks;

use std::sync::Arc;

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use insula_engine::{Engine, EngineSettings};
use insula_model::{ManualClock, Random, SeededRandom, Timestamp};
use insula_providers::{PriceBook, Providers};
use insula_store::{Coordination, RealDisk, RootKey, Store, StoreOptions};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{App, ServerSettings, router};

/// A node with the tenants `acme` and `globex`, each with an admin key and a service key.
struct World {
    router: Router,
    app: App,
    clock: Arc<ManualClock>,
    operator: String,
    acme: Keys,
    globex: Keys,
    _files: tempfile::TempDir,
}

/// A tenant's keys.
#[derive(Default)]
struct Keys {
    tenant: String,
    admin: String,
    admin_id: String,
    service: String,
    service_id: String,
}

/// A whole answer.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    /// The body without what differs from request to request.
    fn said(&self) -> (StatusCode, Value) {
        let mut body = self.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        (self.status, body)
    }

    fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:?}"))
    }
}

impl World {
    async fn new() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-03-15T12:00:00Z").expect("a time")));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(5));
        let root_key = RootKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("32 bytes");
        let options = StoreOptions::new(files.path(), root_key);
        let store = Store::open(options, clock.clone(), random.clone(), Arc::new(RealDisk)).await.expect("opens");
        let providers = Providers::new(Vec::new(), PriceBook::default()).expect("no providers");
        let coordination = Coordination::local(clock.clone());
        let engine = Engine::start(store, providers, coordination, EngineSettings::default(), clock.clone(), random);
        let engine = engine.await.expect("starts");
        let operator = engine.directory.new_local_operator();
        engine.directory.install_local_operator(&operator).expect("installed");
        let app = App::new(engine, ServerSettings::default());
        let router = router(app.clone());
        let operator = operator.expose().to_owned();
        let mut world = Self { router, app, clock, operator, acme: Keys::default(), globex: Keys::default(), _files: files };
        world.acme = world.tenant("acme").await;
        world.globex = world.tenant("globex").await;
        world
    }

    async fn tenant(&self, slug: &str) -> Keys {
        let made = self.call("POST", "/api/v1/tenants", &self.operator, Some(json!({"slug": slug, "name": slug}))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let (admin, admin_id) = self.key(slug, "admin").await;
        let (service, service_id) = self.key(slug, "service").await;
        Keys { tenant: made.text("id").to_owned(), admin, admin_id, service, service_id }
    }

    /// A new key's text and id.
    async fn key(&self, tenant: &str, role: &str) -> (String, String) {
        let path = format!("/api/v1/tenants/{tenant}/keys");
        let made = self.call("POST", &path, &self.operator, Some(json!({"name": role, "role": role}))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        (made.text("key").to_owned(), made.text("id").to_owned())
    }

    /// A new webhook's id, and that of an event that it was told.
    async fn webhook(&self, tenant: &str) -> (String, String) {
        let path = format!("/api/v1/tenants/{tenant}/webhooks");
        let made = self.call("POST", &path, &self.operator, Some(json!({"url": "https://hooks.example.com/1"}))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let id = made.text("id").to_owned();
        let sent = self.call("POST", &format!("{path}/{id}/test"), &self.operator, None).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
        (id, sent.text("event").to_owned())
    }

    async fn call(&self, method: &str, path: &str, key: &str, body: Option<Value>) -> Reply {
        self.send(method, path, key, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    async fn get(&self, path: &str, key: &str) -> Reply {
        self.call("GET", path, key, None).await
    }

    /// A call with any bytes as its body; an empty key is none.
    async fn send(&self, method: &str, path: &str, key: &str, body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        self.answer(request.body(body.into()).expect("a request")).await
    }

    async fn answer(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        assert!(head.headers.contains_key("x-request-id"), "every answer has its id");
        Reply { status: head.status, headers: head.headers, body }
    }
}
