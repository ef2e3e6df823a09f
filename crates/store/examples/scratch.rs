use insula_model::*;
use insula_store::*;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn rss() -> u64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    s.lines().find(|l| l.starts_with("VmRSS")).unwrap().split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let n: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(2000);
    let dir = std::path::PathBuf::from("/var/tmp/insula-scratch");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let clock: Arc<SystemClock> = Arc::default();
    let random = Arc::new(OsRandom);
    let ids = IdGenerator::new(clock.clone(), random.clone());
    let t = Instant::now();
    let o = StoreOptions::new(dir.join("data"), RootKey::load_or_create(&dir.join("root.key"), &*random).unwrap());
    let store = Store::open(o, clock.clone(), random.clone(), Arc::new(RealDisk)).await.unwrap();
    println!("open {:?} rss {} MB", t.elapsed(), rss());
    let mut scopes = vec![];
    let t = Instant::now();
    let mut max = Duration::ZERO;
    for i in 0..n {
        let tenant = Tenant {
            id: ids.tenant(),
            slug: format!("t{i}").try_into().unwrap(),
            name: "n".to_string().try_into().unwrap(),
            external_id: None,
            region: None,
            placement: Placement::Shared,
            tags: Default::default(),
            state: TenantState::Active,
            version: 1,
            created_at: clock.now(),
        };
        let t1 = Instant::now();
        store.create_tenant(&tenant).await.unwrap();
        max = max.max(t1.elapsed());
        scopes.push(TenantScope::mint(tenant.id, ScopeSource::Credential));
    }
    println!("create {n}: {:?} each, max {max:?} rss {} MB", t.elapsed() / n as u32, rss());
    // seal
    let seals = store.seals(&scopes[0]).await.unwrap();
    let plain = vec![7u8; 2048];
    let t = Instant::now();
    for _ in 0..100_000 {
        std::hint::black_box(seals.seal("request", "detail", &[1; 16], &plain, &OsRandom));
    }
    println!("seal 2KB {:?}", t.elapsed() / 100_000);
    let sealed = seals.seal("request", "detail", &[1; 16], &plain, &OsRandom);
    let t = Instant::now();
    for _ in 0..100_000 {
        std::hint::black_box(seals.open("request", "detail", &[1; 16], &sealed).unwrap());
    }
    println!("open 2KB {:?}", t.elapsed() / 100_000);
    for s in &scopes {
        store.seals(s).await.unwrap();
    }
    let t = Instant::now();
    for i in 0..1_000_000usize {
        std::hint::black_box(store.seals(&scopes[i * 7919 % n]).await.unwrap());
    }
    println!("seals() {:?}", t.elapsed() / 1_000_000);
    // open each
    let t = Instant::now();
    let mut max = Duration::ZERO;
    for s in &scopes {
        let t1 = Instant::now();
        store.tenant(s).await.unwrap().requests(None, 10).await.unwrap();
        max = max.max(t1.elapsed());
    }
    println!("open+list {:?} each max {max:?} rss {} MB", t.elapsed() / n as u32, rss());
    // one trace + attempt each
    let write = |s: &TenantScope, seals: &TenantSeals| {
        let request = ids.request([0; 4]);
        let attempt = ids.attempt();
        let now = clock.now();
        let begin = Begin {
            attempt,
            request,
            tenant: s.tenant(),
            key: Some(KeyId::from_bytes([1; 16])),
            reserved_at: now,
            operation: Operation::Chat,
            cause: Cause::Base,
            provider: "sim".into(),
            model: "sim-small".into(),
            price_row: "sim/sim-small@2026-01-01".into(),
            reserved: Money::from_pico(1000),
            input_tokens_max: 100,
            output_tokens_max: 100,
            idempotency: None,
        };
        store.journal().begin(&begin).unwrap();
        let end = End {
            attempt,
            settled_at: now,
            outcome: AttemptOutcome::Completed,
            tokens: TokenCounts { input: 10, output: 10, ..Default::default() },
            cost: Money::from_pico(500),
            estimated: false,
        };
        let trace = TraceRecord {
            request,
            tenant: s.tenant(),
            key: begin.key,
            started_at: now,
            duration_us: 1,
            operation: Operation::Chat,
            model: "sim-small".into(),
            status: 200,
            cost: end.cost,
            sealed_detail: seals.seal("request", "detail", request.as_bytes(), &plain, &OsRandom),
            idempotency: None,
        };
        store.journal().end(&end, Some(&trace));
    };
    let t = Instant::now();
    for s in &scopes {
        write(s, &store.seals(s).await.unwrap());
    }
    println!("journal one each {:?} each", t.elapsed() / n as u32);
    let t = Instant::now();
    store.flush().await.unwrap();
    println!("flush {:?} = {:?} each rss {} MB", t.elapsed(), t.elapsed() / n as u32, rss());
    // one tenant, many
    let many = 50_000u32;
    let (t, c) = (Instant::now(), cpu());
    for _ in 0..many {
        write(&scopes[0], &seals);
    }
    println!("journal {many}: {:?} each, cpu {:.1} us each (all threads)", t.elapsed() / many, (cpu() - c) * 1e6 / many as f64);
    store.flush().await.unwrap();
    println!("with fold: {:?} each, cpu {:.1} us each; rss {} MB", t.elapsed() / many, (cpu() - c) * 1e6 / many as f64, rss());
    let t = Instant::now();
    let q = UsageQuery { tenant: Some(scopes[0]), from: Timestamp::default(), to: clock.now(), group_by: GroupBy::Model };
    println!("usage {:?} in {:?}", store.control().usage(&q).await.unwrap()[0].attempts, t.elapsed());
    let t = Instant::now();
    let v = store.control().verify_ledger().await.unwrap();
    println!("verify {} rows {:?} mism {} in {:?}", v.rows, v.difference, v.mismatches.len(), t.elapsed());
    let t = Instant::now();
    store.erase_tenant(&scopes[1], clock.now()).await.unwrap();
    println!("erase {:?}", t.elapsed());
    let t = Instant::now();
    store.close().await.unwrap();
    println!("close {:?}", t.elapsed());
}
