//! Every dialect of callers toward every form of providers.

use insula_model::{Money, Price, TokenCounts};
use insula_simulator::Scenario;
use insula_tests::{Node, Reply, TestTenant, amounts, config::ServeConfig, node::Setup, usd};
use serde_json::{Value, json};

/// Models by the form that their provider speaks, with what a million tokens cost: input, from the cache, output.
const MODELS: [(&str, [&str; 3]); 3] = [
    ("sim-small", ["1.00", "1.00", "2.00"]),
    ("claude-sim", ["4.00", "0.40", "20.00"]),
    ("gemini-sim", ["3.00", "0.30", "12.00"]),
];
const DIALECTS: [Dialect; 3] = [Dialect::Chat, Dialect::Responses, Dialect::Messages];

#[derive(Debug, Clone, Copy)]
enum Dialect {
    Chat,
    Responses,
    Messages,
}

impl Dialect {
    fn path(self) -> &'static str {
        match self {
            Dialect::Chat => "/v1/chat/completions",
            Dialect::Responses => "/v1/responses",
            Dialect::Messages => "/v1/messages",
        }
    }

    fn body(self, model: &str, said: Value, more: Value) -> Value {
        let mut body = match self {
            Dialect::Responses => json!({"model": model, "input": said}),
            Dialect::Chat | Dialect::Messages => json!({"model": model, "max_tokens": 2000, "messages": said}),
        };
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    /// What makes it a stream that tells its usage.
    fn streaming(self) -> Value {
        match self {
            Dialect::Chat => json!({"stream": true, "stream_options": {"include_usage": true}}),
            Dialect::Responses | Dialect::Messages => json!({"stream": true}),
        }
    }

    /// A function that must be called.
    fn tools(self) -> Value {
        match self {
            Dialect::Chat => {
                json!({"tools": [{"type": "function", "function": {"name": "weather", "parameters": city()}}], "tool_choice": "required"})
            }
            Dialect::Responses => {
                json!({"tools": [{"type": "function", "name": "weather", "parameters": city()}], "tool_choice": "required"})
            }
            Dialect::Messages => {
                json!({"tools": [{"name": "weather", "input_schema": city()}], "tool_choice": {"type": "any"}})
            }
        }
    }

    /// The wish for an answer by a schema.
    fn schema(self) -> Value {
        match self {
            Dialect::Chat => {
                json!({"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": city(), "strict": true}}})
            }
            Dialect::Responses => {
                json!({"text": {"format": {"type": "json_schema", "name": "place", "schema": city(), "strict": true}}})
            }
            Dialect::Messages => json!({"output_config": {"format": {"type": "json_schema", "schema": city()}}}),
        }
    }

    fn text(self, answer: &Value) -> String {
        let blocks = match self {
            Dialect::Chat => return answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
            Dialect::Responses => {
                answer["output"].as_array().unwrap().iter().flat_map(|item| item["content"].as_array()).flatten()
            }
            Dialect::Messages => return texts(answer["content"].as_array().unwrap()),
        };
        blocks.filter_map(|block| block["text"].as_str()).collect()
    }

    /// What the events of a stream say, and the usage that they tell.
    fn streamed(self, events: &[Value]) -> (String, [u64; 4]) {
        let texts = events.iter().filter_map(|event| match self {
            Dialect::Chat => event["choices"][0]["delta"]["content"].as_str(),
            Dialect::Responses => event["delta"].as_str().filter(|_| event["type"] == "response.output_text.delta"),
            Dialect::Messages => event["delta"]["text"].as_str(),
        });
        let usage = events.iter().rev().find_map(|event| match self {
            Dialect::Responses => Some(&event["response"]),
            Dialect::Chat | Dialect::Messages => event["usage"].is_object().then_some(event),
        });
        (texts.collect(), self.usage(usage.unwrap()))
    }

    /// Input as a whole and from the cache, output as a whole and thoughts.
    fn usage(self, answer: &Value) -> [u64; 4] {
        let count =
            |path: &str| answer["usage"].pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}: {answer}"));
        match self {
            Dialect::Chat => {
                let (cached, thoughts) =
                    ("/prompt_tokens_details/cached_tokens", "/completion_tokens_details/reasoning_tokens");
                ["/prompt_tokens", cached, "/completion_tokens", thoughts].map(count)
            }
            Dialect::Responses => {
                let (cached, thoughts) = ("/input_tokens_details/cached_tokens", "/output_tokens_details/reasoning_tokens");
                ["/input_tokens", cached, "/output_tokens", thoughts].map(count)
            }
            Dialect::Messages => {
                let (cached, thoughts) = ("/cache_read_input_tokens", "/output_tokens_details/thinking_tokens");
                let [fresh, cached, output, thoughts] = ["/input_tokens", cached, "/output_tokens", thoughts].map(count);
                [fresh + cached, cached, output, thoughts]
            }
        }
    }

    /// The conversation with the call that the answer makes, and what came of it; the call's name and arguments.
    fn called(self, answer: &Value) -> (Value, Value, Value) {
        let arguments = |text: &Value| serde_json::from_str(text.as_str().unwrap()).unwrap();
        match self {
            Dialect::Chat => {
                let said = &answer["choices"][0]["message"];
                let call = &said["tool_calls"][0];
                let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"});
                let function = &call["function"];
                (json!([user("Rome?"), said, result]), function["name"].clone(), arguments(&function["arguments"]))
            }
            Dialect::Responses => {
                let items = answer["output"].as_array().unwrap();
                let call = items.iter().find(|item| item["type"] == "function_call").unwrap();
                let result = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"});
                let said = [vec![user("Rome?")], items.clone(), vec![result]].concat();
                (Value::Array(said), call["name"].clone(), arguments(&call["arguments"]))
            }
            Dialect::Messages => {
                let blocks = answer["content"].as_array().unwrap();
                let call = blocks.iter().find(|block| block["type"] == "tool_use").unwrap();
                let result = json!([{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}]);
                let said =
                    json!([user("Rome?"), {"role": "assistant", "content": blocks}, {"role": "user", "content": result}]);
                (said, call["name"].clone(), call["input"].clone())
            }
        }
    }
}

