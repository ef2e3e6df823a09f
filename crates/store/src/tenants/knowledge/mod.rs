//! What a tenant's documents hold, and how it is looked up.
//!
//! - [`documents`]: a document as its row tells of it, from its arrival to its end;
//! - [`room`]: how much more may be handed in;
//! - [`publish`]: all of a document becomes searchable in one transaction, or goes in one;
//! - [`vector_stores`] and [`store_files`]: which vector stores there are, and which documents are in which;
//! - [`staged`]: vectors of documents that are not shown yet, as they come;
//! - [`snapshot`]: what a search reads, from one unchanging state;
//! - [`reader`]: what a search holds, of a tenant's own documents or of a corpus: it reads, and nothing else.
//!
//! Chunks are numbered within the tenant, upwards, and no number is given twice: whoever knows all chunks up to a number has to
//! read only those above it, and to forget those whose document is gone. Every change raises the corpus's epoch. Nothing here
//! opens what is sealed, and no word of a tenant is seen: tokens and values of fields are keyed hashes.

mod documents;
mod publish;
mod reader;
mod room;
mod snapshot;
mod staged;
mod store_files;
mod vector_stores;

pub use documents::DocumentRow;
pub(crate) use publish::raise_epoch;
pub use publish::{NewChunk, Publication, Published};
pub use reader::KnowledgeReader;
pub use room::{DocumentsMax, Lacking};
pub use snapshot::{ChunkText, ChunkVector, Corpus, Knowledge, Posting, PublishedDocument, TokenCount};
pub use staged::StagedVector;
pub use store_files::{Attached, FileBatchRow, SealedPassage, StatusCount, Within};
pub use vector_stores::{SealedDetail, Slice, VectorStoreRow};
