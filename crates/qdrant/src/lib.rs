//! What goes over the wire to Qdrant: the messages of its gRPC interface, as far as Insula uses them.
//!
//! Numbers and types are those of the interface's own `.proto` files, version 1.20 (`points.proto`, `collections.proto`,
//! `qdrant_common.proto`, `json_with_int.proto`). The client that its makers offer is estimated at 60 to 65 seconds of processor
//! time to build, this one at 12 to 13; a test of `insula-store` holds them to the bytes that it writes.
//!
//! Messages alone stand here, and nothing that sends one: no call about points leaves without its tenant's filter, and that is
//! `insula-store`'s matter. They are a crate of their own because the tests' peer reads what `insula-store` writes.
//!
//! ```
//! use prost::Message;
//!
//! let call = insula_qdrant::DeleteCollection { collection: "insula-shared-384".to_owned() };
//! assert_eq!(call.encode_to_vec()[2..], *b"insula-shared-384");
//! ```

#![expect(missing_docs, reason = "messages and their fields are those of the interface, whose own files say what they mean")]

mod collections;
mod points;

pub use collections::*;
pub use points::*;
