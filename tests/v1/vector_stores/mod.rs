//! `/v1/vector_stores`: files that are searched store by store.

mod access;
mod file_batches;
mod files;
mod search;
mod stores;
