//! Which version must answer, and which did.

use std::{borrow::Cow, sync::Arc};

use hashlink::LruCache;
use insula_model::{CredentialId, Error, ErrorKind, OnMismatch, Result, VersionLock};
use insula_providers::ModelCard;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::queue::LaneKey;

/// The version that must answer; where nothing is said, any may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Expected {
    snapshot: Option<String>,
    fingerprint: Option<String>,
    /// Whether an answer of another version is kept back.
    refuses: bool,
}

/// An answer of another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The provider's configured name.
    pub provider: String,
    /// The model as the price book names it.
    pub model: String,
    /// `model` or `fingerprint`: what differs.
    pub what: Cow<'static, str>,
    /// What was approved; or, where nothing was, what the answer before had.
    pub expected: String,
    /// What this answer has; absent where it says nothing.
    pub found: Option<String>,
    /// Whether it was approved otherwise. Else it has merely changed.
    pub is_locked: bool,
}

/// The lock of a model, if the tenant has one.
pub(super) fn of<'a>(locks: &'a [VersionLock], card: &ModelCard) -> Option<&'a VersionLock> {
    locks.iter().find(|lock| card.is_among(Some(std::slice::from_ref(&lock.model))))
}

/// Whether the catalogue already says that this model is not the approved version.
pub(super) fn is_of_another_version(card: &ModelCard, lock: &VersionLock) -> bool {
    matches!((&card.snapshot, &lock.snapshot), (Some(is), Some(locked)) if is != locked)
}

impl Expected {
    /// What the tenant's lock says, else what the catalogue does.
    pub fn of(card: &ModelCard, lock: Option<&VersionLock>) -> Self {
        Self {
            snapshot: lock.and_then(|lock| lock.snapshot.clone()).or_else(|| card.snapshot.clone()),
            fingerprint: lock.and_then(|lock| lock.fingerprint.clone()),
            refuses: lock.is_some_and(|lock| lock.on_mismatch == OnMismatch::Refuse),
        }
    }

    /// Refuses an answer of another version, where that is wanted.
    ///
    /// # Errors
    /// [`ErrorKind::VersionMismatch`], naming what was expected.
    pub fn check(&self, card: &ModelCard, model: Option<&str>, fingerprint: Option<&str>) -> Result<()> {
        match self.mismatches(card, model, fingerprint).into_iter().next().filter(|_| self.refuses) {
            None => Ok(()),
            Some(Mismatch { model, what, expected, .. }) => {
                let message = format!(
                    "the answer for the model `{model}` came from another version: its {what} is not `{expected}`, which alone is \
                     approved; it is billed, and kept back"
                );
                Err(Error::new(ErrorKind::VersionMismatch, message))
            }
        }
    }

    /// In what an answer is not the expected version.
    fn mismatches(&self, card: &ModelCard, model: Option<&str>, fingerprint: Option<&str>) -> Vec<Mismatch> {
        let pairs = [("model", &self.snapshot, model), ("fingerprint", &self.fingerprint, fingerprint)];
        let differ = pairs.into_iter().filter_map(|(what, expected, found)| {
            let expected = expected.as_deref().filter(|expected| found != Some(expected))?;
            Some(Mismatch::new(card, what, expected, found, true))
        });
        differ.collect()
    }
}

impl Mismatch {
    fn new(card: &ModelCard, what: &'static str, expected: &str, found: Option<&str>, is_locked: bool) -> Self {
        Self {
            provider: card.provider.clone(),
            model: card.name.clone(),
            what: Cow::Borrowed(what),
            expected: expected.to_owned(),
            found: found.map(str::to_owned),
            is_locked,
        }
    }
}

/// Of how many lanes is known what answered last: all models of a catalogue, and tenants' own accounts as far as there is room.
const SEEN_MAX: usize = 16_384;

/// What answered last for each model of each provider, and by whose account: what one account's deployments are says nothing of
/// another's, and is none of its business.
pub(crate) struct Versions(Mutex<LruCache<LaneKey, Seen>>);

impl Default for Versions {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SEEN_MAX)))
    }
}

#[derive(Default)]
struct Seen {
    model: Option<String>,
    fingerprint: Option<String>,
}

impl Versions {
    /// Notes what answered. Answers in what it is not the expected version, and in what it differs from the answer before.
    pub fn note(
        &self,
        card: &Arc<ModelCard>,
        account: Option<CredentialId>,
        expected: &Expected,
        model: Option<&str>,
        fingerprint: Option<&str>,
    ) -> Vec<Mismatch> {
        let mut found = expected.mismatches(card, model, fingerprint);
        let mut versions = self.0.lock();
        let seen = versions.entry(LaneKey::of(card, account)).or_insert_with(Seen::default);
        for (what, seen, now) in [("model", &mut seen.model, model), ("fingerprint", &mut seen.fingerprint, fingerprint)] {
            let Some(now) = now.filter(|now| seen.as_deref() != Some(now)) else { continue };
            if let Some(before) = seen.replace(now.to_owned())
                && !found.iter().any(|mismatch| mismatch.what == what)
            {
                found.push(Mismatch::new(card, what, &before, Some(now), false));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use insula_model::{Operation, Timestamp};
    use insula_providers::{PriceBook, ProviderSettings, Providers, SIMULATOR_PRICES, Viewer};

    use super::*;

    fn card() -> Arc<ModelCard> {
        let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
        let providers = Providers::new(vec![ProviderSettings::new("simulator", "http://127.0.0.1:1/v1")], book).unwrap();
        let at = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        providers.candidates("sim-small", Operation::Chat, at, &Viewer::default()).unwrap().remove(0).card
    }

    fn lock(on_mismatch: OnMismatch) -> VersionLock {
        VersionLock {
            model: "sim-small".to_owned(),
            snapshot: Some("v1".to_owned()),
            fingerprint: Some("fp_1".to_owned()),
            on_mismatch,
        }
    }

    #[test]
    fn a_lock_flags_or_refuses_what_differs() {
        let card = card();
        let lock = |on_mismatch| Expected::of(&card, Some(&lock(on_mismatch)));
        let flags = lock(OnMismatch::Flag);
        assert!(flags.check(&card, Some("v2"), None).is_ok());
        let differs = |model, fingerprint| {
            flags.mismatches(&card, model, fingerprint).into_iter().map(|mismatch| mismatch.what).collect::<Vec<_>>()
        };
        assert_eq!(differs(Some("v1"), Some("fp_1")), Vec::<&str>::new());
        assert_eq!(differs(Some("v2"), Some("fp_1")), ["model"]);
        assert_eq!(differs(Some("v1"), None), ["fingerprint"], "what says nothing proves nothing");
        let refused = lock(OnMismatch::Refuse).check(&card, Some("v1"), Some("fp_2")).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::VersionMismatch);
        assert!(refused.message().contains("`fp_1`"), "{refused}");
    }

    #[test]
    fn a_change_is_flagged_once_without_a_lock() {
        let (card, versions, any) = (card(), Versions::default(), Expected::default());
        let noted = |fingerprint| versions.note(&card, None, &any, Some("sim-small"), Some(fingerprint)).len();
        assert_eq!([noted("a"), noted("a"), noted("b"), noted("b"), noted("a")], [0, 0, 1, 0, 1]);
        assert!(versions.note(&card, None, &any, None, None).is_empty());
        // Another account's deployments are others.
        let own = Some(CredentialId::from_bytes([7; 16]));
        assert!(versions.note(&card, own, &any, Some("deployment"), Some("z")).is_empty());
        assert_eq!(noted("a"), 0);
    }
}
