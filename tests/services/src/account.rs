//! Whose process a server is: our own, or a system account's when we are root, as whom PostgreSQL refuses to run.

use std::{fs, os::unix::process::CommandExt, process::Command};

use anyhow::{Result, anyhow};

/// Accounts of the Debian packages, and the one that every system has.
const NAMES: [&str; 3] = ["postgres", "redis", "nobody"];

/// A user and its group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account to run servers as; `None` when that is our own.
    pub(crate) fn unprivileged() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd")?;
        let found = NAMES.iter().find_map(|name| find(&accounts, name));
        found.map(Some).ok_or_else(|| anyhow!("there is no account to run servers as: none of {}", NAMES.join(", ")))
    }

    /// Lets a command run as this account.
    pub(crate) fn apply(account: Option<Self>, command: &mut Command) {
        if let Some(Self { uid, gid }) = account {
            command.uid(uid).gid(gid);
        }
    }
}

fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:8:8::/:\nbroken\npostgres:x:104:109:,,,:/var:/bin/bash\n";
        let Account { uid, gid } = find(accounts, "postgres").unwrap();
        assert_eq!((uid, gid), (104, 109));
        assert!(find(accounts, "nobody").is_none());
    }
}
