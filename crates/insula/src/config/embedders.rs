//! `[[embedders]]`.

use std::{
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use super::{layers::Fault, section::section};

section! {
    /// What places texts among each other.
    Embedder {
        /// Its name, by which plans, segments and tenants choose it. 1 to 63 of a-z, 0-9 and hyphens.
        name: String = String::new();
        /// A model of the price book that can embed, as a request would name it. It is asked like any other: at the tenant's cost, within its region, by its own account where it has one. Where neither dimensions nor a name are needed, plans may name the model itself, without an entry here.
        model: Option<String> = None;
        /// Numbers of a vector that are asked of the model; unset: as many as it gives by itself.
        dimensions: Option<NonZeroU32> = None;
        /// Instead of a model: the directory of one that runs in this process, in the layout of sentence-transformers (`config.json`, `tokenizer.json`, `model.safetensors`, and what stands beside them). Only in a build with the feature `local-embedder`.
        directory: Option<PathBuf> = None;
        /// Threads that compute a local model.
        threads_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
        /// Tokens that a local model computes at once; more take more memory.
        batch_tokens_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);
        /// Characters of a text that a local model looks at; of these it takes as many tokens as it was made for.
        text_characters_max: NonZeroUsize = NonZeroUsize::MIN.saturating_add(32_767);
        /// Bytes of a local model's weights; larger ones are refused at start.
        weights_bytes_max: NonZeroU64 = NonZeroU64::MIN.saturating_add(4 * 1024 * 1024 * 1024 - 1);
    }
}

impl Embedder {
    /// What cannot be about the entry at this position.
    pub(super) fn faults(&self, position: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut wrong = |key: &str, says: String, fix: &str| {
            faults.push(Fault { key: format!("embedders.{position}.{key}"), says, fix: fix.to_owned() });
        };
        if !super::providers::is_name(&self.name) {
            wrong("name", format!("is {:?}, which is no name", self.name), "1 to 63 of a-z, 0-9 and hyphens, such as `minilm`");
        }
        if self.name == insula_ingest::hashing::NAME {
            wrong("name", "is that of the embedder that is built in".into(), "give it another name");
        }
        match (&self.model, &self.directory) {
            (None, None) => {
                wrong("model", "is missing".into(), "name a model of the price book, or a local model's `directory`")
            }
            (Some(_), Some(_)) => wrong("directory", "stands beside model".into(), "keep one of the two"),
            (None, Some(_)) if self.dimensions.is_some() => {
                wrong("dimensions", "stands beside directory".into(), "leave it out: a local model has as many as it has");
            }
            (None, Some(_)) if !cfg!(feature = "local-embedder") => {
                let fix = "build the program with `--features local-embedder`, or name a `model`";
                wrong("directory", "names a local model, which this build cannot run".into(), fix);
            }
            _ => {}
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_model_or_a_directory() {
        let faults = |model: Option<&str>, directory: Option<&str>, dimensions| {
            let (model, directory) = (model.map(str::to_owned), directory.map(PathBuf::from));
            let entry = Embedder { name: "mine".to_owned(), model, directory, dimensions, ..Embedder::default() };
            entry.faults(2).into_iter().map(|fault| fault.key).collect::<Vec<_>>()
        };
        assert_eq!(faults(None, None, None), ["embedders.2.model"]);
        assert_eq!(faults(Some("m"), Some("/m"), None), ["embedders.2.directory"]);
        assert!(faults(Some("m"), None, NonZeroU32::new(256)).is_empty());
        assert_eq!(faults(None, Some("/m"), NonZeroU32::new(256)), ["embedders.2.dimensions"]);
        assert_eq!(faults(None, Some("/m"), None).is_empty(), cfg!(feature = "local-embedder"));
    }
}
