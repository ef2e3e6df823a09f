//! Why one bill differs from another: a price-volume-mix analysis whose parts add up to the difference, to the picodollar.
//!
//! # Method
//! The standard analysis by sequential substitution. A bill is a function of a few factors: how many tokens, in which mix of
//! models, how much of the input from a cache, which models at all, what was retried, repaired and so on, and the prices. The
//! factors go from the old bill's values to the new bill's one after the other, in the order of [`Driver::ALL`]; what a
//! step moves is its driver's part. Each step starts where the one before ended, so the parts add up to the difference whatever a
//! step is worth, and a factor that did not change moves nothing.
//!
//! - *Volume, mix, cache* are about base attempts of models that both bills have. Volume moves their tokens of all classes
//!   together, at the old mix. Mix moves the shares of models and of input and output. Cache moves which part of a model's input
//!   was read from or written to the provider's cache.
//! - *New* and *gone* models are base attempts of models that only one bill has. What only one bill has is valued at that bill's
//!   prices throughout.
//! - *Retries, repairs, fallbacks, embeddings, evaluations* move the tokens of attempts with that cause.
//! - *Price* comes last, so it is measured at the new quantities. The price of a class is what its tokens cost on average over the
//!   bill's price rows; a class without tokens has the price of the row that was used. Of a row that is not in the price book
//!   only the average over all classes is known.
//! - *Estimates* is what was charged beside tokens times price: an attempt of which nothing was heard is charged what was
//!   reserved for it.
//!
//! Quantities and worths between the two bills are rarely whole: they are rounded down, model by model and class by class. What
//! a step loses by that is found again in the next, so a remainder of less than a picodollar for each model and class may stand
//! one driver late, and none is lost. At both ends nothing is rounded.

use std::collections::BTreeMap;

use insula_model::{Cause, Money, Price, TokenCounts};

use super::lines::Line;

/// What can make a bill differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Driver {
    /// More or fewer tokens.
    Volume,
    /// Other shares of models, and of input and output.
    Mix,
    /// More or less input through the provider's cache.
    Cache,
    /// Models that the old bill does not have.
    NewModels,
    /// Models that the new bill does not have any more.
    GoneModels,
    /// Attempts after a failure that may pass.
    Retries,
    /// Attempts after an answer that was not what was asked for.
    Repairs,
    /// Attempts at another provider.
    Fallbacks,
    /// Texts of requests that were embedded.
    Embeddings,
    /// Answers that were judged.
    Evaluations,
    /// Other prices.
    Price,
    /// What was charged by estimate.
    Estimates,
}

impl Driver {
    /// All of them, in the order in which they are moved.
    pub const ALL: [Driver; 12] = [
        Driver::Volume,
        Driver::Mix,
        Driver::Cache,
        Driver::NewModels,
        Driver::GoneModels,
        Driver::Retries,
        Driver::Repairs,
        Driver::Fallbacks,
        Driver::Embeddings,
        Driver::Evaluations,
        Driver::Price,
        Driver::Estimates,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Volume => "volume",
            Driver::Mix => "mix",
            Driver::Cache => "cache",
            Driver::NewModels => "new_models",
            Driver::GoneModels => "gone_models",
            Driver::Retries => "retries",
            Driver::Repairs => "repairs",
            Driver::Fallbacks => "fallbacks",
            Driver::Embeddings => "embeddings",
            Driver::Evaluations => "evaluations",
            Driver::Price => "price",
            Driver::Estimates => "estimates",
        }
    }

    /// The one that moves attempts of this cause; absent for base attempts, which several do.
    fn of(cause: Cause) -> Option<Driver> {
        match cause {
            Cause::Base => None,
            Cause::Retry => Some(Driver::Retries),
            Cause::Repair => Some(Driver::Repairs),
            Cause::Fallback => Some(Driver::Fallbacks),
            Cause::Embedding => Some(Driver::Embeddings),
            Cause::Evaluation => Some(Driver::Evaluations),
        }
    }
}

/// Why one bill differs from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The old bill.
    pub from: Money,
    /// The new one.
    pub to: Money,
    /// What each driver moved, all of them in the order of [`Driver::ALL`]: together `to` less `from`.
    pub parts: Vec<(Driver, Money)>,
}

impl Bridge {
    /// From one bill's lines to another's.
    pub fn between(old: &[Line], new: &[Line]) -> Self {
        let bills = Bills::of(old, new);
        let mut before = bills.worth(0);
        let from = before;
        let parts = Driver::ALL.into_iter().zip(1..).map(|(driver, moved)| {
            let after = bills.worth(moved);
            let part = after - before;
            before = after;
            (driver, part)
        });
        let parts = parts.collect();
        Self { from, to: before, parts }
    }

    /// What the bills differ by.
    pub fn difference(&self) -> Money {
        self.to - self.from
    }
}

/// Classes that can differ in price: input, cache read, cache write for minutes and for an hour, and output with reasoning.
const CLASSES: usize = 5;
const OUTPUT: usize = 4;
type Tokens = [i128; CLASSES];

/// A part of a whole.
#[derive(Clone, Copy)]
struct Ratio {
    part: i128,
    whole: i128,
}

impl Ratio {
    /// This part of `all`, rounded down.
    fn of(self, all: i128) -> i128 {
        if self.whole == 0 { 0 } else { all.saturating_mul(self.part) / self.whole }
    }
}

