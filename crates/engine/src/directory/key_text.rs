//! What a key looks like: `ins_live_<id>_<secret><checksum>`, for an operator `ins_op_<id>_<secret><checksum>`.
//!
//! The id is the 26 characters of the [`KeyId`], the secret 32 characters of base 62 (190 bits), the checksum six more:
//! the CRC-32 (IEEE) of everything before it. The checksum keeps no secret. It lets typing mistakes and random text be
//! refused before any lookup, and lets secret scanners recognise a leaked key without asking us.

use std::fmt;

use insula_model::{KeyId, Random};
use zeroize::Zeroizing;

use super::base62;

const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
const ID_LEN: usize = 26;

/// Whose key a text claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A tenant's.
    Tenant,
    /// An operator's.
    Operator,
}

impl KeyKind {
    /// What such a key starts with.
    pub const fn prefix(self) -> &'static str {
        match self {
            KeyKind::Tenant => "ins_live_",
            KeyKind::Operator => "ins_op_",
        }
    }
}

/// A key as a caller presents it, well formed but not yet believed.
pub(super) struct PresentedKey<'a> {
    pub(super) kind: KeyKind,
    pub(super) id: KeyId,
    pub(super) secret: &'a str,
}

impl<'a> PresentedKey<'a> {
    /// Takes a text apart. The checksum comes before anything else; `None` is all that a wrong text gets to know.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let kind = if text.starts_with(KeyKind::Tenant.prefix()) { KeyKind::Tenant } else { KeyKind::Operator };
        let whole_len = kind.prefix().len() + ID_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
        if text.len() != whole_len || !text.is_ascii() {
            return None;
        }
        let (signed, checksum) = text.split_at(whole_len - CHECKSUM_LEN);
        if checksum_of(signed) != checksum.as_bytes() {
            return None;
        }
        let (id, secret) = signed.strip_prefix(kind.prefix())?.split_once('_')?;
        let id = KeyId::from_bare(id)?;
        secret.bytes().all(|b| b.is_ascii_alphanumeric()).then_some(Self { kind, id, secret })
    }
}

/// A key's whole text, the secret included: shown once, wiped from memory when dropped, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText {
    id: KeyId,
    text: Zeroizing<String>,
}

impl KeyText {
    /// A new key of this kind and id; its secret comes from `random`, which must be cryptographic outside tests.
    pub fn generate(kind: KeyKind, id: KeyId, random: &dyn Random) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str(kind.prefix());
        text.push_str(&id.bare());
        text.push('_');
        base62::push_random(&mut text, SECRET_LEN, random);
        let checksum = checksum_of(&text);
        text.extend(checksum.iter().map(|b| char::from(*b)));
        Self { id, text }
    }

    /// The id within.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The text that goes into `Authorization: Bearer`.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The part before the secret, by which people recognise a key.
    pub fn prefix(kind: KeyKind, id: KeyId) -> String {
        format!("{}{}", kind.prefix(), id.bare())
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}, secret hidden)", self.id)
    }
}

/// The checksum's text: 62^6 is more than 2^32, so every CRC has exactly one spelling.
fn checksum_of(signed: &str) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32fast::hash(signed.as_bytes());
    let mut out = [0; CHECKSUM_LEN];
    for digit in out.iter_mut().rev() {
        *digit = base62::ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

#[cfg(test)]
mod tests {
    use insula_model::SeededRandom;
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = KeyText> {
        (any::<bool>(), any::<[u8; 16]>(), any::<u64>()).prop_map(|(tenant, id, seed)| {
            let kind = if tenant { KeyKind::Tenant } else { KeyKind::Operator };
            KeyText::generate(kind, KeyId::from_bytes(id), &SeededRandom::new(seed))
        })
    }

    #[test]
    fn looks_as_documented() {
        let key = KeyText::generate(KeyKind::Tenant, KeyId::from_bytes([7; 16]), &SeededRandom::new(1));
        let text = key.expose();
        let (prefix, secret) = text.rsplit_once('_').expect("three parts");
        assert_eq!(prefix, KeyText::prefix(KeyKind::Tenant, key.id()));
        assert_eq!(secret.len(), SECRET_LEN + CHECKSUM_LEN);
        assert!(!format!("{key:?}").contains(secret));
    }

    proptest! {
        #[test]
        fn generated_keys_parse(key in any_key()) {
            let presented = PresentedKey::parse(key.expose()).expect("a generated key");
            prop_assert_eq!(presented.id, key.id());
            prop_assert!(key.expose().starts_with(presented.kind.prefix()));
        }

        #[test]
        fn nonsense_never_panics_and_never_parses(text in ".{0,200}") {
            prop_assert!(PresentedKey::parse(&text).is_none());
        }

        #[test]
        fn nearly_keys_never_panic(text in "ins_(live|op)_[0-9a-z]{20,30}_[0-9A-Za-z\u{e9}]{30,40}") {
            let _ = PresentedKey::parse(&text);
        }

        /// CRC-32 sees every change that is confined to 32 neighbouring bits, so a single character never slips through.
        #[test]
        fn any_changed_character_is_refused(key in any_key(), at: prop::sample::Index, to in "[ -~]") {
            let text = key.expose();
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != to);
            let changed = format!("{}{to}{}", &text[..at], &text[at + 1..]);
            prop_assert!(PresentedKey::parse(&changed).is_none(), "{}", changed);
        }

        #[test]
        fn a_shorter_or_longer_text_is_refused(key in any_key(), extra in "[0-9A-Za-z]{1,4}") {
            prop_assert!(PresentedKey::parse(&key.expose()[..key.expose().len() - extra.len()]).is_none());
            let longer = format!("{}{extra}", key.expose());
            prop_assert!(PresentedKey::parse(&longer).is_none());
        }
    }
}
