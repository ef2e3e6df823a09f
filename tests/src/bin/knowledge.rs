//! Documents of many tenants on one node, and long ones: `cargo xtask bench knowledge many|pages`. Reports; fails only where a chunk is
//! lost or a search finds the wrong thing.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use http::Method;
use insula_tests::{
    Caller, Node,
    config::ServeConfig,
    memory::{resident_bytes, resident_bytes_peak},
    node::Setup,
};
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

const MIB: f64 = 1024.0 * 1024.0;
/// Chunks of each tenant.
const CHUNKS: usize = 200;
/// Requests that hand in documents at once.
const AT_ONCE: usize = 8;
/// A server that is to be killed is killed within this after it is ready.
const LIFE_MS_MAX: u64 = 4_000;
/// How often it is looked how far a document is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// No document takes longer.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// Lines of a page.
const LINES: usize = 30;

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Gives many tenants 200 chunks each while the server is killed again and again; then opens each one cold and searches it.
    Many {
        /// How many tenants.
        #[arg(long, default_value_t = 5_000)]
        tenants: usize,
        /// How often the server is killed meanwhile.
        #[arg(long, default_value_t = 50)]
        kills: usize,
        /// Decides the moments.
        #[arg(long, default_value_t = 6)]
        seed: u64,
    },
    /// Hands in one long document and several, and kills the server while it reads.
    Pages {
        /// Pages of each measurement.
        #[arg(long, default_value_t = 1_000)]
        pages: usize,
        /// How often the server is killed in the last one.
        #[arg(long, default_value_t = 5)]
        kills: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Options::parse().what {
        What::Many { tenants, kills, seed } => many(tenants, kills, seed).await,
        What::Pages { pages, kills } => pages_per_second(pages, kills).await,
    }
}

/// A tenant, by its number.
#[derive(Clone)]
struct Own {
    number: usize,
    id: String,
    key: String,
}

impl Own {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}{rest}", self.id)
    }
}

