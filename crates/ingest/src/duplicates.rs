//! Blocks that say again what another has said. They stay in the text: which of them is wanted is not ours to know.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::{Block, Defect, DefectKind};

/// Shorter blocks repeat for good reasons.
const CHARS_MIN: usize = 40;
/// Fewer words are too few to be compared in parts.
const WORDS_MIN: usize = 12;
/// What two blocks must have in common, of all that either has, to be almost alike.
const ALIKE_PERCENT: usize = 75;
/// Words in a part that is compared.
const SHINGLE_WORDS: usize = 2;
/// The smallest parts by hash, under which a block is filed: those who are alike most likely share one.
const KEYS: usize = 4;
/// How many blocks are filed under one key.
const FILED_MAX: usize = 8;
/// How many blocks are compared in parts.
const COMPARED_MAX: usize = 20_000;

/// A defect for blocks that repeat others, and one for those that almost do; each at the first of them.
pub(crate) fn find(text: &str, blocks: &[Block]) -> Vec<Defect> {
    let mut seen = HashSet::new();
    let mut repeated: Vec<&Block> = Vec::new();
    let mut near = Near::default();
    let mut almost: Vec<&Block> = Vec::new();
    for block in blocks {
        let words = &text[block.span.clone()];
        if words.len() < CHARS_MIN {
            continue;
        }
        if !seen.insert(words) {
            repeated.push(block);
        } else if !block.kind.is_row() && near.is_near_or_file(words) {
            almost.push(block);
        }
    }
    let defect =
        |kind, blocks: &[&Block]| blocks.first().map(|first| Defect::new(kind, "").at(&first.place).times(blocks.len()));
    [defect(DefectKind::DuplicateBlock, &repeated), defect(DefectKind::NearDuplicateBlock, &almost)]
        .into_iter()
        .flatten()
        .collect()
}

#[derive(Default)]
struct Near {
    blocks: Vec<Vec<u64>>,
    filed: HashMap<u64, Vec<usize>>,
}

impl Near {
    /// Whether an earlier block is almost like this one; if none is, later ones are compared with it.
    fn is_near_or_file(&mut self, text: &str) -> bool {
        let words: Vec<String> = text.split_whitespace().map(bare).collect();
        if words.len() < WORDS_MIN || self.blocks.len() >= COMPARED_MAX {
            return false;
        }
        let mut parts: Vec<u64> = words.windows(SHINGLE_WORDS).map(hash).collect();
        parts.sort_unstable();
        parts.dedup();
        let keys = &parts[..parts.len().min(KEYS)];
        let candidates = keys.iter().filter_map(|key| self.filed.get(key)).flatten();
        if candidates.into_iter().any(|&i| alike(&parts, &self.blocks[i])) {
            return true;
        }
        for key in keys {
            let filed = self.filed.entry(*key).or_default();
            if filed.len() < FILED_MAX {
                filed.push(self.blocks.len());
            }
        }
        self.blocks.push(parts);
        false
    }
}

/// A word without its marks; numbers are all one, because dates and counts make copies differ.
fn bare(word: &str) -> String {
    let kept = word.chars().filter(|c| c.is_alphanumeric());
    kept.map(|c| if c.is_numeric() { '0' } else { c }).flat_map(char::to_lowercase).collect()
}

fn hash(words: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

/// Whether two sorted sets share enough (Jaccard).
fn alike(a: &[u64], b: &[u64]) -> bool {
    let shared = a.iter().filter(|part| b.binary_search(part).is_ok()).count();
    shared * 100 >= (a.len() + b.len() - shared) * ALIKE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockKind, Place};

    fn found(paragraphs: &[&str]) -> Vec<(DefectKind, usize)> {
        let mut text = String::new();
        let mut blocks = Vec::new();
        for paragraph in paragraphs {
            let start = text.len();
            text.push_str(paragraph);
            blocks.push(Block { span: start..text.len(), kind: BlockKind::Paragraph, place: Place::default() });
        }
        find(&text, &blocks).into_iter().map(|defect| (defect.kind, defect.count)).collect()
    }

    #[test]
    fn copies_and_almost_copies_are_told_apart() {
        let clause = "The supplier shall deliver the goods within 30 days of the order, at its own cost and risk, to the address that the buyer has named.";
        let changed = clause.replace("30", "45").replace("order,", "order;");
        let other = "The buyer shall inspect the goods on arrival and shall name every defect in writing before the end of the following week.";
        assert_eq!(found(&[clause, other, clause, clause]), [(DefectKind::DuplicateBlock, 2)]);
        assert_eq!(found(&[clause, other, &changed]), [(DefectKind::NearDuplicateBlock, 1)]);
        assert_eq!(found(&[clause, other, "Yes.", "Yes."]), []);
    }
}
