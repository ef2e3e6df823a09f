//! Sealing with AES-256-GCM-SIV (RFC 8452).
//!
//! A sealed value is the key's version (one byte), a random nonce (12), the ciphertext and its tag (16). The algorithm was
//! chosen because a nonce that repeats by accident reveals at most that two values are equal.

use std::{ops::Deref, sync::Arc};

use aes_gcm_siv::{AeadInPlace, Aes256GcmSiv, KeyInit, Nonce, Tag};
use hmac::{Hmac, Mac};
use insula_model::{Error, Random, Result, TenantId};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::derive::{Key, subkey};

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + NONCE_BYTES;

/// Seals `plain` under `key`. `bound` must be given again to open it.
pub(super) fn seal(key: &Key, version: u8, bound: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    random.fill(&mut nonce);
    let mut sealed = Vec::with_capacity(HEAD_BYTES + plain.len() + TAG_BYTES);
    sealed.push(version);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let cipher = Aes256GcmSiv::new((&**key).into());
    match cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), bound, &mut sealed[HEAD_BYTES..]) {
        Ok(tag) => sealed.extend_from_slice(&tag),
        // Only beyond 64 GiB. What cannot be sealed is not kept: an empty value opens for nobody.
        Err(_) => sealed.clear(),
    }
    sealed
}

/// Opens what [`seal`] made with the same key, version and bound data.
pub(super) fn open(key: &Key, version: u8, bound: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    let wrong = || Error::internal("a sealed value does not open: wrong key, wrong place, or damaged");
    let (head, body) = sealed.split_at_checked(HEAD_BYTES).ok_or_else(wrong)?;
    let (text, tag) = body.split_at_checked(body.len().wrapping_sub(TAG_BYTES)).ok_or_else(wrong)?;
    if head[0] != version {
        return Err(wrong());
    }
    let mut plain = text.to_vec();
    Aes256GcmSiv::new((&**key).into())
        .decrypt_in_place_detached(Nonce::from_slice(&head[1..]), bound, &mut plain, Tag::from_slice(tag))
        .map_err(|_| wrong())?;
    Ok(plain)
}

/// Parts that are bound in, each with its length, so that no two lists read the same.
pub(super) fn bind(version: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(96);
    bound.push(version);
    for part in parts {
        bound.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bound.extend_from_slice(part);
    }
    bound
}

/// A key as HMAC-SHA256 takes it without a fault: a whole block, which is what it makes of a shorter one (RFC 2104).
fn block(key: &Key) -> Zeroizing<[u8; 64]> {
    let mut block = Zeroizing::new([0; 64]);
    block[..key.len()].copy_from_slice(&**key);
    block
}

/// Seals and opens one tenant's content. Cheap to share; the key is wiped when the last holder is gone.
pub struct TenantSeals {
    opener: Arc<Opener>,
    answers: Key,
}

/// Opens one home's content, and makes the keys that its words are looked up by. Nothing can be sealed with it: it is what somebody
/// holds who reads there and does not write.
pub struct Opener {
    tenant: TenantId,
    version: u8,
    content: Key,
    index: Key,
}

/// What an answer is kept under: a hash keyed with a secret of its tenant's, so that the same question of another tenant has
/// another key, and who lacks the secret can make none. Only [`TenantSeals::answer_key`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerKey([u8; 32]);

impl AnswerKey {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TenantSeals {
    /// From a tenant's key.
    pub(super) fn new(tenant: TenantId, version: u8, key: &Key) -> Self {
        let sub = |purpose| subkey(key, &[purpose]);
        let (content, answers, index) = (sub("tenant/content"), sub("tenant/answer cache"), sub("tenant/index"));
        Self { opener: Arc::new(Opener { tenant, version, content, index }), answers }
    }

    /// The half of it that opens.
    pub fn opener(&self) -> Arc<Opener> {
        Arc::clone(&self.opener)
    }

    /// Seals content for one place: a table, a column and a row. It opens there and nowhere else.
    pub fn seal(&self, table: &str, column: &str, row: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
        seal(&self.content, self.version, &self.bound(table, column, row), plain, random)
    }

    /// What the answer to a question is kept under. The parts make up the question; no two lists of them read the same.
    pub fn answer_key(&self, question: &[&[u8]]) -> AnswerKey {
        AnswerKey(keyed(&self.answers, self.tenant, question))
    }
}

/// Whoever seals opens too.
impl Deref for TenantSeals {
    type Target = Opener;

    fn deref(&self) -> &Opener {
        &self.opener
    }
}

impl Opener {
    /// Opens what was sealed for this very place; `Internal` when it was not, or is damaged.
    pub fn open(&self, table: &str, column: &str, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        open(&self.content, self.version, &self.bound(table, column, row), sealed)
    }

