//! The guard: no call about points leaves without the filter of the tenant whose points they are.
//!
//! Qdrant knows no tenants (tokens that it would hold to a filter are gone from it), so what keeps tenants apart there is this file.
//! [`Guard::filter`] alone makes filters, every call about points is a [`Guarded`] one, and only this file makes those. Each point that
//! comes back is looked at again: one of another tenant fails the whole call. A collection of a tenant's own is asked just as one
//! that tenants share.

use insula_model::{DocumentId, Error, Result, TenantId};

use super::{
    names::{Collection, Names, point_id},
    proto::{
        Condition, CountPoints, DeleteCollection, DeletePoints, DenseVector, FieldCondition, Filter, Integers, IsEmpty,
        Keywords, Match, Payload, Point, PointId, PointsSelector, Query, QueryPoints, Range, ScrollPoints, SearchParams,
        UpsertPoints, Value, Vector, VectorInput, Vectors, WithPayload, condition, matching, value,
    },
};

/// What points carry: ids and numbers, and no word of anybody's. There is no way to add to it, so nothing can stand in their place.
pub(super) const TENANT: &str = "tenant";
pub(super) const DOCUMENT: &str = "document";
pub(super) const PLACE: &str = "place";
pub(super) const CHUNK: &str = "chunk";
pub(super) const SPACE: &str = "space";

/// A call that holds its tenant's filter.
#[derive(Debug, Clone)]
pub(super) struct Guarded<C>(C);

impl<C> Guarded<C> {
    /// As it goes out.
    pub fn get(&self) -> &C {
        &self.0
    }
}

/// Which of a tenant's points.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Which<'a> {
    /// Of this space alone.
    pub space: Option<u64>,
    /// Of these documents.
    pub documents: Documents<'a>,
    /// None of these chunks in these spaces.
    pub but: Option<But<'a>>,
}

/// Of which documents.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Documents<'a> {
    /// Of all.
    #[default]
    All,
    /// Of these.
    Any(&'a [DocumentId]),
    /// Of all but these.
    AllBut(&'a [DocumentId]),
}

/// Chunks that are as they should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct But<'a> {
    /// The first of them.
    pub first: u64,
    /// The one behind the last of them.
    pub end: u64,
    /// In these spaces.
    pub spaces: &'a [u64],
}

/// A point to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewPoint {
    pub space: u64,
    pub document: DocumentId,
    pub place: u64,
    pub chunk: u64,
    pub vector: Vec<f32>,
}

/// A point as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Seen {
    pub document: DocumentId,
    pub chunk: u64,
    pub space: u64,
}

/// What is asked of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub space: u64,
    pub documents: Documents<'a>,
    pub vector: &'a [f32],
    pub limit: usize,
    /// Whether all are compared.
    pub exact: bool,
}

/// Whose points calls are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard {
    tenant: TenantId,
}

impl Guard {
    /// For the points of this tenant: one whose home is open, or that is being erased.
    pub fn of(tenant: TenantId) -> Self {
        Self { tenant }
    }

    /// The one place where filters are made: the tenant first, then what narrows it.
    fn filter(&self, which: Which<'_>) -> Filter {
        let mut filter = Filter { must: vec![keyword(TENANT, self.tenant.bare())], ..Filter::default() };
        if let Some(space) = which.space {
            filter.must.push(matches(SPACE, matching::Kind::Integer(number(space))));
        }
        match which.documents {
            Documents::All => {}
            Documents::Any(documents) => filter.must.push(any_of(documents)),
            Documents::AllBut(documents) => filter.must_not.push(any_of(documents)),
        }
        if let Some(But { first, end, spaces }) = which.but {
            let range = Range { gte: Some(exactly(first)), lt: Some(exactly(end)) };
            let chunks = FieldCondition { key: CHUNK.to_owned(), range: Some(range), ..FieldCondition::default() };
            let spaces = Integers { integers: spaces.iter().map(|space| number(*space)).collect() };
            let kept = vec![condition(condition::Kind::Field(chunks)), matches(SPACE, matching::Kind::Integers(spaces))];
            let kept = Filter { must: kept, ..Filter::default() };
            filter.must_not.push(condition(condition::Kind::Filter(kept)));
        }
        filter
    }

    /// Asks for the nearest points.
    pub fn query(&self, collection: String, ask: Ask<'_>) -> Guarded<QueryPoints> {
        let which = Which { space: Some(ask.space), documents: ask.documents, but: None };
        let dense = Some(DenseVector { data: ask.vector.to_vec() });
        Guarded(QueryPoints {
            collection,
            query: Some(Query { nearest: Some(VectorInput { dense }) }),
            filter: Some(self.filter(which)),
            params: ask.exact.then_some(SearchParams { exact: Some(true) }),
            limit: Some(ask.limit as u64),
            with_payload: Some(WithPayload { enable: Some(true) }),
        })
    }

    /// Asks for points page by page.
    pub fn scroll(&self, collection: String, which: Which<'_>, offset: Option<PointId>, limit: u32) -> Guarded<ScrollPoints> {
        Guarded(ScrollPoints {
            collection,
            filter: Some(self.filter(which)),
            offset,
            limit: Some(limit),
            with_payload: Some(WithPayload { enable: Some(true) }),
        })
    }

