//! What must hold after every start.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use insula_model::Money;

use super::load::Heard;
use super::world::World;
use crate::amounts::usd;
use crate::ledger::{self, Attempt, Comparison};
use crate::tenant::list;
use crate::wait::eventually_within;

/// Within this after a start, nothing may be reserved any more.
const RESOLVED_WITHIN: Duration = Duration::from_secs(60);

/// What was found over all rounds.
pub struct Verdict {
    power_cut: bool,
    /// Every attempt by its request; rows never change, so each is read once.
    known: HashMap<String, Vec<Attempt>>,
    findings: Vec<String>,
    in_flight: usize,
    estimates: usize,
}

impl Verdict {
    /// Nothing found yet.
    pub fn new(power_cut: bool) -> Verdict {
        Verdict { power_cut, known: HashMap::new(), findings: Vec::new(), in_flight: 0, estimates: 0 }
    }

    /// Everything that did not hold so far.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    /// Looks at everything that the round changed; says in a line what was seen.
    pub async fn after_start(&mut self, world: &World, heard: &Heard, restarted: Instant) -> Result<String> {
        let ready = restarted.elapsed();
        nothing_is_reserved(world).await;
        let resolved = restarted.elapsed();
        let log = world.provider_log().await;
        let new = self.read_new(world).await;
        let estimates = new.iter().filter(|attempt| attempt.estimated).count();
        self.in_flight += heard.in_flight();
        self.estimates += estimates;
        if !self.power_cut && estimates > heard.in_flight() {
            self.findings.push(format!("{estimates} estimates, but only {} requests were under way", heard.in_flight()));
        }
        self.findings.extend(heard.odd.iter().map(|odd| format!("neither served nor cut off: {odd}")));
        self.check_heard(heard);
        let compared = self.compare(&log);
        Ok(format!(
            "{} whole, {} in flight at the kill, {estimates} estimates, {} attempts at the provider, ready after {:.2} s, nothing reserved after {:.2} s",
            heard.whole.len(),
            heard.in_flight(),
            compared.equal + compared.estimated + compared.lost.len(),
            ready.as_secs_f64(),
            resolved.as_secs_f64(),
        ))
    }

    /// Reads everything afresh, proves the ledger, and sums up.
    pub async fn at_the_end(&mut self, world: &mut World) -> Result<String> {
        let before = self.rows().len();
        self.known.clear();
        self.read_new(world).await;
        ensure!(self.rows().len() == before, "{} rows were there, now there are {}", before, self.rows().len());
        let log = world.provider_log().await;
        let compared = self.compare(&log);
        let proof = world.node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
        if usd(&proof["difference_usd"]) != Money::ZERO || proof["mismatches"] != serde_json::json!([]) {
            self.findings.push(format!("the accounts do not follow from the ledger: {proof}"));
        }
        world.node.stop();
        let verified = world.node.insula(&["ledger", "verify", "--data-dir", "data"]).await;
        if verified.code != 0 {
            self.findings.push(format!("`insula ledger verify` failed: {}{}", verified.stdout, verified.stderr));
        }
        Ok(format!(
            "\nattempts at the provider   {}\nrows in the ledger         {before}\nequal                      {}\nestimated                  {} (in flight at the kills: {})\nwithout a log entry        {}\nlost                       {}{}\ndoubled                    {}\nledger difference          {} USD",
            log.len(),
            compared.equal,
            self.estimates,
            self.in_flight,
            compared.unknown_estimates,
            compared.lost.len(),
            if self.power_cut { " (a power cut may take what nobody saw)" } else { "" },
            compared.doubled.len(),
            proof["difference_usd"].as_str().unwrap_or("?"),
        ))
    }

    /// Reads the requests that were not known yet.
    async fn read_new(&mut self, world: &World) -> Vec<Attempt> {
        let operator = world.node.operator();
        let mut new = Vec::new();
        for tenant in &world.tenants {
            let ids = ledger::request_ids(&operator, &tenant.id).await;
            let unknown: Vec<String> = ids.into_iter().filter(|id| !self.known.contains_key(id)).collect();
            for id in &unknown {
                self.known.insert(id.clone(), Vec::new());
            }
            for attempt in ledger::attempts_of_requests(&operator, unknown).await {
                self.known.entry(attempt.request.clone()).or_default().push(attempt.clone());
                new.push(attempt);
            }
        }
        new
    }

    fn rows(&self) -> Vec<Attempt> {
        self.known.values().flatten().cloned().collect()
    }

    /// What a caller saw has its row, and what he saw to the end is exact; after a power cut it may be an estimate, for
    /// only that it began is synced before he sees it.
    fn check_heard(&mut self, heard: &Heard) {
        for id in &heard.whole {
            match self.known.get(id).map(Vec::as_slice) {
                Some([attempt]) if !attempt.estimated || self.power_cut => {}
                other => self.findings.push(format!("{id} was seen to its end, but its rows are {other:?}")),
            }
        }
        for id in &heard.begun {
            if self.known.get(id).is_none_or(Vec::is_empty) {
                self.findings.push(format!("of {id} a byte was seen, but it has no row"));
            }
        }
    }

    fn compare(&mut self, log: &[insula_simulator::RequestRecord]) -> Comparison {
        let compared = Comparison::of(&self.rows(), log);
        let already: HashSet<String> = self.findings.iter().cloned().collect();
        let mut found = Vec::new();
        found.extend(compared.doubled.iter().map(|id| format!("{id} has two rows")));
        found.extend(compared.invented.iter().map(|id| format!("{id} never reached the provider and is no estimate")));
        found.extend(compared.wrong.iter().map(|row| format!("tokens differ: {row}")));
        if self.power_cut {
            // What nobody saw may be lost, but never more than was under way.
            if compared.lost.len() > self.in_flight {
                found.push(format!("{} attempts lost, but only {} were under way", compared.lost.len(), self.in_flight));
            }
        } else {
            found.extend(compared.lost.iter().map(|id| format!("{id} reached the provider and has no row")));
        }
        self.findings.extend(found.into_iter().filter(|finding| !already.contains(finding)));
        compared
    }
}

async fn nothing_is_reserved(world: &World) {
    let operator = world.node.operator();
    for tenant in &world.tenants {
        eventually_within(RESOLVED_WITHIN, "nothing is reserved any more", || async {
            let budgets = list(operator.get(&tenant.path("/budgets")).await);
            budgets.iter().all(|budget| usd(&budget["reserved_usd"]) == Money::ZERO).then_some(())
        })
        .await;
    }
}
