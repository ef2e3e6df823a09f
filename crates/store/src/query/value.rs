//! Values on their way into and out of columns.
//!
//! The engines share three kinds of column: 64-bit integers, text and bytes. Everything else is written as one of them
//! here, once: ids as their sixteen bytes, times as microseconds, money as picodollars, words as text, labels as JSON.

mod given;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use insula_model::{
    AttemptId, AttemptOutcome, BatchId, BatchStatus, BatchTimes, BatchWait, BudgetId, BudgetMode, BudgetOrigin, CacheRules,
    Cause, CorpusId, CorpusName, CredentialId, CredentialMark, CredentialOwner, CreditId, Defaults, DeliveryState, DocumentId,
    DocumentStatus, EmbeddingWait, EndUserId, Error, EventId, EventType, FileBatchId, FileId, FilePurpose, FileState,
    Jurisdiction, KeyId, Money, Name, Operation, Placement, ProviderIsolation, ReleaseMode, RequestId, Result, Role, Routing,
    RunKind, SellPrice, Slug, Subject, TenantId, TenantState, Timestamp, VectorCollection, VectorRules, VectorStoreId,
    WebhookId, Window,
};
use rusqlite::{
    ToSql,
    types::{FromSql, ToSqlOutput, Value, ValueRef},
};
use serde::Serialize;

use crate::{postgres::PgStored, query::Row};

/// A parameter of a query. An absent value keeps its kind, which PostgreSQL asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val<'a> {
    /// A 64-bit integer.
    Int(Option<i64>),
    /// Text.
    Text(Option<Cow<'a, str>>),
    /// Bytes.
    Bytes(Option<Cow<'a, [u8]>>),
}

impl ToSql for Val<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Val::Int(Some(int)) => ToSqlOutput::Borrowed(ValueRef::Integer(*int)),
            Val::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Val::Bytes(Some(bytes)) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Val::Int(None) | Val::Text(None) | Val::Bytes(None) => ToSqlOutput::Owned(Value::Null),
        })
    }
}

/// What a column itself holds.
pub(crate) trait Stored: FromSql + PgStored {
    /// The absent value of this kind.
    const NULL: Val<'static>;
}

impl Stored for i64 {
    const NULL: Val<'static> = Val::Int(None);
}

impl Stored for String {
    const NULL: Val<'static> = Val::Text(None);
}

impl Stored for Vec<u8> {
    const NULL: Val<'static> = Val::Bytes(None);
}

/// A type that is written into one column.
pub(crate) trait Column: Sized {
    /// The kind of column.
    type Stored: Stored;

    /// The parameter to write.
    fn val(&self) -> Val<'_>;

    /// The value that was written; nothing when the column holds something else.
    fn from_stored(stored: Self::Stored) -> Option<Self>;
}

/// A column, or one that may be empty.
pub(crate) trait Field: Sized {
    /// The parameter to write.
    fn bind(&self) -> Val<'_>;

    /// Reads it from a row.
    fn read(row: &Row<'_>, column: &'static str) -> Result<Self>;
}

impl<T: Column> Field for T {
    fn bind(&self) -> Val<'_> {
        self.val()
    }

    fn read(row: &Row<'_>, column: &'static str) -> Result<Self> {
        Option::<T>::read(row, column)?.ok_or_else(|| Error::internal(format!("column {column} is empty")))
    }
}

impl<T: Column> Field for Option<T> {
    fn bind(&self) -> Val<'_> {
        self.as_ref().map_or(T::Stored::NULL, T::val)
    }

    fn read(row: &Row<'_>, column: &'static str) -> Result<Self> {
        let Some(stored) = row.stored(column)? else { return Ok(None) };
        let unreadable = || Error::internal(format!("column {column} holds a value that cannot be read"));
        T::from_stored(stored).map(Some).ok_or_else(unreadable)
    }
}

/// A column of another struct, by reference: only ever written.
impl<T: Column> Column for &T {
    type Stored = T::Stored;
    fn val(&self) -> Val<'_> {
        (**self).val()
    }
    fn from_stored(_: Self::Stored) -> Option<Self> {
        None
    }
}

/// The parameters of a query, in order: `args![tenant.id, tenant.slug]`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::query::Field::bind(&$value)),*] };
}
pub(crate) use args;

impl Column for i64 {
    type Stored = i64;
    fn val(&self) -> Val<'_> {
        Val::Int(Some(*self))
    }
    fn from_stored(stored: i64) -> Option<Self> {
        Some(stored)
    }
}

/// Counts stop at the largest 64-bit integer; none that we keep comes near it.
macro_rules! counts {
    ($($count:ty),*) => { $(
        impl Column for $count {
            type Stored = i64;
            fn val(&self) -> Val<'_> {
                Val::Int(Some(i64::try_from(*self).unwrap_or(i64::MAX)))
            }
            fn from_stored(stored: i64) -> Option<Self> {
                stored.try_into().ok()
            }
        }
    )* };
}
counts!(u16, u32, u64);

