//! A batch whose server is killed again and again: each line is once in the output, each upstream call billed once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use insula_simulator::Scenario;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::batch::{CHAT, EMBEDDINGS, chats, embed, embeds, output, over, read, start};
use crate::bill::rows;
use crate::config::ServeConfig;
use crate::ledger::{Attempt, Comparison};
use crate::node::{Node, Setup};
use crate::tenant::TestTenant;
use crate::wait::eventually_within;

/// Calls under way at once, as configured by default: so many a kill can interrupt.
const AT_ONCE: u64 = 16;
/// How long the provider takes for a line.
const LATENCY_MS: u64 = 25;
/// The server is killed at some moment before this, counted from when it goes on with the batch.
const LIFE_MS_MAX: u64 = 900;
/// However busy the machine is, a server goes on with its batch within this.
const GOES_ON_WITHIN: Duration = Duration::from_secs(60);

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many lines the batch has.
    #[arg(long, default_value_t = 10_000)]
    pub lines: usize,
    /// How often the server is killed while it runs it.
    #[arg(long, default_value_t = 10)]
    pub kills: u64,
    /// Decides the moments; the same seed gives the same ones.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Lets the lines be embeddings, of which this many go together in one call; chats when absent.
    #[arg(long)]
    pub together: Option<u64>,
}

impl Options {
    /// The calls that its lines make where nothing interrupts them.
    fn calls(&self) -> u64 {
        (self.lines as u64).div_ceil(self.together.unwrap_or(1))
    }
}

/// Runs the batch to its end; an error says what did not hold.
pub async fn run(options: &Options) -> Result<()> {
    let (begun, mut random) = (Instant::now(), SmallRng::seed_from_u64(options.seed));
    let more = options.together.map(|lines| ("batches", format!("embedding_inputs_max = {lines}")));
    let config = ServeConfig { more: more.into_iter().collect(), ..ServeConfig::default() };
    let mut node = Setup::default().serve(config).start().await;
    // As long for many lines in one call as for them one by one, so that kills find some under way.
    let latency_ms = LATENCY_MS * options.together.unwrap_or(1);
    node.scenario(Scenario { latency_ms, ..Scenario::default() });
    let mut tenant = node.tenant("killed").await;
    let batch = match options.together {
        Some(_) => start(&tenant.service, &embeds(options.lines), EMBEDDINGS).await,
        None => start(&tenant.service, &chats(options.lines), CHAT).await,
    };
    for kill in 1..=options.kills {
        // Spread over the whole batch, however fast the machine is.
        let share = options.lines as u64 * kill / (options.kills + 1);
        let done = goes_on(&tenant, &batch, share).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..LIFE_MS_MAX.min(options.lines as u64)))).await;
        node.kill();
        node.start_again().await;
        tenant = tenant.at(&node.anyone);
        println!("kill {kill:>2}: {done} lines were done");
    }
    let ended = over_at_last(&tenant, &batch).await;
    let answers = output(&tenant.service, &ended["output_file_id"]).await;
    let counts = json!({"total": options.lines, "completed": options.lines, "failed": 0});
    ensure!(ended["status"] == "completed" && ended["request_counts"] == counts, "the batch ended as {ended}");
    let missing: Vec<String> = (0..options.lines).map(|n| format!("line-{n}")).filter(|id| !answers.contains_key(id)).collect();
    ensure!(missing.is_empty() && answers.len() == options.lines, "not in the output: {missing:?}");
    verify(&node, &tenant, options).await?;
    if options.together.is_some() {
        check_vectors(&tenant, &answers).await?;
    }
    println!(
        "{} lines, {} kills in {:.0} s, seed {}",
        options.lines,
        options.kills,
        begun.elapsed().as_secs_f64(),
        options.seed
    );
    Ok(())
}

/// How many lines are asked for again, one by one.
const LOOKED_AT: usize = 50;

/// Each line has the vector of its own text, and used what it would have used alone.
async fn check_vectors(tenant: &TestTenant, answers: &BTreeMap<String, Value>) -> Result<()> {
    let step = (answers.len() / LOOKED_AT).max(1);
    for n in (0..answers.len()).step_by(step) {
        let alone = tenant.service.post(EMBEDDINGS, &embed(n)).await.expect(200).json();
        let line = &answers[&format!("line-{n}")]["response"]["body"];
        ensure!(*line == alone, "line {n} has {line} instead of {alone}");
    }
    Ok(())
}

/// Waits until so many lines are done; how many are.
async fn goes_on(tenant: &TestTenant, batch: &str, done_min: u64) -> u64 {
    eventually_within(GOES_ON_WITHIN, "the batch goes on", || async {
        let done = read(&tenant.service, batch).await["request_counts"]["completed"].as_u64().unwrap_or_default();
        (done >= done_min).then_some(done)
    })
    .await
}

/// The batch, once it is over, however long that takes as long as it goes on.
async fn over_at_last(tenant: &TestTenant, batch: &str) -> Value {
    loop {
        let now = read(&tenant.service, batch).await;
        if now["status"] != "in_progress" {
            return over(&tenant.service, batch).await;
        }
        let done = now["request_counts"]["completed"].as_u64().unwrap_or_default();
        let total = now["request_counts"]["total"].as_u64().unwrap_or_default();
        goes_on(tenant, batch, (done + 1).min(total)).await;
    }
}

/// Lays the ledger beside the provider's log.
async fn verify(node: &Node, tenant: &TestTenant, options: &Options) -> Result<()> {
    let rows: Vec<Attempt> = rows::of_tenant(tenant).await.into_iter().map(exported).collect();
    let log = node.simulator().requests();
    let compared = Comparison::of(&rows, &log);
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    println!(
        "\nlines in the output        {}\ncalls without a kill       {}\nattempts at the provider   {}\nrows in the ledger         {}\nequal                      {}\n\
         estimated                  {} (may be under way at the kills: {})\nlost                       {}\ndoubled                    {}\n\
         ledger difference          {} USD",
        options.lines,
        options.calls(),
        log.len(),
        rows.len(),
        compared.equal,
        compared.estimated + compared.unknown_estimates,
        options.kills * AT_ONCE,
        compared.lost.len(),
        compared.doubled.len(),
        proof["difference_usd"].as_str().unwrap_or("?"),
    );
    ensure!(compared.is_sound(), "the ledger and the provider disagree: {compared:?}");
    let again = (log.len() as u64).saturating_sub(options.calls());
    ensure!(again <= options.kills * AT_ONCE, "{again} calls were made again, more than were under way at the kills");
    ensure!(proof["mismatches"] == json!([]), "the accounts do not follow from the ledger: {proof}");
    Ok(())
}

fn exported(row: rows::Row) -> Attempt {
    let tokens = row.tokens;
    Attempt {
        id: row.id,
        request: row.request,
        input: tokens.input + tokens.cache_read + tokens.cache_write,
        output: tokens.output + tokens.reasoning,
        cost: row.cost,
        estimated: row.estimated != 0,
        corrected: false,
    }
}
