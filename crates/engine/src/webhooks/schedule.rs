//! When a delivery that failed is sent again.

use std::time::Duration;

use insula_model::Random;

/// The pauses that Standard Webhooks 1.0.0 suggests (5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: three days
/// together), as multiples of the first.
const PAUSES: [u32; 9] = [1, 60, 360, 1_440, 3_600, 7_200, 10_080, 14_400, 17_280];

/// A pause is longer by up to this part of it, so that what failed together does not come again together.
const JITTER: u32 = 5;

/// The pause after so many sendings, of which the last failed.
pub(super) fn pause(attempts: u32, first: Duration, random: &dyn Random) -> Duration {
    let place = (attempts.saturating_sub(1) as usize).min(PAUSES.len() - 1);
    let pause = first.saturating_mul(PAUSES[place]);
    let mut chance = [0; 4];
    random.fill(&mut chance);
    let longest = pause / JITTER;
    pause + longest.mul_f64(f64::from(u32::from_be_bytes(chance)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use insula_model::SeededRandom;

    use super::*;

    #[test]
    fn pauses_grow_to_three_days() {
        let random = SeededRandom::new(1);
        let first = Duration::from_secs(5);
        let pauses: Vec<_> = (1..10).map(|attempts| pause(attempts, first, &random)).collect();
        assert!(pauses.is_sorted());
        for (pause, factor) in pauses.iter().zip(PAUSES) {
            let least = first * factor;
            assert!((least..=least * 6 / 5).contains(pause), "{pause:?} of {least:?}");
        }
        let total: Duration = pauses.iter().sum();
        assert!((3.0..4.0).contains(&(total.as_secs_f64() / 86_400.0)), "{total:?}");
        assert!(pause(u32::MAX, first, &random) >= first * 17_280);
    }
}
