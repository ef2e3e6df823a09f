//! With documents, corpora and what is kept of requests.

use serde_json::json;

use super::ask::{Ask, Foreign, Own};
use super::planted::{DOCUMENTS, Planted};

/// Reads.
pub fn reads(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (admin, id) = (&by.tenant.admin, &of.documents[round % DOCUMENTS]);
    let found = |path: String| Ask::get(admin, path, Foreign::NotFound, Own::Finds);
    vec![
        found(by.path(&format!("/documents/{id}"))),
        found(of.path(&format!("/documents/{id}"))),
        found(of.path("/documents")),
        found(of.path("/corpora")),
        found(of.path("/profile")),
        found(of.path("/requests")),
        found(of.path("")),
        found(format!("/api/v1/requests/{}?include=content", of.request)),
        found(by.path(&format!("/corpora/{}", of.corpus_name))),
        found(by.path(&format!("/corpora/{}", of.corpus))),
        // Its own, from another's document on.
        Ask::get(admin, by.path(&format!("/documents?cursor={id}")), Foreign::Either, Own::Nothing),
        Ask::get(admin, by.path("/documents?limit=200"), Foreign::Own, Own::Finds),
        Ask::get(admin, by.path("/corpora"), Foreign::Own, Own::Finds),
        // A corpus's document is nobody's.
        Ask::get(admin, by.path(&format!("/documents/{}", of.law)), Foreign::NotFound, Own::Nothing),
        Ask::get(admin, format!("/api/v1/corpora/{}/documents/{}", of.corpus, of.law), Foreign::Forbidden, Own::Nothing),
        // With lesser credentials.
        Ask::get(&by.tenant.service, of.path(&format!("/documents/{id}")), Foreign::NotFound, Own::Nothing),
        Ask::get(&by.token, of.path("/documents"), Foreign::NotFound, Own::Nothing),
    ]
}

/// Changes.
pub fn changes(by: &Planted, of: &Planted, round: usize) -> Vec<Ask> {
    let (admin, id) = (&by.tenant.admin, &of.documents[round % DOCUMENTS]);
    let forged = json!({"name": "forged", "text": format!("forged {}", of.canary)});
    vec![
        Ask::post(admin, of.path("/documents"), forged.clone(), Foreign::NotFound, Own::Changes),
        Ask::put(admin, of.path("/profile"), json!({"text": "forged"}), Foreign::NotFound),
        Ask::delete(admin, of.path(&format!("/documents/{id}")), Foreign::NotFound),
        Ask::delete(admin, by.path(&format!("/documents/{id}")), Foreign::NotFound),
        Ask::delete(admin, by.path(&format!("/documents/{}", of.law)), Foreign::NotFound).whoever(),
        Ask::delete(&by.token, of.path(&format!("/documents/{id}")), Foreign::NotFound).whoever(),
        Ask::delete(admin, format!("/api/v1/corpora/{}/documents/{}", of.corpus, of.law), Foreign::Forbidden).whoever(),
        Ask::post(admin, format!("/api/v1/corpora/{}/documents", of.corpus), forged, Foreign::Forbidden, Own::Nothing),
    ]
}
