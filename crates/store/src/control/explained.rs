//! How the embedded engine carries out a query, for tests that hold it to an index.

use insula_model::Result;

use super::Control;
use crate::query::{Rec, Row, Val};

struct Step(String);

impl Rec for Step {
    fn read(row: &Row<'_>) -> Result<Self> {
        row.get("detail").map(Step)
    }
}

/// The steps of a query, a line for each.
pub(super) async fn plan(control: &Control, sql: &'static str, args: &[Val<'_>]) -> String {
    let explain: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
    let steps: Vec<Step> = control.db.read().await.unwrap().all(explain, args).await.unwrap();
    steps.into_iter().map(|step| step.0 + "\n").collect()
}
