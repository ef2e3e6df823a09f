//! The key that guards all other keys.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind as IoErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use insula_model::{Error, Random, Result};
use zeroize::Zeroizing;

use super::derive::{Key, subkey};

/// A key file is one line; whatever is longer is something else.
const FILE_BYTES_MAX: u64 = 256;

/// The key that guards all other keys: 32 random bytes that are kept outside the data and its backups.
pub struct RootKey(Key);

/// Never shows the key.
impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey(..)")
    }
}

impl RootKey {
    /// Reads the key from a file that its owner alone may read (mode 0600 or stricter; a looser one is refused), or makes a new
    /// key there when there is no such file.
    pub fn load_or_create(path: &Path, random: &dyn Random) -> Result<Self> {
        match OpenOptions::new().read(true).open(path) {
            Ok(file) => Self::load(file, path),
            Err(error) if error.kind() == IoErrorKind::NotFound => Self::create(path, random),
            Err(error) => Err(unusable(path, "cannot be opened").caused_by(error)),
        }
    }

    /// Reads 32 bytes in base64, such as an environment variable holds; whitespace around them is ignored.
    pub fn from_base64(text: &str) -> Result<Self> {
        let wrong =
            || Error::invalid("a root key is 32 random bytes in base64; make one with: head -c 32 /dev/urandom | base64");
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| wrong())?);
        let mut key = Key::default();
        if bytes.len() != key.len() {
            return Err(wrong());
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    fn load(file: File, path: &Path) -> Result<Self> {
        let mode = file.metadata().map_err(|error| unusable(path, "cannot be read").caused_by(error))?.mode();
        if mode & 0o077 != 0 {
            return Err(unusable(path, "may be read by others than its owner; run: chmod 600 on it"));
        }
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
        file.take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| unusable(path, "cannot be read").caused_by(error))?;
        Self::from_base64(&text).map_err(|error| unusable(path, "does not hold 32 bytes in base64").caused_by(error))
    }

    fn create(path: &Path, random: &dyn Random) -> Result<Self> {
        let mut key = Key::default();
        random.fill(key.as_mut_slice());
        let text = Zeroizing::new(STANDARD.encode(*key) + "\n");
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // The name must survive a power cut as well: without the key nothing opens.
            File::open(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| unusable(path, "cannot be written").caused_by(error))?;
        Ok(Self(key))
    }

    /// The subkey for one purpose.
    pub(super) fn subkey(&self, purpose: &[&str]) -> Key {
        subkey(&self.0, purpose)
    }

    /// A secret of the platform for one purpose: key hashing, token signing and the like.
    pub(crate) fn platform_secret(&self, purpose: &str) -> [u8; 32] {
        *self.subkey(&["platform/", purpose])
    }
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::invalid(format!("the root key file {} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use insula_model::SeededRandom;

    use super::*;

    #[test]
    fn made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        let made = RootKey::load_or_create(&path, &SeededRandom::new(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let read = RootKey::load_or_create(&path, &SeededRandom::new(2)).unwrap();
        assert_eq!(made.platform_secret("x"), read.platform_secret("x"));
        assert_ne!(made.platform_secret("x"), made.platform_secret("y"));
        assert!(!format!("{made:?}").contains(&STANDARD.encode(*made.0)));
    }

    #[test]
    fn loose_or_broken_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("root.key");
        RootKey::load_or_create(&path, &SeededRandom::new(1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = RootKey::load_or_create(&path, &SeededRandom::new(1)).unwrap_err();
        assert!(refused.message().contains("chmod 600"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "not a key").unwrap();
        assert!(RootKey::load_or_create(&path, &SeededRandom::new(1)).is_err());
    }

    #[test]
    fn text_must_be_32_bytes() {
        assert!(RootKey::from_base64(&format!(" {}\n", STANDARD.encode([7; 32]))).is_ok());
        for bad in ["", "short", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])] {
            assert!(RootKey::from_base64(bad).is_err(), "{bad}");
        }
    }
}
