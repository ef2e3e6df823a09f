use insula_model::{Operation, Timestamp, Window};
use proptest::prelude::*;

use super::{
    super::lines::{Charged, LineKey},
    *,
};

const MODELS: [&str; 3] = ["small", "large", "other"];

fn price(model: &str, factor: u64) -> Price {
    let unit = factor * MODELS.iter().position(|known| *known == model).map_or(1, |n| 10_u64.pow(n as u32));
    Price {
        input_pico: 1_000 * unit,
        cache_read_pico: 100 * unit,
        cache_write_pico: 1_250 * unit,
        cache_write_1h_pico: 2_000 * unit,
        output_pico: 2_001 * unit,
    }
}

fn line(model: &str, cause: Cause, tokens: TokenCounts, price: Price) -> Line {
    let amount = price.sum(&tokens);
    let operation = if cause == Cause::Embedding { Operation::Embeddings } else { Operation::Chat };
    let price_row = format!("sim/{model}@{}", price.input_pico);
    Line {
        key: LineKey { model: model.to_owned(), operation, cause, plan: None, price_row, is_sold: false },
        span: Window::Month.span(Timestamp::default()),
        rates: Some(price),
        charged: Charged { attempts: 1, tokens, amount, cost: amount, ..Charged::default() },
    }
}

/// A bill whose base attempts are `base`, with a retry and a repair.
fn bill(base: &[(&str, TokenCounts)], retry: u64, repair: u64, factor: u64) -> Vec<Line> {
    let base = base.iter().map(|(model, tokens)| line(model, Cause::Base, *tokens, price(model, factor)));
    let other = |cause, input| {
        line("small", cause, TokenCounts { input, output: 2 * input, ..TokenCounts::default() }, price("small", factor))
    };
    base.chain([other(Cause::Retry, retry), other(Cause::Repair, repair)]).collect()
}

fn total(lines: &[Line]) -> Money {
    lines.iter().map(|line| line.charged.amount).sum()
}

/// The drivers that moved anything.
fn moved(bridge: &Bridge) -> Vec<Driver> {
    bridge.parts.iter().filter(|(_, part)| *part != Money::ZERO).map(|(driver, _)| *driver).collect()
}

/// Whether the bridge is exact and nothing but `only` moved.
fn only(old: &[Line], new: &[Line], only: Driver) -> Result<(), TestCaseError> {
    let bridge = Bridge::between(old, new);
    prop_assert_eq!((bridge.from, bridge.to), (total(old), total(new)));
    let wanted = if total(old) == total(new) { vec![] } else { vec![only] };
    prop_assert_eq!(moved(&bridge), wanted);
    Ok(())
}

fn tokens() -> impl Strategy<Value = TokenCounts> {
    let count = 1_u64..2_000_000_000;
    let parts = (count.clone(), count.clone(), count.clone(), count.clone(), count.clone(), count);
    parts.prop_map(|(input, cache_read, cache_write, cache_write_1h, output, reasoning)| TokenCounts {
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        output,
        reasoning,
    })
}

