//! Names in Redis: keyed hashes, so that who can read its keys learns of no tenant, and who can guess an id cannot guess its key.

use std::sync::Arc;

use hashlink::LruCache;
use hmac::{Hmac, Mac};
use insula_model::{Subject, TenantId};
use parking_lot::Mutex;
use sha2::Sha256;

use crate::{AnswerKey, coordination::RateKind};

/// How many subjects' names are kept, about 400 bytes each: making them anew is four hashes, which every request would pay.
const SUBJECTS_KEPT: usize = 8_192;

/// Makes names of a secret that all nodes share.
pub(super) struct Names {
    mac: Hmac<Sha256>,
    made: Mutex<LruCache<Subject, Arc<SubjectNames>>>,
}

/// The names of one subject.
#[derive(Debug)]
pub(super) struct SubjectNames {
    requests: String,
    tokens: String,
    /// The key of its seats.
    pub(super) seats: String,
    /// What every value of its tenant carries, so that it is never taken for another's.
    pub(super) tag: String,
}

impl SubjectNames {
    /// The key of a limiter.
    pub(super) fn limiter(&self, kind: RateKind) -> &str {
        match kind {
            RateKind::Requests => &self.requests,
            RateKind::Tokens => &self.tokens,
        }
    }
}

impl Names {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        // A key of a whole block is taken as it is, which is what HMAC makes of a shorter one.
        let mut block = [0; 64];
        block[..32].copy_from_slice(secret);
        Self { mac: Hmac::new((&block).into()), made: Mutex::new(LruCache::new(SUBJECTS_KEPT)) }
    }

    /// The names of a subject.
    pub(super) fn of(&self, subject: &Subject) -> Arc<SubjectNames> {
        let mut made = self.made.lock();
        if let Some(names) = made.get(subject) {
            return names.clone();
        }
        let names = Arc::new(SubjectNames {
            requests: self.key("requests", subject),
            tokens: self.key("tokens", subject),
            seats: self.key("seats", subject),
            tag: self.tag(subject.tenant()),
        });
        made.insert(*subject, names.clone());
        names
    }

    /// The key that a probe writes.
    pub(super) fn probe(&self) -> String {
        format!("insula:probe:{}", self.hash("probe", &[]))
    }

    /// The key of an answer.
    pub(super) fn answer(&self, key: &AnswerKey) -> String {
        format!("insula:answer:{}", self.hash("answer", &[key.as_bytes()]))
    }

    /// The channel on which nodes tell each other that something changed.
    pub(super) fn changes(&self) -> String {
        format!("insula:changes:{}", self.hash("changes", &[]))
    }

    fn tag(&self, tenant: Option<TenantId>) -> String {
        match tenant {
            Some(tenant) => self.hash("tenant", &[tenant.as_bytes()])[..32].to_owned(),
            None => self.hash("platform", &[])[..32].to_owned(),
        }
    }

    fn key(&self, purpose: &str, subject: &Subject) -> String {
        let hash = match subject {
            Subject::Platform => self.hash(purpose, &[b"platform"]),
            Subject::Tenant(tenant) => self.hash(purpose, &[b"tenant", tenant.as_bytes()]),
            Subject::Key(tenant, key) => self.hash(purpose, &[b"key", tenant.as_bytes(), key.as_bytes()]),
            Subject::EndUser(tenant, end_user) => self.hash(purpose, &[b"end user", tenant.as_bytes(), end_user.as_bytes()]),
        };
        format!("insula:{purpose}:{hash}")
    }

    /// The hash of some parts, in hexadecimal digits. Each part goes in with its length, so that no two lists look the same.
    fn hash(&self, purpose: &str, parts: &[&[u8]]) -> String {
        let mut mac = self.mac.clone();
        for part in [purpose.as_bytes()].iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut text = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        text
    }
}

/// The hexadecimal digit of a number below sixteen.
fn digit(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insula_model::KeyId;

    use super::*;

    #[test]
    fn names_differ_by_purpose_subject_and_secret_and_show_no_id() {
        let tenants = [TenantId::from_bytes([0xab; 16]), TenantId::from_bytes([0xcd; 16])];
        let mut seen = BTreeSet::new();
        for secret in [[1; 32], [2; 32]] {
            let names = Names::new(&secret);
            for tenant in tenants {
                for subject in [Subject::Tenant(tenant), Subject::Key(tenant, KeyId::from_bytes([0xab; 16]))] {
                    let made = names.of(&subject);
                    let again = names.of(&subject);
                    assert!(Arc::ptr_eq(&made, &again), "made once");
                    seen.insert(made.limiter(RateKind::Requests).to_owned());
                    seen.insert(made.limiter(RateKind::Tokens).to_owned());
                    seen.insert(made.seats.clone());
                    // The tenant's, whichever of its subjects is asked about.
                    seen.insert(made.tag.clone());
                }
            }
            seen.insert(names.changes());
            seen.insert(names.of(&Subject::Platform).tag.clone());
            seen.insert(names.probe());
        }
        assert_eq!(seen.len(), 2 * (2 * 7 + 3));
        assert!(seen.iter().all(|name| !name.contains("abab") && !name.contains("cdcd")));
    }
}
