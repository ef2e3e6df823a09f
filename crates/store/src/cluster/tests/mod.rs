//! The register and the sweeper against a real PostgreSQL.

mod attempts;
mod outages;
mod proxy;
mod soak;
mod sweeping;
mod traces;
pub(super) mod world;
