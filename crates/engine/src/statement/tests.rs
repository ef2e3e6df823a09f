use std::sync::Arc;

use insula_model::{
    Cause, CredentialOwner, KeyId, Money, Operation, Overhead, Plan, Price, SellPrice, TokenCounts, WindowSpan,
};
use insula_store::{ChargeRow, Sums};
use proptest::prelude::*;

use super::*;

const MODELS: [&str; 3] = ["small", "large", "other"];
const PLANS: [Option<&str>; 3] = [None, Some("free"), Some("pro")];

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn row() -> impl Strategy<Value = ChargeRow> {
    let count = 0_u64..1_000_000_000_000;
    let tokens = (count.clone(), count.clone(), count.clone(), count.clone(), count.clone(), count);
    let whose = (0..PLANS.len(), proptest::option::of(0_u8..3), proptest::option::of("[ab]"), any::<bool>());
    let what = (0..MODELS.len(), 0..Cause::ALL.len(), any::<bool>(), 0_u8..3);
    (what, whose, tokens, (0_u64..1_000, 0_u64..1_000, 0_i128..1 << 70, 0_u64..100)).prop_map(
        |(what, whose, tokens, (attempts, estimated, cost, apart))| {
            let (model, cause, is_chat, price_row) = what;
            let (plan, key, team, is_own) = whose;
            let (input, cache_read, cache_write, cache_write_1h, output, reasoning) = tokens;
            let tokens = TokenCounts { input, cache_read, cache_write, cache_write_1h, output, reasoning };
            let isolation = Overhead { tokens: tokens.first_of_input(apart), cost: Money::from_pico(cost / 3) };
            ChargeRow {
                model: MODELS[model].to_owned(),
                operation: if is_chat { Operation::Chat } else { Operation::Embeddings },
                price_row: format!("sim/{}@{price_row}", MODELS[model]),
                cause: Cause::ALL[cause],
                plan: PLANS[plan].map(str::to_owned),
                key: key.map(|key| KeyId::from_bytes([key; 16])),
                credential: if is_own { CredentialOwner::Tenant } else { CredentialOwner::Platform },
                tags: team.map(|team| ("team".to_owned(), team)).into_iter().collect(),
                sums: Sums { attempts, estimated, tokens, cost: Money::from_pico(cost), isolation },
            }
        },
    )
}

/// A plan with these prices: the model, from when on, and picodollars for a token of any class.
pub(super) fn plan(name: &str, prices: &[(&str, i64, u64)]) -> Arc<Plan> {
    let price = |pico| Price {
        input_pico: pico,
        cache_read_pico: pico,
        cache_write_pico: pico,
        cache_write_1h_pico: pico,
        output_pico: pico,
    };
    let row = |(model, from, pico): &(&str, i64, u64)| SellPrice {
        model: (*model).to_owned(),
        effective_from: at(*from),
        price: price(*pico),
    };
    Arc::new(Plan {
        name: name.to_owned().try_into().unwrap(),
        defaults: Default::default(),
        prices: prices.iter().map(row).collect(),
        version: 1,
        created_at: at(0),
    })
}

/// `pro` sells two of the models, one of them at another price from the middle on, as all that it does not name.
fn sell() -> SellPrices {
    SellPrices::new(vec![plan("pro", &[("small", 0, 3_000), ("small", 50, 5_000), ("large", 0, 40_000), ("*", 50, 7)])])
}

fn summed(groups: &[Group]) -> Charged {
    let mut total = Charged::default();
    groups.iter().for_each(|group| total += group.charged);
    total
}

