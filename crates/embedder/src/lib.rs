//! A model of sentence embeddings that runs in this process: a directory in the layout of sentence-transformers goes in, texts become vectors.
//!
//! It knows no tenants, no storage and no network, and downloads nothing: a model is a directory that an operator put there. It reads models
//! of the BERT family (BERT, RoBERTa, XLM-RoBERTa and what is built like them) whose weights are in `model.safetensors`, on the processor alone.
//!
//! - [`Description`]: what the files beside the weights say of a model, checked before a weight is read;
//! - `Model`, with the feature `model`: the weights and the tokenizer. Without that feature nothing heavy is built, and
//!   [`Description::read`] still tells whether a directory is of use.
//!
//! ```
//! use insula_embedder::Description;
//!
//! let missing = Description::read("/no/such/model".as_ref()).unwrap_err();
//! assert!(missing.to_string().starts_with("/no/such/model: there is no such directory"));
//! ```

#[cfg(feature = "model")]
mod batch;
#[cfg(feature = "model")]
mod bert;
mod bounds;
mod description;
#[cfg(feature = "model")]
mod model;
#[cfg(feature = "model")]
mod pooling;
mod unusable;
#[cfg(feature = "model")]
mod weights;

pub use bounds::Bounds;
pub use description::{Activation, Description, Family, Pooling, Prompts, Shape};
#[cfg(feature = "model")]
pub use model::{Failed, Model, Side};
pub use unusable::Unusable;
