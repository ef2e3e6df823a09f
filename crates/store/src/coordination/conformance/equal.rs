//! All engines decide alike, to the nanosecond.

use std::time::Duration;

use proptest::prelude::*;

use super::{Site, Who};
use crate::coordination::{Charge, RateKind};

/// Charges of one call, and how long after the call before it. A limiter has one limit in a call; between calls it may change.
fn steps() -> impl Strategy<Value = Vec<(u64, Vec<Charge>)>> {
    // Mostly the same few limits, so that they fill up.
    let limits = prop_oneof![4 => Just([60, 7, 600, 4_999]), 1 => prop::array::uniform4(1_u32..5_000)];
    let charge = (0_usize..4, any::<bool>(), 0_u32..6_000);
    let call = (limits, prop::collection::vec(charge, 1..5)).prop_map(|(limits, charges)| {
        let charge = |(who, counts, amount): (usize, bool, u32)| {
            let subject = [Who::new(1).tenant, Who::new(1).key, Who::new(9).tenant, Who::new(9).key][who];
            let kind = if counts { RateKind::Requests } else { RateKind::Tokens };
            Charge { subject, kind, per_minute: limits[who], amount: amount % (limits[who] * 5 / 4 + 1) }
        };
        charges.into_iter().map(charge).collect()
    });
    prop::collection::vec((0_u64..9_000_000, call), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn to_the_nanosecond(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut here, mut shared) = (Site::local(), Site::redis().await);
            for (micros, charges) in steps {
                here.advance(Duration::from_micros(micros)).await;
                shared.advance(Duration::from_micros(micros)).await;
                let (expected, got) = (here.coordination.charge(&charges).await, shared.coordination.charge(&charges).await);
                prop_assert_eq!(expected, got, "{:?}", charges);
            }
            Ok(())
        })?;
    }

    #[test]
    fn waiting_as_told_is_enough(per_minute in 1_u32..5_000, amounts in prop::collection::vec(1_u32..10_000, 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for mut site in [Site::local(), Site::redis().await] {
                for amount in &amounts {
                    let Who { tenant, key } = Who::new(1);
                    let charges = [super::tokens(tenant, per_minute, *amount), super::requests(key, 7)];
                    if let Some((_, wait)) = site.coordination.charge(&charges).await.refused {
                        // The clock counts microseconds.
                        site.advance(wait + Duration::from_micros(1)).await;
                        prop_assert!(site.coordination.charge(&charges).await.allowed);
                    }
                }
            }
            Ok(())
        })?;
    }
}
