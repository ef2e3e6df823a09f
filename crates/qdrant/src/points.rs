//! The messages about points.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq, prost::Message)]
pub struct PointId {
    #[prost(oneof = "point_id::Kind", tags = "1, 2")]
    pub kind: Option<point_id::Kind>,
}

pub mod point_id {
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Kind {
        #[prost(uint64, tag = "1")]
        Number(u64),
        #[prost(string, tag = "2")]
        Uuid(String),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    #[prost(oneof = "value::Kind", tags = "2, 3, 4, 5")]
    pub kind: Option<value::Kind>,
}

pub mod value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
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
pub type Payload = BTreeMap<String, Value>;

#[derive(Clone, PartialEq, prost::Message)]
pub struct DenseVector {
    #[prost(float, repeated, tag = "1")]
    pub data: Vec<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Vector {
    #[prost(message, optional, tag = "101")]
    pub dense: Option<DenseVector>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Vectors {
    #[prost(message, optional, tag = "1")]
    pub vector: Option<Vector>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Point {
    #[prost(message, optional, tag = "1")]
    pub id: Option<PointId>,
    #[prost(btree_map = "string, message", tag = "3")]
    pub payload: Payload,
    #[prost(message, optional, tag = "4")]
    pub vectors: Option<Vectors>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Filter {
    #[prost(message, repeated, tag = "1")]
    pub should: Vec<Condition>,
    #[prost(message, repeated, tag = "2")]
    pub must: Vec<Condition>,
    #[prost(message, repeated, tag = "3")]
    pub must_not: Vec<Condition>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Condition {
    #[prost(oneof = "condition::Kind", tags = "1, 2, 4")]
    pub kind: Option<condition::Kind>,
}

pub mod condition {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        #[prost(message, tag = "1")]
        Field(super::FieldCondition),
        #[prost(message, tag = "2")]
        IsEmpty(super::IsEmpty),
        #[prost(message, tag = "4")]
        Filter(super::Filter),
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct IsEmpty {
    #[prost(string, tag = "1")]
    pub key: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FieldCondition {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub r#match: Option<Match>,
    #[prost(message, optional, tag = "3")]
    pub range: Option<Range>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Match {
    #[prost(oneof = "matching::Kind", tags = "1, 2, 5, 6")]
    pub kind: Option<matching::Kind>,
}

pub mod matching {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
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
pub struct Keywords {
    #[prost(string, repeated, tag = "1")]
    pub strings: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Integers {
    #[prost(int64, repeated, tag = "1")]
    pub integers: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Range {
    #[prost(double, optional, tag = "1")]
    pub lt: Option<f64>,
    #[prost(double, optional, tag = "3")]
    pub gte: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UpsertPoints {
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
pub struct PointsSelector {
    #[prost(message, optional, tag = "2")]
    pub filter: Option<Filter>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DeletePoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(bool, optional, tag = "2")]
    pub wait: Option<bool>,
    #[prost(message, optional, tag = "3")]
    pub points: Option<PointsSelector>,
}

/// The answer to a change; what it says beside "done" is of no use here.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Done {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CountPoints {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(message, optional, tag = "2")]
    pub filter: Option<Filter>,
    #[prost(bool, optional, tag = "3")]
    pub exact: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CountResponse {
    #[prost(message, optional, tag = "1")]
    pub result: Option<CountResult>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CountResult {
    #[prost(uint64, tag = "1")]
    pub count: u64,
}

/// All of the payload, or none.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WithPayload {
    #[prost(bool, optional, tag = "1")]
    pub enable: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ScrollPoints {
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
pub struct ScrollResponse {
    #[prost(message, optional, tag = "1")]
    pub next: Option<PointId>,
    #[prost(message, repeated, tag = "2")]
    pub result: Vec<Retrieved>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Retrieved {
    #[prost(message, optional, tag = "1")]
    pub id: Option<PointId>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub payload: Payload,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct QueryPoints {
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
pub struct Query {
    #[prost(message, optional, tag = "1")]
    pub nearest: Option<VectorInput>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct VectorInput {
    #[prost(message, optional, tag = "2")]
    pub dense: Option<DenseVector>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct SearchParams {
    #[prost(bool, optional, tag = "2")]
    pub exact: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct QueryResponse {
    #[prost(message, repeated, tag = "1")]
    pub result: Vec<Scored>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Scored {
    #[prost(message, optional, tag = "1")]
    pub id: Option<PointId>,
    #[prost(btree_map = "string, message", tag = "2")]
    pub payload: Payload,
    #[prost(float, tag = "3")]
    pub score: f32,
}

/// How many points have each value of a payload field.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FacetCounts {
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
pub struct FacetResponse {
    #[prost(message, repeated, tag = "1")]
    pub hits: Vec<FacetHit>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FacetHit {
    #[prost(message, optional, tag = "1")]
    pub value: Option<FacetValue>,
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct FacetValue {
    #[prost(string, optional, tag = "1")]
    pub text: Option<String>,
}