async fn many(count: usize, kills: usize, seed: u64) -> Result<()> {
    let mut chance = SmallRng::seed_from_u64(seed);
    // A chunk for each paragraph, and one tenant's documents take one process.
    let more = vec![("knowledge", "chunk_characters_max = 100\nchunk_overlap_characters_max = 0\n".to_owned())];
    let mut node = Setup::default().serve(ServeConfig { more, ..ServeConfig::default() }).start().await;
    let begun = Instant::now();
    let mut tenants = Vec::with_capacity(count);
    for number in 0..count {
        tenants.push(create(&node, number).await);
    }
    println!("{count} tenants created in {:.0} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    // A share of the tenants for each life of the server, so that kills come all along.
    for (life, some) in tenants.chunks(count.div_ceil(kills + 1)).enumerate() {
        hand_in_all(&node.anyone, some).await;
        if life < kills {
            tokio::time::sleep(Duration::from_millis(chance.random_range(0..LIFE_MS_MAX))).await;
            node.kill();
            node.start_again().await;
        }
    }
    for own in &tenants {
        let chunks = ready(&node.anyone, own).await?;
        ensure!(chunks == CHUNKS as u64, "tenant {} has {chunks} chunks", own.number);
    }
    println!("{} chunks after {kills} kills in {:.0} s, none lost", CHUNKS * count, begun.elapsed().as_secs_f64());

    node.stop();
    node.start_again().await;
    tenants.shuffle(&mut chance);
    // The process itself is warm; no tenant is.
    let first = tenants.remove(0);
    search(&node.anyone, &first, 0).await?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for own in &tenants {
        cold.push(search(&node.anyone, own, chance.random_range(0..CHUNKS)).await?);
    }
    for own in tenants.iter().rev().take(500) {
        warm.push(search(&node.anyone, own, chance.random_range(0..CHUNKS)).await?);
    }
    println!("| figure | median ms | p99 ms |\n|---|---|---|");
    row("cold open and first search", cold);
    row("further search", warm);
    let (now, peak) = (resident_bytes(node.process_id()) as f64 / MIB, resident_bytes_peak(node.process_id()) as f64 / MIB);
    println!("resident after each was searched {now:.0} MiB, at most {peak:.0} MiB");
    Ok(())
}

fn row(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get((times.len().saturating_sub(1) as f64 * part) as usize).copied().unwrap_or_default();
    println!("| {name} | {:.2} | {:.2} |", at(0.5), at(0.99));
}

async fn create(node: &Node, number: usize) -> Own {
    let operator = node.operator();
    let body = json!({"slug": format!("many-{number}"), "name": format!("Many {number}")});
    let id = operator.post("/api/v1/tenants", &body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let key = operator.post(&format!("/api/v1/tenants/{id}/keys"), &json!({"name": "bench", "role": "admin"})).await;
    let key = key.expect(201).json()["key"].as_str().unwrap().to_owned();
    Own { number, id, key }
}

/// A word that stands in one paragraph of one tenant.
fn canary(number: usize, paragraph: usize) -> String {
    format!("canary{number}x{paragraph}")
}

fn paragraphs(number: usize) -> String {
    let paragraph =
        |n| format!("Paragraph {n} of the house rules says {} about the stairs and the yard.\n\n", canary(number, n));
    (0..CHUNKS).map(paragraph).collect()
}

async fn hand_in_all(anyone: &Caller, tenants: &[Own]) {
    let (room, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for own in tenants.iter().cloned() {
        let (room, caller) = (Arc::clone(&room), anyone.with(&own.key));
        tasks.spawn(async move {
            let _permit = room.acquire().await;
            let body = json!({"name": "rules", "text": paragraphs(own.number)});
            caller.post(&own.path("/documents"), &body).await.expect(201);
        });
    }
    tasks.join_all().await;
}

/// The chunks of a tenant's documents, once all are read.
async fn ready(anyone: &Caller, own: &Own) -> Result<u64> {
    let (caller, begun) = (anyone.with(&own.key), Instant::now());
    loop {
        let listed = caller.get(&own.path("/documents")).await.expect(200).json();
        let documents = listed["data"].as_array().cloned().unwrap_or_default();
        if documents.iter().all(|document| document["status"] == "ready") {
            return Ok(documents.iter().map(chunks_of).sum());
        }
        ensure!(begun.elapsed() < READY_WITHIN, "tenant {} waits for {listed}", own.number);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn chunks_of(document: &Value) -> u64 {
    document["progress"]["total"].as_u64().unwrap_or_default()
}

/// Searches a paragraph; how many milliseconds it took.
async fn search(anyone: &Caller, own: &Own, paragraph: usize) -> Result<f64> {
    let (caller, word) = (anyone.with(&own.key), canary(own.number, paragraph));
    let begun = Instant::now();
    let found = caller.post(&own.path("/search"), &json!({"query": format!("What says {word}?")})).await.expect(200).json();
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    let first = found["data"][0]["text"].as_str().unwrap_or_default();
    ensure!(first.contains(&word), "tenant {} asked for {word} and got {first}", own.number);
    Ok(took)
}

async fn pages_per_second(pages: usize, kills: usize) -> Result<()> {
    let mut node = Setup::default().serve(ServeConfig::default()).start().await;
    let one = create(&node, 0).await;
    let begun = Instant::now();
    let whole = hand_in_pdf(&node.anyone, &one, "one", 0..pages).await;
    let seen = watch(&node.anyone, &one).await?;
    told("one document of one tenant", pages, begun, &seen);

    let (some, mut shared) = (4, Vec::new());
    for number in 1..=some {
        shared.push(create(&node, number).await);
    }
    let begun = Instant::now();
    for (at, own) in shared.iter().enumerate() {
        let each = pages / some / 5;
        for n in 0..5 {
            let first = (at * 5 + n) * each;
            hand_in_pdf(&node.anyone, own, &format!("part {n}"), first..first + each).await;
        }
    }
    let mut seen = 0;
    for own in &shared {
        seen += watch(&node.anyone, own).await?.len();
    }
    told(&format!("{} documents of {some} tenants", some * 5), pages, begun, &vec![0; seen]);

    let chunks = document(&node.anyone, &one, &whole).await;
    let again = create(&node, some + 1).await;
    let id = hand_in_pdf(&node.anyone, &again, "again", 0..pages).await;
    let mut chance = SmallRng::seed_from_u64(6);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..LIFE_MS_MAX))).await;
        node.kill();
        node.start_again().await;
    }
    watch(&node.anyone, &again).await?;
    let after = document(&node.anyone, &again, &id).await;
    ensure!(chunks_of(&chunks) == chunks_of(&after), "{chunks} was whole, and after {kills} kills there is {after}");
    println!("after {kills} kills: {} chunks, as many as without", chunks_of(&after));
    Ok(())
}

fn told(what: &str, pages: usize, begun: Instant, seen: &[u64]) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {pages} pages in {seconds:.1} s, {:.0} pages/s; progress was seen {} times",
        pages as f64 / seconds,
        seen.len()
    );
}

