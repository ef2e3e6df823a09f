//! `[storage]`.

use std::{num::NonZeroUsize, path::PathBuf};

use super::section::section;

section! {
    /// Where the data lives.
    Storage {
        /// The data directory, made if it does not exist. A local file system: network file systems are refused.
        data_dir: PathBuf = PathBuf::from("data");
        /// The file of the root key, made if it does not exist, mode 0600. Default `root.key` in the data directory. Without it sealed content is lost: keep a copy elsewhere.
        root_key_file: Option<PathBuf> = None;
        /// Tenants whose files are open at once; a third of the process's descriptor limit holds as well.
        tenants_open_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_999);
        /// Memory for the page caches of open tenants, bytes.
        tenant_cache_bytes_max: u64 = 256 * 1024 * 1024;
    }
}
