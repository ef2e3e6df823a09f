//! The forms of a statement.

use insula_engine::{
    directory::ManagedTenant,
    manage::credits::Credit as Given,
    statement::{self, Bridge as Differences, Charged, Group as Charges, Line, Month},
};
use insula_model::{CredentialOwner, Money};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Openness, drill::Links};
use crate::wire::{Causes, Isolation, Moment, Rates, Tokens, Usd};

/// What a tenant was charged in a month.
#[derive(Serialize, ToSchema)]
pub(crate) struct Statement {
    /// Whose: the tenant's id.
    tenant: String,
    /// The month, `YYYY-MM`.
    month: String,
    /// The time zone of the month's bounds.
    #[schema(value_type = String)]
    timezone: &'static str,
    /// Whether attempts may still come to it.
    state: Openness,
    /// All charges before the month less all credits before it.
    opening_usd: Usd,
    /// All charges of the month.
    #[serde(flatten)]
    total: Amounts,
    /// All credits of the month.
    credited_usd: Usd,
    /// `opening_usd` and the charges, less the credits.
    closing_usd: Usd,
    /// The charges line by line.
    charges: Vec<Charge>,
    /// What was given back in the month, and what attempts by the tenant's own accounts at providers were charged.
    credits: Vec<Credit>,
    /// The charges by model.
    by_model: Vec<Group>,
    /// The charges by kind of call.
    by_operation: Vec<Group>,
    /// The charges by key.
    by_key: Vec<Group>,
    /// The charges by the value of the label `tag`, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_tag: Option<Vec<Group>>,
    /// The charges by why attempts were made.
    by_cause: Causes,
    /// Why the charges differ from the month before.
    bridge: Bridge,
    /// What the answer cache answered in the place of providers: no part of any sum.
    cache: Cache,
}

/// What the answer cache saved.
#[derive(Serialize, ToSchema)]
#[schema(as = StatementCache)]
struct Cache {
    /// How often it answered.
    hits: u64,
    /// The tokens that these answers had taken.
    tokens: u64,
    /// What they had cost at the providers; null for a tenant whose plan has prices of its own.
    saved_usd: Option<Usd>,
}

impl Statement {
    pub(super) fn of(
        tenant: &ManagedTenant,
        statement: &statement::Statement,
        tag: Option<&str>,
        shows_margin: bool,
        hides_cost: bool,
    ) -> Self {
        let links = Links::of(tenant, statement.month);
        let groups = |groups: &[Charges], parameter: &str| {
            let group = |group: &Charges| {
                let drill = links.to(&[(parameter, group.name.as_deref().unwrap_or_default())]);
                Group::of(group, Some(drill), shows_margin)
            };
            groups.iter().map(group).collect::<Vec<_>>()
        };
        let tagged = |tag: &str, group: &Charges| {
            let drill = group.name.as_deref().map(|value| links.to(&[("tag", tag), ("tag_value", value)]));
            Group::of(group, drill, shows_margin)
        };
        let charges = &statement.charges;
        let by_tag = tag.zip(charges.by_tag.as_deref());
        Self {
            tenant: tenant.scope.tenant().to_string(),
            month: statement.month.to_string(),
            timezone: "UTC",
            state: Openness::of(statement.is_open),
            opening_usd: Usd(statement.opening),
            total: Amounts::of(charges.total(), shows_margin),
            credited_usd: Usd(statement.credited()),
            closing_usd: Usd(statement.closing()),
            charges: charges.lines.iter().map(|line| Charge::of(line, &links, shows_margin)).collect(),
            credits: Credit::all_of(statement, &links),
            by_model: groups(&charges.by_model(), "model"),
            by_operation: groups(&charges.by_operation(), "operation"),
            by_key: groups(&charges.by_key, "key"),
            by_tag: by_tag.map(|(tag, groups)| groups.iter().map(|group| tagged(tag, group)).collect()),
            by_cause: charges.by_cause().into(),
            bridge: Bridge::from(&statement.bridge),
            cache: Cache {
                hits: statement.cache.hits,
                tokens: statement.cache.tokens,
                saved_usd: (!hides_cost).then_some(Usd(statement.cache.saved)),
            },
        }
    }
}

/// Something that is taken off a bill.
#[derive(Serialize, ToSchema)]
#[schema(as = StatementCredit)]
struct Credit {
    /// Its id; null for the one that follows from the charges.
    id: Option<String>,
    /// The month on whose statement it stands.
    month: String,
    /// How much.
    amount_usd: Usd,
    /// Why: what an operator wrote, or `own provider credentials`.
    reason: String,
    /// When it was given; null for the one that follows from the charges.
    created_at: Option<Moment>,
    /// Where the attempts behind it are; null for one that was given.
    drill: Option<String>,
}

/// Why attempts by a tenant's own accounts are taken off again.
const OWN_CREDENTIALS: &str = "own provider credentials";

impl Credit {
    fn all_of(statement: &statement::Statement, links: &Links) -> Vec<Self> {
        let own = statement.own_credentials();
        let derived = (own != Money::ZERO).then(|| Self {
            id: None,
            month: statement.month.to_string(),
            amount_usd: Usd(own),
            reason: OWN_CREDENTIALS.to_owned(),
            created_at: None,
            drill: Some(links.to(&[("credential", CredentialOwner::Tenant.name())])),
        });
        statement.credits.iter().map(Self::given).chain(derived).collect()
    }