impl Column for bool {
    type Stored = i64;
    fn val(&self) -> Val<'_> {
        Val::Int(Some(i64::from(*self)))
    }
    fn from_stored(stored: i64) -> Option<Self> {
        Some(stored != 0)
    }
}

impl Column for Timestamp {
    type Stored = i64;
    fn val(&self) -> Val<'_> {
        Val::Int(Some(self.micros()))
    }
    fn from_stored(stored: i64) -> Option<Self> {
        Some(Timestamp::from_micros(stored))
    }
}

impl Column for Money {
    type Stored = i64;
    /// An amount beyond what fits stops there; [`Money::storable`] is asked before one is written.
    fn val(&self) -> Val<'_> {
        Val::Int(Some(self.storable().unwrap_or(i64::MAX)))
    }
    fn from_stored(stored: i64) -> Option<Self> {
        Some(Money::from_pico(i128::from(stored)))
    }
}

impl Column for String {
    type Stored = String;
    fn val(&self) -> Val<'_> {
        Val::Text(Some(Cow::Borrowed(self)))
    }
    fn from_stored(stored: String) -> Option<Self> {
        Some(stored)
    }
}

impl Column for Vec<u8> {
    type Stored = Vec<u8>;
    fn val(&self) -> Val<'_> {
        Val::Bytes(Some(Cow::Borrowed(self)))
    }
    fn from_stored(stored: Vec<u8>) -> Option<Self> {
        Some(stored)
    }
}

impl<const N: usize> Column for [u8; N] {
    type Stored = Vec<u8>;
    fn val(&self) -> Val<'_> {
        Val::Bytes(Some(Cow::Borrowed(self)))
    }
    fn from_stored(stored: Vec<u8>) -> Option<Self> {
        stored.try_into().ok()
    }
}

macro_rules! ids {
    ($($id:ident),*) => { $(
        impl Column for $id {
            type Stored = Vec<u8>;
            fn val(&self) -> Val<'_> {
                Val::Bytes(Some(Cow::Borrowed(self.as_bytes())))
            }
            fn from_stored(stored: Vec<u8>) -> Option<Self> {
                stored.try_into().ok().map($id::from_bytes)
            }
        }
    )* };
}
ids!(
    TenantId,
    KeyId,
    EndUserId,
    BudgetId,
    CreditId,
    RequestId,
    AttemptId,
    WebhookId,
    EventId,
    FileId,
    BatchId,
    CredentialId,
    DocumentId,
    CorpusId,
    VectorStoreId,
    FileBatchId
);

macro_rules! checked_texts {
    ($($text:ident),*) => { $(
        impl Column for $text {
            type Stored = String;
            fn val(&self) -> Val<'_> {
                Val::Text(Some(Cow::Borrowed(self.as_str())))
            }
            fn from_stored(stored: String) -> Option<Self> {
                $text::try_from(stored).ok()
            }
        }
    )* };
}
checked_texts!(Slug, Name, CorpusName, Jurisdiction);

/// A closed set of words, read and written as JSON names them (`client_gone`), so that a new word needs no line here.
macro_rules! words {
    ($write:expr; $($word:ident),*) => { $(
        impl Column for $word {
            type Stored = String;
            fn val(&self) -> Val<'_> {
                let write: fn(&$word) -> Cow<'static, str> = $write;
                Val::Text(Some(write(self)))
            }
            fn from_stored(stored: String) -> Option<Self> {
                serde_json::from_value(serde_json::Value::String(stored)).ok()
            }
        }
    )* };
}
// Those of the ledger name themselves without an allocation.
words!(|word| Cow::Borrowed(word.name()); TenantState, Window, Operation, Cause, AttemptOutcome, EventType, DeliveryState);
words!(|word| Cow::Borrowed(word.name()); BatchStatus, BatchWait, CredentialOwner, DocumentStatus, EmbeddingWait, FilePurpose, FileState, RunKind, VectorCollection);
words!(|word| Cow::Owned(json_word(word)); Placement, Role, BudgetMode, BudgetOrigin, ProviderIsolation, ReleaseMode);

fn json_word(word: &impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

macro_rules! json {
    ($($value:ty),*) => { $(
        impl Column for $value {
            type Stored = String;
            fn val(&self) -> Val<'_> {
                Val::Text(serde_json::to_string(self).ok().map(Cow::Owned))
            }
            fn from_stored(stored: String) -> Option<Self> {
                serde_json::from_str(&stored).ok()
            }
        }
    )* };
}
json!(BTreeMap<String, String>, Vec<f64>, Vec<String>, CacheRules, Defaults, Routing, Vec<SellPrice>, BTreeSet<EventType>, VectorRules);
json!(BatchTimes, BTreeMap<String, CredentialMark>);

