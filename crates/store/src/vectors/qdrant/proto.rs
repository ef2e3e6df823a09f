//! What goes over the wire: the messages of Qdrant's gRPC interface, as far as they are used here.
//!
//! Numbers and types are those of the interface's own `.proto` files, version 1.20 (`points.proto`, `collections.proto`,
//! `qdrant_common.proto`, `json_with_int.proto`). The client that its makers offer is estimated at 60 to 65 seconds of processor
//! time to build, this one at 12 to 13; `tests/golden.rs` holds them to the bytes that it writes.

use std::collections::BTreeMap;

pub(super) use super::proto_collections::{
    CollectionOperation, CreateCollection, CreateFieldIndex, DeleteCollection, HnswConfig, IndexParams, IntegerParams,
    KeywordParams, ListCollections, ListCollectionsResponse, VectorParams, VectorsConfig,
};

/// How near vectors are: their inner product, as the embedded engine counts it.
pub(super) const DISTANCE_DOT: i32 = 3;
/// A payload field that holds words as they are.
pub(super) const FIELD_KEYWORD: i32 = 0;
/// A payload field that holds whole numbers.
pub(super) const FIELD_INTEGER: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PointId {
    #[prost(oneof = "point_id::Kind", tags = "1, 2")]
    pub kind: Option<point_id::Kind>,
}

pub(super) mod point_id {
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub(in super::super) enum Kind {
        #[prost(uint64, tag = "1")]
        Number(u64),
        #[prost(string, tag = "2")]
        Uuid(String),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Value {
    #[prost(oneof = "value::Kind", tags = "2, 3, 4, 5")]
    pub kind: Option<value::Kind>,
}

pub(super) mod value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Kind {
        #[prost(double, tag = "2")]
        Double(f64),
        #[prost(int64, tag = "3")]
        Integer(i64),
        #[prost(string, tag = "4")]
        Text(String),
        #[prost(bool, tag = "5")]
        Bool(bool),
    }
}

/// What a point carries beside its vector.
pub(super) type Payload = BTreeMap<String, Value>;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DenseVector {
    #[prost(float, repeated, tag = "1")]
    pub data: Vec<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Vector {
    #[prost(message, optional, tag = "101")]
    pub dense: Option<DenseVector>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Vectors {
    #[prost(message, optional, tag = "1")]
    pub vector: Option<Vector>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Point {
    #[prost(message, optional, tag = "1")]
    pub id: Option<PointId>,
    #[prost(btree_map = "string, message", tag = "3")]
    pub payload: Payload,
    #[prost(message, optional, tag = "4")]
    pub vectors: Option<Vectors>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Filter {
    #[prost(message, repeated, tag = "1")]
    pub should: Vec<Condition>,
    #[prost(message, repeated, tag = "2")]
    pub must: Vec<Condition>,
    #[prost(message, repeated, tag = "3")]
    pub must_not: Vec<Condition>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Condition {
    #[prost(oneof = "condition::Kind", tags = "1, 2, 4")]
    pub kind: Option<condition::Kind>,
}

pub(super) mod condition {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Kind {
        #[prost(message, tag = "1")]
        Field(super::FieldCondition),
        #[prost(message, tag = "2")]
        IsEmpty(super::IsEmpty),
        #[prost(message, tag = "4")]
        Filter(super::Filter),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct IsEmpty {
    #[prost(string, tag = "1")]
    pub key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FieldCondition {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub r#match: Option<Match>,
    #[prost(message, optional, tag = "3")]
    pub range: Option<Range>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Match {
    #[prost(oneof = "matching::Kind", tags = "1, 2, 5, 6")]
    pub kind: Option<matching::Kind>,
}

pub(super) mod matching {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(in super::super) enum Kind {
        #[prost(string, tag = "1")]
        Keyword(String),
        #[prost(int64, tag = "2")]
        Integer(i64),
        #[prost(message, tag = "5")]
        Keywords(super::Keywords),
        #[prost(message, tag = "6")]
        Integers(super::Integers),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Keywords {
    #[prost(string, repeated, tag = "1")]
    pub strings: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Integers {
    #[prost(int64, repeated, tag = "1")]
    pub integers: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Range {
    #[prost(double, optional, tag = "1")]
    pub lt: Option<f64>,
    #[prost(double, optional, tag = "3")]
    pub gte: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UpsertPoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(bool, optional, tag = "2")]
    pub wait: Option<bool>,
    #[prost(message, repeated, tag = "3")]
    pub points: Vec<Point>,
    #[prost(message, optional, tag = "6")]
    pub update_filter: Option<Filter>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PointsSelector {
    #[prost(message, optional, tag = "2")]
    pub filter: Option<Filter>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DeletePoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(bool, optional, tag = "2")]
    pub wait: Option<bool>,
    #[prost(message, optional, tag = "3")]
    pub points: Option<PointsSelector>,
}

/// The answer to a change; what it says beside "done" is of no use here.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Done {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CountPoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(message, optional, tag = "2")]
    pub filter: Option<Filter>,
    #[prost(bool, optional, tag = "3")]
    pub exact: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CountResponse {
    #[prost(message, optional, tag = "1")]
    pub result: Option<CountResult>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CountResult {
    #[prost(uint64, tag = "1")]
    pub count: u64,
}

/// All of the payload, or none.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WithPayload {
    #[prost(bool, optional, tag = "1")]
    pub enable: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ScrollPoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(message, optional, tag = "2")]
    pub filter: Option<Filter>,
    #[prost(message, optional, tag = "3")]
    pub offset: Option<PointId>,
    #[prost(uint32, optional, tag = "4")]
    pub limit: Option<u32>,
    #[prost(message, optional, tag = "6")]
    pub with_payload: Option<WithPayload>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ScrollResponse {
    #[prost(message, optional, tag = "1")]
    pub next: Option<PointId>,
    #[prost(message, repeated, tag = "2")]
    pub result: Vec<Retrieved>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Retrieved {
    #[prost(message, optional, tag = "1")]
    pub id: Option<PointId>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub payload: Payload,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct QueryPoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(message, optional, tag = "3")]
    pub query: Option<Query>,
    #[prost(message, optional, tag = "5")]
    pub filter: Option<Filter>,
    #[prost(message, optional, tag = "6")]
    pub params: Option<SearchParams>,
    #[prost(uint64, optional, tag = "8")]
    pub limit: Option<u64>,
    #[prost(message, optional, tag = "11")]
    pub with_payload: Option<WithPayload>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Query {
    #[prost(message, optional, tag = "1")]
    pub nearest: Option<VectorInput>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VectorInput {
    #[prost(message, optional, tag = "2")]
    pub dense: Option<DenseVector>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SearchParams {
    #[prost(bool, optional, tag = "2")]
    pub exact: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct QueryResponse {
    #[prost(message, repeated, tag = "1")]
    pub result: Vec<Scored>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Scored {
    #[prost(message, optional, tag = "1")]
    pub id: Option<PointId>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub payload: Payload,
    #[prost(float, tag = "3")]
    pub score: f32,
}

/// How many points have each value of a payload field.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FacetCounts {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(string, tag = "2")]
    pub key: String,
    #[prost(uint64, optional, tag = "4")]
    pub limit: Option<u64>,
    #[prost(bool, optional, tag = "5")]
    pub exact: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FacetResponse {
    #[prost(message, repeated, tag = "1")]
    pub hits: Vec<FacetHit>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FacetHit {
    #[prost(message, optional, tag = "1")]
    pub value: Option<FacetValue>,
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FacetValue {
    #[prost(string, optional, tag = "1")]
    pub text: Option<String>,
}
