//! Translation, shown as files: what goes out and what comes back, beside what it becomes.

use std::{fs, path::PathBuf};

use insula_model::{Operation, Timestamp, TokenCounts};
use insula_providers::{
    ChatRequest, ModelCard, OutputLimitField, PriceBook, ProviderSettings, Providers, SendFailure, Sent, Viewer, Wire,
};

use crate::{
    server::{ATTEMPT, Server, answer, chunk, end, outbound, stream_head},
    stream::collect,
};

pub fn read(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", name].iter().collect();
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn card(field: OutputLimitField) -> ModelCard {
    let field = field.name();
    let book = format!(
        r#"[[models]]
        provider = "gold"
        name = "gold"
        aliases = ["gold-alias"]
        upstream_model = "gold-2026-01-01"
        operations = ["chat"]
        output_tokens_max = 1000
        output_limit_field = "{field}"
        prices = [{{ effective_from = 2026-01-01, input = "1", output = "2", source = "test", checked = 2026-01-01 }}]"#
    );
    let book = PriceBook::parse(&book, "golden").unwrap();
    let providers = Providers::new(vec![ProviderSettings::new("gold", "http://127.0.0.1/v1")], book).unwrap();
    let now = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
    providers.candidates("gold-alias", Operation::Chat, now, &Viewer::default()).unwrap()[0].card.as_ref().clone()
}

#[test]
fn requests_become_their_wire_form() {
    use OutputLimitField::{MaxCompletionTokens, MaxTokens};
    for (case, field, limit) in [
        ("plain", MaxTokens, Some(100)),
        ("pretty", MaxTokens, Some(50)),
        ("pretty", MaxTokens, None),
        ("stream", MaxTokens, Some(64)),
        ("stream_bare", MaxTokens, Some(64)),
        ("reasoning", MaxCompletionTokens, Some(50)),
        ("reasoning", MaxCompletionTokens, None),
        ("both_limits", MaxTokens, Some(40)),
        ("tools", MaxTokens, None),
    ] {
        let request = ChatRequest::parse(read(&format!("{case}.request.json")).into()).unwrap();
        let wire = request.upstream_body(&card(field), Wire::ChatCompletions, limit, None).unwrap();
        assert_eq!(String::from_utf8(wire.to_vec()).unwrap(), read(&format!("{case}.wire.json")), "{case}");
    }
}

#[test]
fn what_only_deepseek_knows_goes_along() {
    let body = r#"{"model":"gold","messages":[{"role":"user","content":"hi"},{"role":"assistant","reasoning_content":"Hm.","content":"Hi."}],"thinking":{"type":"disabled"},"max_tokens":9}"#;
    let request = ChatRequest::parse(body.into()).unwrap();
    let wire = request.upstream_body(&card(OutputLimitField::MaxTokens), Wire::ChatCompletions, None, None).unwrap();
    assert_eq!(String::from_utf8(wire.to_vec()).unwrap(), body.replace("\"gold\"", "\"gold-2026-01-01\""));
}

/// Clients of Vercel's AI SDK read `choices` of every chunk.
#[test]
fn every_chunk_has_choices() {
    for case in ["openai", "deepseek", "azure", "vllm", "ollama", "odd"] {
        let told = read(&format!("{case}.client.txt"));
        assert!(told.lines().filter(|line| line.starts_with("data: {")).all(|line| line.contains(r#""choices":["#)), "{case}");
    }
}

#[tokio::test]
async fn answers_are_counted_and_pass_unchanged() {
    let counts = |input, cache_read, output, reasoning| {
        Some(TokenCounts { input, cache_read, cache_write: 0, cache_write_1h: 0, output, reasoning })
    };
    for (case, model, fingerprint, usage) in [
        ("openai", "gpt-5-2025-08-07", None, counts(86, 1_920, 108, 192)),
        ("deepseek", "deepseek-flash", Some("fp_eaab8d114b"), counts(16, 64, 10, 30)),
        ("vllm", "meta-llama/Llama-3.1-8B-Instruct", None, counts(36, 0, 3, 0)),
        ("gemini", "gemini-2.5-flash", None, counts(5, 0, 3, 23)),
        ("embeddings", "text-embedding-3-small", None, counts(8, 0, 0, 0)),
        ("zero_usage", "m", None, None),
    ] {
        let body = read(&format!("{case}.answer.json"));
        let server = Server::always(vec![answer("200 OK", "", &body)]).await;
        let sent = server.provider().chat(ATTEMPT, outbound(b"{}", false, false)).await;
        let Ok(Sent::Json(answer)) = sent else { panic!("{case}: {sent:?}") };
        assert_eq!(answer.body, body, "{case}");
        assert_eq!(answer.usage, usage, "{case}");
        assert_eq!((answer.model.as_deref(), answer.fingerprint.as_deref()), (Some(model), fingerprint), "{case}");
    }
}

#[tokio::test]
async fn streams_become_what_the_client_asked_for() -> Result<(), SendFailure> {
    let counts = |input, cache_read, output, reasoning| {
        Some(TokenCounts { input, cache_read, cache_write: 0, cache_write_1h: 0, output, reasoning })
    };
    for (case, usage, output_bytes) in [
        ("openai", counts(4, 16, 3, 2), 9),
        ("deepseek", counts(12, 0, 3, 6), 9),
        // What its filters found comes in chunks of their own, before and between those of the model.
        ("azure", counts(9, 0, 2, 0), 5),
        ("vllm", counts(12, 0, 7, 0), 8),
        ("ollama", counts(26, 0, 3, 0), 5),
        ("odd", counts(3, 0, 4, 0), 3),
    ] {
        let sent = read(&format!("{case}.stream.txt"));
        let server = Server::always(vec![stream_head(), chunk(&sent), end()]).await;
        for include_usage in [false, true] {
            let seen = collect(&server.provider(), include_usage).await?;
            assert!(seen.finished && seen.error.is_none(), "{case}");
            assert_eq!((seen.usage, seen.output_bytes), (usage, output_bytes), "{case}");
            if !include_usage {
                assert_eq!(seen.text(), read(&format!("{case}.client.txt")), "{case}");
            } else if case == "openai" {
                assert_eq!(seen.text(), sent);
            }
        }
    }
    Ok(())
}
