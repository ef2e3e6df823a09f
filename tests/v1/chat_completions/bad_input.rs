//! Whatever comes in: a clear 4xx in OpenAI's shape, no 5xx, and a server that goes on in bounded memory.

use insula_simulator::Scenario;
use insula_tests::config::ServeConfig;
use insula_tests::memory::resident_bytes_peak;
use insula_tests::node::Setup;
use insula_tests::tenant::{chat, streamed_chat};
use insula_tests::{Node, Reply, TestTenant, eventually, raw};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MIB: u64 = 1024 * 1024;
/// What the server may hold beyond its rest, whatever is thrown at it. Its body bound is far below.
const MEMORY_GROWTH_MAX: u64 = 160 * MIB;

/// The head of a chat request with these extra header lines.
fn head(tenant: &TestTenant, extra: &str) -> Vec<u8> {
    let key = tenant.service.credential().unwrap();
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{extra}\r\n"
    )
    .into_bytes()
}

/// A refusal of the caller's input, in OpenAI's shape.
#[track_caller]
fn assert_refused(reply: &Reply, what: &str) -> Value {
    assert!((400..500).contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    let error = reply.json()["error"].clone();
    assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {}", reply.text());
    assert!(error["type"].is_string() && error["code"].is_string(), "{what}: {}", reply.text());
    error
}

/// The server still answers, and the provider never heard of what was refused.
async fn assert_well(node: &mut Node, tenant: &TestTenant) {
    assert_eq!(node.simulator().count(), 0, "what was refused never reached the provider");
    tenant.chat("still there?").await.expect(200);
    assert!(node.is_running());
    assert!(!node.said().contains("panicked"), "{}", node.said());
}

#[tokio::test]
async fn bodies_that_are_not_the_json_we_take() {
    let mut node = Node::start().await;
    let tenant = node.tenant("bad").await;
    let text = |body: &str| body.as_bytes().to_vec();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", text("")),
        ("no object", text("[]")),
        ("no JSON", text("{\"model\":")),
        ("two values", text("{}{}")),
        ("no model", text("{\"messages\":[]}")),
        ("no messages", text("{\"model\":\"sim-small\"}")),
        ("messages of another type", text("{\"model\":\"sim-small\",\"messages\":7}")),
        ("no message at all", text("{\"model\":\"sim-small\",\"messages\":[]}")),
        (
            "a model twice",
            text("{\"model\":\"sim-small\",\"model\":\"sim-large\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"),
        ),
        (
            "invalid UTF-8 in a string",
            b"{\"model\":\"sim-small\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}".to_vec(),
        ),
        (
            "invalid UTF-8 in a key",
            b"{\"model\":\"sim-small\",\"\xc3\x28\":1,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}".to_vec(),
        ),
        ("a NUL byte", b"{\"model\":\"sim-small\",\"messages\":[{\"role\":\"user\",\"content\":\"\0\"}]}".to_vec()),
        ("UTF-16", "{\"model\":\"sim-small\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("NaN", text("{\"model\":\"sim-small\",\"temperature\":NaN,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}")),
    ];
    for (what, body) in cases {
        let reply = tenant.service.call(http::Method::POST, CHAT).header("content-type", "application/json").body(body);
        assert_refused(&reply.send().await, what);
        assert_eq!(node.simulator().count(), 0, "{what}");
    }
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn what_only_the_provider_can_judge_is_refused_by_it() {
    let mut node = Node::start().await;
    let tenant = node.tenant("judged").await;
    let surrogate = r#"{"model":"sim-small","messages":[{"role":"user","content":"\ud800"}]}"#;
    let call = tenant.service.call(http::Method::POST, CHAT).header("content-type", "application/json").body(surrogate);
    assert_refused(&call.send().await, "a lone surrogate");
    node.simulator().reset();
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused_by_name() {
    let mut node = Node::start().await;
    let tenant = node.tenant("numbers").await;
    let cases = [
        ("max_tokens", json!(-1)),
        ("max_tokens", json!(0)),
        ("max_tokens", json!(1.5)),
        ("max_tokens", json!("100")),
        ("max_completion_tokens", json!(-5)),
        ("max_completion_tokens", json!(1e300)),
        ("n", json!(-1)),
        ("n", json!(0)),
        ("n", json!(1_000_000)),
        ("stream", json!("yes")),
        ("model", json!(7)),
        ("model", json!("")),
        ("user", json!({"id": 1})),
    ];
    for (field, value) in cases {
        let mut body = chat("numbers");
        body[field] = value.clone();
        let error = assert_refused(&tenant.service.post(CHAT, &body).await, &format!("{field}: {value}"));
        assert_eq!(error["param"], field, "{value}: {error}");
    }
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn a_depth_of_a_hundred_thousand() {
    let mut node = Node::start().await;
    let tenant = node.tenant("depth").await;
    const DEPTH: usize = 100_000;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(DEPTH), close.repeat(DEPTH));
    let message = r#"[{"role":"user","content":"a"}]"#;
    let bodies = [
        deep("[", "]"),
        format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH)),
        "[".repeat(DEPTH),
        format!(r#"{{"model":"sim-small","messages":{message},"metadata":{}}}"#, deep("[", "]")),
        format!(r#"{{"model":"sim-small","messages":{}}}"#, deep("[", "]")),
        format!(r#"{{"model":"sim-small","messages":[{{"role":"user","content":{}}}]}}"#, deep("[", "]")),
    ];
    for (case, body) in bodies.into_iter().enumerate() {
        let reply = tenant.service.call(http::Method::POST, CHAT).header("content-type", "application/json").body(body);
        assert_refused(&reply.send().await, &format!("depth, case {case}"));
    }
    assert_well(&mut node, &tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_a_gibibyte() {
    let mut node = Node::start().await;
    let tenant = node.tenant("large").await;
    let before = resident_bytes_peak(node.process_id());
    let gibibyte = 1024 * MIB;

    // The length is announced: refused before a byte of it was read.
    let announced = head(&tenant, &format!("content-length: {gibibyte}\r\n"));
    let (reply, _) = raw::send_large(node.url(), &announced, gibibyte, |len| vec![b' '; len]).await;
    assert_eq!(assert_refused(&reply.expect("an answer"), "announced")["code"], "too_large");

    // The length is not announced: refused once the bound is passed.
    let chunked = head(&tenant, "transfer-encoding: chunked\r\n");
    let chunk = |len: usize| [format!("{len:x}\r\n").as_bytes(), &vec![b' '; len], b"\r\n"].concat();
    let (reply, sent) = raw::send_large(node.url(), &chunked, gibibyte, chunk).await;
    if let Some(reply) = reply {
        assert_eq!(reply.status, 413, "{}", reply.text());
        assert_refused(&reply, "chunked");
    }
    assert!(sent < gibibyte, "the server took all of it");

    // Several at once: each may take the bound of one body, 32 MiB.
    let many = (0..3).map(|_| {
        let (url, chunked) = (node.url().to_owned(), chunked.clone());
        tokio::spawn(async move { raw::send_large(&url, &chunked, 64 * MIB, chunk).await })
    });
    for one in many.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    let growth = resident_bytes_peak(node.process_id()).saturating_sub(before);
    assert!(growth < MEMORY_GROWTH_MAX, "grew by {} MiB", growth / MIB);
    assert_well(&mut node, &tenant).await;
}

/// A model whose context nobody stated, so that nothing is too long for it.
const WIDE: &str = r#"
[[models]]
provider = "sim"
name = "sim-wide"
upstream_model = "sim-small"
operations = ["chat"]
output_tokens_max = 16384
[[models.prices]]
effective_from = 2020-01-01
input = "1.00"
output = "2.00"
source = "the tests"
checked = 2020-01-01
"#;

/// Bodies that are right but large, in streams that stay open: together they hold no more than the node allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_bodies_at_once_share_one_bound() {
    let more = vec![("bounds", format!("bodies_bytes_max = {}", 64 * MIB))];
    let prices = WIDE.to_owned();
    let node = Setup::default().serve(ServeConfig { more, prices, ..ServeConfig::default() }).start().await;
    let tenant = node.tenant("together").await;
    let wide = |mut body: Value| {
        body["model"] = json!("sim-wide");
        body
    };
    node.scenario(Scenario { chunks: 60, gap_ms: 1_000, ..Scenario::default() });
    let before = resident_bytes_peak(node.process_id());
    let (text, mut open, mut refused) = ("x".repeat(16 * MIB as usize), Vec::new(), 0);
    for _ in 0..8 {
        match tenant.service.call(http::Method::POST, CHAT).json(&wide(streamed_chat(&text))).try_stream().await {
            Ok(stream) if stream.status == 200 => open.push(stream),
            Ok(stream) => {
                stream.into_reply().await.openai_error(503, "unavailable");
                refused += 1;
            }
            // Answered and closed while this client was still writing what nobody wanted to read.
            Err(_) => refused += 1,
        }
    }
    assert!(!open.is_empty() && refused > 0, "{} open, {refused} refused", open.len());
    let growth = resident_bytes_peak(node.process_id()).saturating_sub(before);
    assert!(growth < MEMORY_GROWTH_MAX, "grew by {} MiB", growth / MIB);
    // A small request is served all the same, and a large one once there is room again.
    let mut small = tenant.service.stream(CHAT, &streamed_chat("small")).await.expect_open();
    small.first_content().await;
    drop((open, small));
    node.scenario(Scenario::default());
    eventually("there is room again", || async {
        let call = tenant.service.call(http::Method::POST, CHAT).json(&wide(chat(&text)));
        call.try_send().await.ok().filter(|reply| reply.status == 200)
    })
    .await;
}

#[tokio::test]
async fn a_large_body_without_a_credential_is_not_read() {
    let mut node = Node::start().await;
    let tenant = node.tenant("anonymous").await;
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", 64 * MIB);
    let (reply, sent) = raw::send_large(node.url(), head.as_bytes(), 64 * MIB, |len| vec![b' '; len]).await;
    assert_eq!(reply.map(|reply| reply.status), Some(401));
    assert!(sent < 32 * MIB, "{sent} bytes went out");
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn keys_of_eight_kibibytes() {
    let mut node = Node::start().await;
    let tenant = node.tenant("keys").await;
    let long = "k".repeat(8 * 1024);
    let good = tenant.service.credential().unwrap();
    for credential in [long.clone(), format!("ins_live_{long}"), format!("{good}{long}")] {
        node.anyone.with(&credential).post(CHAT, &chat("hi")).await.openai_error(401, "invalid_api_key");
    }
    let call = tenant.service.call(http::Method::POST, CHAT).json(&chat("hi"));
    let reply = call.header("idempotency-key", &long).send().await;
    assert_refused(&reply, "a long Idempotency-Key");
    // A header block beyond any bound: refused by the transport, before there is a request to answer.
    let flood = head(&tenant, &format!("x-flood: {}\r\n", "f".repeat(2 * MIB as usize)));
    let reply = raw::send(node.url(), &flood).await;
    assert!(reply.is_none_or(|reply| (400..500).contains(&reply.status)));
    let many: String = (0..2_000).map(|index| format!("x-{index}: a\r\n")).collect();
    let reply = raw::send(node.url(), &head(&tenant, &many)).await;
    assert!(reply.is_none_or(|reply| (400..500).contains(&reply.status)));
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn control_bytes_in_headers() {
    let mut node = Node::start().await;
    let tenant = node.tenant("control").await;
    let body = chat("smuggled").to_string();
    let length = format!("content-length: {}\r\n", body.len());
    let cases = [
        ("CR in a value", "x-odd: a\rb\r\n"),
        ("LF in a value", "x-odd: a\nb\r\n"),
        ("NUL in a value", "x-odd: a\0b\r\n"),
        ("NUL in a name", "x-o\0dd: a\r\n"),
        ("DEL in a name", "x-o\x7fdd: a\r\n"),
        ("a space before the colon", "x-odd : a\r\n"),
        ("a folded line", "x-odd: a\r\n  b\r\n"),
        ("two lengths", "content-length: 1\r\n"),
        ("a length and chunks", "transfer-encoding: chunked\r\n"),
        ("a length that is none", "content-length: -1\r\n"),
        ("NUL in the idempotency key", "idempotency-key: a\0b\r\n"),
        ("NUL in the credential", "x-api-key: ins_live_\0\r\n"),
    ];
    for (what, extra) in cases {
        let bytes = [head(&tenant, &format!("{extra}{length}")), body.clone().into_bytes()].concat();
        let reply = raw::send(node.url(), &bytes).await;
        // Answered by the transport: there is no dialect yet, but there is never a 5xx and never a 200.
        let status = reply.as_ref().map(|reply| reply.status);
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{what}: {reply:?}");
    }
    // Bytes above 127 are allowed in a header's value and mean nothing here.
    let latin = [head(&tenant, &length[..0]), Vec::new()].concat();
    let latin = String::from_utf8(latin).unwrap().replace("host: test", "host: test\r\nx-latin: \u{e9}");
    raw::send(node.url(), latin.as_bytes()).await;
    // Control bytes that arrive escaped inside the body are the model's business.
    let mut body = chat("a\r\nb\0c");
    body["user"] = json!("line\r\nbreak\0");
    let reply = tenant.service.post(CHAT, &body).await;
    assert!(reply.status == 200 || (400..500).contains(&reply.status), "{}", reply.text());
    node.simulator().reset();
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn content_types_that_are_not_json() {
    let mut node = Node::start().await;
    let tenant = node.tenant("types").await;
    for kind in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let call = tenant.service.call(http::Method::POST, CHAT).header("content-type", kind).body("model=sim-small");
        assert_refused(&call.send().await, kind);
    }
    let call = tenant.service.call(http::Method::POST, CHAT).header("content-encoding", "gzip");
    assert_refused(&call.header("content-type", "application/json").body(vec![0x1f, 0x8b, 8, 0]).send().await, "gzip");
    assert_well(&mut node, &tenant).await;
}

#[tokio::test]
async fn what_belongs_to_a_shared_provider_account_is_refused() {
    let mut node = Node::start().await;
    let tenant = node.tenant("objects").await;
    let cases = [
        json!([{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-abc123"}}]}]),
        json!([{"role": "user", "content": [{"type": "input_file", "file_id": "file-abc123"}]}]),
        json!([{"role": "assistant", "audio": {"id": "audio_abc123"}}, {"role": "user", "content": "go on"}]),
    ];
    for messages in cases {
        let body = json!({"model": "sim-small", "messages": messages});
        assert_refused(&tenant.service.post(CHAT, &body).await, &messages.to_string());
    }
    let mut body = chat("go on");
    body["previous_response_id"] = json!("resp_abc123");
    assert_refused(&tenant.service.post(CHAT, &body).await, "previous_response_id");
    assert_well(&mut node, &tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_half_requests_do_not_keep_others_out() {
    let mut node = Node::start().await;
    let tenant = node.tenant("slow").await;
    // A thousand connections that say half a head, or half a body, and then nothing.
    let mut idle = Vec::new();
    for index in 0..500 {
        use tokio::io::AsyncWriteExt;
        let mut socket = raw::connect(node.url()).await;
        let whole = head(&tenant, "content-length: 100\r\n");
        let part = if index % 2 == 0 { &whole[..20] } else { &whole[..] };
        socket.write_all(part).await.unwrap();
        idle.push(socket);
    }
    assert_well(&mut node, &tenant).await;
}