/// What one bill has of a model, operation and cause.
#[derive(Clone, Copy, Default)]
struct Side {
    tokens: Tokens,
    /// What the tokens of each class cost.
    worth: Tokens,
    /// A price for a class without tokens.
    listed: Tokens,
    /// What was charged beside that.
    rest: i128,
}

impl Side {
    fn add(&mut self, line: &Line) {
        let counts = &line.charged.tokens;
        let TokenCounts { input, cache_read, cache_write, cache_write_1h, .. } = *counts;
        let tokens = [input, cache_read, cache_write, cache_write_1h, counts.output_total()].map(i128::from);
        let (amount, whole) = (line.charged.amount.pico(), tokens.iter().sum());
        let rates = line.rates.map(|rates| {
            let Price { input_pico, cache_read_pico, cache_write_pico, cache_write_1h_pico, output_pico } = rates;
            [input_pico, cache_read_pico, cache_write_pico, cache_write_1h_pico, output_pico].map(i128::from)
        });
        self.listed = rates.unwrap_or([Ratio { part: 1, whole }.of(amount); CLASSES]);
        self.rest += amount;
        for (class, count) in tokens.into_iter().enumerate() {
            let worth = match rates {
                Some(rates) => count.saturating_mul(rates[class]),
                None => Ratio { part: count, whole }.of(amount),
            };
            self.tokens[class] += count;
            self.worth[class] += worth;
            self.rest -= worth;
        }
    }

    fn total(&self) -> i128 {
        self.tokens.iter().sum()
    }

    fn input(&self) -> i128 {
        self.tokens[..OUTPUT].iter().sum()
    }

    /// What these tokens cost at this bill's prices.
    fn price(&self, tokens: &Tokens) -> i128 {
        let price = |class: usize| match self.tokens[class] {
            0 => tokens[class].saturating_mul(self.listed[class]),
            whole => Ratio { part: self.worth[class], whole }.of(tokens[class]),
        };
        (0..CLASSES).map(price).sum()
    }

    /// So much input, as this bill has it fresh, from the cache and into it.
    fn input_classes(&self, input: i128) -> [i128; OUTPUT] {
        let share = |class: usize| Ratio { part: self.tokens[class], whole: self.input() }.of(input);
        let (read, write, write_1h) = (share(1), share(2), share(3));
        [input - read - write - write_1h, read, write, write_1h]
    }
}

/// The same model, operation and cause on both bills.
#[derive(Clone, Copy, Default)]
struct Item {
    sides: [Side; 2],
}

const OLD: usize = 0;
const NEW: usize = 1;

impl Item {
    fn has(&self, side: usize) -> bool {
        self.sides[side].total() > 0
    }

    fn is_on_both(&self) -> bool {
        self.has(OLD) && self.has(NEW)
    }

    /// The prices of a bill, or of the other where it has none.
    fn prices(&self, side: usize) -> &Side {
        if self.has(side) { &self.sides[side] } else { &self.sides[1 - side] }
    }
}

/// Two bills item by item.
struct Bills {
    items: BTreeMap<(usize, String, &'static str), (Cause, Item)>,
    /// Tokens of base attempts of models that both have.
    volumes: [i128; 2],
}

impl Bills {
    fn of(old: &[Line], new: &[Line]) -> Self {
        let mut items: BTreeMap<_, (Cause, Item)> = BTreeMap::new();
        for (side, lines) in [old, new].into_iter().enumerate() {
            for line in lines {
                let place = (line.key.cause as usize, line.key.model.clone(), line.key.operation.name());
                let item = items.entry(place).or_insert((line.key.cause, Item::default()));
                item.1.sides[side].add(line);
            }
        }
        let shared = |(cause, item): &&(Cause, Item)| *cause == Cause::Base && item.is_on_both();
        let volume = |side: usize| items.values().filter(shared).map(|(_, item)| item.sides[side].total()).sum();
        let volumes = [volume(OLD), volume(NEW)];
        Self { items, volumes }
    }

    /// The bill once the first `moved` drivers have the new bill's values.
    fn worth(&self, moved: usize) -> Money {
        let side = |driver: Driver| if (driver as usize) < moved { NEW } else { OLD };
        let worth = |(cause, item): &(Cause, Item)| {
            let tokens = match Driver::of(*cause) {
                Some(driver) => item.sides[side(driver)].tokens,
                None if item.is_on_both() => self.tokens(item, side),
                None if item.has(NEW) => item.sides[side(Driver::NewModels)].tokens,
                None => item.sides[side(Driver::GoneModels)].tokens,
            };
            item.prices(side(Driver::Price)).price(&tokens) + item.sides[side(Driver::Estimates)].rest
        };
        Money::from_pico(self.items.values().map(worth).sum())
    }

    /// The base tokens of a model that both bills have.
    fn tokens(&self, item: &Item, side: impl Fn(Driver) -> usize) -> Tokens {
        let volume = self.volumes[side(Driver::Volume)];
        let mix = side(Driver::Mix);
        let share = |part: i128| Ratio { part, whole: self.volumes[mix] }.of(volume);
        let of = &item.sides[mix];
        let [fresh, read, write, write_1h] = item.sides[side(Driver::Cache)].input_classes(share(of.input()));
        [fresh, read, write, write_1h, share(of.tokens[OUTPUT])]
    }
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
