//! The labels of a call, for its bill.

use std::collections::BTreeMap;

use crate::{Call, work::Work};

/// The labels of tenant, key and request together; those nearer to the request win. Costs nothing where there are none.
pub(crate) fn of(call: &Call, work: &Work) -> BTreeMap<String, String> {
    let credential = &call.credential;
    let mut tags = credential.tenant.record.tags.clone();
    if let Some(key) = &credential.key {
        add(&mut tags, &key.record.tags);
    }
    add(&mut tags, work.metadata());
    // A header is written for Insula; what stands in the body may be meant for the provider.
    add(&mut tags, &call.tags);
    tags
}

fn add(tags: &mut BTreeMap<String, String>, nearer: &BTreeMap<String, String>) {
    tags.extend(nearer.iter().map(|(name, value)| (name.clone(), value.clone())));
}
