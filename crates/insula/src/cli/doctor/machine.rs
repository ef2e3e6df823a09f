//! What this machine gives a server: its directory, its disk, its descriptors.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::{fs as sys, process};

use crate::{
    config::{Loaded, Origin, SecretUrl, Storage, reference, value::ConfigValue},
    finding::Finding,
};

const MIB: u64 = 1024 * 1024;
/// Below this a server cannot even take its journal.
const ROOM_FAIL_BYTES: u64 = 256 * MIB;
/// Below this an operator should know.
const ROOM_WARN_BYTES: u64 = 2048 * MIB;
/// Descriptors that sockets need beside tenants' files, for a small server.
const DESCRIPTORS_WARN: u64 = 8_192;

/// Variables of the program's own that are no key of the configuration.
const OTHER_VARIABLES: &[&str] = &[
    "INSULA_CONFIG",
    "INSULA_URL",
    "INSULA_OPERATOR_KEY",
    "INSULA_ACME_KEY",
    "INSULA_GLOBEX_KEY",
    "INSULA_SIMULATOR_URL",
    "INSULA_ROOT_KEY",
    "INSULA_OWNER_URL",
    "INSULA_KEYS_OWNER_URL",
];

/// File systems whose locks or syncs do not keep their word, by the number that the kernel calls them.
const NETWORK_FILE_SYSTEMS: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
];
const FUSE: u64 = 0x6573_5546;
const TMPFS: u64 = 0x0102_1994;

/// Variables that look like keys and are none: probably misspelt.
pub fn unknown_variables() -> Vec<Finding> {
    let known: Vec<String> = reference::sections()
        .iter()
        .flat_map(|s| s.keys.iter().flat_map(|key| reference::variables(s.name, key.name)).collect::<Vec<_>>())
        .collect();
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| name.starts_with("INSULA_"));
    let unknown = set.filter(|name| !known.contains(name) && !OTHER_VARIABLES.contains(&name.as_str()));
    unknown
        .map(|name| Finding::warn("environment", format!("{name} sets nothing"), "docs/configuration.md lists the variables"))
        .collect()
}

/// Whether others may read passwords that stand in the configuration file.
pub fn config_file(loaded: &Loaded) -> Vec<Finding> {
    let secrets = reference::sections().into_iter().flat_map(|section| {
        let urls = section.keys.into_iter().filter(|key| key.kind == SecretUrl::KIND);
        urls.map(move |key| format!("{}.{}", section.name, key.name)).collect::<Vec<_>>()
    });
    let mut findings = Vec::new();
    for key in secrets {
        let Origin::File(path, _) = loaded.origin(&key) else { continue };
        let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o7777);
        if mode & 0o077 != 0 {
            let shown = path.display();
            let says = format!("{key} may hold a password, and {shown} can be read by others (mode {mode:04o})");
            findings.push(Finding::warn("configuration", says, format!("chmod 600 {shown}, or set it by its variable")));
        }
    }
    findings
}

/// The data directory, its root key, its file system and the room on it.
pub fn storage(storage: &Storage) -> Vec<Finding> {
    let dir = &storage.data_dir;
    let mut findings = vec![directory(dir)];
    findings.push(root_key(storage));
    if storage.is_shared() {
        // No data is written here.
        return findings;
    }
    // What does not exist yet will be made in its nearest parent that does.
    let existing = dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    findings.push(file_system(existing));
    findings.push(room(existing));
    findings
}

fn directory(dir: &Path) -> Finding {
    const CHECK: &str = "data directory";
    let shown = dir.display();
    match fs::metadata(dir) {
        Err(_) => Finding::ok(CHECK, format!("{shown} does not exist yet; the first start makes it")),
        Ok(found) if !found.is_dir() => {
            Finding::fail(CHECK, format!("{shown} is no directory"), "name another with --data-dir")
        }
        Ok(found) => {
            let mode = found.permissions().mode() & 0o7777;
            if sys::access(dir, sys::Access::READ_OK | sys::Access::WRITE_OK | sys::Access::EXEC_OK).is_err() {
                return Finding::fail(
                    CHECK,
                    format!("{shown} cannot be written by this user"),
                    format!("chown it to this user: chown -R $(id -u) {shown}"),
                );
            }
            if mode & 0o077 != 0 {
                return Finding::warn(
                    CHECK,
                    format!("{shown} is open to other users (mode {mode:04o})"),
                    format!("chmod 700 {shown}"),
                );
            }
            Finding::ok(CHECK, format!("{shown}, mode {mode:04o}"))
        }
    }
}

