use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use bytes::Bytes;
use http_body_util::BodyExt;
use insula_model::*;
use insula_providers::*;
const N: usize = 200;
fn cpu() -> u64 { std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap() }
fn chunk(d: &str) -> Vec<u8> { let e = format!("data: {d}\n\n"); format!("{:x}\r\n{e}\r\n", e.len()).into_bytes() }
fn main() {
    let usage_null = std::env::args().any(|a| a == "null");
    let gap = std::env::args().find_map(|a| a.strip_prefix("gap=").map(|g| g.parse::<u64>().unwrap())).unwrap_or(0);
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = l.local_addr().unwrap();
    let u = if usage_null { r#","usage":null"# } else { "" };
    let mut chunks: Vec<Vec<u8>> = (0..N).map(|i| chunk(&format!(r#"{{"id":"chatcmpl-123456789012345678901234","object":"chat.completion.chunk","created":1700000000,"model":"mock-model","system_fingerprint":"fp_44709d6fcb","choices":[{{"index":0,"delta":{{"content":" quick{i}"}},"logprobs":null,"finish_reason":null}}]{u}}}"#))).collect();
    chunks.push(chunk(r#"{"id":"chatcmpl-123456789012345678901234","object":"chat.completion.chunk","created":1700000000,"model":"mock-model","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":200,"total_tokens":210}}"#));
    chunks.push(chunk("[DONE]"));
    chunks.push(b"0\r\n\r\n".to_vec());
    std::thread::spawn(move || for s in l.incoming() {
        let mut s = s.unwrap(); s.set_nodelay(true).unwrap(); let chunks = chunks.clone();
        std::thread::spawn(move || { let mut buf = [0u8; 65536]; loop {
            if s.read(&mut buf).unwrap_or(0) == 0 { return; }
            s.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
            for c in &chunks { if s.write_all(c).is_err() { return; } if gap > 0 { let t = Instant::now(); while t.elapsed() < Duration::from_nanos(gap) {} } }
        }});
    });
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("http://{addr}/v1");
    rt.block_on(tokio::task::LocalSet::new().run_until(async move {
        let providers = Providers::new(vec![ProviderSettings::new("simulator", url.clone())], PriceBook::parse(SIMULATOR_PRICES, "s").unwrap()).unwrap();
        let route = providers.route("sim-small", Operation::Chat, Timestamp::parse("2026-01-01T00:00:00Z").unwrap()).unwrap();
        let body = Bytes::from_static(br#"{"model":"sim-small","messages":[],"stream":true}"#);
        let client: hyper_util::client::legacy::Client<_, http_body_util::Full<Bytes>> = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        for round in 0..3 {
            let reps = 300;
            // bare
            let c0 = cpu(); let t0 = Instant::now(); let mut frames = 0u64;
            for _ in 0..reps {
                let req = http::Request::post(format!("{url}/chat/completions")).body(http_body_util::Full::new(body.clone())).unwrap();
                let mut r = client.request(req).await.unwrap();
                while let Some(f) = r.body_mut().frame().await { std::hint::black_box(f.unwrap()); frames += 1; }
            }
            let bare = (cpu() - c0) / (reps * N as u64); let bw = t0.elapsed();
            let c0 = cpu(); let t0 = Instant::now(); let (mut batches, mut bytes) = (0u64, 0u64);
            for _ in 0..reps {
                let Ok(Sent::Stream(mut s)) = route.provider.chat(AttemptId::from_bytes([7; 16]), body.clone(), true, false).await else { panic!() };
                while let Some(b) = s.next().await { bytes += b.unwrap().bytes.len() as u64; batches += 1; }
                assert!(s.finished() && s.usage().is_some());
            }
            let ours = (cpu() - c0) / (reps * N as u64);
            println!("round {round}: bare {bare} ns/chunk ({frames} frames, {bw:?}); ours {ours} ns/chunk, {batches} batches, {bytes} bytes, {:?}", t0.elapsed());
        }
    }));
}
