//! Texts that are computed together: of like length, so that little is filled up.

/// Some texts' tokens, filled up to the longest of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    ids: Vec<u32>,
    lengths: Vec<usize>,
    length: usize,
    /// Which of all texts each is.
    pub places: Vec<usize>,
}

/// So little does a token count that only fills up. Added to a score before the exponential, it leaves exactly nothing.
const UNSEEN: f32 = f32::MIN / 2.0;

impl Batch {
    /// Divides texts into batches of at most `tokens_max` tokens each, the filling included; one text is never divided.
    pub fn divide(texts: &[Vec<u32>], padding: u32, tokens_max: usize) -> Vec<Self> {
        let mut order: Vec<usize> = (0..texts.len()).filter(|place| !texts[*place].is_empty()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(texts[*place].len()));
        let mut batches = Vec::new();
        let mut rest = order.as_slice();
        while let Some(longest) = rest.first() {
            let length = texts[*longest].len();
            let (now, later) = rest.split_at((tokens_max / length).clamp(1, rest.len()));
            batches.push(Self::of(texts, now, padding, length));
            rest = later;
        }
        batches
    }

    fn of(texts: &[Vec<u32>], places: &[usize], padding: u32, length: usize) -> Self {
        let mut ids = Vec::with_capacity(places.len() * length);
        for place in places {
            ids.extend(&texts[*place]);
            ids.resize(ids.len().next_multiple_of(length), padding);
        }
        Self { ids, lengths: places.iter().map(|place| texts[*place].len()).collect(), length, places: places.to_vec() }
    }

    /// How many texts.
    pub fn texts(&self) -> usize {
        self.lengths.len()
    }

    /// How many tokens each has, once it is filled up.
    pub fn length(&self) -> usize {
        self.length
    }

    /// All tokens, text by text.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many tokens each has of its own.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// For each token what is added to every score of it.
    pub fn unseen(&self) -> Vec<f32> {
        let of_text =
            |own: &usize| (0..self.length).map(move |place| if place < *own { 0.0 } else { UNSEEN }).collect::<Vec<_>>();
        self.lengths.iter().flat_map(of_text).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_like_length_go_together() {
        let texts = [vec![1, 2], vec![3; 6], vec![], vec![4, 5, 6], vec![7; 5]];
        let batches = Batch::divide(&texts, 0, 12);
        let places: Vec<_> = batches.iter().map(|batch| batch.places.clone()).collect();
        assert_eq!(places, [vec![1, 4], vec![3, 0]]);
        assert_eq!(batches[1].ids(), [4, 5, 6, 1, 2, 0]);
        assert_eq!(batches[1].unseen(), [0.0, 0.0, 0.0, 0.0, 0.0, UNSEEN]);
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_within_the_bound(
            texts in proptest::collection::vec(proptest::collection::vec(1_u32..9, 0..20), 0..40),
            tokens_max in 1_usize..50,
        ) {
            let batches = Batch::divide(&texts, 0, tokens_max);
            let mut seen: Vec<usize> = batches.iter().flat_map(|batch| batch.places.clone()).collect();
            seen.sort_unstable();
            let expected: Vec<usize> = (0..texts.len()).filter(|place| !texts[*place].is_empty()).collect();
            prop_assert_eq!(seen, expected);
            for batch in &batches {
                prop_assert!(batch.ids().len() <= tokens_max || batch.texts() == 1);
                for (row, place) in batch.places.iter().enumerate() {
                    let own = &batch.ids()[row * batch.length()..][..batch.lengths()[row]];
                    prop_assert_eq!(own, texts[*place].as_slice());
                }
            }
        }
    }
}
