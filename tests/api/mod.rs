//! `/api`: management.

mod v1;