proptest! {
    #[test]
    fn every_view_adds_up_to_the_ledger(
        first in proptest::collection::vec(row(), 0..20), second in proptest::collection::vec(row(), 0..20),
    ) {
        let (mut ledger, mut owed) = (Charged::default(), Money::ZERO);
        for (rows, moment) in [(&first, 0), (&second, 50)] {
            for row in rows {
                let Sums { attempts, estimated, tokens, cost, mut isolation } = row.sums;
                let pico = match (row.plan.as_deref(), &*row.model, moment) {
                    (Some("pro"), "small", 0) => Some(3_000),
                    (Some("pro"), "small", _) => Some(5_000),
                    (Some("pro"), "large", _) => Some(40_000),
                    (Some("pro"), _, 50) => Some(7),
                    _ => None,
                };
                let charge = |tokens: u64, cost| pico.map_or(cost, |pico| Money::from_pico(i128::from(tokens) * pico));
                isolation.cost = charge(isolation.total(), isolation.cost);
                let amount = charge(tokens.total(), cost);
                owed += amount;
                if row.credential == CredentialOwner::Tenant {
                    ledger += Charged { own_amount: amount, own_cost: cost, ..Charged::default() };
                }
                ledger += Charged { attempts, estimated, tokens, cost, isolation, ..Charged::default() };
            }
        }
        ledger.amount = owed;

        let span = WindowSpan { start: at(0), end: at(100) };
        let parts = vec![(WindowSpan { end: at(50), ..span }, first), (WindowSpan { start: at(50), ..span }, second)];
        let charges = Charges::of(parts, &sell(), |_| None, Some("team"));
        prop_assert_eq!(charges.total(), ledger);
        let groups = [charges.by_model(), charges.by_operation(), charges.by_key.clone(), charges.by_tag.clone().unwrap()];
        for groups in &groups {
            prop_assert_eq!(summed(groups), ledger);
        }
        prop_assert_eq!(charges.by_cause().total(), owed);
        for line in &charges.lines {
            let prices = sell();
            let row = prices.row(line.key.plan.as_deref(), &line.key.model, line.span.start);
            prop_assert_eq!(row.map(|row| row.id()), line.key.is_sold.then_some(line.key.price_row.clone()));
        }
        let bridge = Bridge::between(&[], &charges.lines);
        prop_assert_eq!(bridge.to, owed);
    }
}

#[test]
fn at_cost_there_is_no_margin() {
    let sums = Sums { attempts: 2, cost: Money::from_pico(7), ..Sums::default() };
    let row = ChargeRow {
        model: "small".into(),
        operation: Operation::Chat,
        price_row: "sim/small@1".into(),
        cause: Cause::Base,
        plan: Some("pro".into()),
        key: None,
        credential: CredentialOwner::Platform,
        tags: Default::default(),
        sums,
    };
    let span = WindowSpan { start: at(0), end: at(100) };
    let at_cost = Charges::of(vec![(span, vec![row.clone()])], &SellPrices::default(), |_| None, None);
    assert_eq!((at_cost.total().amount, at_cost.total().margin()), (Money::from_pico(7), Money::ZERO));
    assert_eq!((at_cost.lines[0].key.price_row.as_str(), at_cost.by_tag), ("sim/small@1", None));
    let sold = Charges::of(vec![(span, vec![row])], &sell(), |_| None, None);
    assert_eq!((sold.total().amount, sold.total().margin()), (Money::ZERO, Money::from_pico(-7)), "tokens are what is sold");
}

#[test]
fn what_a_tenant_paid_its_providers_itself_is_no_margin() {
    let tokens = TokenCounts { input: 1, ..TokenCounts::default() };
    let row = |credential| ChargeRow {
        model: "small".into(),
        operation: Operation::Chat,
        price_row: "sim/small@1".into(),
        cause: Cause::Base,
        plan: Some("pro".into()),
        key: None,
        credential,
        tags: Default::default(),
        sums: Sums { attempts: 1, tokens, cost: Money::from_pico(7), ..Sums::default() },
    };
    let span = WindowSpan { start: at(0), end: at(50) };
    let rows = vec![row(CredentialOwner::Platform), row(CredentialOwner::Tenant)];
    let total = Charges::of(vec![(span, rows)], &sell(), |_| None, None).total();
    let pico = |money: Money| money.pico();
    assert_eq!((pico(total.amount), pico(total.own_amount)), (6_000, 3_000));
    assert_eq!((pico(total.paid()), pico(total.margin())), (7, 2_993), "as if the platform's attempt stood alone");
}
