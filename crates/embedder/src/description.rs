//! What the files beside the weights say of a model.
//!
//! The layout is that of sentence-transformers: `config.json` tells the shape of the network, `modules.json` what follows it,
//! `1_Pooling/config.json` how one vector is made of many, `sentence_bert_config.json` how long a text may be, and
//! `config_sentence_transformers.json` what stands before questions and documents. Only the first is needed: without `modules.json` the mean is taken, as that
//! library does.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::Unusable;

/// A model, before its weights are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Where its files are.
    pub directory: PathBuf,
    /// How its network is built.
    pub shape: Shape,
    /// How one vector is made of those of all tokens.
    pub pooling: Pooling,
    /// Tokens of a text that are looked at, those that frame it included.
    pub tokens_max: usize,
    /// Whether texts are put into small letters before anything else.
    pub lowercase: bool,
    /// What stands before each text.
    pub prompts: Prompts,
}

/// Which positions the tokens of a text have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The first is 0.
    Bert,
    /// The first stands behind the number of the filling token.
    Roberta,
}

/// The numbers of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// How positions are counted.
    pub family: Family,
    /// Numbers of a token's vector, and of a text's.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of each.
    pub heads: usize,
    /// Numbers between the two halves of a layer.
    pub intermediate: usize,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Positions that it knows.
    pub positions: usize,
    /// Kinds of tokens that it knows.
    pub types: usize,
    /// The token that fills up.
    pub padding: u32,
    /// What keeps a division from one by zero.
    pub epsilon: f64,
    /// What bends between the halves of a layer.
    pub activation: Activation,
}

/// What bends between the halves of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Gaussian error linear unit, by the error function.
    Gelu,
    /// The same, by the hyperbolic tangent.
    GeluTanh,
    /// Nothing below zero.
    Relu,
}

/// How one vector is made of those of all tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    First,
    /// The greatest number of each place.
    Max,
}

/// What stands before each text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Before a question.
    pub query: String,
    /// Before a part of a document.
    pub document: String,
}

/// A file of a description is small.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Numbers that no model of this kind passes; more is a mistake, and would ask for absurd room.
const LAYERS_MAX: usize = 96;
const HIDDEN_MAX: usize = 8_192;
/// The tokens that frame a text, and a few for the text.
const TOKENS_MIN: usize = 8;

impl Description {
    /// Reads and checks what stands in a directory.
    ///
    /// # Errors
    /// [`Unusable`] with the file that is missing, or wrong.
    pub fn read(directory: &Path) -> Result<Self, Unusable> {
        if !directory.is_dir() {
            return Err(Unusable::new(
                directory,
                "there is no such directory; it should hold config.json, tokenizer.json and model.safetensors",
            ));
        }
        let shape = shape(directory)?;
        let pooling = pooling(directory)?;
        let sentence: SentenceConfig = optional(&directory.join("sentence_bert_config.json"))?.unwrap_or_default();
        let positions = shape.positions - shape.first_position();
        let tokens_max = sentence.max_seq_length.unwrap_or(positions).min(positions);
        if tokens_max < TOKENS_MIN {
            let file = directory.join("sentence_bert_config.json");
            return Err(Unusable::new(
                &file,
                format!("max_seq_length leaves {tokens_max} tokens; at least {TOKENS_MIN} are needed"),
            ));
        }
        let prompts: PromptsConfig = optional(&directory.join("config_sentence_transformers.json"))?.unwrap_or_default();
        Ok(Self {
            directory: directory.to_owned(),
            shape,
            pooling,
            tokens_max,
            lowercase: sentence.do_lower_case,
            prompts: prompts.resolve(),
        })
    }
}

impl Shape {
    /// The position of a text's first token.
    #[must_use]
    pub fn first_position(&self) -> usize {
        match self.family {
            Family::Bert => 0,
            Family::Roberta => self.padding as usize + 1,
        }
    }
}

#[derive(Deserialize)]
struct NetworkConfig {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    pad_token_id: Option<u32>,
    #[serde(default = "epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "gelu")]
    hidden_act: String,
    position_embedding_type: Option<String>,
}

fn two() -> usize {
    2
}

fn epsilon() -> f64 {
    1e-12
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn shape(directory: &Path) -> Result<Shape, Unusable> {
    let file = directory.join("config.json");
    let wrong = |reason: String| Unusable::new(&file, reason);
    let config: NetworkConfig =
        optional(&file)?.ok_or_else(|| wrong("it is missing; it tells how the network is built".to_owned()))?;
    let family = match config.model_type.as_str() {
        "bert" => Family::Bert,
        "roberta" | "xlm-roberta" | "camembert" => Family::Roberta,
        other => {
            return Err(wrong(format!("model_type is {other:?}; bert, roberta, xlm-roberta and camembert are supported")));
        }
    };
    if let Some(other) = config.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
        return Err(wrong(format!("position_embedding_type is {other:?}; only absolute positions are supported")));
    }
    let activation = match config.hidden_act.as_str() {
        "gelu" => Activation::Gelu,
        "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
        "relu" => Activation::Relu,
        other => return Err(wrong(format!("hidden_act is {other:?}; gelu, gelu_new and relu are supported"))),
    };
    let padding = config.pad_token_id.unwrap_or(u32::from(family == Family::Roberta));
    let shape = Shape {
        family,
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        intermediate: config.intermediate_size,
        vocabulary: config.vocab_size,
        positions: config.max_position_embeddings,
        types: config.type_vocab_size,
        padding,
        epsilon: config.layer_norm_eps,
        activation,
    };
    plausible(&shape).map_err(wrong)?;
    Ok(shape)
}

