//! What vendors count, as recorded in `golden/usage/`, against the built-in price book: to the token and the picodollar.

use std::{fs, path::PathBuf, sync::Arc};

use insula_model::{Money, Operation, Timestamp, TokenCounts};
use insula_providers::{Asked, Dialect, Outbound, PriceBook, Providers, Room, Route, Sent, Vendor, Viewer};
use serde::Deserialize;
use serde_json::Value;

use crate::server::{ATTEMPT, Server, Step, answer, chunk, end, stream_head};

#[derive(Debug, Deserialize)]
struct Recorded {
    what: String,
    model: String,
    form: Form,
    answer: Value,
    tokens: Option<TokenCounts>,
    cost_usd: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Whole,
    Stream,
    Cut,
}

/// Each answer of this provider, by the name of its file.
fn recorded(provider: &str) -> Vec<(String, Recorded)> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", "usage", provider].iter().collect();
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let recorded = serde_json::from_str(&fs::read_to_string(path).unwrap());
        (path.display().to_string(), recorded.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    files.iter().map(read).collect()
}

/// What a server plays to give this answer.
fn script(vendor: Vendor, recorded: &Recorded) -> Vec<Step> {
    if recorded.form == Form::Whole {
        return vec![answer("200 OK", "", &recorded.answer.to_string())];
    }
    let mut steps = vec![stream_head()];
    steps.extend(recorded.answer.as_array().unwrap().iter().map(|event| match (vendor, event["type"].as_str()) {
        (Vendor::Anthropic, Some(kind)) => chunk(format!("event: {kind}\ndata: {event}\n\n")),
        _ => chunk(format!("data: {event}\n\n")),
    }));
    if recorded.form == Form::Stream && matches!(vendor, Vendor::OpenAi | Vendor::Azure) {
        steps.push(chunk("data: [DONE]\n\n"));
    }
    steps.push(end());
    steps
}

/// The route to `model` at a server that plays its part.
fn route(server: &Server, provider: &str, vendor: Vendor, model: &str) -> Route {
    let mut settings = server.settings();
    (settings.name, settings.vendor) = (provider.to_owned(), vendor);
    let providers = Providers::new(vec![settings], PriceBook::builtin().unwrap()).unwrap();
    let at = Timestamp::parse("2026-11-21T00:00:00Z").unwrap();
    providers.candidates(model, Operation::Chat, at, &Viewer::default()).unwrap().remove(0)
}

async fn counted(route: &Route, form: Form) -> Option<TokenCounts> {
    let asked = Asked {
        dialect: Dialect::ChatCompletions,
        stream: form != Form::Whole,
        include_usage: true,
        model: route.card.name.clone(),
        id: "1".to_owned(),
        created: 0,
        request: "{}".into(),
        editor: None,
    };
    let outbound = Outbound { body: "{}".into(), card: Arc::clone(&route.card), asked, key: None, room: Room::new(u64::MAX) };
    match route.provider.chat(ATTEMPT, outbound).await.unwrap() {
        Sent::Json(answer) => answer.usage,
        Sent::Stream(mut stream) => {
            while stream.next().await.is_some() {}
            assert_eq!(stream.finished(), form == Form::Stream);
            stream.usage()
        }
    }
}

#[tokio::test]
async fn what_vendors_count_is_billed_to_the_picodollar() {
    let vendors = [Vendor::OpenAi, Vendor::OpenAi, Vendor::Anthropic, Vendor::Gemini];
    for (provider, vendor) in ["openai", "deepseek", "anthropic", "gemini"].into_iter().zip(vendors) {
        for (file, recorded) in recorded(provider) {
            let what = format!("{file}: {}", recorded.what);
            let server = Server::always(script(vendor, &recorded)).await;
            let route = route(&server, provider, vendor, &recorded.model);
            let counted = counted(&route, recorded.form).await;
            assert_eq!(counted, recorded.tokens, "{what}");
            let cost = counted.map(|tokens| route.price_row.price.cost(&tokens).unwrap());
            let expected = recorded.cost_usd.map(|usd| Money::from_usd(&usd).unwrap());
            assert_eq!(cost, expected, "{what}");
        }
    }
}
