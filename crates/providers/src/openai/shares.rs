//! What was counted of several requests together, shared out among them.
//!
//! Each gets its part by size, rounded down; what is left over goes one by one to those that lost most by rounding, the first among
//! equals. So the shares of a number add up to it, whatever it is, and depend on nothing but it and the sizes.

use serde_json::value::RawValue;

use super::joined::push_field;
use crate::json::members;

/// How deep counts may stand in each other; vendors have two levels.
const LEVELS_MAX: u32 = 4;

/// Shares `total` out by these sizes. Nobody gets anything where no size is above 0.
fn shares(total: u64, sizes: &[u64]) -> Vec<u64> {
    let whole: u128 = sizes.iter().map(|size| u128::from(*size)).sum();
    if whole == 0 {
        return vec![0; sizes.len()];
    }
    let exact = |size: &u64| u128::from(total) * u128::from(*size);
    // Never more than `total`, which fits.
    let mut shares: Vec<u64> = sizes.iter().map(|size| u64::try_from(exact(size) / whole).unwrap_or(total)).collect();
    let mut by_loss: Vec<usize> = (0..sizes.len()).collect();
    by_loss.sort_by_key(|place| std::cmp::Reverse(exact(&sizes[*place]) % whole));
    let left = total - shares.iter().sum::<u64>();
    for place in by_loss.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        shares[place] += 1;
    }
    shares
}

/// Shares out every whole number in what a provider counted, as JSON for each of these sizes. Names and words are said to all of them.
/// `None` for what cannot be shared out: fractions, lists, and what stands too deep; within an object it is left out.
pub(super) fn share(counted: &RawValue, sizes: &[u64]) -> Option<Vec<Vec<u8>>> {
    share_level(counted, sizes, LEVELS_MAX)
}

fn share_level(counted: &RawValue, sizes: &[u64], levels_left: u32) -> Option<Vec<Vec<u8>>> {
    let text = counted.get();
    match text.bytes().next()? {
        b'{' => {
            let levels_left = levels_left.checked_sub(1)?;
            let mut objects = vec![Vec::new(); sizes.len()];
            for (name, value) in members(text, "usage").ok()?.0 {
                for (object, share) in objects.iter_mut().zip(share_level(value, sizes, levels_left).into_iter().flatten()) {
                    push_field(object, &name, &share);
                }
            }
            for object in &mut objects {
                object.extend_from_slice(if object.is_empty() { b"{}" } else { b"}" });
            }
            Some(objects)
        }
        b'0'..=b'9' => {
            let total = text.parse().ok()?;
            Some(shares(total, sizes).into_iter().map(|share| share.to_string().into_bytes()).collect())
        }
        b'"' | b't' | b'f' | b'n' => Some(vec![text.as_bytes().to_vec(); sizes.len()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_over_goes_to_who_lost_most() {
        assert_eq!(shares(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(shares(7, &[1, 2, 4]), [1, 2, 4]);
        assert_eq!(shares(8, &[1, 2, 4]), [1, 2, 5]);
        assert_eq!(shares(1, &[3, 3]), [1, 0]);
        assert_eq!(shares(5, &[0, 0]), [0, 0]);
        assert_eq!(shares(u64::MAX, &[u64::MAX, u64::MAX]), [u64::MAX / 2 + 1, u64::MAX / 2]);
    }

    #[test]
    fn only_whole_numbers_are_shared() {
        let text =
            r#"{"prompt_tokens":5,"cost":0.25,"of":[5],"by":"vendor","paid":null,"details":{"cached_tokens":2},"none":{}}"#;
        let shared = share(serde_json::from_str(text).unwrap(), &[1, 1]).unwrap();
        let texts: Vec<&str> = shared.iter().map(|share| std::str::from_utf8(share).unwrap()).collect();
        assert_eq!(
            texts,
            [
                r#"{"prompt_tokens":3,"by":"vendor","paid":null,"details":{"cached_tokens":1},"none":{}}"#,
                r#"{"prompt_tokens":2,"by":"vendor","paid":null,"details":{"cached_tokens":1},"none":{}}"#
            ]
        );
        let deep = format!("{}1{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
        assert!(share(serde_json::from_str(&deep).unwrap(), &[1]).is_some());
        assert!(share(serde_json::from_str("-3").unwrap(), &[1]).is_none());
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_fair(total in any::<u64>(), sizes in prop::collection::vec(1..10_000_u64, 1..300)) {
            let (shared, whole) = (shares(total, &sizes), sizes.iter().sum::<u64>());
            prop_assert_eq!(shared.iter().map(|share| u128::from(*share)).sum::<u128>(), u128::from(total));
            for (share, size) in shared.iter().zip(&sizes) {
                let exact = u128::from(total) * u128::from(*size);
                let floor = exact / u128::from(whole);
                prop_assert!((floor..=floor + 1).contains(&u128::from(*share)));
            }
        }
    }
}
