//! Rows become records.

use insula_model::{Error, Result};

use crate::query::{Field, value::Stored};

/// One row of an answer, whichever engine gave it.
pub(crate) enum Row<'r> {
    /// From SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// From PostgreSQL.
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The value of a column, by name.
    pub(crate) fn get<T: Field>(&self, column: &'static str) -> Result<T> {
        T::read(self, column)
    }

    /// What the engine keeps in a column.
    pub(super) fn stored<S: Stored>(&self, column: &'static str) -> Result<Option<S>> {
        match self {
            Row::Sqlite(row) => row.get(column).map_err(Error::internal),
            Row::Postgres(row) => S::from_pg(row, column),
        }
    }
}

/// What a row can be read into.
pub(crate) trait Rec: Sized {
    /// Reads one row.
    fn read(row: &Row<'_>) -> Result<Self>;
}

/// Makes a struct a record whose fields are the columns of the same name: `rec!(HourSpend { hour, money, tokens });`.
macro_rules! rec {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::query::Rec for $name {
            fn read(row: &$crate::query::Row<'_>) -> insula_model::Result<Self> {
                Ok($name { $($field: row.get(stringify!($field))?),* })
            }
        }
    };
}
pub(crate) use rec;
