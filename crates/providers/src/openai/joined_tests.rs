use insula_model::ErrorKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn request(body: &str) -> EmbeddingsRequest {
    EmbeddingsRequest::parse(body.to_owned().into()).unwrap()
}

fn asking(input: &Value) -> EmbeddingsRequest {
    request(&json!({"model": "m", "dimensions": 2, "input": input}).to_string())
}

fn joined(inputs: &[Value]) -> Joined {
    Joined::join(&inputs.iter().map(asking).collect::<Vec<_>>()).unwrap()
}

/// What a provider says to a request: vectors that tell their inputs apart, one token for four bytes, in whatever order.
fn answer(request: &EmbeddingsRequest, backwards: bool) -> String {
    let fields = fields(request);
    let inputs = Inputs::of(&fields);
    let vector = |(index, input): (usize, &&RawValue)| {
        let of = input.get().bytes().map(u64::from).sum::<u64>();
        format!(r#"{{"object":"embedding","index":{index},"embedding":[{of},-0.5e-3]}}"#)
    };
    let mut data: Vec<String> = inputs.each.iter().enumerate().map(vector).collect();
    if backwards {
        data.reverse();
    }
    let (data, tokens) = (data.join(","), inputs.tokens());
    format!(
        r#"{{"object":"list","data":[{data}],"model":"m-1","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}},"x":[1]}}"#
    )
}

#[test]
fn what_is_alike_joins() {
    let one = request(r#"{"model":"m","input":"a","user":"u","dimensions":8}"#);
    for alike in [
        r#"{"dimensions":8,"model":"m","user":"u","input":["b","c"]}"#,
        r#" { "model" : "m" , "input" : [ "b" ] , "user" : "u" , "dimensions" : 8 } "#,
    ] {
        assert_eq!(request(alike).likeness(), one.likeness(), "{alike}");
    }
    for other in [
        r#"{"model":"n","input":"a","user":"u","dimensions":8}"#,
        r#"{"model":"m","input":"a","user":"v","dimensions":8}"#,
        r#"{"model":"m","input":"a","user":"u","dimensions":9}"#,
        r#"{"model":"m","input":"a","user":"u"}"#,
        r#"{"model":"m","input":"a","user":"u","dimensions":8,"encoding_format":"base64"}"#,
        r#"{"model":"m","input":[1],"user":"u","dimensions":8}"#,
    ] {
        assert_ne!(request(other).likeness(), one.likeness(), "{other}");
        let error = Joined::join(&[one.clone(), request(other)]).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Internal);
    }
    assert_eq!(request(r#"{"model":"m","input":[1,2]}"#).likeness(), request(r#"{"model":"m","input":[[3],[4]]}"#).likeness());
    assert!(Joined::join(&[]).is_err());
}

#[test]
fn inputs_stand_behind_each_other() {
    let body = |inputs: &[Value]| String::from_utf8(joined(inputs).request().raw().to_vec()).unwrap();
    let texts = body(&[json!("a\"\n"), json!(["b", ""]), json!("c")]);
    assert_eq!(texts, r#"{"model":"m","dimensions":2,"input":["a\"\n","b","","c"]}"#);
    let tokens = body(&[json!([1, 2]), json!([[3], [4, 5]])]);
    assert_eq!(tokens, r#"{"model":"m","dimensions":2,"input":[[1,2],[3],[4,5]]}"#);
}

#[test]
fn no_more_join_than_one_request_may_have() {
    let (most, one) = (json!(vec!["a"; 2_047]), json!("b"));
    assert_eq!(joined(&[most.clone(), one.clone()]).request().input.messages, 2_048);
    let error = Joined::join(&[most, one.clone(), one].map(|input| asking(&input))).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Invalid);
}

#[test]
fn an_answer_that_leaves_a_doubt_is_none() {
    let joined = joined(&[json!("a"), json!(["b", "c"])]);
    let right = answer(joined.request(), true);
    assert!(joined.split(right.as_bytes()).is_ok());
    joined.request().check_answer(right.as_bytes()).unwrap();
    let wrong = [
        right.replace(r#""index":1"#, r#""index":2"#),
        right.replace(r#""index":1"#, r#""index":3"#),
        right.replace(r#""index":1"#, r#""index":-1"#),
        right.replace(r#""index":1"#, r#""index":"1""#),
        right.replace(r#""index":1,"#, ""),
        right.replace(r#"{"object":"embedding","index":1,"#, r#"{"object":"embedding","index":1,"embedding":[]},{"#),
        right.replace(r#""data":["#, r#""data":[{"index":3,"embedding":[]},"#),
        right.replace(r#""data""#, r#""vectors""#),
        right.replace("[", "").replace("]", ""),
        answer(&asking(&json!("a")), false),
        "[]".to_owned(),
        String::new(),
    ];
    for wrong in wrong {
        let error = joined.split(wrong.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::ProviderFailed, "{wrong}");
        assert!(joined.request().check_answer(wrong.as_bytes()).is_err(), "{wrong}");
        // Callers who wrote their requests themselves get what the provider says.
        asking(&json!(["a", "b", "c"])).check_answer(wrong.as_bytes()).unwrap();
    }
}

#[test]
fn what_cannot_be_shared_out_is_said_to_nobody() {
    let joined = joined(&[json!("a"), json!("b")]);
    let answer = r#"{"data":[{"index":0},{"index":1}],"usage":[1]}"#;
    assert_eq!(joined.split(answer.as_bytes()).unwrap(), [r#"{"data":[{"index":0}]}"#; 2]);
    let answer = r#"{"usage":null,"data":[{"index":1,"a":1},{"index":0}]}"#;
    assert_eq!(joined.split(answer.as_bytes()).unwrap()[1], r#"{"usage":null,"data":[{"index":0,"a":1}]}"#);
}

fn any_texts() -> impl Strategy<Value = Value> {
    prop_oneof![".{1,20}".prop_map(Value::from), prop::collection::vec(".{0,20}", 1..5).prop_map(Value::from)]
}

fn any_tokens() -> impl Strategy<Value = Value> {
    let tokens = || prop::collection::vec(any::<u32>(), 1..8);
    prop_oneof![tokens().prop_map(Value::from), prop::collection::vec(tokens(), 1..5).prop_map(Value::from)]
}

fn any_requests() -> impl Strategy<Value = Vec<Value>> {
    prop_oneof![prop::collection::vec(any_texts(), 1..20), prop::collection::vec(any_tokens(), 1..20)]
}

proptest! {
    /// Each gets what it would have got alone, to the byte.
    #[test]
    fn split_undoes_join(inputs in any_requests(), backwards in any::<bool>()) {
        let joined = joined(&inputs);
        let split = joined.split(answer(joined.request(), backwards).as_bytes()).unwrap();
        let alone: Vec<String> = inputs.iter().map(|input| answer(&asking(input), false)).collect();
        prop_assert_eq!(split, alone);
    }

    /// Whatever the provider counted, the parts add up to it.
    #[test]
    fn usage_adds_up(inputs in any_requests(), total in any::<u64>(), cached in any::<u64>()) {
        let joined = joined(&inputs);
        let data: Vec<Value> = (0..joined.request().input.messages).map(|index| json!({"index": index})).collect();
        let usage = json!({"prompt_tokens": total, "details": {"cached_tokens": cached}});
        let said = json!({"data": data, "usage": usage}).to_string();
        let (mut sum, mut cached_sum) = (0, 0);
        for part in joined.split(said.as_bytes()).unwrap() {
            let part: Value = serde_json::from_slice(&part).unwrap();
            sum += u128::from(part["usage"]["prompt_tokens"].as_u64().unwrap());
            cached_sum += u128::from(part["usage"]["details"]["cached_tokens"].as_u64().unwrap());
        }
        prop_assert_eq!((sum, cached_sum), (u128::from(total), u128::from(cached)));
    }
}
