//! `.../usage/export`, over rows that were written straight into the store.

use insula_model::{AttemptOutcome, Cause, Clock, EndUserId, Money, Operation, Overhead, TokenCounts};
use insula_store::{Attribution, Begin, End};

use super::*;

/// A tenant's attempt, settled.
fn settle(world: &World, tenant: &str, cost: &str, tags: &[(&str, &str)]) -> Begin {
    let engine = &world.app.engine;
    let begin = Begin {
        attempt: engine.ids.attempt(),
        request: engine.ids.request([0; 4]),
        tenant: tenant.parse().expect("an id"),
        key: None,
        reserved_at: world.clock.now(),
        operation: Operation::Chat,
        cause: Cause::Base,
        provider: "sim".to_owned(),
        model: "=cmd,1".to_owned(),
        price_row: "sim/sim-small@2026-01-01".to_owned(),
        reserved: Money::from_usd("1").expect("money"),
        input_tokens_max: 10,
        output_tokens_max: 20,
        idempotency: None,
        attribution: Attribution {
            end_user: Some(EndUserId::from_bytes([3; 16])),
            plan: Some("gold".to_owned()),
            tags: tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            queued_us: 1_250,
            credential: insula_model::CredentialOwner::Tenant,
        },
    };
    let end = End {
        attempt: begin.attempt,
        settled_at: begin.reserved_at,
        outcome: AttemptOutcome::Completed,
        tokens: TokenCounts { input: 7, output: 9, reasoning: 1, ..TokenCounts::default() },
        cost: Money::from_usd(cost).expect("money"),
        estimated: true,
        isolation: Overhead { tokens: TokenCounts { input: 4, ..TokenCounts::default() }, cost: Money::from_pico(1) },
    };
    engine.store.journal().begin(&begin).expect("noted");
    engine.store.journal().end(&end, None, &[]);
    begin
}

