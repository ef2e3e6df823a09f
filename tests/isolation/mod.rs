//! What no tenant may ever see or touch of another.

mod canaries;
mod disk;
mod drops;
mod revocation;
mod spoofing;
