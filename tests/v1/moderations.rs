//! `POST /v1/moderations`.

use insula_model::{Money, Price, TokenCounts};
use insula_simulator::{Fault, FaultKind, Scenario};
use insula_tests::{Node, TestTenant, batch, config::ServeConfig, eventually, node::Setup, usd};
use serde_json::{Value, json};

const MODERATIONS: &str = "/v1/moderations";
const PIXEL: &str =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A price book's entry for one more model that judges, with more `lines` and a price per million tokens.
fn judge(name: &str, lines: &str, input: &str) -> String {
    format!(
        "[[models]]\nprovider = \"sim\"\nname = \"{name}\"\nupstream_model = \"sim-moderation\"\noperations = [\"moderations\"]\n{lines}\n\
         [[models.prices]]\neffective_from = 2020-01-01\ninput = \"{input}\"\noutput = \"0\"\nsource = \"the tests\"\nchecked = 2020-01-01\n"
    )
}

async fn node_with(prices: String) -> Node {
    Setup::default().serve(ServeConfig { prices, ..ServeConfig::default() }).start().await
}

fn of(model: &str, input: Value) -> Value {
    json!({"model": model, "input": input})
}

fn ask(input: Value) -> Value {
    of("sim-moderation", input)
}

fn image(url: &str) -> Value {
    json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}])
}

/// The model that the provider was asked for last, and its whole body.
fn upstream(node: &Node) -> (Value, Value) {
    let body = node.simulator().requests().pop().unwrap().body.unwrap();
    (body["model"].clone(), body)
}

async fn attempt(tenant: &TestTenant, request: &str) -> Value {
    tenant.request(request).await["attempts"][0].clone()
}

#[tokio::test]
async fn each_text_gets_its_verdict() {
    let node = Node::start().await;
    let tenant = node.tenant("verdicts").await;
    let reply = tenant.service.post(MODERATIONS, &ask(json!(["good morning", "some violence"]))).await.expect(200);
    let answer = reply.json();
    assert!(answer["id"].as_str().unwrap().starts_with("modr-"), "{answer}");
    assert_eq!(answer["model"], "sim-moderation");
    assert_eq!((&answer["results"][0]["flagged"], &answer["results"][1]["flagged"]), (&json!(false), &json!(true)));
    let second = &answer["results"][1];
    assert_eq!((&second["categories"]["violence"], &second["categories"]["hate"]), (&json!(true), &json!(false)));
    assert!(second["category_scores"]["violence"].as_f64().unwrap() > 0.5, "{second}");
    assert_eq!(second["category_applied_input_types"]["violence"], json!(["text"]));
    let single = tenant.service.post(MODERATIONS, &ask(json!("some violence"))).await.expect(200).json();
    assert_eq!(&single["results"][0], second);
    let rows = tenant.usage_by("operation").await;
    assert_eq!((&rows[0]["group"], &rows[0]["requests"]), (&json!("moderations"), &json!(2)), "{rows:?}");
    assert_eq!(usd(&rows[0]["cost_usd"]), Money::ZERO);
    // Nobody counted: what it can have been at most, said to be an estimate.
    let attempt = attempt(&tenant, reply.request_id()).await;
    let bytes = r#""good morning""some violence""#.len();
    assert_eq!((&attempt["estimated"], &attempt["tokens"]["input"]), (&json!(true), &json!(bytes)), "{attempt}");
    assert_eq!(usd(&attempt["cost_usd"]), Money::ZERO);
}

