//! Parameters by themselves, for statements that run once for each of many rows.

use std::borrow::Cow;

use super::Val;

/// They outlive the numbers that they are made of.
impl<'a> Val<'a> {
    /// An integer.
    pub(crate) fn int(int: i64) -> Self {
        Val::Int(Some(int))
    }

    /// A count or a number that is given.
    pub(crate) fn count(count: u64) -> Self {
        Val::Int(Some(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// Bytes.
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Val::Bytes(Some(Cow::Borrowed(bytes)))
    }
}
