//! The TOML of a price file, read with the line of every mistake.

use std::{num::NonZeroU32, sync::Arc};

use chrono::NaiveDate;
use insula_model::{Error, Operation, Price, Result, Timestamp};
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use super::{Entry, ModelCard, OutputLimitField, PriceBook, PriceRow};
use crate::{Capability, Pace, Tokenizer, settings::is_region};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    models: Vec<Spanned<Model>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    provider: Spanned<String>,
    name: Spanned<String>,
    upstream_model: Option<Spanned<String>>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    operations: Spanned<Vec<Operation>>,
    context_tokens_max: Option<u64>,
    #[serde(default)]
    output_tokens_max: u64,
    image_tokens_max: Option<u64>,
    #[serde(default)]
    template_tokens: u64,
    #[serde(default)]
    reasons_unseen: bool,
    tokenizer: Option<Tokenizer>,
    output_limit_field: Option<LimitField>,
    requests_per_second_max: Option<NonZeroU32>,
    tokens_per_minute_max: Option<NonZeroU32>,
    concurrency_max: Option<NonZeroU32>,
    region: Option<Spanned<String>>,
    capabilities: Option<Vec<Capability>>,
    snapshot: Option<Spanned<String>>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    tenants: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    prices: Vec<Spanned<Row>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitField {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    effective_from: Spanned<Datetime>,
    input: Spanned<String>,
    cache_read: Option<Spanned<String>>,
    cache_write: Option<Spanned<String>>,
    /// For an hour, where the vendor distinguishes; else what any write costs.
    cache_write_1h: Option<Spanned<String>>,
    output: Spanned<String>,
    source: Spanned<String>,
    checked: Spanned<Datetime>,
}

/// The text and what to call it, to point at a line.
struct Place<'a> {
    text: &'a str,
    name: &'a str,
}

impl Place<'_> {
    fn wrong(&self, offset: usize, what: &str) -> Error {
        let line = self.text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1;
        Error::invalid(format!("{}, line {line}: {what}", self.name))
    }
}