async fn document(anyone: &Caller, own: &Own, id: &str) -> Value {
    anyone.with(&own.key).get(&own.path(&format!("/documents/{id}"))).await.expect(200).json()
}

/// Waits for all documents of a tenant; how far they were whenever that changed.
async fn watch(anyone: &Caller, own: &Own) -> Result<Vec<u64>> {
    let (caller, begun) = (anyone.with(&own.key), Instant::now());
    let mut seen = BTreeMap::new();
    loop {
        let listed = caller.get(&own.path("/documents")).await.expect(200).json();
        let documents = listed["data"].as_array().cloned().unwrap_or_default();
        ensure!(documents.iter().all(|document| document["status"] != "failed"), "{listed}");
        let done = |document: &Value| document["progress"]["done"].as_u64().unwrap_or_default();
        seen.insert(documents.iter().map(done).sum::<u64>(), ());
        if documents.iter().all(|document| document["status"] == "ready") {
            return Ok(seen.into_keys().collect());
        }
        ensure!(begun.elapsed() < READY_WITHIN, "it takes too long: {listed}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn hand_in_pdf(anyone: &Caller, own: &Own, name: &str, pages: std::ops::Range<usize>) -> String {
    const BOUNDARY: &str = "----the-pages";
    let mut form = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}.pdf\"\r\n\
         content-type: application/pdf\r\n\r\n"
    )
    .into_bytes();
    form.extend(pdf(pages));
    form.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    let call = anyone.with(&own.key).call(Method::POST, &own.path("/documents"));
    let call = call.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}")).body(form);
    call.send().await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

/// A plain PDF (ISO 32000-1): for each page its object and its content, with lines of prose.
fn pdf(pages: std::ops::Range<usize>) -> Vec<u8> {
    let count = pages.len();
    let kids: String = (0..count).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Count {count} /Kids [{kids}] >>"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (n, page) in pages.enumerate() {
        let content = 5 + 2 * n;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {content} 0 R \
             /Resources << /Font << /F1 3 0 R >> >> >>"
        ));
        let lines: String = (0..LINES)
            .map(|line| format!("1 0 0 1 60 {} Tm ({}) Tj\n", 780 - 24 * line, sentence(page * LINES + line)))
            .collect();
        let stream = format!("BT /F1 10 Tf\n{lines}ET");
        objects.push(format!("<< /Length {} >>\nstream\n{stream}\nendstream", stream.len()));
    }
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in (1..).zip(&objects) {
        places.push(file.len());
        file.extend(format!("{n} 0 obj\n{object}\nendobj\n").into_bytes());
    }
    let table = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).into_bytes());
    places.iter().for_each(|place| file.extend(format!("{place:010} 00000 n \n").into_bytes()));
    file.extend(format!("trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1).into_bytes());
    file
}

/// A sentence that no other is like.
fn sentence(n: usize) -> String {
    const WHO: [&str; 8] = ["tenant", "landlord", "caretaker", "neighbour", "plumber", "agent", "visitor", "owner"];
    const DOES: [&str; 7] = ["repairs", "inspects", "paints", "cleans", "reports", "measures", "replaces"];
    const WHAT: [&str; 9] = ["window", "boiler", "staircase", "cellar", "balcony", "lock", "meter", "roof", "lift"];
    format!("In case {n} the {} {} the {} of flat {}.", WHO[n % 8], DOES[n % 7], WHAT[n % 9], n % 113)
}
