//! The messages about collections and their indexes.

/// How near vectors are: their inner product, as the embedded engine counts it.
pub const DISTANCE_DOT: i32 = 3;
/// A payload field that holds words as they are.
pub const FIELD_KEYWORD: i32 = 0;
/// A payload field that holds whole numbers.
pub const FIELD_INTEGER: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct VectorParams {
    #[prost(uint64, tag = "1")]
    pub size: u64,
    #[prost(int32, tag = "2")]
    pub distance: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct VectorsConfig {
    #[prost(message, optional, tag = "1")]
    pub params: Option<VectorParams>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct HnswConfig {
    #[prost(uint64, optional, tag = "1")]
    pub m: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    pub payload_m: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateCollection {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(message, optional, tag = "4")]
    pub hnsw_config: Option<HnswConfig>,
    #[prost(message, optional, tag = "10")]
    pub vectors_config: Option<VectorsConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DeleteCollection {
    #[prost(string, tag = "1")]
    pub collection: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CollectionOperation {
    #[prost(bool, tag = "1")]
    pub result: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ListCollections {}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ListCollectionsResponse {
    #[prost(message, repeated, tag = "1")]
    pub collections: Vec<CollectionDescription>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CollectionDescription {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateFieldIndex {
    #[prost(string, tag = "1")]
    pub collection: String,
    #[prost(bool, optional, tag = "2")]
    pub wait: Option<bool>,
    #[prost(string, tag = "3")]
    pub field: String,
    #[prost(int32, optional, tag = "4")]
    pub kind: Option<i32>,
    #[prost(message, optional, tag = "5")]
    pub params: Option<IndexParams>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct IndexParams {
    #[prost(message, optional, tag = "2")]
    pub integer: Option<IntegerParams>,
    #[prost(message, optional, tag = "3")]
    pub keyword: Option<KeywordParams>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct IntegerParams {
    #[prost(bool, optional, tag = "1")]
    pub lookup: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub range: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub enable_hnsw: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct KeywordParams {
    #[prost(bool, optional, tag = "1")]
    pub is_tenant: Option<bool>,
    #[prost(bool, optional, tag = "3")]
    pub enable_hnsw: Option<bool>,
}
