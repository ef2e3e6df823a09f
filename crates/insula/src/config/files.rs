//! `[files]`.

use std::num::NonZeroU64;

use super::section::section;

section! {
    /// What tenants upload.
    Files {
        /// Bytes of one file; a larger one answers 413.
        file_bytes_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(200 * 1024 * 1024 - 1);
        /// Files of one tenant, those that its batches wrote included; a further one answers 413.
        per_tenant_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(999);
        /// Bytes of all files of one tenant; a file that would pass it answers 413.
        tenant_bytes_max: u64 = 10 * 1024 * 1024 * 1024;
    }
}
