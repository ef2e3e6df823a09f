//! What must hold after every round.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use insula_model::Money;

use super::world::{Dead, World};
use crate::amounts::usd;
use crate::ledger::{self, Attempt, Comparison};
use crate::load::{Answer, What};

/// Everything that a round saw.
pub struct Round {
    /// Which node was killed.
    pub victim: usize,
    /// Which one stood still.
    pub paused: Option<usize>,
    /// Both on the list of nodes.
    pub dead: Vec<Dead>,
    /// When they were killed and paused.
    pub died_at: Instant,
    /// What the callers heard.
    pub heard: Vec<Answer>,
    /// How long after their death nothing of the dead was left.
    pub swept_after: Duration,
    /// How long after its death a node's seats were back.
    pub seats_after: Option<Duration>,
    /// How long after it woke up a node served.
    pub serves_after: Option<Duration>,
}

/// What was found over all rounds.
#[derive(Default)]
pub struct Verdict {
    findings: Vec<String>,
    whole: usize,
    refused: usize,
    cut: usize,
    /// Answers that were heard to their end a moment before the node died with the news of it.
    unwritten: usize,
    /// The earliest of those moments.
    unwritten_for: Duration,
    corrections: i64,
    swept_ms: Vec<u128>,
    seats_ms: Vec<u128>,
    serves_ms: Vec<u128>,
}

/// An end is written within this after the answer: what is older than that when a node dies must be exact.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// The answers of a round, counted.
#[derive(Default)]
struct Counts {
    whole: usize,
    refused: usize,
    cut: usize,
}

