//! The labels of a call, for its bill.

use std::collections::BTreeMap;

use insula_model::{Error, Result};
use insula_store::LABELS_BYTES_MAX;

use crate::{Call, work::Work};

/// The labels of tenant, key and request together; those nearer to the request win. Costs nothing where there are none.
///
/// # Errors
/// [`insula_model::ErrorKind::Invalid`] when they are more than an attempt can carry, which takes more than plain ASCII.
pub(crate) fn of(call: &Call, work: &Work) -> Result<BTreeMap<String, String>> {
    let credential = &call.credential;
    let mut tags = credential.tenant.record.tags.clone();
    if let Some(key) = &credential.key {
        add(&mut tags, &key.record.tags);
    }
    add(&mut tags, work.metadata());
    // A header is written for Insula; what stands in the body may be meant for the provider.
    add(&mut tags, &call.tags);
    let bytes: usize = tags.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > LABELS_BYTES_MAX {
        let message =
            format!("the labels of tenant, key and request are longer than {LABELS_BYTES_MAX} bytes; send shorter ones");
        return Err(Error::invalid(message).at(if call.tags.is_empty() { "metadata" } else { "x-insula-tags" }));
    }
    Ok(tags)
}

fn add(tags: &mut BTreeMap<String, String>, nearer: &BTreeMap<String, String>) {
    tags.extend(nearer.iter().map(|(name, value)| (name.clone(), value.clone())));
}
