//! Labels of attempts: each set is kept once for its tenant, and the ledger's rows point to it. There are as many sets as a
//! tenant makes different ones: a label with another value for each request makes a row for each.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// A set of labels as it is kept.
pub(crate) struct TagSet {
    /// A hash of the labels: the same set has the same id.
    pub(crate) id: [u8; 16],
    /// The labels as JSON, sorted by name.
    pub(crate) text: String,
}

impl TagSet {
    /// The set of these labels; none where there are no labels.
    pub(crate) fn of(tags: &BTreeMap<String, String>) -> Option<Self> {
        if tags.is_empty() {
            return None;
        }
        // A map of texts is JSON whatever it holds.
        let text = serde_json::to_string(tags).unwrap_or_default();
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(&text)[..16]);
        Some(Self { id, text })
    }
}
