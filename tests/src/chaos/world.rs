//! The simulator, the server and two tenants.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use insula_simulator::RequestRecord;
use serde_json::{Value, json};

use crate::binary;
use crate::child::{Child, command};
use crate::config::ServeConfig;
use crate::http::Caller;
use crate::node::{Node, Setup};
use crate::tenant::TestTenant;

const SIMULATOR_START_LIMIT: Duration = Duration::from_secs(20);
/// The simulator is quiet when it has logged nothing new for so long.
const QUIET: Duration = Duration::from_millis(150);

/// Everything that a round needs.
pub struct World {
    /// The server, which dies often.
    pub node: Node,
    /// Whose requests are made. Their callers know an address that may have died.
    pub tenants: Vec<TestTenant>,
    simulator: Caller,
    _process: Child,
}

impl World {
    /// Starts everything. `program` is what is killed.
    pub async fn start(program: PathBuf, seed: u64) -> Result<World> {
        let mut simulator = command(binary::insula());
        simulator.args(["simulator", "--listen", "127.0.0.1:0"]);
        let mut process = Child::start(simulator);
        let ready = process.wait_for_line("Ready", SIMULATOR_START_LIMIT).map_err(|said| anyhow!("no simulator: {said}"))?;
        let url = ready.split_whitespace().last().unwrap_or_default().to_owned();
        let simulator = Caller::anonymous(&url);
        let scenario = json!({"latency_ms": 5, "chunks": 8, "gap_ms": 4, "output_tokens": 40});
        simulator.post("/_sim/scenario", &scenario).await.expect(200);

        // Small segments, so that they are retired and reused while the server dies.
        let config = ServeConfig { more: vec![("durability", "segment_bytes = 1048576".to_owned())], ..ServeConfig::default() };
        let setup = Setup::default().program(program).serve(config).simulator_at(&url).env("POWER_CUT_SEED", &seed.to_string());
        let node = setup.start().await;
        let mut tenants = Vec::new();
        for slug in ["chaos-one", "chaos-two"] {
            let tenant = node.tenant(slug).await;
            tenant
                .set_budgets(json!([{"window": "month", "limit_usd": "1000"}, {"window": "hour", "limit_usd": "1000"}]))
                .await;
            tenants.push(tenant);
        }
        Ok(World { node, tenants, simulator, _process: process })
    }

    /// What the provider logged, once it logs nothing more.
    pub async fn provider_log(&self) -> Vec<RequestRecord> {
        let count = async || self.simulator.get("/_sim/count").await.expect(200).json()["count"].as_u64();
        let mut before = count().await;
        loop {
            tokio::time::sleep(QUIET).await;
            let now = count().await;
            if now == before {
                break;
            }
            before = now;
        }
        let log = self.simulator.get("/_sim/requests?fields=light").await.expect(200).json();
        log["data"].as_array().into_iter().flatten().map(record).collect()
    }
}

fn record(row: &Value) -> RequestRecord {
    RequestRecord {
        credential: row["credential"].as_str().map(str::to_owned),
        attempt_id: row["attempt_id"].as_str().map(str::to_owned),
        path: row["path"].as_str().unwrap_or_default().to_owned(),
        body: None,
        usage: row.get("usage").filter(|usage| usage.is_object()).cloned(),
        finished: row["finished"] == true,
    }
}
