//! The ledger as the API shows it, beside the provider's own log.

use std::collections::HashMap;

use insula_model::{AttemptId, Money, RequestId};
use insula_simulator::RequestRecord;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_postgres::Row;

use crate::amounts::usd;
use crate::database::Database;
use crate::http::Caller;
use crate::tenant::list;

/// Requests read back at once.
const READERS: usize = 16;

/// One attempt at a provider as the ledger has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its id, which the provider was told.
    pub id: String,
    /// The request that it served.
    pub request: String,
    /// Input tokens of all classes.
    pub input: u64,
    /// Output tokens of all classes.
    pub output: u64,
    /// What it costs.
    pub cost: Money,
    /// Whether the tokens are an estimate.
    pub estimated: bool,
    /// Whether a correction is counted in.
    pub corrected: bool,
}

impl Attempt {
    /// Whether it was settled as an estimate for a node that seemed dead, and taken back when that node said that it was never sent.
    fn is_taken_back(&self) -> bool {
        self.corrected && !self.estimated && (self.input, self.output, self.cost) == (0, 0, Money::ZERO)
    }
}

/// All attempts of a tenant: every page of its requests, and every request read back.
pub async fn attempts(reader: &Caller, tenant: &str) -> Vec<Attempt> {
    attempts_of_requests(reader, request_ids(reader, tenant).await).await
}

/// The attempts of these requests, each read back.
pub async fn attempts_of_requests(reader: &Caller, mut waiting: Vec<String>) -> Vec<Attempt> {
    let (mut reading, mut found) = (JoinSet::new(), Vec::new());
    loop {
        while reading.len() < READERS
            && let Some(id) = waiting.pop()
        {
            let reader = reader.clone();
            reading.spawn(async move { reader.get(&format!("/api/v1/requests/{id}")).await.expect(200).json() });
        }
        match reading.join_next().await {
            Some(request) => found.extend(attempts_of(&request.unwrap())),
            None => return found,
        }
    }
}