#[tokio::test]
async fn parts_are_judged_together_and_go_as_they_came() {
    let node = Node::start().await;
    let tenant = node.tenant("parts").await;
    let mut body = ask(image("https://example.org/violence.png"));
    (body["user"], body["own"]) = (json!("ada"), json!({"kept": true}));
    let answer = tenant.service.post(MODERATIONS, &body).await.expect(200).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["category_applied_input_types"]["violence"], json!(["text", "image"]));
    // OpenAI knows no end user here; who it is remains ours.
    body.as_object_mut().unwrap().remove("user");
    assert_eq!(upstream(&node).1, body);
    // Names are written behind the requests.
    eventually("the end user is listed", || async {
        let listed = tenant.admin.get(&tenant.path("/end-users")).await.expect(200);
        listed.text().contains("ada").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_only_model_is_meant_where_none_is_named() {
    let node = Node::start().await;
    let tenant = node.tenant("only").await;
    for body in [json!({"input": "hate"}), json!({"model": null, "input": "hate"})] {
        let reply = tenant.service.post(MODERATIONS, &body).await.expect(200);
        assert_eq!((&reply.json()["results"][0]["flagged"], upstream(&node).0), (&json!(true), json!("sim-moderation")));
        assert_eq!(attempt(&tenant, reply.request_id()).await["model"], "sim-moderation");
    }
    // A tenant that may call none is told so, and a model that it may not call is as good as none.
    tenant.operator.patch(&tenant.path(""), &json!({"models": ["sim-small"]})).await.expect(200);
    for body in [json!({"input": "hate"}), ask(json!("hate"))] {
        let error = tenant.service.post(MODERATIONS, &body).await.openai_error(404, "model_not_found");
        assert_eq!(error["param"], "model", "{error}");
    }
    assert_eq!(node.simulator().count(), 2);
}

#[tokio::test]
async fn among_several_openais_default_is_meant_or_none() {
    let own = judge("globexs-own", "tenants = [\"globex-judges\"]", "0");
    let node =
        node_with(own + &judge("second", "", "0") + &judge("dear", "aliases = [\"omni-moderation-latest\"]", "1.00")).await;
    let (acme, globex) = (node.tenant("acme-judges").await, node.tenant("globex-judges").await);
    let reply = acme.service.post(MODERATIONS, &json!({"input": "hi"})).await.expect(200);
    assert_eq!(attempt(&acme, reply.request_id()).await["model"], "dear");
    let leave = |tenant: &TestTenant, models: Value| {
        let tenant = tenant.clone();
        async move { tenant.operator.patch(&tenant.path(""), &json!({"models": models})).await.expect(200) }
    };
    for (tenant, others) in [(&acme, 0), (&globex, 1)] {
        leave(tenant, json!(["second", "sim-moderation", "globexs-own"])).await;
        let error = tenant.service.post(MODERATIONS, &json!({"input": "hi"})).await.openai_error(400, "invalid_request");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("`second`") && message.contains("`sim-moderation`"), "{message}");
        // What is for one tenant alone is not told to another.
        assert_eq!((message.matches("globexs-own").count(), &error["param"]), (others, &json!("model")), "{message}");
    }
    // Another tenant's model is as good as none, by its name and in its own silence.
    globex.service.post(MODERATIONS, &of("globexs-own", json!("hi"))).await.expect(200);
    let theirs = acme.service.post(MODERATIONS, &of("globexs-own", json!("hi"))).await.openai_error(404, "model_not_found");
    let nobodys = acme.service.post(MODERATIONS, &of("nobodys-own", json!("hi"))).await.openai_error(404, "model_not_found");
    assert_eq!(theirs["message"].as_str().unwrap().replace("globexs", "nobodys"), nobodys["message"]);
    for tenant in [&acme, &globex] {
        leave(tenant, json!(["globexs-own"])).await;
    }
    globex.service.post(MODERATIONS, &json!({"input": "hi"})).await.expect(200);
    acme.service.post(MODERATIONS, &json!({"input": "hi"})).await.openai_error(404, "model_not_found");
}

#[tokio::test]
async fn what_is_free_fits_every_budget_in_money_and_counts_in_tokens() {
    let node = Node::start().await;
    let tenant = node.tenant("free").await;
    tenant.set_monthly_budget(Money::from_usd("0.000001").unwrap()).await;
    // Nobody knows what an image counts; at this price nobody has to.
    for input in [json!("x".repeat(10_000)), image(PIXEL), image("https://example.org/cat.png")] {
        tenant.service.post(MODERATIONS, &ask(input)).await.expect(200);
    }
    assert_eq!(tenant.settled().await, Money::ZERO);
    tenant.set_budgets(json!([{"window": "month", "limit_tokens": 11_000}])).await;
    let refused = tenant.service.post(MODERATIONS, &ask(image(PIXEL))).await.openai_error(400, "cost_unbounded");
    assert!(refused["message"].as_str().unwrap().contains("image"), "{refused}");
    let error = tenant.service.post(MODERATIONS, &ask(json!("x".repeat(10_000)))).await.openai_error(429, "budget_exceeded");
    assert_eq!(error["unit"], "tokens");
    assert_eq!(node.simulator().count(), 3);
}

#[tokio::test]
async fn what_costs_is_settled_as_it_was_counted() {
    let prices =
        judge("by-bytes", "image_tokens_max = 1000", "2.00") + &judge("by-tokens", "tokenizer = \"o200k_base\"", "2.00");
    let node = node_with(prices).await;
    let price = Price::per_million("2.00", "0").unwrap();
    let cost = |input| price.cost(&TokenCounts { input, ..TokenCounts::default() }).unwrap();
    let text = "the quick brown fox jumps over the lazy dog";
    // Bytes and quotes; an image at its maximum; as OpenAI's tokenizer has it, and two marks.
    for (model, input, tokens) in [
        ("by-bytes", json!(text), text.len() as u64 + 2),
        ("by-bytes", image(PIXEL), 1_000 + 6),
        ("by-tokens", json!([text, text]), 2 * (9 + 2)),
    ] {
        let tenant = node.tenant(&format!("paid-{tokens}")).await;
        tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
        let reply = tenant.service.post(MODERATIONS, &of(model, input)).await.expect(200);
        assert_eq!(tenant.settled().await, cost(tokens), "{model}");
        let attempt = attempt(&tenant, reply.request_id()).await;
        assert_eq!((&attempt["estimated"], &attempt["tokens"]["input"]), (&json!(true), &json!(tokens)), "{attempt}");
    }
    let tenant = node.tenant("poor").await;
    tenant.set_monthly_budget(cost(11)).await;
    let before = node.simulator().count();
    for (model, input) in [("by-bytes", json!(text)), ("by-tokens", json!([text, text]))] {
        let error = tenant.service.post(MODERATIONS, &of(model, input)).await.openai_error(429, "budget_exceeded");
        assert_eq!(error["level"], "tenant");
    }
    tenant.service.post(MODERATIONS, &of("by-tokens", image(PIXEL))).await.openai_error(400, "cost_unbounded");
    assert_eq!(node.simulator().count(), before);
    tenant.service.post(MODERATIONS, &of("by-tokens", json!(text))).await.expect(200);
}

#[tokio::test]
async fn limits_and_idempotency_hold_and_nothing_is_given_from_the_cache() {
    let node = Node::start().await;
    let tenant = node.tenant("limits").await;
    tenant.enable_cache().await;
    for count in 1..=2 {
        let reply = tenant.service.post(MODERATIONS, &ask(json!("again"))).await.expect(200);
        assert_eq!((reply.header("x-insula-cache"), node.simulator().count()), ("bypass", count));
    }
    let keyed =
        |body: Value| tenant.service.call(http::Method::POST, MODERATIONS).header("idempotency-key", "m").json(&body).send();
    let (first, second) = (keyed(ask(json!("once"))).await.expect(200), keyed(ask(json!("once"))).await.expect(200));
    assert_eq!((first.body, node.simulator().count()), (second.body, 3));
    keyed(ask(json!("twice"))).await.openai_error(422, "idempotency_mismatch");
    tenant.set_limits(json!({"requests_per_minute": 1})).await;
    tenant.service.post(MODERATIONS, &ask(json!("one"))).await.expect(200);
    tenant.service.post(MODERATIONS, &ask(json!("two"))).await.openai_error(429, "rate_limit_exceeded");
    node.tenant("others").await.service.post(MODERATIONS, &ask(json!("three"))).await.expect(200);
}

#[tokio::test]
async fn only_openais_own_api_has_it() {
    for kind in ["azure", "anthropic", "gemini"] {
        let node = Setup::default().serve(ServeConfig { kind: Some(kind), ..ServeConfig::default() }).start().await;
        let tenant = node.tenant("elsewhere").await;
        let error = tenant.service.post(MODERATIONS, &ask(json!("hi"))).await.openai_error(422, "no_route");
        assert!(error["message"].as_str().unwrap().contains("API has no moderations (operation)"), "{error}");
        // Nor is such a one meant where none is named.
        tenant.service.post(MODERATIONS, &json!({"input": "hi"})).await.openai_error(404, "model_not_found");
        assert_eq!(node.simulator().count(), 0);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let node = Node::start().await;
    let tenant = node.tenant("bad").await;
    let part = |part: Value| ask(json!([part]));
    let cases = [
        ("input", json!({"model": "sim-moderation"})),
        ("input", ask(json!(""))),
        ("input", ask(json!([]))),
        ("input", ask(json!(7))),
        ("input", ask(json!({"type": "text", "text": "a"}))),
        ("input", ask(json!(["a", {"type": "text", "text": "a"}]))),
        ("input", ask(json!(vec!["a"; 2_049]))),
        ("input[1]", ask(json!(["a", 7]))),
        ("input[0].type", part(json!({"text": "a"}))),
        ("input[0].type", part(json!({"type": "input_audio", "input_audio": {"data": "a"}}))),
        ("input[0].text", part(json!({"type": "text", "text": 7}))),
        ("input[0].image_url", part(json!({"type": "image_url", "image_url": "https://example.org"}))),
        ("input[0].image_url.url", part(json!({"type": "image_url", "image_url": {}}))),
        ("input[0].image_url.file_id", part(json!({"type": "image_url", "image_url": {"url": "https://x", "file_id": "f"}}))),
        ("model", of("", json!("a"))),
        ("model", json!({"model": 7, "input": "a"})),
        ("file_id", json!({"model": "sim-moderation", "input": "a", "file_id": "f"})),
        ("model", of("sim-small", json!("a"))),
    ];
    for (param, body) in cases {
        let error = tenant.service.post(MODERATIONS, &body).await.openai_error(400, "invalid_request");
        assert_eq!(error["param"], param, "{body}: {error}");
    }
    tenant.service.post(MODERATIONS, &of("nonesuch", json!("a"))).await.openai_error(404, "model_not_found");
    let chat = json!({"model": "sim-moderation", "messages": [{"role": "user", "content": "a"}]});
    tenant.service.post("/v1/chat/completions", &chat).await.openai_error(400, "invalid_request");
    assert_eq!(node.simulator().count(), 0);
}

#[tokio::test]
async fn a_failing_provider_is_told_and_costs_nothing() {
    let node = Node::start().await;
    let tenant = node.tenant("failing").await;
    tenant.operator.put(&tenant.path("/routing"), &json!({"attempts_max": 1})).await.expect(200);
    for (kind, status, code) in [
        (FaultKind::ServerError, 502, "provider_failed"),
        (FaultKind::RateLimit, 429, "provider_rate_limited"),
        (FaultKind::Reset, 502, "provider_failed"),
    ] {
        node.scenario(Scenario { faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() });
        tenant.service.post(MODERATIONS, &ask(json!("hi"))).await.openai_error(status, code);
    }
    assert_eq!(usd(&tenant.usage().await["cost_usd"]), Money::ZERO);
}

#[tokio::test]
async fn lines_of_a_batch_are_judged() {
    let node = Node::start().await;
    let tenant = node.tenant("batch").await;
    let lines: String = ["good", "violence"].map(|text| batch::line(text, MODERATIONS, &json!({"input": text}))).concat();
    let over = batch::over(&tenant.service, &batch::start(&tenant.service, &lines, MODERATIONS).await).await;
    assert_eq!((&over["endpoint"], &over["request_counts"]["completed"]), (&json!(MODERATIONS), &json!(2)), "{over}");
    let found = batch::output(&tenant.service, &over["output_file_id"]).await;
    let flagged = |id: &str| found[id]["response"]["body"]["results"][0]["flagged"].clone();
    assert_eq!((flagged("good"), flagged("violence")), (json!(false), json!(true)));
}

#[tokio::test]
async fn what_is_free_is_only_counted_where_that_changes_anything() {
    let node = node_with(judge("free-tokens", "tokenizer = \"o200k_base\"", "0")).await;
    let tenant = node.tenant("uncounted").await;
    let text = "the quick brown fox jumps over the lazy dog";
    let input = |tenant: TestTenant| async move {
        let reply = tenant.service.post(MODERATIONS, &of("free-tokens", json!(text))).await.expect(200);
        attempt(&tenant, reply.request_id()).await["tokens"]["input"].clone()
    };
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    assert_eq!(input(tenant.clone()).await, json!(text.len() + 2));
    tenant.set_budgets(json!([{"window": "month", "limit_tokens": 1_000}])).await;
    assert_eq!(input(tenant.clone()).await, json!(9 + 2));
}

#[tokio::test]
async fn text_has_a_bound_of_its_own() {
    let node = Node::start().await;
    let tenant = node.tenant("long").await;
    let text = "x".repeat(1024 * 1024);
    let error = tenant.service.post(MODERATIONS, &ask(json!(text))).await.openai_error(413, "too_large");
    assert_eq!(error["param"], "input", "{error}");
    assert_eq!(node.simulator().count(), 0);
    // An image that stands in it is no text.
    let image = json!([{"type": "image_url", "image_url": {"url": format!("{PIXEL}{}", "A".repeat(2 * 1024 * 1024))}}]);
    tenant.service.post(MODERATIONS, &ask(image)).await.expect(200);
}
