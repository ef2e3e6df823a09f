//! The weights of a model, from one file into memory.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    path::Path,
};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use crate::Unusable;

const FILE: &str = "model.safetensors";
/// What a network calls its own part, where more stands beside it.
const PREFIXES: [&str; 4] = ["", "bert.", "roberta.", "model."];
/// Where the network begins.
const FIRST: &str = "embeddings.word_embeddings.weight";

/// The weights, and what tells them from others.
pub(crate) struct Weights {
    builder: VarBuilder<'static>,
    /// Of the whole file.
    pub checksum: u32,
}

impl Weights {
    /// Reads a directory's.
    pub fn read(directory: &Path, bytes_max: u64) -> Result<Self, Unusable> {
        let file = directory.join(FILE);
        let bytes = bytes(&file, directory, bytes_max)?;
        let checksum = crc32fast::hash(&bytes);
        let damaged =
            |error: candle_core::Error| Unusable::new(&file, format!("it holds no weights that can be read: {error}"));
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(damaged)?;
        let Some(prefix) = PREFIXES.iter().find(|prefix| tensors.contains_key(&format!("{prefix}{FIRST}"))) else {
            return Err(Unusable::new(&file, format!("it has no {FIRST}; is it a model of the BERT family?")));
        };
        let mut own = HashMap::with_capacity(tensors.len());
        for (name, tensor) in tensors {
            let Some(name) = name.strip_prefix(prefix) else { continue };
            // Numbers that are no weights, such as positions, stay as they are.
            let tensor = if tensor.dtype().is_float() { tensor.to_dtype(DType::F32).map_err(damaged)? } else { tensor };
            own.insert(name.to_owned(), tensor);
        }
        Ok(Self { builder: VarBuilder::from_tensors(own, DType::F32, &Device::Cpu), checksum })
    }

    /// What hands them out by name and shape.
    pub fn builder(&self) -> VarBuilder<'static> {
        self.builder.clone()
    }

    /// What is said where one is missing, or of another shape.
    pub fn misfit(directory: &Path, error: &candle_core::Error) -> Unusable {
        Unusable::new(&directory.join(FILE), format!("its weights are not those that config.json tells of: {error}"))
    }
}

fn bytes(file: &Path, directory: &Path, bytes_max: u64) -> Result<Vec<u8>, Unusable> {
    let Ok(metadata) = fs::metadata(file) else {
        let old = directory.join("pytorch_model.bin");
        let reason = if old.exists() {
            "it is missing, and pytorch_model.bin is not read (it can hold programs); save the model as safetensors"
        } else {
            "it is missing; it holds the weights"
        };
        return Err(Unusable::new(file, reason));
    };
    if metadata.len() > bytes_max {
        return Err(Unusable::new(file, format!("it has {} bytes; at most {bytes_max} are read", metadata.len())));
    }
    let unreadable = |error: std::io::Error| Unusable::new(file, format!("it cannot be read: {error}"));
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    File::open(file).map_err(unreadable)?.take(bytes_max).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
