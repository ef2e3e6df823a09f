//! Values on their way into and out of PostgreSQL: three kinds of column, BIGINT, TEXT and BYTEA.

use bytes::BytesMut;
use insula_model::{Error, Result};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use crate::query::Val;

impl Val<'_> {
    /// The type that a parameter of this kind has, also when it is absent.
    pub(super) fn pg_type(&self) -> Type {
        match self {
            Val::Int(_) => Type::INT8,
            Val::Text(_) => Type::TEXT,
            Val::Bytes(_) => Type::BYTEA,
        }
    }
}

type Encoded = std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Val<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        match self {
            Val::Int(int) => int.to_sql(ty, out),
            Val::Text(text) => text.as_deref().to_sql(ty, out),
            Val::Bytes(bytes) => bytes.as_deref().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

/// What PostgreSQL gives for one of the three kinds of column.
pub(crate) trait PgStored: Sized {
    /// The value of a column; `None` where it is NULL.
    fn from_pg(row: &Row, column: &str) -> Result<Option<Self>>;
}

/// Computed columns may be narrower than the columns themselves.
struct AnyInt(i64);

impl<'r> FromSql<'r> for AnyInt {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *ty {
            Type::INT4 => i32::from_sql(ty, raw).map(|int| Self(int.into())),
            _ => i64::from_sql(ty, raw).map(Self),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT4, Type::INT8].contains(ty)
    }
}

impl PgStored for i64 {
    fn from_pg(row: &Row, column: &str) -> Result<Option<Self>> {
        row.try_get::<_, Option<AnyInt>>(column).map(|int| int.map(|int| int.0)).map_err(Error::internal)
    }
}

impl PgStored for String {
    fn from_pg(row: &Row, column: &str) -> Result<Option<Self>> {
        row.try_get(column).map_err(Error::internal)
    }
}

impl PgStored for Vec<u8> {
    fn from_pg(row: &Row, column: &str) -> Result<Option<Self>> {
        row.try_get(column).map_err(Error::internal)
    }
}
