//! Whether a batch's file is right, before anything of it costs.

use std::collections::HashSet;

use insula_model::Result;
use sha2::{Digest, Sha256};

use super::{detail::Finding, lines::parse, run::Running};
use crate::runs::Watch;

/// As many are told.
const FINDINGS_MAX: usize = 100;

/// Checks every line, and moves the batch on unless it was stopped meanwhile.
pub(super) async fn validate(batch: &mut Running, watch: &Watch) -> Result<()> {
    let lines_max = batch.engine.settings.batches.lines_max;
    let Some(mut lines) = batch.lines().await? else {
        return batch.refuse(vec![Finding::of_all("file_missing", "the input file is gone")]).await;
    };
    let (mut ids, mut findings, mut total) = (HashSet::new(), Vec::new(), 0);
    while let Some(line) = lines.next().await? {
        if watch.stop().is_some() {
            return Ok(());
        }
        total += 1;
        if total > lines_max {
            let message = format!("the file has more than {lines_max} lines");
            findings.push(Finding::of_all("too_many_lines", &message));
            break;
        }
        let finding = match parse(&line, batch.row.operation) {
            Ok(request) if ids.insert(hash(&request.custom_id)) => None,
            Ok(_) => {
                let message = "another line has the same `custom_id`";
                Some(Finding::at(line.number, "duplicate_custom_id", message, Some("custom_id")))
            }
            Err(finding) => Some(finding),
        };
        findings.extend(finding);
        if findings.len() >= FINDINGS_MAX {
            break;
        }
    }
    if total == 0 {
        findings.push(Finding::of_all("empty_file", "the file has no lines"));
    }
    if findings.is_empty() {
        return batch.accept(total).await;
    }
    batch.refuse(findings).await
}

/// Ids may be long; what tells them apart is not.
fn hash(custom_id: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&Sha256::digest(custom_id)[..16]);
    short
}
