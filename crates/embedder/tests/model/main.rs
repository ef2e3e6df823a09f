//! A small model with weights by chance, written as sentence-transformers would, against a plain computation of the same network.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod files;
mod reference;

use std::{fs, path::Path};

use insula_embedder::{Activation, Bounds, Family, Model, Pooling, Side};
use serde_json::json;

use files::{Files, Number};
use reference::Reference;

const TEXTS: [&str; 5] = [
    "the river rises in may",
    "a boat",
    "The lease ends; the river rises, the river rises in the lease of a boat",
    "unheard of",
    "may",
];

/// How far sums in 32 bits may be from sums in 64.
const NEAR: f64 = 1e-5;

fn load(directory: &Path) -> Model {
    Model::load(directory, Bounds::default()).unwrap()
}

fn texts() -> Vec<String> {
    TEXTS.map(str::to_owned).to_vec()
}

fn assert_near(got: &[f32], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((f64::from(*got) - expected).abs() < NEAR, "{what}: {got} where {expected} is right");
    }
}

#[test]
fn vectors_are_those_of_a_plain_computation() {
    let cases = [
        (Family::Bert, Activation::Gelu, Pooling::Mean, ""),
        (Family::Bert, Activation::Relu, Pooling::Max, "bert."),
        (Family::Roberta, Activation::GeluTanh, Pooling::First, "roberta."),
        (Family::Roberta, Activation::Gelu, Pooling::Mean, ""),
    ];
    for (family, activation, pooling, prefix) in cases {
        let files = Files { family, activation, pooling, prefix, ..Files::default() };
        let directory = files.write();
        let (model, reference) = (load(directory.path()), Reference::new(&files));
        let vectors = model.embed(Side::Document, &texts()).unwrap();
        for (text, vector) in TEXTS.iter().zip(&vectors) {
            assert_near(vector, &reference.embed(text), &format!("{text:?} by {files:?}"));
        }
    }
}

#[test]
fn weights_of_half_the_width_are_read() {
    let files = Files { number: Number::Brain16, ..Files::default() };
    let (directory, reference) = (files.write(), Reference::new(&files));
    let vectors = load(directory.path()).embed(Side::Query, &texts()).unwrap();
    assert_near(&vectors[2], &reference.embed(TEXTS[2]), "half as wide");
}

#[test]
fn company_changes_nothing_and_each_is_of_length_one() {
    let directory = Files::default().write();
    let together = load(directory.path()).embed(Side::Document, &texts()).unwrap();
    let alone = Model::load(directory.path(), Bounds { threads: 1, batch_tokens_max: 1, ..Bounds::default() }).unwrap();
    for (text, vector) in texts().into_iter().zip(&together) {
        let single = alone.embed(Side::Document, &[text]).unwrap().remove(0);
        assert!(single.iter().zip(vector).all(|(a, b)| (a - b).abs() < 1e-6));
        assert!((vector.iter().map(|number| number * number).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn what_a_model_cannot_take_is_cut_off() {
    let files = Files { tokens_max: 8, ..Files::default() };
    let (directory, reference) = (files.write(), Reference::new(&files));
    let model = load(directory.path());
    let long = "the river rises in may the lease ends a boat rises".to_owned();
    let vectors = model.embed(Side::Document, &[long, "the river rises in may".to_owned()]).unwrap();
    assert_near(&vectors[0], &reference.embed("the river rises in may"), "six tokens between the frame");
    assert!(vectors[0].iter().zip(&vectors[1]).all(|(a, b)| (a - b).abs() < 1e-6));

    let short = Model::load(directory.path(), Bounds { text_characters_max: 9, ..Bounds::default() }).unwrap();
    let vectors = short.embed(Side::Document, &["the river rises".to_owned()]).unwrap();
    assert_near(&vectors[0], &reference.embed("the river"), "nine characters");
}

#[test]
fn a_blank_text_says_nothing() {
    let directory = Files::default().write();
    let vectors = load(directory.path()).embed(Side::Document, &[" \n".to_owned(), "may".to_owned()]).unwrap();
    assert!(vectors[0].iter().all(|number| *number == 0.0) && vectors[0].len() == files::HIDDEN);
    assert!(vectors[1].iter().any(|number| *number != 0.0));
    assert!(load(directory.path()).embed(Side::Query, &[]).unwrap().is_empty());
}

#[test]
fn each_side_has_its_prompt() {
    let files = Files::default();
    let (directory, reference) = (files.write(), Reference::new(&files));
    let prompts = json!({"prompts": {"query": "a river ", "document": "the lease "}});
    fs::write(directory.path().join("config_sentence_transformers.json"), prompts.to_string()).unwrap();
    let model = load(directory.path());
    for (side, whole) in [(Side::Query, "a river rises"), (Side::Document, "the lease rises")] {
        let vector = model.embed(side, &["rises".to_owned()]).unwrap().remove(0);
        assert_near(&vector, &reference.embed(whole), whole);
    }
}

#[test]
fn the_checksum_tells_models_apart() {
    let checksum = |files: Files| load(files.write().path()).checksum();
    assert_eq!(checksum(Files::default()), checksum(Files::default()));
    assert_ne!(checksum(Files::default()), checksum(Files { seed: 2, ..Files::default() }));
    assert_ne!(checksum(Files::default()), checksum(Files { pooling: Pooling::First, ..Files::default() }));
}

/// What loading says once `change` was done to a directory that is right.
fn refusal(files: &Files, bounds: Bounds, change: impl FnOnce(&Path)) -> String {
    let directory = files.write();
    change(directory.path());
    let shown = Model::load(directory.path(), bounds).err().expect("it should be refused").to_string();
    shown.replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn what_is_wrong_is_told_with_its_file() {
    let files = Files::default();
    let usual = Bounds::default();
    let gone = |name: &'static str| move |directory: &Path| fs::remove_file(directory.join(name)).unwrap();
    let written =
        |name: &'static str, text: &'static str| move |directory: &Path| fs::write(directory.join(name), text).unwrap();
    let weights = "model.safetensors: ";
    let cases = [
        (refusal(&files, usual, gone("tokenizer.json")), "tokenizer.json: it is missing".to_owned()),
        (refusal(&files, usual, written("tokenizer.json", "{}")), "tokenizer.json: it holds no tokenizer".to_owned()),
        (refusal(&files, usual, gone("model.safetensors")), format!("{weights}it is missing; it holds the weights")),
        (refusal(&files, usual, written("model.safetensors", "nothing")), format!("{weights}it holds no weights")),
        (refusal(&files, Bounds { weights_bytes_max: 99, ..usual }, |_| {}), format!("{weights}it has ")),
        (refusal(&Files { prefix: "gpt.", ..files.clone() }, usual, |_| {}), format!("{weights}it has no embeddings.word")),
        (refusal(&Files { told_layers: 3, ..files.clone() }, usual, |_| {}), format!("{weights}its weights are not those")),
        (refusal(&Files { told_vocabulary: 5, ..files.clone() }, usual, |_| {}), "tokenizer.json: it knows a token".to_owned()),
    ];
    for (said, expected) in cases {
        assert!(said.starts_with(&expected), "{said:?} should begin with {expected:?}");
    }
    let old = refusal(&files, usual, |directory| {
        fs::rename(directory.join("model.safetensors"), directory.join("pytorch_model.bin")).unwrap();
    });
    assert!(old.contains("save the model as safetensors"), "{old}");
    let not_finite = refusal(&Files { scale: f32::INFINITY, ..files }, usual, |_| {});
    assert!(not_finite.ends_with("(NaN or infinite)"), "{not_finite}");
}