/// Whether the numbers go together.
fn plausible(shape: &Shape) -> Result<(), String> {
    let Shape { hidden, layers, heads, .. } = *shape;
    if !(1..=HIDDEN_MAX).contains(&hidden) || !(1..=LAYERS_MAX).contains(&layers) {
        return Err(format!(
            "hidden_size is {hidden} and num_hidden_layers {layers}; at most {HIDDEN_MAX} and {LAYERS_MAX} are supported"
        ));
    }
    if heads == 0 || !hidden.is_multiple_of(heads) {
        return Err(format!("hidden_size {hidden} cannot be divided among {heads} heads"));
    }
    if shape.intermediate == 0 || shape.intermediate > 8 * HIDDEN_MAX || shape.vocabulary == 0 || shape.types == 0 {
        return Err("intermediate_size, vocab_size and type_vocab_size must be positive, and plausible".to_owned());
    }
    if shape.padding as usize >= shape.vocabulary {
        return Err(format!("pad_token_id {} is not among the {} tokens", shape.padding, shape.vocabulary));
    }
    if shape.positions < shape.first_position() + TOKENS_MIN {
        return Err(format!("max_position_embeddings is {}; that leaves no room for a text", shape.positions));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PoolingConfig {
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    include_prompt: Option<bool>,
}

fn pooling(directory: &Path) -> Result<Pooling, Unusable> {
    let file = directory.join("modules.json");
    let modules: Vec<Module> = optional(&file)?.unwrap_or_default();
    let mut pooling = directory.join("1_Pooling");
    for module in &modules {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" if module.path.is_empty() => {}
            "Transformer" => {
                return Err(Unusable::new(&file, "the network must stand in the directory itself (its path empty)"));
            }
            "Pooling" if Path::new(&module.path).file_name().is_some_and(|name| name == module.path.as_str()) => {
                pooling = directory.join(&module.path);
            }
            "Pooling" => return Err(Unusable::new(&file, format!("{:?} is no directory beside it", module.path))),
            // Vectors are made of length one in any case.
            "Normalize" => {}
            other => {
                return Err(Unusable::new(
                    &file,
                    format!("it names a module {other:?}; Transformer, Pooling and Normalize are supported"),
                ));
            }
        }
    }
    let file = pooling.join("config.json");
    let Some(config) = optional::<PoolingConfig>(&file)? else { return Ok(Pooling::Mean) };
    if config.include_prompt == Some(false) {
        return Err(Unusable::new(&file, "include_prompt is false, which is not supported"));
    }
    config.resolve().map_err(|reason| Unusable::new(&file, reason))
}

impl PoolingConfig {
    fn resolve(&self) -> Result<Pooling, String> {
        let switches = [
            ("mean", self.pooling_mode_mean_tokens),
            ("cls", self.pooling_mode_cls_token),
            ("max", self.pooling_mode_max_tokens),
            ("mean_sqrt_len_tokens", self.pooling_mode_mean_sqrt_len_tokens),
            ("weightedmean", self.pooling_mode_weightedmean_tokens),
            ("lasttoken", self.pooling_mode_lasttoken),
        ];
        let on: Vec<&str> = match &self.pooling_mode {
            Some(mode) => vec![mode.as_str()],
            None => switches.iter().filter(|(_, is_on)| *is_on).map(|(mode, _)| *mode).collect(),
        };
        match on.as_slice() {
            ["mean"] => Ok(Pooling::Mean),
            ["cls"] => Ok(Pooling::First),
            ["max"] => Ok(Pooling::Max),
            other => Err(format!("it asks for pooling by {other:?}; exactly one of mean, cls and max is supported")),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptsConfig {
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl PromptsConfig {
    /// By the names under which sentence-transformers looks for them.
    fn resolve(&self) -> Prompts {
        let default = self.default_prompt_name.as_deref();
        let first = |names: &[&str]| {
            let known = names.iter().copied().chain(default).find_map(|name| self.prompts.get(name));
            known.cloned().unwrap_or_default()
        };
        Prompts { query: first(&["query"]), document: first(&["document", "passage", "corpus"]) }
    }
}

/// What a file of JSON says; `None` where there is none.
fn optional<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, Unusable> {
    let length = match fs::metadata(file) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unusable::new(file, format!("it cannot be read: {error}"))),
    };
    if length > FILE_BYTES_MAX {
        return Err(Unusable::new(file, format!("it has {length} bytes; at most {FILE_BYTES_MAX} are expected")));
    }
    let bytes = fs::read(file).map_err(|error| Unusable::new(file, format!("it cannot be read: {error}")))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Unusable::new(file, format!("it is not what is expected: {error}")))
}

#[cfg(test)]
mod tests;
