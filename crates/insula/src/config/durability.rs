//! `[durability]`.

use super::{section::section, value::choice};

choice! {
    /// When an attempt's record must be on disk.
    Mode("standard or strict") {
        /// Before the client sees a byte.
        Standard,
        /// Before the provider sees a byte.
        Strict,
    }
}

section! {
    /// What survives a crash, and when.
    Durability {
        /// `standard` syncs an attempt's record before the client sees a byte, beside the call. `strict` syncs it before the provider sees a byte, which adds a sync to each call.
        mode: Mode = Mode::Standard;
        /// Size of one preallocated journal segment, bytes.
        segment_bytes: u64 = 32 * 1024 * 1024;
    }
}
