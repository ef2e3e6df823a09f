//! Every operation of the OpenAPI document, tried with every kind of credential and with other people's ids.
//!
//! - [`document`] reads what the server says that it offers;
//! - [`cases`] is the table of what each operation must answer to whom: a new operation or field fails until it has a row;
//! - [`world`] makes two tenants with one of everything;
//! - [`walker`] walks, and reports what is not as stated;
//! - [`proxy`] stands in front of the server as one that forgot a check, to see that the walker notices.

mod cases;
mod document;
mod proxy;
mod walk;
mod walker;
mod world;