/// The ids of all requests of a tenant, by pages.
pub async fn request_ids(reader: &Caller, tenant: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = reader.get(&format!("/api/v1/tenants/{tenant}/requests?limit=200{cursor}")).await;
        let next = reply.clone().expect(200).json()["next_cursor"].as_str().map(str::to_owned);
        ids.extend(list(reply).iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

fn attempts_of(request: &Value) -> Vec<Attempt> {
    let attempts = request["attempts"].as_array().unwrap();
    let count = |row: &Value, class: &str| row["tokens"][class].as_u64().unwrap_or_else(|| panic!("no `{class}`: {row}"));
    let read = |row: &Value| Attempt {
        id: row["id"].as_str().unwrap().to_owned(),
        request: request["id"].as_str().unwrap().to_owned(),
        input: ["input", "cache_read", "cache_write", "cache_write_1h"].map(|class| count(row, class)).iter().sum(),
        output: ["output", "reasoning"].map(|class| count(row, class)).iter().sum(),
        cost: usd(&row["cost_usd"]),
        estimated: row["estimated"].as_bool().unwrap(),
        corrected: false,
    };
    attempts.iter().map(read).collect()
}

/// The attempts of all tenants as their rows stand in a database that nodes share, what was corrected since included. An attempt
/// with two rows is there twice.
pub async fn stored(database: &Database) -> Vec<Attempt> {
    let sql = "SELECT a.attempt, a.request, a.input_tokens + a.cache_read_tokens + a.cache_write_tokens \
        + a.cache_write_1h_tokens + COALESCE(c.input_tokens + c.cache_read_tokens + c.cache_write_tokens + c.cache_write_1h_tokens, 0), a.output_tokens + a.reasoning_tokens \
        + COALESCE(c.output_tokens + c.reasoning_tokens, 0), a.cost + COALESCE(c.cost, 0), a.estimated + COALESCE(c.estimated, 0), \
        c.attempt IS NOT NULL \
        FROM insula_control.ledger a LEFT JOIN insula_control.ledger c ON c.attempt = a.attempt AND c.correction = 1 \
        WHERE a.correction = 0";
    let id = |row: &Row, column: usize| -> [u8; 16] { row.get::<_, &[u8]>(column).try_into().unwrap() };
    let read = |row: &Row| Attempt {
        id: AttemptId::from_bytes(id(row, 0)).to_string(),
        request: RequestId::from_bytes(id(row, 1)).to_string(),
        input: row.get::<_, i64>(2).try_into().unwrap(),
        output: row.get::<_, i64>(3).try_into().unwrap(),
        cost: Money::from_pico(row.get::<_, i64>(4).into()),
        estimated: row.get::<_, i64>(5) != 0,
        corrected: row.get(6),
    };
    database.superuser().await.query(sql, &[]).await.unwrap().iter().map(read).collect()
}

/// What comes of laying the ledger beside the provider's log.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Attempts that both know and whose tokens are equal.
    pub equal: usize,
    /// Attempts that both know and that the ledger marks as estimates.
    pub estimated: usize,
    /// Ids that the provider logged and the ledger does not have: usage lost.
    pub lost: Vec<String>,
    /// Ids that the ledger has more than once: usage doubled.
    pub doubled: Vec<String>,
    /// Attempts whose tokens differ though they are no estimates.
    pub wrong: Vec<String>,
    /// Rows that the provider knows nothing of and that are marked as estimates.
    pub unknown_estimates: usize,
    /// Rows that the provider knows nothing of and that claim to be exact.
    pub invented: Vec<String>,
}

impl Comparison {
    /// Lays `rows` beside `log`.
    pub fn of(rows: &[Attempt], log: &[RequestRecord]) -> Comparison {
        let mut found = Comparison::default();
        let mut by_id: HashMap<&str, &Attempt> = HashMap::with_capacity(rows.len());
        for row in rows {
            if by_id.insert(&row.id, row).is_some() {
                found.doubled.push(row.id.clone());
            }
        }
        for record in log {
            let id = record.attempt_id.as_deref().unwrap_or_default();
            match by_id.remove(id) {
                None => found.lost.push(id.to_owned()),
                Some(row) if row.estimated => found.estimated += 1,
                Some(row) if agrees(row, record) => found.equal += 1,
                Some(row) => found.wrong.push(format!("{row:?} against {:?}", record.usage)),
            }
        }
        for row in by_id.values() {
            match row.estimated {
                true => found.unknown_estimates += 1,
                false if row.is_taken_back() => {}
                false => found.invented.push(row.id.clone()),
            }
        }
        found
    }

    /// Whether nothing was lost, doubled, invented or miscounted.
    pub fn is_sound(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.wrong.is_empty() && self.invented.is_empty()
    }
}

fn agrees(row: &Attempt, record: &RequestRecord) -> bool {
    // A request that the provider refused has no usage, and costs nothing.
    let Some(usage) = &record.usage else { return (row.input, row.output) == (0, 0) };
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    (row.input, row.output) == (count("prompt_tokens"), count("completion_tokens"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: &str, output: u64, estimated: bool) -> Attempt {
        Attempt { id: id.into(), request: "req".into(), input: 10, output, cost: Money::ZERO, estimated, corrected: false }
    }

    fn record(id: &str, output: u64) -> RequestRecord {
        let usage = Some(json!({"prompt_tokens": 10, "completion_tokens": output}));
        RequestRecord { attempt_id: Some(id.into()), credential: None, path: String::new(), body: None, usage, finished: true }
    }

    #[test]
    fn every_way_to_be_unsound_is_seen() {
        let log = [record("a", 1), record("b", 2)];
        assert!(Comparison::of(&[row("a", 1, false), row("b", 2, false)], &log).is_sound());
        assert!(Comparison::of(&[row("a", 1, false), row("b", 9, true)], &log).is_sound(), "an estimate may differ");
        assert_eq!(Comparison::of(&[row("a", 1, false)], &log).lost, ["b"]);
        assert_eq!(Comparison::of(&[row("a", 1, false), row("b", 2, false), row("a", 1, false)], &log).doubled, ["a"]);
        assert_eq!(Comparison::of(&[row("a", 1, false), row("b", 3, false)], &log).wrong.len(), 1);
        assert_eq!(Comparison::of(&[row("a", 1, false), row("b", 2, false), row("c", 1, false)], &log).invented, ["c"]);
        assert_eq!(Comparison::of(&[row("a", 1, false), row("b", 2, false), row("c", 1, true)], &log).unknown_estimates, 1);
        let nothing = Attempt { input: 0, ..row("c", 0, false) };
        let with = |last: Attempt| Comparison::of(&[row("a", 1, false), row("b", 2, false), last], &log).is_sound();
        assert!(!with(nothing.clone()), "why is it there?");
        assert!(with(Attempt { corrected: true, ..nothing.clone() }), "an estimate that was taken back");
        assert!(!with(Attempt { corrected: true, cost: Money::from_pico(1), ..nothing }));
    }
}