fn city() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false})
}

fn user(said: &str) -> Value {
    json!({"role": "user", "content": said})
}

fn texts(blocks: &[Value]) -> String {
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

/// The data of each event, without the mark at the end.
fn events(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    text.lines().filter_map(|line| line.strip_prefix("data: ")).filter_map(|data| serde_json::from_str(data).ok()).collect()
}

async fn node() -> Node {
    Setup::default().serve(ServeConfig { with_vendors: true, ..ServeConfig::default() }).start().await
}

/// Each dialect with each model.
fn pairs() -> impl Iterator<Item = (Dialect, &'static str, [&'static str; 3])> {
    DIALECTS.into_iter().flat_map(|dialect| MODELS.into_iter().map(move |(model, prices)| (dialect, model, prices)))
}

async fn send(tenant: &TestTenant, dialect: Dialect, body: &Value) -> Reply {
    tenant.service.post(dialect.path(), body).await.expect(200)
}

#[tokio::test]
async fn every_pair_answers_streams_and_bills_to_the_token() {
    let node = node().await;
    node.scenario(Scenario { cached_tokens: 4, reasoning_tokens: 24, ..Scenario::default() });
    let tenant = node.tenant("pairs").await;
    tenant.set_monthly_budget(Money::from_usd("1").unwrap()).await;
    let said = "sixteen letters!, and forty letters more of it";
    let input = amounts::prompt_tokens(&[said]);
    let mut settled = Money::ZERO;
    for (dialect, model, prices) in pairs() {
        let whole = send(&tenant, dialect, &dialect.body(model, json!([user(said)]), json!({}))).await;
        let stream = send(&tenant, dialect, &dialect.body(model, json!([user(said)]), dialect.streaming())).await;
        let text = dialect.text(&whole.json());
        assert!(text.contains(said), "{dialect:?} {model}: {}", whole.text());
        let usage = dialect.usage(&whole.json());
        assert_eq!(usage, [input, 4, 64, 24], "{dialect:?} {model}");
        assert_eq!(dialect.streamed(&events(&stream)), (text, usage), "{dialect:?} {model}: {}", stream.text());

        let [fresh, cached, output] = prices.map(|price| Price::token_pico(price).unwrap());
        let price =
            Price { cache_read_pico: cached, input_pico: fresh, output_pico: output, ..Price::per_million("9", "9").unwrap() };
        let tokens = TokenCounts { input: input - 4, cache_read: 4, output: 40, reasoning: 24, ..TokenCounts::default() };
        let cost = price.cost(&tokens).unwrap();
        for reply in [whole, stream] {
            let attempt = tenant.request(reply.request_id()).await["attempts"][0].clone();
            assert_eq!(attempt["tokens"], serde_json::to_value(tokens).unwrap(), "{dialect:?} {model}");
            assert_eq!(usd(&attempt["cost_usd"]), cost, "{dialect:?} {model}");
            settled += cost;
        }
    }
    assert_eq!(tenant.settled().await, settled);
    assert_eq!(node.simulator().count(), 18);
    let proof = node.operator().get("/api/v1/ledger/verification").await.expect(200).json();
    assert_eq!(proof["mismatches"].as_array().map(Vec::len), Some(0), "{proof}");
}

#[tokio::test]
async fn functions_make_their_round_between_every_pair() {
    let node = node().await;
    let tenant = node.tenant("rounds").await;
    for (dialect, model, _) in pairs() {
        let asked = dialect.body(model, json!([user("Rome?")]), dialect.tools());
        let (said, name, arguments) = dialect.called(&send(&tenant, dialect, &asked).await.json());
        assert!(name == "weather" && arguments["city"].is_string(), "{dialect:?} {model}: {arguments}");
        let mut more = dialect.tools();
        more.as_object_mut().unwrap().remove("tool_choice");
        let answer = send(&tenant, dialect, &dialect.body(model, said, more)).await.json();
        assert!(!dialect.text(&answer).is_empty(), "{dialect:?} {model}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_keeps_to_its_schema_between_every_pair() {
    let node = node().await;
    let tenant = node.tenant("schemas").await;
    for (dialect, model, _) in pairs() {
        let asked = dialect.body(model, json!([user("Rome?")]), dialect.schema());
        let answer = send(&tenant, dialect, &asked).await.json();
        let place: Value = serde_json::from_str(&dialect.text(&answer)).unwrap_or_default();
        assert!(place["city"].is_string(), "{dialect:?} {model}: {answer}");
    }
}