fn any_line() -> impl Strategy<Value = Line> {
    let parts = (0..MODELS.len(), 0..Cause::ALL.len(), tokens(), 1_u64..9, 0_u64..4, -50_000_i128..50_000);
    parts.prop_map(|(model, cause, tokens, factor, kind, beside)| {
        let mut line = line(MODELS[model], Cause::ALL[cause], tokens, price(MODELS[model], factor));
        match kind {
            // An estimate, a row that no book has, and an attempt of which nothing is known but its reservation.
            0 => line.charged.amount += Money::from_pico(beside),
            1 => line.rates = None,
            2 => line.charged.tokens = TokenCounts::default(),
            _ => {}
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_parts_add_up_to_the_difference(
        old in proptest::collection::vec(any_line(), 0..12), new in proptest::collection::vec(any_line(), 0..12),
    ) {
        let bridge = Bridge::between(&old, &new);
        prop_assert_eq!((bridge.from, bridge.to), (total(&old), total(&new)));
        let parts: Money = bridge.parts.iter().map(|(_, part)| *part).sum();
        prop_assert_eq!(parts, bridge.difference());
        prop_assert_eq!(bridge.parts.len(), Driver::ALL.len());
        prop_assert_eq!(moved(&Bridge::between(&old, &old)), vec![]);
    }

    #[test]
    fn what_did_not_change_moves_nothing(small in tokens(), large in tokens(), n in 1_u64..1_000_000, times in 2_u64..9) {
        let base = [("small", small), ("large", large)];
        let old = bill(&base, n, n, 1);
        only(&old, &bill(&base, n, n, times), Driver::Price)?;
        only(&old, &bill(&base, n * times, n, 1), Driver::Retries)?;
        only(&old, &bill(&base, 0, n, 1), Driver::Retries)?;
        only(&old, &bill(&base, n, n * times, 1), Driver::Repairs)?;
        only(&old, &bill(&base[..1], n, n, 1), Driver::GoneModels)?;
        only(&bill(&base[..1], n, n, 1), &old, Driver::NewModels)?;

        let more = |tokens: TokenCounts| TokenCounts {
            input: tokens.input * times,
            cache_read: tokens.cache_read * times,
            cache_write: tokens.cache_write * times,
            cache_write_1h: tokens.cache_write_1h * times,
            output: tokens.output * times,
            reasoning: tokens.reasoning * times,
        };
        only(&old, &bill(&[("small", more(small)), ("large", more(large))], n, n, 1), Driver::Volume)?;
        let uncached = TokenCounts { input: small.input_total(), cache_read: 0, cache_write: 0, cache_write_1h: 0, ..small };
        only(&old, &bill(&[("small", uncached), ("large", large)], n, n, 1), Driver::Cache)?;
        only(&bill(&[("small", uncached), ("large", large)], n, n, 1), &old, Driver::Cache)?;
        let silent = |tokens: TokenCounts| TokenCounts { input: tokens.total(), ..TokenCounts::default() };
        let (one, other) = (silent(small), silent(large));
        let swapped = [("small", other), ("large", one)];
        only(&bill(&[("small", one), ("large", other)], n, n, 1), &bill(&swapped, n, n, 1), Driver::Mix)?;

        let mut estimated = old.clone();
        estimated[0].charged.amount += Money::from_pico(i128::from(n));
        only(&old, &estimated, Driver::Estimates)?;
    }
}

#[test]
fn two_bills_by_hand() {
    let tokens = |input| TokenCounts { input, ..TokenCounts::default() };
    // 100 tokens of each; then 300 and 100, small at twice its price, and 10 retried.
    let old = bill(&[("small", tokens(100)), ("large", tokens(100))], 0, 0, 1);
    let mut new = bill(&[("small", tokens(300)), ("large", tokens(100))], 0, 0, 1);
    new[0] = line("small", Cause::Base, tokens(300), price("small", 2));
    new.push(line("large", Cause::Retry, tokens(10), price("large", 1)));
    let bridge = Bridge::between(&old, &new);
    let part = |driver: Driver| bridge.parts.iter().find(|(known, _)| *known == driver).map(|(_, part)| part.pico());
    // Twice the tokens at the old mix: 200 and 200.
    assert_eq!(part(Driver::Volume), Some(100 * 1_000 + 100 * 10_000));
    assert_eq!(part(Driver::Mix), Some(100 * 1_000 - 100 * 10_000));
    assert_eq!(part(Driver::Retries), Some(10 * 10_000));
    assert_eq!(part(Driver::Price), Some(300 * 1_000));
    assert_eq!(moved(&bridge), [Driver::Volume, Driver::Mix, Driver::Retries, Driver::Price]);
    assert_eq!(bridge.difference().pico(), 600_000);
}