    /// Asks how many there are.
    pub fn count(&self, collection: String, which: Which<'_>) -> Guarded<CountPoints> {
        Guarded(CountPoints { collection, filter: Some(self.filter(which)), exact: Some(true) })
    }

    /// Removes points.
    pub fn delete(&self, collection: String, which: Which<'_>) -> Guarded<DeletePoints> {
        deletion(collection, self.filter(which))
    }

    /// Writes points. Should one of them have the id of another tenant's, that one stays as it is.
    pub fn upsert(&self, collection: String, points: Vec<NewPoint>) -> Guarded<UpsertPoints> {
        let points = points.into_iter().map(|point| self.point(point)).collect();
        let update_filter = Some(self.filter(Which::default()));
        Guarded(UpsertPoints { collection, wait: Some(true), points, update_filter })
    }

    /// Removes a collection of the tenant's own.
    ///
    /// # Errors
    /// Where it is another's, or one that tenants share.
    pub fn drop_own(&self, names: &Names, collection: Collection) -> Result<Guarded<DeleteCollection>> {
        if collection.owner != Some(self.tenant) {
            return Err(Error::internal("a collection that is not the tenant's own was to be removed on its behalf"));
        }
        Ok(Guarded(DeleteCollection { collection: names.of(collection) }))
    }

    /// What a point that came back is.
    ///
    /// # Errors
    /// Where it is another tenant's, or nothing of ours: then nothing that came with it is used either.
    pub fn seen(&self, payload: &Payload) -> Result<Seen> {
        let told = text(payload, TENANT);
        if told != Some(self.tenant.bare().as_str()) {
            tracing::error!(tenant = %self.tenant, "the vector engine answered with a point of another tenant; nothing of its answer is used");
            return Err(Error::internal("the vector engine answered with a point of another tenant"));
        }
        let seen = || {
            let document = DocumentId::from_bare(text(payload, DOCUMENT)?)?;
            Some(Seen { document, chunk: count(payload, CHUNK)?, space: count(payload, SPACE)? })
        };
        seen().ok_or_else(|| Error::internal("the vector engine answered with a point that was not written here"))
    }

    fn point(&self, new: NewPoint) -> Point {
        let NewPoint { space, document, place, chunk, vector } = new;
        let integer = |n: u64| Value { kind: Some(value::Kind::Integer(number(n))) };
        let words = |text: String| Value { kind: Some(value::Kind::Text(text)) };
        let payload = [
            (TENANT, words(self.tenant.bare())),
            (DOCUMENT, words(document.bare())),
            (PLACE, integer(place)),
            (CHUNK, integer(chunk)),
            (SPACE, integer(space)),
        ];
        Point {
            id: Some(point_id(self.tenant, space, document, chunk)),
            payload: payload.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            vectors: Some(Vectors { vector: Some(Vector { dense: Some(DenseVector { data: vector }) }) }),
        }
    }
}

/// Counts the points that name no tenant, which are nobody's.
pub(super) fn count_nobodys(collection: String) -> Guarded<CountPoints> {
    Guarded(CountPoints { collection, filter: Some(nobodys()), exact: Some(true) })
}

/// Removes the points that name no tenant.
pub(super) fn delete_nobodys(collection: String) -> Guarded<DeletePoints> {
    deletion(collection, nobodys())
}

fn nobodys() -> Filter {
    Filter { must: vec![condition(condition::Kind::IsEmpty(IsEmpty { key: TENANT.to_owned() }))], ..Filter::default() }
}

fn deletion(collection: String, filter: Filter) -> Guarded<DeletePoints> {
    let points = Some(PointsSelector { filter: Some(filter) });
    Guarded(DeletePoints { collection, wait: Some(true), points })
}

fn condition(kind: condition::Kind) -> Condition {
    Condition { kind: Some(kind) }
}

fn matches(key: &str, kind: matching::Kind) -> Condition {
    let r#match = Some(Match { kind: Some(kind) });
    condition(condition::Kind::Field(FieldCondition { key: key.to_owned(), r#match, range: None }))
}

fn keyword(key: &str, word: String) -> Condition {
    matches(key, matching::Kind::Keyword(word))
}

fn any_of(documents: &[DocumentId]) -> Condition {
    let strings = documents.iter().map(DocumentId::bare).collect();
    matches(DOCUMENT, matching::Kind::Keywords(Keywords { strings }))
}

fn text<'p>(payload: &'p Payload, key: &str) -> Option<&'p str> {
    match payload.get(key)?.kind.as_ref()? {
        value::Kind::Text(text) => Some(text),
        _ => None,
    }
}

fn count(payload: &Payload, key: &str) -> Option<u64> {
    match payload.get(key)?.kind.as_ref()? {
        value::Kind::Integer(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

/// Numbers of chunks and spaces come from a database that has 63 bits for them.
fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Ranges are told as floating-point numbers: exact up to 2^53, and nobody has so many chunks.
fn exactly(n: u64) -> f64 {
    n as f64
}
