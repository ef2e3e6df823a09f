//! Where requests go when there is a choice, and what follows a failure.

mod attempts;
mod choice;
mod health;
mod residency;
mod versions;

use insula_simulator::{Fault, FaultKind, Scenario, Simulator};
use insula_tests::Node;
use insula_tests::config::{Beside, ServeConfig};
use insula_tests::node::Setup;

const CHAT: &str = "/v1/chat/completions";

/// A node with the provider `sim`, and `other` beside it.
struct Two {
    node: Node,
    other: Simulator,
}

impl Two {
    /// Both without a region.
    async fn start(more: &[(&'static str, &str)]) -> Two {
        Two::with(ServeConfig::default(), more, vec![]).await
    }

    /// The same with more of a configuration, and more lines about `other`.
    async fn with(config: ServeConfig, more: &[(&'static str, &str)], lines: Vec<String>) -> Two {
        let other = Simulator::start(([127, 0, 0, 1], 0).into()).unwrap();
        let beside = vec![Beside { name: "other", url: other.url(), lines }];
        let more = more.iter().map(|(section, line)| (*section, (*line).to_owned())).collect();
        let node = Setup::default().serve(ServeConfig { beside, more, ..config }).start().await;
        Two { node, other }
    }

    /// How many calls each has seen.
    fn counts(&self) -> (u64, u64) {
        (self.node.simulator().count(), self.other.count())
    }
}

/// Every request meets this fault.
fn always(kind: FaultKind) -> Scenario {
    Scenario { faults: vec![Fault::new(kind, 1.0)], ..Scenario::default() }
}
