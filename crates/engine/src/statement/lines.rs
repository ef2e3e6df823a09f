//! The lines of a bill: attempts that were charged alike, and the same attempts by other views.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::AddAssign,
};

use insula_model::{Cause, CredentialOwner, Money, Operation, Overhead, Price, TokenCounts, WindowSpan};
use insula_store::{ChargeRow, Sums};

use super::{attempts::ChargedAttempt, causes::CauseAmounts, sell::SellPrices};

/// What some attempts come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charged {
    /// Attempts.
    pub attempts: u64,
    /// How many of them are estimates.
    pub estimated: u64,
    /// Tokens by class.
    pub tokens: TokenCounts,
    /// What the tenant is charged.
    pub amount: Money,
    /// What the providers charge: not for a tenant's eyes where it differs.
    pub cost: Money,
    /// What of the tokens kept the tenant apart, and what of the amount is for them.
    pub isolation: Overhead,
    /// How much of the amount is of attempts by the tenant's own accounts at providers: a credit takes it off again.
    pub own_amount: Money,
    /// How much of the cost the tenant paid its providers itself.
    pub own_cost: Money,
}

impl Charged {
    /// What one attempt comes to, its count and tokens aside.
    pub fn of_attempt(attempt: &ChargedAttempt) -> Self {
        let sums = Sums { cost: attempt.row.end.cost, ..Sums::default() };
        charged(&sums, attempt.amount, attempt.isolation, attempt.row.begin.attribution.credential)
    }

    /// What the platform's accounts are charged by the providers.
    pub fn paid(&self) -> Money {
        self.cost - self.own_cost
    }

    /// What is left to the operator: of what is taken off again, and was not paid by it, nothing.
    pub fn margin(&self) -> Money {
        self.amount - self.own_amount - self.paid()
    }
}

impl AddAssign for Charged {
    fn add_assign(&mut self, other: Charged) {
        self.attempts += other.attempts;
        self.estimated += other.estimated;
        self.tokens += other.tokens;
        self.amount += other.amount;
        self.cost += other.cost;
        self.isolation += other.isolation;
        self.own_amount += other.own_amount;
        self.own_cost += other.own_cost;
    }
}

/// What a line's attempts have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LineKey {
    /// The model as the price book names it.
    pub model: String,
    /// What kind of call.
    pub operation: Operation,
    /// Why they were made.
    pub cause: Cause,
    /// Under which plan.
    pub plan: Option<String>,
    /// The row that priced them: of the plan's price table where they are sold, else of the price book.
    pub price_row: String,
    /// Whether they are charged by the plan's price table.
    pub is_sold: bool,
}

/// Attempts of one model, operation, cause and price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What they have in common.
    pub key: LineKey,
    /// A span in which nothing of the same model and plan is charged by another row.
    pub span: WindowSpan,
    /// The prices of the row, where it is known.
    pub rates: Option<Price>,
    /// What they come to.
    pub charged: Charged,
}

/// Attempts that are one in something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// In what; absent for those that have none.
    pub name: Option<String>,
    /// What they come to.
    pub charged: Charged,
}

/// All that was charged in a span. Every view adds up to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charges {
    /// By model, operation, cause and price.
    pub lines: Vec<Line>,
    /// By key; those of tenant tokens have none.
    pub by_key: Vec<Group>,
    /// By the value of a label, where one was asked for.
    pub by_tag: Option<Vec<Group>>,
}

impl Charges {
    /// Prices what the ledger says: `parts` are spans with their rows, no price changing within one; `rates` knows the price
    /// book's rows; `tag` is the name of a label.
    pub(super) fn of(
        parts: Vec<(WindowSpan, Vec<ChargeRow>)>,
        sell: &SellPrices,
        rates: impl Fn(&str) -> Option<Price>,
        tag: Option<&str>,
    ) -> Self {
        let mut lines: HashMap<LineKey, Line> = HashMap::new();
        let (mut by_key, mut by_tag) = (Groups::default(), Groups::default());
        for (span, row) in parts.into_iter().flat_map(|(span, rows)| rows.into_iter().map(move |row| (span, row))) {
            let ChargeRow { model, operation, price_row, cause, plan, key, credential, tags, sums } = row;
            let (sold, amount) = sell.charge(plan.as_deref(), &model, span.start, &sums.tokens, sums.cost);
            let isolation = sell.charge_isolation(plan.as_deref(), &model, span.start, &sums.isolation);
            let charged = charged(&sums, amount, isolation, credential);
            by_key.add(key.map(|key| key.to_string()), charged);
            by_tag.add(tag.and_then(|tag| tags.get(tag).cloned()), charged);
            let price_row = sold.map_or(price_row, |sold| sold.id());
            let key = LineKey { model, operation, cause, plan, price_row, is_sold: sold.is_some() };
            match lines.entry(key) {
                Entry::Occupied(line) => {
                    let line = line.into_mut();
                    line.span.end = span.end;
                    line.charged += charged;
                }
                Entry::Vacant(place) => {
                    let key = place.key().clone();
                    let rates = sold.map(|sold| sold.price()).or_else(|| rates(&key.price_row));
                    place.insert(Line { key, span, rates, charged });
                }
            }
        }
        let mut lines: Vec<Line> = lines.into_values().collect();
        lines.sort_by(|one, other| order(one).cmp(&order(other)));
        Self { lines, by_key: by_key.listed(), by_tag: tag.map(|_| by_tag.listed()) }
    }

    /// All together.
    pub fn total(&self) -> Charged {
        let mut total = Charged::default();
        self.lines.iter().for_each(|line| total += line.charged);
        total
    }

    /// By model.
    pub fn by_model(&self) -> Vec<Group> {
        self.grouped(|key| key.model.clone())
    }

    /// By kind of call.
    pub fn by_operation(&self) -> Vec<Group> {
        self.grouped(|key| key.operation.name().to_owned())
    }

    /// By why the attempts were made.
    pub fn by_cause(&self) -> CauseAmounts {
        self.lines.iter().map(|line| (line.key.cause, line.charged.amount)).collect()
    }

    fn grouped(&self, name: impl Fn(&LineKey) -> String) -> Vec<Group> {
        let mut groups = Groups::default();
        self.lines.iter().for_each(|line| groups.add(Some(name(&line.key)), line.charged));
        groups.listed()
    }
}

/// What some attempts come to that were made by one account at their provider.
fn charged(sums: &Sums, amount: Money, isolation: Overhead, credential: CredentialOwner) -> Charged {
    let (own_amount, own_cost) = match credential {
        CredentialOwner::Platform => (Money::ZERO, Money::ZERO),
        CredentialOwner::Tenant => (amount, sums.cost),
    };
    let Sums { attempts, estimated, tokens, cost, .. } = *sums;
    Charged { attempts, estimated, tokens, amount, cost, isolation, own_amount, own_cost }
}

/// By model first, then in the order in which a bill shows causes.
fn order(line: &Line) -> impl Ord {
    let LineKey { model, operation, cause, plan, price_row, .. } = &line.key;
    (model, operation.name(), *cause as usize, plan, line.span.start, price_row)
}

/// Groups under way, in the order of their names.
#[derive(Default)]
struct Groups(BTreeMap<Option<String>, Charged>);

impl Groups {
    fn add(&mut self, name: Option<String>, charged: Charged) {
        *self.0.entry(name).or_default() += charged;
    }

    fn listed(self) -> Vec<Group> {
        self.0.into_iter().map(|(name, charged)| Group { name, charged }).collect()
    }
}
