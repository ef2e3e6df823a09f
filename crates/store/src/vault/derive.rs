//! Subkeys.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A 256-bit key, wiped when it is dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// The subkey of `key` for one purpose (HKDF-SHA256, RFC 5869; the key is uniformly random, so no salt is needed).
pub(super) fn subkey(key: &[u8; 32], purpose: &[&str]) -> Key {
    let mut out = Key::default();
    let info: Vec<&[u8]> = ["insula/"].iter().chain(purpose).map(|part| part.as_bytes()).collect();
    let expanded = Hkdf::<Sha256>::new(None, key).expand_multi_info(&info, out.as_mut_slice());
    // HKDF can fill up to 8160 bytes; 32 always fit.
    debug_assert!(expanded.is_ok());
    out
}