impl Verdict {
    /// Everything that did not hold so far.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Looks at everything that the round changed; says in a line what was seen.
    pub async fn after_round(&mut self, world: &World, round: Round) -> Result<String> {
        world.nothing_is_open().await;
        let counts = self.check_answers(&round);
        let rows = ledger::stored(world.cluster.database()).await;
        self.check_heard(&round, &rows);
        let compared = self.compare(&rows, world);
        self.check_accounts(world, &round).await;
        let corrections = world.number("SELECT count(*) FROM insula_control.ledger WHERE correction = 1").await;
        let corrected = corrections - std::mem::replace(&mut self.corrections, corrections);
        self.swept_ms.push(round.swept_after.as_millis());
        self.seats_ms.extend(round.seats_after.map(|after| after.as_millis()));
        self.serves_ms.extend(round.serves_after.map(|after| after.as_millis()));
        let seconds = |after: Option<Duration>| after.map_or("-".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()));
        Ok(format!(
            "node {} killed{}; {} whole, {} refused, {} cut off; swept after {:.1} s, seats back after {}, awake serves after {}; \
             {} equal, {} estimated in all, {corrected} corrected",
            round.victim,
            round.paused.map_or(String::new(), |node| format!(", node {node} paused")),
            counts.whole,
            counts.refused,
            counts.cut,
            round.swept_after.as_secs_f64(),
            seconds(round.seats_after),
            seconds(round.serves_after),
            compared.equal,
            compared.estimated + compared.unknown_estimates,
        ))
    }

    /// Proves the ledger once more by the command, and sums up.
    pub async fn at_the_end(&mut self, world: &World, rounds: usize) -> Result<String> {
        let log = world.cluster.simulator().requests();
        let rows = ledger::stored(world.cluster.database()).await;
        let compared = Comparison::of(&rows, &log);
        ensure!(rows.len() > rounds * 100, "hardly anything was asked: {} rows", rows.len());
        let verified = world.cluster.nodes[0].insula(&["ledger", "verify", "--data-dir", "data"]).await;
        if verified.code != 0 {
            self.findings.push(format!("`insula ledger verify` failed: {}{}", verified.stdout, verified.stderr));
        }
        let worst = |all: &[u128]| all.iter().max().map_or("-".to_owned(), |ms| format!("{:.1} s", *ms as f64 / 1_000.0));
        Ok(format!(
            "\nattempts at the provider   {}\nrows in the ledger         {}\nequal                      {}\nestimated                  {} \
             (never at the provider: {})\ncorrected                  {}\nlost                       {}\ndoubled                    {}\n\
             heard whole                {}\n  a moment before a kill   {} (estimated; the \
             earliest {:.0} ms before)\nrefused with 503           {}\ncut off                    {}\nswept after, at most       {}\n\
             seats back after, at most  {}\nawake serves, at most      {}\nledger verify              {}",
            log.len(),
            rows.len(),
            compared.equal,
            compared.estimated + compared.unknown_estimates,
            compared.unknown_estimates,
            self.corrections,
            compared.lost.len(),
            compared.doubled.len(),
            self.whole,
            self.unwritten,
            self.unwritten_for.as_secs_f64() * 1_000.0,
            self.refused,
            self.cut,
            worst(&self.swept_ms),
            worst(&self.seats_ms),
            worst(&self.serves_ms),
            if verified.code == 0 { "sound" } else { "FAILED" },
        ))
    }

    /// Whoever is not served is told to come again, or was at a node that died or stood still.
    fn check_answers(&mut self, round: &Round) -> Counts {
        let mut counts = Counts::default();
        for answer in &round.heard {
            let at_fault = answer.node == round.victim || Some(answer.node) == round.paused;
            match &answer.what {
                What::Whole(_) => counts.whole += 1,
                What::Refused { status: 503, retry_after: true, .. } => counts.refused += 1,
                What::Begun(_) if answer.node == round.victim => counts.cut += 1,
                // A node that wakes up closes connections on which it has heard nothing for too long.
                What::Silent | What::Broken(_) if at_fault => counts.cut += 1,
                other => self.findings.push(format!("node {} after {:?}: {other:?}", answer.node, answer.took)),
            }
        }
        self.whole += counts.whole;
        self.refused += counts.refused;
        self.cut += counts.cut;
        counts
    }

    /// What a caller saw has its row, and what he saw to the end is exact: unless the node died with the news of that end, which
    /// is on its way to the database while the last bytes go out. Then the row is an estimate, and never less.
    fn check_heard(&mut self, round: &Round, rows: &[Attempt]) {
        let mut by_request: HashMap<&str, Vec<&Attempt>> = HashMap::with_capacity(rows.len());
        for row in rows {
            by_request.entry(&row.request).or_default().push(row);
        }
        for answer in &round.heard {
            match &answer.what {
                What::Whole(id) => match (by_request.get(id.as_str()).map(Vec::as_slice), unwritten(round, answer)) {
                    (Some([row]), _) if !row.estimated => {}
                    (Some([_]), Some(age)) => {
                        self.unwritten += 1;
                        self.unwritten_for = self.unwritten_for.max(age);
                    }
                    (other, _) => self.findings.push(format!("{id} was seen to its end, but its rows are {other:?}")),
                },
                What::Begun(id) if !by_request.contains_key(id.as_str()) => {
                    self.findings.push(format!("of {id} a byte was seen, but it has no row"));
                }
                _ => {}
            }
        }
    }

    fn compare(&mut self, rows: &[Attempt], world: &World) -> Comparison {
        let compared = Comparison::of(rows, &world.cluster.simulator().requests());
        let mut found = Vec::new();
        found.extend(compared.doubled.iter().map(|id| format!("{id} has two rows")));
        found.extend(compared.lost.iter().map(|id| format!("{id} reached the provider and has no row")));
        found.extend(compared.invented.iter().map(|id| format!("{id} never reached the provider and is no estimate")));
        found.extend(compared.wrong.iter().map(|row| format!("tokens differ: {row}")));
        found.retain(|finding| !self.findings.contains(finding));
        self.findings.extend(found);
        compared
    }

    /// Accounts and budgets follow from the ledger, and nothing came from an epoch that is over.
    async fn check_accounts(&mut self, world: &World, round: &Round) {
        let proof = world.cluster.operator().get("/api/v1/ledger/verification").await.expect(200).json();
        if usd(&proof["difference_usd"]) != Money::ZERO || proof["mismatches"] != serde_json::json!([]) {
            self.findings.push(format!("the accounts do not follow from the ledger: {proof}"));
        }
        let unsound = world.unsound_windows().await;
        if unsound > 0 {
            self.findings.push(format!("{unsound} windows of budgets do not add up"));
        }
        let old = world.of_old_epochs(&round.dead).await;
        if old > 0 {
            self.findings.push(format!("{old} attempts were begun under an epoch that is over"));
        }
    }
}

/// How long before a node died this answer came to its end, where that was a moment.
fn unwritten(round: &Round, answer: &Answer) -> Option<Duration> {
    let age = round.died_at.checked_duration_since(answer.began + answer.took)?;
    (answer.node == round.victim && age < WRITTEN_WITHIN).then_some(age)
}
