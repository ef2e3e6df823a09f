//! What a document may cost.

use serde::{Deserialize, Serialize};

/// Every bound on reading a document, unit last. What exceeds one is cut off there and reported, or refused by the bound's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Size of the document as it came. A larger one is refused.
    pub source_bytes_max: usize,
    /// Text taken from it; what follows is left out.
    pub text_bytes_max: usize,
    /// Hidden text taken from it; what follows is left out.
    pub hidden_bytes_max: usize,
    /// Blocks of text: paragraphs, rows, utterances.
    pub blocks_max: usize,
    /// Pages, slides and sheets.
    pub pages_max: u32,
    /// Cells of all tables together.
    pub cells_max: usize,
    /// Elements within elements, in HTML, XML and JSON.
    pub nesting_depth_max: usize,
    /// Entries of an archive, which office documents are.
    pub entries_max: usize,
    /// What all entries of an archive unpack to.
    pub unpacked_bytes_max: usize,
    /// How many bytes one packed byte may become, where an entry unpacks to more than a megabyte.
    pub expansion_ratio_max: usize,
    /// Defects listed one by one; further ones are only counted.
    pub defects_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            source_bytes_max: 64 * 1024 * 1024,
            text_bytes_max: 16 * 1024 * 1024,
            hidden_bytes_max: 1024 * 1024,
            blocks_max: 200_000,
            pages_max: 5_000,
            cells_max: 1_000_000,
            nesting_depth_max: 200,
            entries_max: 10_000,
            unpacked_bytes_max: 256 * 1024 * 1024,
            expansion_ratio_max: 200,
            defects_max: 500,
        }
    }
}
