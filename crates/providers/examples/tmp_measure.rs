use bytes::Bytes;
use insula_model::*;
use insula_providers::*;
use std::time::Instant;
fn main() {
    let book = PriceBook::parse(SIMULATOR_PRICES, "s").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1:1/v1")], book).unwrap();
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    for (name, body) in [
        (
            "1KB plain",
            format!(
                r#"{{"model":"sim-small","messages":[{{"role":"system","content":"{}"}},{{"role":"user","content":"{}"}}],"temperature":0.7,"stream":false,"user":"u-1"}}"#,
                "You are a helpful assistant. ".repeat(14),
                "Please tell me more. ".repeat(22)
            ),
        ),
        (
            "1KB stream 6 msgs",
            format!(
                r#"{{"model":"sim-small","messages":[{}],"stream":true}}"#,
                vec![format!(r#"{{"role":"user","content":"{}"}}"#, "Please tell me \\n more. ".repeat(6)); 6].join(",")
            ),
        ),
        ("tiny", r#"{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}"#.to_string()),
        (
            "100KB",
            format!(
                r#"{{"model":"sim-small","messages":[{{"role":"user","content":"{}"}}]}}"#,
                "Please tell me more. ".repeat(5000)
            ),
        ),
    ] {
        let body = Bytes::from(body);
        let n = if body.len() > 50_000 { 2_000 } else { 200_000 };
        for round in 0..2 {
            let (mut tp, mut tu, mut tr) = (0u128, 0u128, 0u128);
            for _ in 0..n {
                let t = Instant::now();
                let r = ChatRequest::parse(body.clone()).unwrap();
                let t1 = Instant::now();
                let route = providers.route(&r.model, Operation::Chat, now).unwrap();
                let t2 = Instant::now();
                let w = r.upstream_body(&route.card, Some(100));
                let t3 = Instant::now();
                std::hint::black_box((r, w, route));
                tp += (t1 - t).as_nanos();
                tr += (t2 - t1).as_nanos();
                tu += (t3 - t2).as_nanos();
            }
            if round == 1 {
                println!(
                    "{name}: {} bytes: parse {} ns, route {} ns, upstream_body {} ns (each incl. ~25 ns clock)",
                    body.len(),
                    tp / n,
                    tr / n,
                    tu / n
                );
            }
        }
    }
}
