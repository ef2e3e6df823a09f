//! Directories that are right, and each way of being wrong.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

fn network() -> Value {
    json!({
        "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
        "vocab_size": 30, "max_position_embeddings": 64, "hidden_act": "gelu", "pad_token_id": 0
    })
}

fn directory(files: &[(&str, Value)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let file = directory.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content.to_string()).unwrap();
    }
    directory
}

fn read(files: &[(&str, Value)]) -> Result<Description, String> {
    let directory = directory(files);
    Description::read(directory.path()).map_err(|error| {
        let shown = error.to_string();
        shown.strip_prefix(&format!("{}/", directory.path().display())).unwrap_or(&shown).to_owned()
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Vec<(&'static str, Value)> {
    let mut config = network();
    change(&mut config);
    vec![("config.json", config)]
}

#[test]
fn a_bare_network_takes_the_mean_and_all_its_positions() {
    let read = read(&[("config.json", network())]).unwrap();
    assert_eq!((read.pooling, read.tokens_max, read.lowercase), (Pooling::Mean, 64, false));
    assert_eq!(read.prompts, Prompts::default());
}

#[test]
fn what_stands_beside_it_counts() {
    let modules = json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "2_Pool", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}
    ]);
    let files = [
        ("config.json", network()),
        ("modules.json", modules),
        ("2_Pool/config.json", json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})),
        ("sentence_bert_config.json", json!({"max_seq_length": 32, "do_lower_case": true})),
        ("config_sentence_transformers.json", json!({"prompts": {"query": "query: ", "passage": "passage: "}})),
    ];
    let read = read(&files).unwrap();
    assert_eq!((read.pooling, read.tokens_max, read.lowercase), (Pooling::First, 32, true));
    assert_eq!((read.prompts.query.as_str(), read.prompts.document.as_str()), ("query: ", "passage: "));
}

#[test]
fn positions_of_roberta_begin_behind_the_filling_token() {
    let read = read(&with(|config| {
        config["model_type"] = json!("xlm-roberta");
        config["pad_token_id"] = json!(1);
    }))
    .unwrap();
    assert_eq!((read.shape.first_position(), read.tokens_max), (2, 62));
}

#[test]
fn a_default_prompt_serves_both_sides() {
    let prompts = json!({"prompts": {"instruct": "Represent: "}, "default_prompt_name": "instruct"});
    let read = read(&[("config.json", network()), ("config_sentence_transformers.json", prompts)]).unwrap();
    assert_eq!((read.prompts.query.as_str(), read.prompts.document.as_str()), ("Represent: ", "Represent: "));
}

#[test]
fn each_mistake_names_its_file() {
    let network = |change: fn(&mut Value)| with(change);
    let beside = |name: &'static str, content: Value| {
        let mut files = with(|_| {});
        files.push((name, content));
        files
    };
    let cases = [
        (vec![], "config.json: it is missing"),
        (network(|config| config["model_type"] = json!("t5")), "config.json: model_type is \"t5\""),
        (
            network(|config| config["num_attention_heads"] = json!(3)),
            "config.json: hidden_size 8 cannot be divided among 3 heads",
        ),
        (network(|config| config["hidden_act"] = json!("swish")), "config.json: hidden_act is \"swish\""),
        (network(|config| config["hidden_size"] = json!("many")), "config.json: it is not what is expected"),
        (
            network(|config| config["num_hidden_layers"] = json!(100_000)),
            "config.json: hidden_size is 8 and num_hidden_layers 100000",
        ),
        (network(|config| config["pad_token_id"] = json!(30)), "config.json: pad_token_id 30"),
        (network(|config| config["max_position_embeddings"] = json!(7)), "config.json: max_position_embeddings is 7"),
        (network(|config| config["position_embedding_type"] = json!("relative_key")), "config.json: position_embedding_type"),
        (
            beside("sentence_bert_config.json", json!({"max_seq_length": 2})),
            "sentence_bert_config.json: max_seq_length leaves 2",
        ),
        (
            beside("modules.json", json!([{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])),
            "modules.json: it names a module \"Dense\"",
        ),
        (
            beside("modules.json", json!([{"path": "../else", "type": "models.Pooling"}])),
            "modules.json: \"../else\" is no directory",
        ),
        (
            beside("1_Pooling/config.json", json!({"pooling_mode_lasttoken": true})),
            "1_Pooling/config.json: it asks for pooling by [\"lasttoken\"]",
        ),
        (
            beside("1_Pooling/config.json", json!({"pooling_mode_mean_tokens": true, "include_prompt": false})),
            "1_Pooling/config.json: include_prompt",
        ),
    ];
    for (files, expected) in cases {
        let refused = read(&files).unwrap_err();
        assert!(refused.starts_with(expected), "{refused:?} should begin with {expected:?}");
    }
}
