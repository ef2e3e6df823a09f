//! What no tenant may ever see or touch of another.

mod answers;
mod canaries;
mod corpora;
mod disk;
mod drops;
mod eviction;
mod knowledge;
mod overhead;
mod probes;
mod providers;
mod revocation;
mod spoofing;
