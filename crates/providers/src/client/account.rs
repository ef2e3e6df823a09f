//! An account at a provider that is not the platform's: whoever holds a key for it is sent with that key and nothing of the platform's.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use insula_model::{Error, ProviderOrigin, Result};

use super::scrub::Scrub;
use crate::{SecretText, Vendor};

/// The shortest key, in bytes: no vendor's is as short, and a shorter one stands in every text.
pub const KEY_BYTES_MIN: usize = 8;
/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;

/// A key for one provider, bound to where that provider was when the key was taken. Wiped from memory when dropped.
pub struct AccountKey {
    key: SecretText,
    vendor: Vendor,
    origin: Arc<ProviderOrigin>,
    /// What must not be told of it.
    pub(super) scrub: Arc<Scrub>,
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountKey").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl AccountKey {
    pub(super) fn new(key: SecretText, vendor: Vendor, origin: Arc<ProviderOrigin>, host: &str) -> Result<Self> {
        check_key(key.reveal())?;
        let scrub = Arc::new(Scrub::new([key.reveal().to_owned(), host.to_owned()]).of_own_account());
        Ok(Self { key, vendor, origin, scrub })
    }

    /// These headers with the key.
    ///
    /// # Errors
    /// `Internal` where the key is for another place than `origin`: it is never sent there.
    pub(super) fn added_to(&self, headers: &HeaderMap, origin: &Arc<ProviderOrigin>) -> Result<HeaderMap> {
        if !Arc::ptr_eq(&self.origin, origin) && self.origin != *origin {
            return Err(Error::internal("a key was to be sent to a place that it is not for"));
        }
        let mut headers = headers.clone();
        let (name, value) = key_header(self.vendor, self.key.reveal())?;
        headers.insert(name, value);
        Ok(headers)
    }
}

/// Whether a text can be a key: [`KEY_BYTES_MIN`] to [`KEY_BYTES_MAX`] visible ASCII characters.
///
/// # Errors
/// `Invalid`; the text is not repeated.
pub fn check_key(key: &str) -> Result<()> {
    if (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::invalid(format!("a key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX} visible ASCII characters, without blanks")))
}

/// The header in which a vendor wants a key.
pub(super) fn key_header(vendor: Vendor, key: &str) -> Result<(HeaderName, HeaderValue)> {
    let (name, value) = match vendor {
        Vendor::OpenAi => (header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
        Vendor::Azure => (HeaderName::from_static("api-key"), HeaderValue::try_from(key)),
        Vendor::Anthropic => (HeaderName::from_static("x-api-key"), HeaderValue::try_from(key)),
        Vendor::Gemini => (HeaderName::from_static("x-goog-api-key"), HeaderValue::try_from(key)),
    };
    let mut value = value.map_err(|_| Error::invalid("the key has characters that a header cannot carry"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Arc<ProviderOrigin> {
        Arc::new(ProviderOrigin { kind: "openai".to_owned(), address: address.to_owned() })
    }

    #[test]
    fn a_key_goes_where_it_is_for_and_nowhere_else() {
        let own = origin("https://a:443");
        let key = AccountKey::new(SecretText::new("sk-own-key"), Vendor::OpenAi, own.clone(), "a").unwrap();
        let with = key.added_to(&HeaderMap::new(), &own).unwrap();
        assert_eq!(with[header::AUTHORIZATION], "Bearer sk-own-key");
        assert!(with[header::AUTHORIZATION].is_sensitive() && with.len() == 1);
        assert!(key.added_to(&HeaderMap::new(), &origin("https://a:443")).is_ok(), "the same place");
        assert!(key.added_to(&HeaderMap::new(), &origin("https://b:443")).is_err());
        assert!(!format!("{key:?}").contains("sk-own-key"));
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        for wrong in ["", "[", "seven77", "two words", "line\nbreak", "\u{fc}mlaut", &"x".repeat(KEY_BYTES_MAX + 1)] {
            let refused = check_key(wrong).unwrap_err();
            assert!(wrong.is_empty() || !refused.message().contains(wrong));
        }
        assert!(check_key(&"x".repeat(KEY_BYTES_MAX)).is_ok());
    }
}