fn root_key(storage: &Storage) -> Finding {
    const CHECK: &str = "root key";
    if std::env::var_os("INSULA_ROOT_KEY").is_some() {
        return Finding::ok(CHECK, "comes from INSULA_ROOT_KEY");
    }
    let file: PathBuf = storage.root_key_file.clone().unwrap_or_else(|| storage.data_dir.join("root.key"));
    let shown = file.display();
    match fs::metadata(&file) {
        Err(_) if storage.is_shared() => Finding::fail(
            CHECK,
            format!("{shown} does not exist, and all nodes need the same one"),
            "copy root.key from the first node, or set INSULA_ROOT_KEY; `insula migrate` makes it for the first node",
        ),
        Err(_) if storage.data_dir.join("control.db").exists() => Finding::fail(
            CHECK,
            format!("{shown} is missing, and the data cannot be read without it"),
            "put back your copy of it",
        ),
        Err(_) => Finding::ok(CHECK, format!("{shown} does not exist yet; the first start makes it")),
        Ok(found) => match found.permissions().mode() & 0o7777 {
            mode if mode & 0o077 != 0 => {
                Finding::fail(CHECK, format!("{shown} can be read by others (mode {mode:04o})"), format!("chmod 600 {shown}"))
            }
            mode => Finding::ok(CHECK, format!("{shown}, mode {mode:04o}; keep a copy elsewhere")),
        },
    }
}

fn file_system(dir: &Path) -> Finding {
    const CHECK: &str = "file system";
    let Ok(found) = sys::statfs(dir) else {
        return Finding::warn(CHECK, "cannot be asked for its kind", "make sure that it is a local one");
    };
    // The kernel's numbers fit 32 bits; the field is wider on some machines, and signed.
    let kind = u64::from(found.f_type as u32);
    if let Some((_, name)) = NETWORK_FILE_SYSTEMS.iter().find(|(number, _)| *number == kind) {
        return Finding::fail(
            CHECK,
            format!("is {name}, a network file system"),
            "move the data to a local disk; the server refuses to start here",
        );
    }
    match kind {
        FUSE => {
            Finding::warn(CHECK, "is FUSE, which may not keep what it says it synced", "use a local disk for data that matters")
        }
        TMPFS => Finding::warn(
            CHECK,
            "is in memory: nothing survives a restart of the machine",
            "use a local disk for data that matters",
        ),
        _ => Finding::ok(CHECK, "is a local one"),
    }
}

fn room(dir: &Path) -> Finding {
    const CHECK: &str = "disk space";
    let Ok(found) = sys::statvfs(dir) else {
        return Finding::warn(CHECK, "cannot be asked for", "look at it with df");
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let says = format!("{} MiB free", free / MIB);
    match free {
        ..ROOM_FAIL_BYTES => Finding::fail(CHECK, says, "make room: a full disk refuses every new request"),
        ROOM_FAIL_BYTES..ROOM_WARN_BYTES => Finding::warn(CHECK, says, "make room soon: a full disk refuses every new request"),
        _ => Finding::ok(CHECK, says),
    }
}

/// Whether the process may hold the files and sockets that it needs.
pub fn descriptors(storage: &Storage) -> Finding {
    const CHECK: &str = "descriptors";
    let Some(limit) = process::getrlimit(process::Resource::Nofile).current else {
        return Finding::ok(CHECK, "no limit");
    };
    let tenants = (storage.tenants_open_max.get() as u64).min(limit / 3);
    let says = format!("{limit} files at once: {tenants} open tenants");
    if limit < DESCRIPTORS_WARN {
        return Finding::warn(
            CHECK,
            says,
            "raise it for a busy server: ulimit -n 65536, or LimitNOFILE=65536 in a systemd unit",
        );
    }
    Finding::ok(CHECK, says)
}
