//! Why one tenant's month differs from another's.

use insula_model::{Money, Result};

use super::{Bridge, Charged, Driver, Month, SellPrices};
use crate::{Engine, directory::OperatedTenant};

/// One of two tenants.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its short name.
    pub slug: String,
    /// What it was charged.
    pub charged: Charged,
}

/// Two tenants' charges in one month.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The month.
    pub month: Month,
    /// The one that the other is compared with.
    pub one: Compared,
    /// The other.
    pub other: Compared,
    /// From the one's charges to the other's.
    pub bridge: Bridge,
}

/// Compares the charges of two tenants in a month.
///
/// # Errors
/// When storage cannot be read.
pub async fn compare(
    engine: &Engine,
    one: &OperatedTenant,
    other: &OperatedTenant,
    month: Month,
    sell: &SellPrices,
) -> Result<Comparison> {
    engine.store.flush_ledger().await?;
    let charges_of = async |tenant: &OperatedTenant| super::charged(engine, &tenant.scope, month.span(), sell, None).await;
    let (ones, others) = (charges_of(one).await?, charges_of(other).await?);
    let slug = |tenant: &OperatedTenant| tenant.entry.record.slug.to_string();
    Ok(Comparison {
        month,
        one: Compared { slug: slug(one), charged: ones.total() },
        other: Compared { slug: slug(other), charged: others.total() },
        bridge: Bridge::between(&ones.lines, &others.lines),
    })
}

impl Comparison {
    /// The same in words: the bills, what was used, and then each reason with its amount, the weightiest first.
    pub fn words(&self) -> Vec<String> {
        let (one, other) = (&self.one, &self.other);
        let difference = match self.bridge.difference() {
            none if none == Money::ZERO => "the same".to_owned(),
            more if more > Money::ZERO => format!("{more} USD more"),
            less => format!("{} USD less", Money::ZERO - less),
        };
        let used = |of: &Compared| format!("{} tokens in {} attempts", of.charged.tokens.total(), of.charged.attempts);
        let mut words = vec![
            format!(
                "In {} {} was charged {} USD and {} {} USD: {difference}.",
                self.month, one.slug, one.charged.amount, other.slug, other.charged.amount
            ),
            format!("{} used {}, {} {}.", one.slug, used(one), other.slug, used(other)),
        ];
        let mut parts: Vec<_> = self.bridge.parts.iter().filter(|(_, part)| *part != Money::ZERO).collect();
        parts.sort_by_key(|(_, part)| std::cmp::Reverse(part.pico().abs()));
        words.extend(parts.into_iter().map(|(driver, part)| {
            let sign = if *part > Money::ZERO { "+" } else { "" };
            format!("{sign}{part} USD ({}): {}", driver.name(), self.reason(*driver, *part > Money::ZERO))
        }));
        words
    }

    /// Why the other's bill is higher, or lower, by a driver.
    fn reason(&self, driver: Driver, is_higher: bool) -> String {
        let (one, other) = (&self.one.slug, &self.other.slug);
        let pick = |higher: &'static str, lower: &'static str| if is_higher { higher } else { lower };
        match driver {
            Driver::Volume => format!("{other} used {} tokens", pick("more", "fewer")),
            Driver::Mix => format!("{other}'s tokens are {} ones: other models, or other parts of input and output", {
                pick("dearer", "cheaper")
            }),
            Driver::Cache => format!("the providers' caches spared {other} {}", pick("less", "more")),
            Driver::NewModels => format!("{other} used models that {one} did not"),
            Driver::GoneModels => format!("{one} used models that {other} did not"),
            Driver::Retries => format!("{other} had {} to try again", pick("more", "less")),
            Driver::Repairs => format!("{other} had {} to repair", pick("more", "less")),
            Driver::Fallbacks => format!("{other} fell back {} to other providers", pick("more", "less")),
            Driver::Embeddings => format!("{other} had {} embedded", pick("more", "less")),
            Driver::Evaluations => format!("{other} had {} judged", pick("more", "less")),
            Driver::Price => format!("{other} paid {} prices for what both used", pick("higher", "lower")),
            Driver::Estimates => format!("{} of {other} was charged by estimate", pick("more", "less")),
        }
    }
}

#[cfg(test)]
mod tests {
    use insula_model::Timestamp;

    use super::*;

    #[test]
    fn a_comparison_tells_its_reasons_in_order() {
        let side = |slug: &str, pico| Compared {
            slug: slug.into(),
            charged: Charged { attempts: 3, amount: Money::from_pico(pico), ..Charged::default() },
        };
        let bridge = Bridge {
            from: Money::from_pico(1_000),
            to: Money::from_pico(900),
            parts: [(Driver::Volume, 200), (Driver::Mix, 0), (Driver::Price, -300)]
                .map(|(d, p)| (d, Money::from_pico(p)))
                .into(),
        };
        let (one, other) = (side("acme", 1_000), side("globex", 900));
        let said = Comparison { month: Month::of(Timestamp::default()), one, other, bridge }.words();
        assert_eq!(
            said,
            [
                "In 1970-01 acme was charged 0.000000001 USD and globex 0.0000000009 USD: 0.0000000001 USD less.",
                "acme used 0 tokens in 3 attempts, globex 0 tokens in 3 attempts.",
                "-0.0000000003 USD (price): globex paid lower prices for what both used",
                "+0.0000000002 USD (volume): globex used more tokens",
            ]
        );
    }
}
