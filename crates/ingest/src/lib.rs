//! From what was handed in to text that is safe to embed. Knows no tenants, no storage and no HTTP, and does no I/O.

pub mod sanitise;
