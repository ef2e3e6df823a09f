//! Keyed hashes: what is stored of a secret, and what marks a tenant's request ids.

use hmac::{Hmac, Mac};
use insula_model::{KeyId, TenantId};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// HMAC-SHA256 under platform secrets. Without them a copied database neither reveals a secret nor checks a guess.
pub(super) struct Hasher {
    keys: Hmac<Sha256>,
    tags: Hmac<Sha256>,
}

impl Hasher {
    /// Hashes under these two platform secrets.
    pub(super) fn new(key_secret: &[u8; 32], tag_secret: &[u8; 32]) -> Self {
        Self { keys: keyed(key_secret), tags: keyed(tag_secret) }
    }

    /// The hash that is stored for a key. The id is part of it, so that no row's hash fits another row.
    pub(super) fn key(&self, id: KeyId, secret: &str) -> [u8; 32] {
        let mut mac = self.keys.clone();
        mac.update(id.as_bytes());
        mac.update(secret.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The four bytes that a tenant's request ids carry; never zero, which marks requests of nobody.
    pub(super) fn request_tag(&self, tenant: TenantId) -> [u8; 4] {
        let mut mac = self.tags.clone();
        mac.update(tenant.as_bytes());
        let hash = mac.finalize().into_bytes();
        match [hash[0], hash[1], hash[2], hash[3]] {
            [0, 0, 0, 0] => [0, 0, 0, 1],
            tag => tag,
        }
    }
}

/// Whether two hashes are equal, in a time that does not depend on where they differ.
pub(super) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

/// HMAC-SHA256 under a secret. It pads a short key with zeros to one block; doing so here leaves no failure to handle.
/// HMAC pads a short key with zeros to one block; doing so here leaves no failure to handle.
pub(crate) fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..secret.len()].copy_from_slice(secret);
    Hmac::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_every_part() {
        let hasher = Hasher::new(&[1; 32], &[2; 32]);
        let (one, two) = (KeyId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        let hash = hasher.key(one, "secret");
        assert!(equal(&hash, &hasher.key(one, "secret")));
        assert!(!equal(&hash, &hasher.key(two, "secret")));
        assert!(!equal(&hash, &hasher.key(one, "secreT")));
        assert!(!equal(&hash, &Hasher::new(&[3; 32], &[2; 32]).key(one, "secret")));
    }

    /// RFC 4231, test case 2, whose key is shorter than a block.
    #[test]
    fn a_short_key_is_padded_as_hmac_says() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mut mac = keyed(&key);
        mac.update(b"what do ya want for nothing?");
        let hash = mac.finalize().into_bytes();
        assert_eq!(hash[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }
}