    /// What a word, or a value of a field, is looked up by: a hash keyed with a secret of the tenant's, so that whoever reads the index
    /// learns no word, and the same word of another tenant has another. No two lists of parts read the same.
    pub fn index_key(&self, parts: &[&[u8]]) -> i64 {
        keyed(&self.index, self.tenant, parts).iter().take(8).fold(0, |key, byte| key << 8 | i64::from(*byte))
    }

    fn bound(&self, table: &str, column: &str, row: &[u8]) -> Vec<u8> {
        bind(self.version, &[self.tenant.as_bytes(), table.as_bytes(), column.as_bytes(), row])
    }
}

/// A hash of a tenant's parts under one of its secrets.
fn keyed(key: &Key, tenant: TenantId, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as Mac>::new((&*block(key)).into());
    mac.update(tenant.as_bytes());
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Never shows the key.
impl std::fmt::Debug for TenantSeals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantSeals").field("tenant", &self.tenant).field("version", &self.version).finish_non_exhaustive()
    }
}

/// Never shows the key.
impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("tenant", &self.tenant).field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use insula_model::SeededRandom;
    use proptest::prelude::*;

    use super::*;

    fn seals(tenant: u8, version: u8, key: u8) -> TenantSeals {
        TenantSeals::new(TenantId::from_bytes([tenant; 16]), version, &Key::new([key; 32]))
    }

    proptest! {
        #[test]
        fn opens_in_its_place_and_nowhere_else(plain: Vec<u8>, table: String, column: String, row: Vec<u8>, other in ".{1,4}") {
            let random = SeededRandom::new(7);
            let ours = seals(1, 1, 1);
            let sealed = ours.seal(&table, &column, &row, &plain, &random);
            prop_assert_eq!(sealed.len(), plain.len() + HEAD_BYTES + TAG_BYTES);
            prop_assert_eq!(ours.open(&table, &column, &row, &sealed).unwrap(), plain);

            let longer = |text: &str| format!("{text}{other}");
            prop_assert!(ours.open(&longer(&table), &column, &row, &sealed).is_err(), "another table");
            prop_assert!(ours.open(&table, &longer(&column), &row, &sealed).is_err(), "another column");
            prop_assert!(ours.open(&table, &column, &[&row[..], &[0]].concat(), &sealed).is_err(), "another row");
            prop_assert!(ours.open(&longer(&table), "", &row, &sealed).is_err(), "shifted");
            prop_assert!(seals(2, 1, 1).open(&table, &column, &row, &sealed).is_err(), "another tenant");
            prop_assert!(seals(1, 2, 1).open(&table, &column, &row, &sealed).is_err(), "another version");
            prop_assert!(seals(1, 1, 2).open(&table, &column, &row, &sealed).is_err(), "another key");
        }

        #[test]
        fn an_answers_key_is_its_tenants_and_its_questions(parts: Vec<Vec<u8>>, other: Vec<u8>) {
            fn question(parts: &[Vec<u8>]) -> Vec<&[u8]> {
                parts.iter().map(Vec::as_slice).collect()
            }
            let key = seals(1, 1, 1).answer_key(&question(&parts));
            prop_assert_eq!(key, seals(1, 1, 1).answer_key(&question(&parts)));
            prop_assert_ne!(key, seals(2, 1, 1).answer_key(&question(&parts)), "another tenant");
            prop_assert_ne!(key, seals(1, 1, 2).answer_key(&question(&parts)), "another secret");
            let longer = [&parts[..], &[other]].concat();
            prop_assert_ne!(key, seals(1, 1, 1).answer_key(&question(&longer)));
            let joined = [longer.concat()];
            prop_assert!(longer.len() == 1 || seals(1, 1, 1).answer_key(&question(&joined)) != seals(1, 1, 1).answer_key(&question(&longer)));
        }

        #[test]
        fn a_key_of_the_index_is_its_tenants_and_its_parts(one: Vec<u8>, other: Vec<u8>) {
            let key = seals(1, 1, 1).index_key(&[&one, &other]);
            prop_assert_eq!(key, seals(1, 1, 1).index_key(&[&one, &other]));
            prop_assert_ne!(key, seals(2, 1, 1).index_key(&[&one, &other]), "another tenant");
            prop_assert_ne!(key, seals(1, 1, 2).index_key(&[&one, &other]), "another secret");
            prop_assert_ne!(key, seals(1, 1, 1).index_key(&[&[&one[..], &other].concat()]), "joined");
        }

        #[test]
        fn damage_is_noticed(plain: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
            let ours = seals(1, 1, 1);
            let mut sealed = ours.seal("t", "c", b"r", &plain, &SeededRandom::new(7));
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(ours.open("t", "c", b"r", &sealed).is_err());
            prop_assert!(ours.open("t", "c", b"r", &sealed[..at]).is_err());
        }

        #[test]
        fn nonsense_never_panics(sealed: Vec<u8>) {
            prop_assert!(seals(1, 1, 1).open("t", "c", b"r", &sealed).is_err());
        }
    }
}
