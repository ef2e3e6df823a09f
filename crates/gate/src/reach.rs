//! What may be reached.

use std::net::IpAddr;

use crate::{AddressRange, Target, Unsent, is_public};

/// What may be reached by whoever named the target. By default the public internet over TLS, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Ranges beyond the public internet, where TLS is not asked for either.
    pub also: Vec<AddressRange>,
    /// Whether TLS may be left out towards public addresses.
    pub plain: bool,
}

impl Reach {
    /// What can be said of a target before its name is resolved.
    ///
    /// # Errors
    /// [`Unsent::Refused`].
    pub fn admits(&self, target: &Target) -> Result<(), Unsent> {
        match target.literal() {
            Some(address) => self.admits_address(target, address),
            None if target.is_plain() && !self.plain && self.also.is_empty() => Err(NO_TLS),
            None => Ok(()),
        }
    }

    /// Whether an address lies within reach, with TLS.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.is_opened(address) || is_public(address)
    }

    fn is_opened(&self, address: IpAddr) -> bool {
        self.also.iter().any(|range| range.contains(address))
    }

    /// Whether a target may be reached at this address.
    ///
    /// # Errors
    /// [`Unsent::Refused`].
    pub fn admits_address(&self, target: &Target, address: IpAddr) -> Result<(), Unsent> {
        if self.is_opened(address) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(Unsent::Refused("the host has an address that is not of the public internet"));
        }
        if target.is_plain() && !self.plain { Err(NO_TLS) } else { Ok(()) }
    }
}

const NO_TLS: Unsent = Unsent::Refused("a URL begins with https://: without TLS anybody on the way could read along");

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(reach: &Reach, url: &str) -> bool {
        reach.admits(&Target::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn ranges_are_opened_one_by_one() {
        let public = Reach::default();
        assert!(admitted(&public, "https://8.8.8.8/") && admitted(&public, "https://example.com"));
        for url in [
            "http://8.8.8.8/",
            "http://example.com",
            "https://127.0.0.1:8443",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]",
        ] {
            assert!(!admitted(&public, url), "{url}");
        }
        let loopback = Reach { also: vec!["127.0.0.0/8".parse().unwrap()], plain: false };
        assert!(admitted(&loopback, "http://127.0.0.1:80/") && admitted(&loopback, "https://127.0.0.1"));
        for url in ["http://10.0.0.1", "https://[::ffff:127.0.0.1]", "http://8.8.8.8"] {
            assert!(!admitted(&loopback, url), "{url}");
        }
        assert!(admitted(&Reach { also: Vec::new(), plain: true }, "http://8.8.8.8"));
    }
}