    fn given(credit: &Given) -> Self {
        Self {
            id: Some(credit.id.to_string()),
            month: Month::of(credit.month_at).to_string(),
            amount_usd: Usd(credit.amount),
            reason: credit.reason.to_string(),
            created_at: Some(Moment(credit.created_at)),
            drill: None,
        }
    }
}

/// What some attempts come to.
#[derive(Serialize, ToSchema)]
pub(super) struct Amounts {
    /// Attempts at providers.
    attempts: u64,
    /// How many of them are estimates.
    estimated: u64,
    /// Tokens by class.
    tokens: Tokens,
    /// What is charged.
    amount_usd: Usd,
    #[serde(flatten)]
    isolation: Isolation,
    #[serde(flatten)]
    margin: Margin,
}

impl Amounts {
    pub(super) fn of(charged: Charged, shows_margin: bool) -> Self {
        let Charged { attempts, estimated, tokens, amount, isolation, .. } = charged;
        let margin = if shows_margin { Margin::of(&charged) } else { Margin::default() };
        Self { attempts, estimated, tokens: tokens.into(), amount_usd: Usd(amount), isolation: isolation.into(), margin }
    }
}

/// What is for operators only; both absent unless asked for.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Margin {
    /// What the providers charge the platform's accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Usd>,
    /// What is left, once what was charged for the tenant's own accounts is taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    margin_usd: Option<Usd>,
}

impl Margin {
    pub(super) fn of(charged: &Charged) -> Self {
        Self { cost_usd: Some(Usd(charged.paid())), margin_usd: Some(Usd(charged.margin())) }
    }
}

/// A row of prices.
#[derive(Serialize, ToSchema)]
pub(super) struct PriceRow {
    /// Its id: in the price book, or in the price table of the plan.
    id: String,
    /// What it says of a million tokens; null where the row is not known any more.
    rates: Option<Rates>,
}

impl PriceRow {
    pub(super) fn of(id: &str, rates: Option<insula_model::Price>) -> Self {
        Self { id: id.to_owned(), rates: rates.map(Rates::from) }
    }
}

/// A line: attempts of one model, operation, cause and price.
#[derive(Serialize, ToSchema)]
struct Charge {
    /// The model as the price book names it.
    model: String,
    /// `chat`, `embeddings` or `moderations`.
    operation: &'static str,
    /// Why the attempts were made.
    cause: &'static str,
    /// Under which plan; null for none.
    plan: Option<String>,
    /// What they are charged by.
    price_row: PriceRow,
    #[serde(flatten)]
    amounts: Amounts,
    /// Where its attempts are.
    drill: String,
}

impl Charge {
    fn of(line: &Line, links: &Links, shows_margin: bool) -> Self {
        Self {
            model: line.key.model.clone(),
            operation: line.key.operation.name(),
            cause: line.key.cause.name(),
            plan: line.key.plan.clone(),
            price_row: PriceRow::of(&line.key.price_row, line.rates),
            amounts: Amounts::of(line.charged, shows_margin),
            drill: links.to_line(line),
        }
    }
}

/// Attempts that are one in something.
#[derive(Serialize, ToSchema)]
#[schema(as = ChargeGroup)]
struct Group {
    /// In what; null for attempts by tenant tokens by key, and for those without the label.
    group: Option<String>,
    #[serde(flatten)]
    amounts: Amounts,
    /// Where its attempts are; null for those without the label.
    drill: Option<String>,
}

impl Group {
    fn of(group: &Charges, drill: Option<String>, shows_margin: bool) -> Self {
        Self { group: group.name.clone(), amounts: Amounts::of(group.charged, shows_margin), drill }
    }
}

/// Why one bill differs from another: its drivers add up to the difference exactly.
#[derive(Serialize, ToSchema)]
pub(super) struct Bridge {
    /// What was charged on the one.
    from_usd: Usd,
    /// What was charged on the other.
    to_usd: Usd,
    /// `to_usd` less `from_usd`.
    difference_usd: Usd,
    /// What each driver adds; zero where nothing of its kind changed.
    drivers: Vec<BridgeDriver>,
}

/// One reason why bills differ.
#[derive(Serialize, ToSchema)]
struct BridgeDriver {
    /// `volume`, `mix`, `cache`, `new_models`, `gone_models`, `retries`, `repairs`, `fallbacks`, `embeddings`,
    /// `evaluations`, `price` or `estimates`.
    driver: &'static str,
    /// What it adds, or takes away.
    amount_usd: Usd,
}

impl From<&Differences> for Bridge {
    fn from(bridge: &Differences) -> Self {
        let driver = |(driver, part): &(statement::Driver, _)| BridgeDriver { driver: driver.name(), amount_usd: Usd(*part) };
        Self {
            from_usd: Usd(bridge.from),
            to_usd: Usd(bridge.to),
            difference_usd: Usd(bridge.difference()),
            drivers: bridge.parts.iter().map(driver).collect(),
        }
    }
}