/// An answer that is no JSON.
struct Text {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

async fn get(world: &World, path: &str, key: &str) -> Text {
    let request = Request::builder().uri(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
    let response = world.router.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Text { status: head.status, headers: head.headers, body: String::from_utf8(bytes.to_vec()).expect("text") }
}

impl Text {
    fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/x-ndjson");
        self.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }
}

#[tokio::test]
async fn events_lines_and_tables_tell_the_same() {
    let world = World::new().await;
    let begin = settle(&world, &world.acme.tenant, "0.000000000001", &[("team", "a \"b\"")]);
    let (id, request) = (begin.attempt.to_string(), begin.request.to_string());
    let path = "/api/v1/tenants/acme/usage/export";
    let tokens = json!({"input": 7, "cache_read": 0, "cache_write": 0, "cache_write_1h": 0, "output": 9, "reasoning": 1});
    let data = json!({
        "tenant": world.acme.tenant, "key": null, "end_user": EndUserId::from_bytes([3; 16]).to_string(), "plan": "gold",
        "request": request, "attempt": id, "operation": "chat", "cause": "base", "provider": "sim", "model": "=cmd,1",
        "price_row": "sim/sim-small@2026-01-01", "tokens": tokens, "cost_usd": "0.000000000001", "estimated": 1,
        "outcome": "completed", "queued_ms": 1.25, "settled_at": "2026-03-15T12:00:00Z", "tags": {"team": "a \"b\""},
        "isolation_tokens": 4, "isolation_cached_tokens": 0, "isolation_usd": "0.000000000001",
        "credential": "tenant",
    });
    let time = "2026-03-15T12:00:00Z";
    let event = get(&world, &format!("{path}?format=cloudevents"), &world.acme.admin).await.lines();
    let want = json!({
        "specversion": "1.0", "id": id, "source": "insula", "type": "insula.attempt", "subject": world.acme.tenant,
        "time": time, "datacontenttype": "application/json", "data": data,
    });
    assert_eq!(event, [want]);
    let mut line = get(&world, path, &world.acme.admin).await.lines();
    let mut want = data.clone();
    for (name, value) in [("id", id.as_str()), ("type", "insula.attempt"), ("time", time)] {
        want[name] = json!(value);
    }
    assert_eq!(line.pop(), Some(want));

    let csv = get(&world, &format!("{path}?format=csv"), &world.acme.admin).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let (heading, row) = csv.body.split_once("\r\n").expect("two lines");
    let last = ",settled_at,tags,cache_write_1h_tokens,isolation_tokens,isolation_cached_tokens,isolation_usd,credential";
    assert!(heading.starts_with("id,type,time,tenant,") && heading.ends_with(last), "{heading}");
    let (tenant, end_user) = (&world.acme.tenant, EndUserId::from_bytes([3; 16]));
    let want = format!(
        "{id},insula.attempt,{time},{tenant},,{end_user},gold,{request},{id},chat,base,sim,\"'=cmd,1\",\
         sim/sim-small@2026-01-01,7,0,0,9,1,0.000000000001,1,completed,1.25,{time},\"{{\"\"team\"\":\"\"a \\\"\"b\\\"\"\"\"}}\",0,4,0,0.000000000001,tenant\r\n"
    );
    assert_eq!(row, want);
}

#[tokio::test]
async fn pages_go_on_where_the_cursor_says() {
    let world = World::new().await;
    let mut want: Vec<String> = Vec::new();
    for n in 0..5 {
        want.push(settle(&world, &world.acme.tenant, "0.01", &[]).attempt.to_string());
        settle(&world, &world.globex.tenant, "0.01", &[]);
        if n == 2 {
            world.app.engine.store.flush_ledger().await.expect("folded");
        }
    }
    let path = "/api/v1/tenants/acme/usage/export?limit=2";
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for more in ["true", "true", "false"] {
        let page = get(&world, &format!("{path}{cursor}"), &world.acme.admin).await;
        seen.extend(page.lines().iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        assert_eq!(page.header("x-has-more"), more);
        cursor = format!("&cursor={}", page.header("x-next-cursor"));
    }
    seen.sort();
    want.sort();
    assert_eq!(seen, want);

    let none = get(&world, &format!("{path}&format=csv{cursor}"), &world.acme.admin).await;
    assert_eq!((none.body.as_str(), none.header("content-type")), ("", "text/csv; charset=utf-8; header=absent"));
    settle(&world, &world.globex.tenant, "0.01", &[]);
    let later = settle(&world, &world.acme.tenant, "0.01", &[]).attempt.to_string();
    let more = get(&world, &format!("{path}{cursor}"), &world.acme.admin).await.lines();
    assert_eq!(more.iter().map(|row| &row["id"]).collect::<Vec<_>>(), [&json!(later)]);
}

#[tokio::test]
async fn a_tenant_exports_its_own_and_an_operator_everybodys() {
    let world = World::new().await;
    settle(&world, &world.acme.tenant, "0.01", &[]);
    settle(&world, &world.globex.tenant, "0.02", &[]);
    let own = get(&world, "/api/v1/tenants/acme/usage/export", &world.acme.admin).await;
    let rows = own.lines();
    assert!(rows.len() == 1 && rows[0]["tenant"] == world.acme.tenant.as_str(), "{rows:?}");
    let all = get(&world, "/api/v1/usage/export", &world.operator).await;
    assert_eq!(all.lines().len(), 2);
    let reply = world.get("/api/v1/tenants/globex/usage/export", &world.acme.admin).await;
    assert_eq!((reply.status.as_u16(), reply.text("code")), (404, "not_found"));

    // A cursor is its tenant's own, and tells it nothing.
    let foreign = own.header("x-next-cursor");
    for (path, key) in [
        ("/api/v1/tenants/globex/usage/export", &world.globex.admin),
        ("/api/v1/tenants/globex/usage/export", &world.operator),
        ("/api/v1/usage/export", &world.operator),
    ] {
        let reply = world.get(&format!("{path}?cursor={foreign}"), key).await;
        assert_eq!((reply.status.as_u16(), reply.text("param")), (400, "cursor"), "{path}");
    }
    let mine = get(&world, &format!("/api/v1/tenants/acme/usage/export?cursor={foreign}"), &world.operator).await;
    assert!(mine.lines().is_empty(), "an operator goes on for a tenant");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named() {
    let world = World::new().await;
    for (query, field) in
        [("format=xml", "format"), ("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor"), ("from=x", "from")]
    {
        let reply = world.get(&format!("/api/v1/tenants/acme/usage/export?{query}"), &world.acme.admin).await;
        assert_eq!((reply.status.as_u16(), reply.body["param"].as_str()), (400, Some(field)), "{query}: {reply:?}");
    }
}
