//! A model's directory, written as sentence-transformers would.

use std::{collections::BTreeMap, fs, path::Path};

use insula_embedder::{Activation, Family, Pooling};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub const HIDDEN: usize = 8;
pub const HEADS: usize = 2;
pub const LAYERS: usize = 2;
pub const WIDE: usize = 12;
pub const POSITIONS: usize = 40;
pub const EPSILON: f64 = 1e-6;

/// What the tokenizer knows. The first is `[PAD]`, the second `[UNK]`; words follow, and parts of words.
pub const VOCABULARY: [&str; 18] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a", "river", "boat", "lease", "rise", "##s", "end", "in", "may", "of", ";",
    ",", "un",
];

/// How wide a number is in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Single,
    /// The upper half of a single.
    Brain16,
}

/// What a directory is to hold.
#[derive(Debug, Clone)]
pub struct Files {
    pub family: Family,
    pub activation: Activation,
    pub pooling: Pooling,
    pub prefix: &'static str,
    pub number: Number,
    pub tokens_max: usize,
    pub seed: u64,
    pub scale: f32,
    pub told_layers: usize,
    pub told_vocabulary: usize,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            family: Family::Bert,
            activation: Activation::Gelu,
            pooling: Pooling::Mean,
            prefix: "",
            number: Number::Single,
            tokens_max: 32,
            seed: 1,
            scale: 1.0,
            told_layers: LAYERS,
            told_vocabulary: VOCABULARY.len(),
        }
    }
}

/// A weight: its shape, and its numbers row by row.
#[derive(Debug, Clone)]
pub struct Weight {
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
}

impl Files {
    /// All weights by their names, without the prefix; the same for the same seed.
    pub fn weights(&self) -> BTreeMap<String, Weight> {
        let mut shapes: Vec<(String, Vec<usize>)> = vec![
            ("embeddings.word_embeddings.weight".into(), vec![VOCABULARY.len(), HIDDEN]),
            ("embeddings.position_embeddings.weight".into(), vec![POSITIONS, HIDDEN]),
            ("embeddings.token_type_embeddings.weight".into(), vec![2, HIDDEN]),
        ];
        let mut named = |name: String, shape: Vec<usize>| {
            shapes.push((format!("{name}.bias"), vec![shape[0]]));
            shapes.push((format!("{name}.weight"), shape));
        };
        named("embeddings.LayerNorm".into(), vec![HIDDEN]);
        for layer in (0..LAYERS).map(|place| format!("encoder.layer.{place}")) {
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                named(format!("{layer}.attention.{part}"), vec![HIDDEN, HIDDEN]);
            }
            named(format!("{layer}.attention.output.LayerNorm"), vec![HIDDEN]);
            named(format!("{layer}.intermediate.dense"), vec![WIDE, HIDDEN]);
            named(format!("{layer}.output.dense"), vec![HIDDEN, WIDE]);
            named(format!("{layer}.output.LayerNorm"), vec![HIDDEN]);
        }
        let mut chance = Chance(self.seed);
        let made = shapes.into_iter().map(|(name, shape)| {
            let count = shape.iter().product();
            let numbers = (0..count).map(|_| self.number.round(chance.next() * self.scale)).collect();
            (name, Weight { shape, numbers })
        });
        made.collect()
    }

    /// The position of the first token.
    pub fn first_position(&self) -> usize {
        usize::from(self.family == Family::Roberta)
    }

    /// Writes the directory.
    pub fn write(&self) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, content: Value| {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content.to_string()).unwrap();
        };
        write("config.json", self.network());
        write("sentence_bert_config.json", json!({"max_seq_length": self.tokens_max, "do_lower_case": false}));
        write("modules.json", modules());
        let is = |pooling| self.pooling == pooling;
        write(
            "1_Pooling/config.json",
            json!({"pooling_mode_mean_tokens": is(Pooling::Mean), "pooling_mode_cls_token": is(Pooling::First), "pooling_mode_max_tokens": is(Pooling::Max)}),
        );
        write("tokenizer.json", tokenizer());
        self.write_weights(&directory.path().join("model.safetensors"));
        directory
    }

    fn network(&self) -> Value {
        let activation = match self.activation {
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu_new",
            Activation::Relu => "relu",
        };
        let family = if self.family == Family::Bert { "bert" } else { "xlm-roberta" };
        json!({
            "model_type": family, "hidden_size": HIDDEN, "num_hidden_layers": self.told_layers, "num_attention_heads": HEADS,
            "intermediate_size": WIDE, "vocab_size": self.told_vocabulary, "max_position_embeddings": POSITIONS,
            "hidden_act": activation, "layer_norm_eps": EPSILON, "pad_token_id": 0, "type_vocab_size": 2
        })
    }

    /// The format is described at <https://github.com/huggingface/safetensors>: a length, a header of JSON, the numbers.
    fn write_weights(&self, file: &Path) {
        let (mut header, mut numbers) = (Map::new(), Vec::new());
        for (name, weight) in self.weights() {
            let begin = numbers.len();
            weight.numbers.iter().for_each(|number| numbers.extend(self.number.bytes(*number)));
            let described = json!({"dtype": self.number.name(), "shape": weight.shape, "data_offsets": [begin, numbers.len()]});
            header.insert(format!("{}{name}", self.prefix), described);
        }
        let header = Value::Object(header).to_string();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(numbers);
        fs::write(file, bytes).unwrap();
    }
}

impl Number {
    fn name(self) -> &'static str {
        if self == Self::Single { "F32" } else { "BF16" }
    }

    fn round(self, number: f32) -> f32 {
        if self == Self::Single { number } else { f32::from_bits(number.to_bits() & 0xffff_0000) }
    }

    fn bytes(self, number: f32) -> Vec<u8> {
        let bytes = number.to_le_bytes();
        if self == Self::Single { bytes.to_vec() } else { bytes[2..].to_vec() }
    }
}

fn modules() -> Value {
    let module = |path: &str, kind: &str| json!({"path": path, "type": format!("sentence_transformers.models.{kind}")});
    json!([module("", "Transformer"), module("1_Pooling", "Pooling"), module("2_Normalize", "Normalize")])
}

/// With a truncation and a padding of its own, as published models have them from their last use.
fn tokenizer() -> Value {
    let vocabulary: Map<String, Value> =
        VOCABULARY.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), json!(id))).collect();
    let special = |id: usize| json!({"id": id, "content": VOCABULARY[id], "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
    let frame = |token: &str, id: usize| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 5, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": (0..4).map(special).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"[CLS]": frame("[CLS]", 2), "[SEP]": frame("[SEP]", 3)}
        },
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

/// Numbers by chance, from -0.5 to 0.5: a generator by G. Marsaglia (xorshift), for the same ones every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    }
}
