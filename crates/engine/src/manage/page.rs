//! Pages of lists: a bounded number of items, and the last one's id to go on from.

use insula_model::{Error, Result};

/// Items on a page where the caller does not say.
pub const PAGE_SIZE_DEFAULT: u32 = 50;
/// Items on a page at most.
pub const PAGE_SIZE_MAX: u32 = 200;

/// Which part of a list is wanted. `I` is the id of what is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageAsk<I> {
    /// The last item of the page before; absent for the first page.
    pub after: Option<I>,
    /// How many items, 1 to [`PAGE_SIZE_MAX`].
    pub limit: u32,
}

impl<I: std::str::FromStr> PageAsk<I> {
    /// Reads what a caller sent; errors name the parameter.
    pub fn parse(cursor: Option<&str>, limit: Option<u32>) -> Result<Self> {
        let limit = limit.unwrap_or(PAGE_SIZE_DEFAULT);
        if !(1..=PAGE_SIZE_MAX).contains(&limit) {
            return Err(Error::invalid(format!("a page has 1 to {PAGE_SIZE_MAX} items")).at("limit"));
        }
        let after = cursor.map(str::parse).transpose();
        let after = after.map_err(|_| Error::invalid("pass on `next_cursor` of the page before as it stands").at("cursor"))?;
        Ok(Self { after, limit })
    }

    /// One more than fits the page: whether it is there tells whether another page follows.
    pub(crate) fn look(&self) -> usize {
        self.limit as usize + 1
    }

    /// Cuts what [`PageAsk::look`] found to the page.
    pub(crate) fn cut<T>(&self, mut found: Vec<T>, id: impl Fn(&T) -> I) -> Page<T, I> {
        let more = found.len() > self.limit as usize;
        found.truncate(self.limit as usize);
        let next = found.last().filter(|_| more).map(id);
        Page { items: found, next }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, I> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page goes on; absent on the last.
    pub next: Option<I>,
}

#[cfg(test)]
mod tests {
    use insula_model::KeyId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wrong_pages_name_their_parameter() {
        assert_eq!(PageAsk::<KeyId>::parse(None, Some(0)).unwrap_err().param(), Some("limit"));
        assert_eq!(PageAsk::<KeyId>::parse(None, Some(PAGE_SIZE_MAX + 1)).unwrap_err().param(), Some("limit"));
        assert_eq!(PageAsk::<KeyId>::parse(Some("ten_x"), None).unwrap_err().param(), Some("cursor"));
    }

    proptest! {
        #[test]
        fn pages_together_are_the_list(total in 0u8..60, limit in 1u32..20) {
            let all: Vec<u8> = (0..total).collect();
            let mut seen = Vec::new();
            let mut ask = PageAsk { after: None, limit };
            loop {
                let found = all.iter().copied().filter(|n| ask.after.is_none_or(|after| *n > after)).take(ask.look()).collect();
                let page = ask.cut(found, |n| *n);
                prop_assert!(page.items.len() <= limit as usize);
                seen.extend(page.items);
                let Some(next) = page.next else { break };
                ask.after = Some(next);
            }
            prop_assert_eq!(seen, all);
        }
    }
}