pub(super) fn parse(text: &str, name: &str) -> Result<PriceBook> {
    let place = Place { text, name };
    let file: File =
        toml::from_str(text).map_err(|error| place.wrong(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut entries: Vec<Entry> = Vec::with_capacity(file.models.len());
    for model in file.models {
        let start = model.span().start;
        let entry = entry(&place, model.into_inner(), start)?;
        let card = &entry.card;
        if let Some(twice) = names(card)
            .find(|name| entries.iter().any(|e| e.card.provider == card.provider && names(&e.card).any(|other| other == *name)))
        {
            let what = format!("`{twice}` of `{}` is already taken above; give each name or alias once", card.provider);
            return Err(place.wrong(start, &what));
        }
        entries.push(entry);
    }
    Ok(PriceBook { entries })
}

/// All names under which a model can be called.
fn names(card: &ModelCard) -> impl Iterator<Item = &str> {
    std::iter::once(card.name.as_str()).chain(card.aliases.iter().map(String::as_str))
}

fn entry(place: &Place<'_>, model: Model, start: usize) -> Result<Entry> {
    let provider = word(place, &model.provider)?;
    let name = word(place, &model.name)?;
    let upstream_model = model.upstream_model.as_ref().map_or(Ok(name.clone()), |text| word(place, text))?;
    let aliases = model.aliases.iter().map(|alias| word(place, alias)).collect::<Result<Vec<_>>>()?;
    let region = model.region.as_ref().map(|text| region(place, text)).transpose()?;
    let snapshot = model.snapshot.as_ref().map(|text| word(place, text)).transpose()?;
    let tags = model.tags.iter().map(|tag| word(place, tag)).collect::<Result<Vec<_>>>()?;
    if let Some(tenants) = model.tenants.as_ref().filter(|tenants| tenants.get_ref().is_empty()) {
        let what = "`tenants` is empty, so nobody could call it; name slugs or ids, or leave it out for everybody";
        return Err(place.wrong(tenants.span().start, what));
    }
    let operations = model.operations.get_ref().clone();
    if operations.is_empty() {
        let what = "`operations` is empty; say what the model does: [\"chat\"], [\"embeddings\"] or [\"moderations\"]";
        return Err(place.wrong(model.operations.span().start, what));
    }
    if operations.contains(&Operation::Chat) && model.output_tokens_max == 0 {
        let what = format!("`{name}` chats, so it needs `output_tokens_max`: the most tokens that one answer can have");
        return Err(place.wrong(start, &what));
    }
    let mut prices =
        model.prices.iter().map(|row| price_row(place, row.get_ref(), &provider, &name)).collect::<Result<Vec<_>>>()?;
    prices.sort_by_key(|row| row.effective_from);
    if let Some(twice) = prices.windows(2).find(|rows| rows[0].effective_from == rows[1].effective_from) {
        let what = format!("`{}` has two prices from the same day on; keep one", twice[0].id);
        return Err(place.wrong(start, &what));
    }
    let card = ModelCard {
        name,
        aliases,
        provider,
        upstream_model,
        operations,
        context_tokens_max: model.context_tokens_max,
        output_tokens_max: model.output_tokens_max,
        image_tokens_max: model.image_tokens_max,
        template_tokens: model.template_tokens,
        reasons_unseen: model.reasons_unseen,
        tokenizer: model.tokenizer,
        output_limit_field: match model.output_limit_field {
            None | Some(LimitField::MaxTokens) => OutputLimitField::MaxTokens,
            Some(LimitField::MaxCompletionTokens) => OutputLimitField::MaxCompletionTokens,
        },
        pace: Pace {
            requests_per_second: model.requests_per_second_max,
            tokens_per_minute: model.tokens_per_minute_max,
            concurrency: model.concurrency_max,
        },
        region,
        capabilities: model.capabilities,
        snapshot,
        tags,
        tenants: model.tenants.map(Spanned::into_inner),
    };
    Ok(Entry { card: Arc::new(card), prices })
}

fn price_row(place: &Place<'_>, row: &Row, provider: &str, model: &str) -> Result<Arc<PriceRow>> {
    let (effective_from, day) = date(place, &row.effective_from)?;
    let (_, checked) = date(place, &row.checked)?;
    let input_pico = amount(place, &row.input)?;
    let class = |text: &Option<Spanned<String>>| text.as_ref().map_or(Ok(input_pico), |text| amount(place, text));
    if row.source.get_ref().trim().is_empty() {
        return Err(place.wrong(row.source.span().start, "`source` is empty; say where the price was read"));
    }
    Ok(Arc::new(PriceRow {
        id: format!("{provider}/{model}@{day}"),
        effective_from,
        price: Price {
            input_pico,
            cache_read_pico: class(&row.cache_read)?,
            cache_write_pico: class(&row.cache_write)?,
            cache_write_1h_pico: class(if row.cache_write_1h.is_some() { &row.cache_write_1h } else { &row.cache_write })?,
            output_pico: amount(place, &row.output)?,
        },
        source: row.source.get_ref().clone(),
        checked,
    }))
}

/// A name as it may stand in a request: 1 to 256 characters that can be printed.
fn word(place: &Place<'_>, text: &Spanned<String>) -> Result<String> {
    let value = text.get_ref();
    if value.is_empty() || value.len() > 256 || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(place.wrong(text.span().start, "a name has 1 to 256 characters and no spaces"));
    }
    Ok(value.clone())
}

/// A region as tenants and providers are given one.
fn region(place: &Place<'_>, text: &Spanned<String>) -> Result<String> {
    if is_region(text.get_ref()) {
        return Ok(text.get_ref().clone());
    }
    Err(place.wrong(text.span().start, "a region has 1 to 63 of a-z, 0-9 and inner hyphens, such as `eu-central-1`"))
}

fn amount(place: &Place<'_>, text: &Spanned<String>) -> Result<u64> {
    Price::token_pico(text.get_ref()).map_err(|error| place.wrong(text.span().start, error.message()))
}

fn date(place: &Place<'_>, value: &Spanned<Datetime>) -> Result<(Timestamp, String)> {
    let datetime = value.get_ref();
    let day = datetime
        .date
        .filter(|_| datetime.time.is_none() && datetime.offset.is_none())
        .and_then(|d| NaiveDate::from_ymd_opt(i32::from(d.year), u32::from(d.month), u32::from(d.day)))
        .ok_or_else(|| place.wrong(value.span().start, "write a day without quotes and without a time: 2026-01-31"))?;
    let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
    Ok((Timestamp::from_micros(midnight.timestamp_micros()), day.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"[[models]]
provider = "vllm"
name = "llama"
aliases = ["llama-latest"]
operations = ["chat"]
output_tokens_max = 8192
output_limit_field = "max_tokens"
tokenizer = "o200k_base"
template_tokens = 24
reasons_unseen = true
concurrency_max = 8
region = "eu-central-1"
capabilities = ["tools", "json_schema"]
snapshot = "llama-2026-01-01"
tags = ["own"]
tenants = ["acme"]
[[models.prices]]
effective_from = 2026-01-01
input = "0.10"
output = "0.20"
source = "what the hardware costs us"
checked = 2026-01-01
"#;

    #[test]
    fn reads_every_field() {
        let book = parse(GOOD, "prices.toml").unwrap();
        let card = &book.entries[0].card;
        assert_eq!((card.template_tokens, card.tokenizer), (24, Some(Tokenizer::O200kBase)));
        assert!(card.reasons_unseen);
        assert_eq!(card.pace, Pace { concurrency: NonZeroU32::new(8), ..Pace::default() });
        assert_eq!(card.upstream_model, "llama");
        assert_eq!((card.region.as_deref(), card.snapshot.as_deref()), (Some("eu-central-1"), Some("llama-2026-01-01")));
        assert_eq!(card.lacks(&[Capability::Tools, Capability::Images]), Some(Capability::Images));
        assert_eq!(card.lacks(&[Capability::JsonSchema]), None);
        assert!(card.is_for(&["acme", "ten_1"]) && !card.is_for(&["globex"]));
        assert_eq!(card.tags, ["own"]);
        assert_eq!(book.entries[0].prices[0].id, "vllm/llama@2026-01-01");
    }

    #[test]
    fn mistakes_name_their_line_and_the_fix() {
        let cases = [
            ("output_tokens_max = 8192\n", "output_tokens_max = 8192\ncolour = 1\n", "line 7: unknown field `colour`"),
            ("input = \"0.10\"", "input = \"1e-3\"", "line 19: write money as a decimal string"),
            ("input = \"0.10\"", "input = \"0.0000001\"", "line 19: a price per million tokens has at most 6 decimals"),
            ("input = \"0.10\"", "input = 0.10", "line 19: invalid type: floating point"),
            ("effective_from = 2026-01-01", "effective_from = 2026-01-01T00:00:00Z", "line 18: write a day without quotes"),
            ("output_tokens_max = 8192\n", "", "line 1: `llama` chats, so it needs `output_tokens_max`"),
            ("[\"chat\"]", "[]", "line 5: `operations` is empty"),
            ("[\"chat\"]", "[\"paint\"]", "line 5: unknown variant `paint`"),
            ("o200k_base", "gpt2", "line 8: unknown variant `gpt2`"),
            ("\"llama\"", "\"lla ma\"", "line 3: a name has 1 to 256 characters"),
            ("what the hardware costs us", " ", "line 21: `source` is empty"),
            ("eu-central-1", "Frankfurt am Main", "line 12: a region has 1 to 63"),
            ("\"tools\"", "\"magic\"", "line 13: unknown variant `magic`"),
            ("[\"acme\"]", "[]", "line 16: `tenants` is empty"),
            ("[[models]]", "[[models", "line 1:"),
        ];
        for (from, to, says) in cases {
            let error = parse(&GOOD.replacen(from, to, 1), "prices.toml").unwrap_err();
            assert!(error.message().starts_with("prices.toml, ") && error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn names_are_unique_within_a_provider() {
        let error = parse(&format!("{GOOD}\n{}", GOOD.replace("\"llama\"", "\"llama-latest\"")), "p").unwrap_err();
        assert!(error.message().contains("line 24: `llama-latest` of `vllm` is already taken"), "{error}");
    }
}
