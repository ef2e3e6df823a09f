//! A folder for a server's data, gone with the process that made it.

use std::{
    fs::Permissions,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::account::Account;

/// Waits until its input ends, which is when the owner drops its end or is killed. Tries again while a server that ends at
/// the same moment still writes.
const KEEPER: &str = r#"cat >/dev/null; for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" 2>/dev/null && exit 0; sleep 1; done"#;

/// A folder that only a server's account may enter.
pub(crate) struct Folder {
    path: PathBuf,
    account: Option<Account>,
    keeper: Child,
}

impl Folder {
    /// A new one. `name` tells people what it is for.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let account = Account::unprivileged()?;
        let parent = parent(account.is_some())?;
        let prefix = format!("insula-{name}-");
        let mut builder = tempfile::Builder::new();
        let made = builder.prefix(&prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(&parent);
        let folder = made.with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        if let Some(Account { uid, gid }) = account {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(folder.path()).current_dir("/");
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not in our group: a Ctrl-C is ours alone.
        keeper.process_group(0);
        Account::apply(account, &mut keeper);
        let keeper = keeper.spawn().context("cannot start sh")?;
        Ok(Self { path: folder.keep(), account, keeper })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Programs, from the folder `bin` of what was installed, where this folder's account may start them: there, or in a copy of
    /// the whole in here when they stand below a folder that only we may enter.
    pub(crate) fn reachable(&self, programs: &Path) -> Result<PathBuf> {
        if self.account.is_none() || is_open(programs) {
            return Ok(programs.to_owned());
        }
        let installed = programs.parent().with_context(|| format!("{} has no folder above", programs.display()))?;
        let copy = self.path.join("programs");
        let copied = Command::new("cp").args(["-R", "-p"]).arg(installed).arg(&copy).status().context("cannot start cp")?;
        if !copied.success() {
            bail!("cannot copy {} to {} ({copied})", installed.display(), copy.display());
        }
        Ok(copy.join(programs.file_name().unwrap_or_default()))
    }

    /// Whose it is; `None` for our own.
    pub(crate) fn account(&self) -> Option<Account> {
        self.account
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where temporary folders go. Another account must be able to walk there.
fn parent(for_others: bool) -> Result<PathBuf> {
    let places = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
    let found = places.into_iter().find(|place| place.is_dir() && (!for_others || is_open(place)));
    found.ok_or_else(|| anyhow!("no temporary folder that other accounts can reach; set TMPDIR to one"))
}

/// Whether everybody may enter a folder and all above it.
fn is_open(folder: &Path) -> bool {
    folder.ancestors().all(|part| part.metadata().is_ok_and(|found| found.mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner() {
        let folder = Folder::create("test").unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn programs_are_started_where_they_stand_or_copied() {
        let outer = tempfile::tempdir().unwrap();
        let bin = outer.path().join("installed").join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("postgres"), "x").unwrap();
        let folder = Folder::create("test").unwrap();
        let reachable = folder.reachable(&bin).unwrap();
        // A temporary folder is its maker's alone.
        let copied = folder.account().is_some();
        assert_eq!(reachable, if copied { folder.path().join("programs").join("bin") } else { bin });
        assert!(reachable.join("postgres").exists());
    }

    #[test]
    fn a_folder_below_a_private_one_is_not_open() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir(&inner).unwrap();
        assert!(is_open(&inner));
        fs::set_permissions(outer.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(!is_open(&inner));
    }
}
