//! What a model may take.

/// Bounds of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Threads that compute.
    pub threads: usize,
    /// Tokens that are computed at once, with what shorter texts are filled up with.
    pub batch_tokens_max: usize,
    /// Characters of a text that are looked at; what stands behind them changes nothing.
    pub text_characters_max: usize,
    /// Bytes of the weights.
    pub weights_bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { threads: 2, batch_tokens_max: 4_096, text_characters_max: 32_768, weights_bytes_max: 4 * 1024 * 1024 * 1024 }
    }
}
