//! A model that is in memory.

use std::{fs, path::Path};

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokenizers::{Tokenizer, TruncationParams};

use crate::{Bounds, Description, Unusable, batch::Batch, bert::Bert, pooling::pool, weights::Weights};

/// The tokenizer's file, and how large it may be: vocabularies of many languages have some 20 MB.
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// What a text is on the way to being found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is asked.
    Query,
    /// What is searched.
    Document,
}

/// Why texts have no vectors.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The tokenizer cannot take a text apart.
    #[error("the model's tokenizer fails: {0}")]
    Tokenizer(String),
    /// The network cannot be computed.
    #[error("the model cannot be computed: {0}")]
    Network(#[from] candle_core::Error),
    /// Numbers came out that are none.
    #[error("the model's weights give numbers that are none (NaN or infinite)")]
    NotFinite,
}

/// A model that is in memory. It may be used from several threads; they take turns, batch by batch.
pub struct Model {
    description: Description,
    bounds: Bounds,
    checksum: u32,
    tokenizer: Tokenizer,
    network: Bert,
    /// Its own, so that no other work of the process is kept waiting, and the bound on threads holds.
    threads: ThreadPool,
    /// One batch at a time: what one takes in memory is bounded, so is what all take.
    turn: Mutex<()>,
}

impl Model {
    /// Reads a model from its directory. It takes seconds where there is much to read.
    ///
    /// # Errors
    /// [`Unusable`], naming the file that is missing or wrong.
    pub fn load(directory: &Path, bounds: Bounds) -> Result<Self, Unusable> {
        let description = Description::read(directory)?;
        let (tokenizer, tokenizer_checksum) = tokenizer(&description)?;
        let weights = Weights::read(directory, bounds.weights_bytes_max)?;
        let network = Bert::new(&description.shape, &weights.builder()).map_err(|error| Weights::misfit(directory, &error))?;
        let threads =
            ThreadPoolBuilder::new().num_threads(bounds.threads.max(1)).thread_name(|place| format!("embedder-{place}"));
        let threads =
            threads.build().map_err(|error| Unusable::new(directory, format!("threads cannot be started: {error}")))?;
        let checksum = checksum(&description, tokenizer_checksum, weights.checksum);
        let model = Self { checksum, description, bounds, tokenizer, network, threads, turn: Mutex::new(()) };
        // What is wrong with the numbers is learned now, not with somebody's document.
        match model.embed(Side::Document, &["a trial".to_owned()]) {
            Ok(_) => Ok(model),
            Err(error) => Err(Unusable::new(directory, error.to_string())),
        }
    }

    /// What its files say of it.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.description.shape.hidden
    }

    /// Tells its vectors from those of other models: it changes with the weights, the tokenizer, and all that is said of both.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// The vectors of these texts, each of length one; of zeros where a text is blank. It computes for as long as it takes, so it is called off a runtime's own threads.
    ///
    /// # Errors
    /// Where the model cannot do it; nothing is answered in part.
    pub fn embed(&self, side: Side, texts: &[String]) -> Result<Vec<Vec<f32>>, Failed> {
        let tokens = texts.iter().map(|text| self.tokens(side, text)).collect::<Result<Vec<_>, _>>()?;
        let mut vectors = vec![vec![0.0; self.dimension()]; texts.len()];
        for batch in Batch::divide(&tokens, self.description.shape.padding, self.bounds.batch_tokens_max) {
            let made = self.compute(&batch)?;
            if !made.iter().flatten().all(|number| number.is_finite()) {
                return Err(Failed::NotFinite);
            }
            for (place, vector) in batch.places.iter().zip(made) {
                vectors[*place] = vector;
            }
        }
        Ok(vectors)
    }

    fn compute(&self, batch: &Batch) -> Result<Vec<Vec<f32>>, Failed> {
        let _turn = self.turn.lock();
        let pooling = self.description.pooling;
        Ok(self.threads.install(|| pool(pooling, &self.network.forward(batch)?, batch))?)
    }

    /// A text's tokens, framed, and no more of them than the model takes; none where the text is blank.
    fn tokens(&self, side: Side, text: &str) -> Result<Vec<u32>, Failed> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let prompt = match side {
            Side::Query => &self.description.prompts.query,
            Side::Document => &self.description.prompts.document,
        };
        let seen = text.char_indices().nth(self.bounds.text_characters_max).map_or(text, |(end, _)| &text[..end]);
        let mut whole = format!("{prompt}{seen}");
        if self.description.lowercase {
            whole = whole.to_lowercase();
        }
        let encoding = self.tokenizer.encode(whole, true).map_err(|error| Failed::Tokenizer(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }
}

fn checksum(description: &Description, tokenizer: u32, weights: u32) -> u32 {
    let Description { directory: _, shape, pooling, tokens_max, lowercase, prompts } = description;
    let told = format!("{shape:?} {pooling:?} {tokens_max} {lowercase} {prompts:?} {tokenizer} {weights}");
    crc32fast::hash(told.as_bytes())
}

/// A model's tokenizer, and the checksum of its file.
fn tokenizer(description: &Description) -> Result<(Tokenizer, u32), Unusable> {
    let file = description.directory.join(TOKENIZER);
    let wrong = |reason: String| Unusable::new(&file, reason);
    let metadata = fs::metadata(&file).map_err(|_| wrong("it is missing; it tells how a text becomes tokens".to_owned()))?;
    if metadata.len() > TOKENIZER_BYTES_MAX {
        return Err(wrong(format!("it has {} bytes; at most {TOKENIZER_BYTES_MAX} are read", metadata.len())));
    }
    let bytes = fs::read(&file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let mut tokenizer =
        Tokenizer::from_bytes(&bytes).map_err(|error| wrong(format!("it holds no tokenizer that can be read: {error}")))?;
    let unknown = tokenizer.get_vocab(true).into_values().find(|id| *id as usize >= description.shape.vocabulary);
    if let Some(unknown) = unknown {
        let known = description.shape.vocabulary;
        return Err(wrong(format!("it knows a token {unknown}, and config.json tells of {known} (vocab_size)")));
    }
    // What the file itself says is how it was once used, not what the model bears; batches are filled up here.
    tokenizer.with_padding(None);
    let truncation = TruncationParams { max_length: description.tokens_max, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| wrong(format!("it cannot be bounded: {error}")))?;
    Ok((tokenizer, crc32fast::hash(&bytes)))
}