/// A byte for the level, then the ids: the order of the bytes is the order of the subjects.
impl Column for Subject {
    type Stored = Vec<u8>;

    fn val(&self) -> Val<'_> {
        let mut bytes = Vec::with_capacity(33);
        match self {
            Subject::Platform => bytes.push(0),
            Subject::Tenant(tenant) => {
                bytes.push(1);
                bytes.extend_from_slice(tenant.as_bytes());
            }
            Subject::Key(tenant, key) => {
                bytes.push(2);
                bytes.extend_from_slice(tenant.as_bytes());
                bytes.extend_from_slice(key.as_bytes());
            }
            Subject::EndUser(tenant, end_user) => {
                bytes.push(3);
                bytes.extend_from_slice(tenant.as_bytes());
                bytes.extend_from_slice(end_user.as_bytes());
            }
        }
        Val::Bytes(Some(Cow::Owned(bytes)))
    }

    fn from_stored(stored: Vec<u8>) -> Option<Self> {
        let (level, ids) = stored.split_first()?;
        match level {
            0 if ids.is_empty() => Some(Subject::Platform),
            1 => Some(Subject::Tenant(TenantId::from_bytes(ids.try_into().ok()?))),
            2 | 3 => {
                let (tenant, id) = ids.split_at_checked(16)?;
                let (tenant, id) = (TenantId::from_bytes(tenant.try_into().ok()?), id.try_into().ok()?);
                Some(match level {
                    2 => Subject::Key(tenant, KeyId::from_bytes(id)),
                    _ => Subject::EndUser(tenant, EndUserId::from_bytes(id)),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod columns;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{columns::Columns, *};

    #[test]
    fn what_is_written_is_read() {
        let on = Columns::make();
        // No text of ours holds a zero character, which PostgreSQL has none of: names refuse it, the register replaces it.
        proptest!(ProptestConfig::with_cases(48), |(
            int: i64, count in 0..=i64::MAX.unsigned_abs(), flag: bool, text in "[^\x00]*", bytes: Vec<u8>, id: [u8; 16],
            hash: [u8; 32], pico in 0..=Money::STORABLE_MAX.pico(), labels: BTreeMap<String, String>, absent: Option<bool>,
        )| {
            let tenant = TenantId::from_bytes(id);
            let key = KeyId::from_bytes(id);
            prop_assert_eq!(on.through(&int).unwrap(), int);
            prop_assert_eq!(on.through(&count).unwrap(), count);
            prop_assert_eq!(on.through(&flag).unwrap(), flag);
            prop_assert_eq!(&on.through(&text).unwrap(), &text);
            prop_assert_eq!(on.through(&bytes).unwrap(), bytes);
            prop_assert_eq!(on.through(&tenant).unwrap(), tenant);
            prop_assert_eq!(on.through(&hash).unwrap(), hash);
            prop_assert_eq!(on.through(&Money::from_pico(pico)).unwrap().pico(), pico);
            prop_assert_eq!(on.through(&Timestamp::from_micros(int)).unwrap().micros(), int);
            prop_assert_eq!(on.through(&labels).unwrap(), labels);
            prop_assert_eq!(on.through(&absent.map(|_| text.clone())).unwrap(), absent.map(|_| text));
            prop_assert_eq!(on.through(&absent.map(|_| tenant)).unwrap(), absent.map(|_| tenant));
            prop_assert_eq!(on.through(&absent.map(|_| int)).unwrap(), absent.map(|_| int));
            let end_user = Subject::EndUser(tenant, EndUserId::from_bytes(id));
            for subject in [Subject::Platform, Subject::Tenant(tenant), Subject::Key(tenant, key), end_user] {
                prop_assert_eq!(on.through(&subject).unwrap(), subject);
            }
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn nonsense_is_an_error_not_a_panic(bytes: Vec<u8>, text: String) {
            let _ = Subject::from_stored(bytes.clone());
            let _ = TenantId::from_stored(bytes);
            let _ = Role::from_stored(text.clone());
            let _ = BTreeMap::<String, String>::from_stored(text);
        }
    }

    #[test]
    fn words_read_back() {
        let on = Columns::make();
        for outcome in [AttemptOutcome::Completed, AttemptOutcome::ClientGone, AttemptOutcome::Lost] {
            assert_eq!(on.through(&outcome).unwrap(), outcome);
        }
        assert_eq!(on.through(&Role::Admin).unwrap(), Role::Admin);
        assert_eq!(on.through(&Placement::Shared).unwrap(), Placement::Shared);
        assert_eq!(on.through(&BudgetMode::Soft).unwrap(), BudgetMode::Soft);
    }
}
