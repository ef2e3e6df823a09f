//! `/v1/moderations`.

use serde_json::{Value, json};

use super::{post, start};
use crate::{Fault, FaultKind, Scenario};

const PATH: &str = "/v1/moderations";

fn ask(input: Value) -> Value {
    json!({"model": "sim-moderation", "input": input})
}

#[tokio::test]
async fn a_category_is_flagged_where_it_is_named() {
    let simulator = start(Scenario::default());
    let answer = post(&simulator, PATH, &ask(json!(["good morning", "Harassment/Threatening", "some VIOLENCE"]))).await.json();
    assert!(answer["id"].as_str().unwrap().starts_with("modr-sim-"));
    assert_eq!(answer["model"], "sim-moderation");
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.iter().map(|one| one["flagged"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true, true]);
    let flagged = |result: &Value| {
        let categories = result["categories"].as_object().unwrap().iter();
        categories.filter(|(_, flag)| **flag == json!(true)).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(flagged(&results[1]), ["harassment", "harassment/threatening"]);
    assert_eq!(flagged(&results[2]), ["violence"]);
    for result in results {
        for (category, score) in result["category_scores"].as_object().unwrap() {
            let is_high = score.as_f64().unwrap() >= 0.9;
            assert_eq!(result["categories"][category], json!(is_high), "{category}");
            assert_eq!(result["category_applied_input_types"][category], json!(["text"]));
        }
    }
    // Nothing is counted.
    assert_eq!((simulator.requests()[0].usage.clone(), answer.get("usage")), (Some(Value::Null), None));
}

#[tokio::test]
async fn parts_are_judged_together_and_images_by_some_categories() {
    let simulator = start(Scenario::default());
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let parts = json!([{"type": "text", "text": "look"}, image("https://example.org/violence.png")]);
    let answer = post(&simulator, PATH, &ask(parts)).await.json();
    let [result] = answer["results"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&result["flagged"], &result["categories"]["violence"]), (&json!(true), &json!(true)));
    assert_eq!(result["category_applied_input_types"]["violence"], json!(["text", "image"]));
    assert_eq!(result["category_applied_input_types"]["hate"], json!(["text"]));
    let alone = post(&simulator, PATH, &ask(json!([image("data:image/png;base64,hate")]))).await.json();
    let result = &alone["results"][0];
    assert_eq!((&result["flagged"], &result["category_scores"]["hate"]), (&json!(false), &json!(0.0)));
    assert_eq!(result["category_applied_input_types"]["hate"], json!([]));
}

#[tokio::test]
async fn the_same_is_judged_the_same_and_what_is_wrong_is_refused() {
    let simulator = start(Scenario::default());
    let twice =
        [post(&simulator, PATH, &ask(json!("hello"))).await.json(), post(&simulator, PATH, &ask(json!("hello"))).await.json()];
    assert_eq!(twice[0]["results"], twice[1]["results"]);
    for (body, status) in [
        (json!({"model": "sim-moderation"}), 400),
        (ask(json!([])), 400),
        (ask(json!([{"type": "video"}])), 400),
        (json!({"input": "hello"}), 404),
    ] {
        assert_eq!(post(&simulator, PATH, &body).await.status.as_u16(), status, "{body}");
    }
    simulator.set_scenario(Scenario { faults: vec![Fault::new(FaultKind::MissingFields, 1.0)], ..Scenario::default() });
    let drifted = post(&simulator, PATH, &ask(json!("hello"))).await.json();
    assert_eq!((drifted.get("id"), drifted.get("model"), &drifted["results"]), (None, None, &twice[0]["results"]));
}
