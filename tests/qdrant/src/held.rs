//! What a peer keeps, and how it answers each kind of call.

use std::collections::BTreeMap;

use bytes::Bytes;
use insula_qdrant::{
    CollectionDescription, CollectionOperation, CountPoints, CountResponse, CountResult, CreateCollection, CreateFieldIndex,
    DeleteCollection, DeletePoints, Done, FacetCounts, FacetHit, FacetResponse, FacetValue, ListCollectionsResponse, Payload,
    Point, PointId, QueryPoints, QueryResponse, Retrieved, Scored, ScrollPoints, ScrollResponse, UpsertPoints, point_id, value,
};
use prost::Message;

use crate::matching;

/// A collection in memory.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    dimension: u64,
    pub(crate) indexed: Vec<String>,
    pub(crate) points: BTreeMap<String, Point>,
}

/// All collections, by name.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) collections: BTreeMap<String, Collection>,
}

/// A status of gRPC that is no success, and what is said of it.
pub(crate) type Refusal = (u32, String);

impl Held {
    /// The answer to a call. What is `leaked` is among what a query or a scroll finds.
    pub(crate) fn answer(&mut self, method: &str, message: Bytes, leaked: Option<Point>) -> Result<Vec<u8>, Refusal> {
        match method {
            "/qdrant.Collections/List" => {
                let names = self.collections.keys();
                let collections = names.map(|name| CollectionDescription { name: name.clone() }).collect();
                Ok(ListCollectionsResponse { collections }.encode_to_vec())
            }
            "/qdrant.Collections/Create" => self.create(&read(message)?),
            "/qdrant.Collections/Delete" => {
                let call: DeleteCollection = read(message)?;
                let result = self.collections.remove(&call.collection).is_some();
                Ok(CollectionOperation { result }.encode_to_vec())
            }
            "/qdrant.Points/CreateFieldIndex" => {
                let call: CreateFieldIndex = read(message)?;
                self.of(&call.collection)?.indexed.push(call.field);
                Ok(Done {}.encode_to_vec())
            }
            "/qdrant.Points/Upsert" => self.upsert(read(message)?),
            "/qdrant.Points/Delete" => {
                let call: DeletePoints = read(message)?;
                let filter = call.points.and_then(|points| points.filter).ok_or((3, "no filter".to_owned()))?;
                self.of(&call.collection)?.points.retain(|_, point| !matching::holds(&filter, &point.payload));
                Ok(Done {}.encode_to_vec())
            }
            "/qdrant.Points/Count" => {
                let call: CountPoints = read(message)?;
                let filter = call.filter.unwrap_or_default();
                let points = self.of(&call.collection)?.points.values();
                let count = points.filter(|point| matching::holds(&filter, &point.payload)).count() as u64;
                Ok(CountResponse { result: Some(CountResult { count }) }.encode_to_vec())
            }
            "/qdrant.Points/Scroll" => self.scroll(&read(message)?, leaked),
            "/qdrant.Points/Query" => self.query(&read(message)?, leaked),
            "/qdrant.Points/Facet" => self.facet(&read(message)?),
            method => Err((12, format!("{method} is not here"))),
        }
    }

    fn of(&mut self, name: &str) -> Result<&mut Collection, Refusal> {
        self.collections.get_mut(name).ok_or_else(|| (5, format!("Not found: Collection `{name}` doesn't exist!")))
    }

    fn create(&mut self, call: &CreateCollection) -> Result<Vec<u8>, Refusal> {
        if self.collections.contains_key(&call.collection) {
            return Err((3, format!("Wrong input: Collection `{}` already exists!", call.collection)));
        }
        let params = call.vectors_config.as_ref().and_then(|config| config.params.as_ref());
        let dimension = params.ok_or((3, "no vectors".to_owned()))?.size;
        self.collections.insert(call.collection.clone(), Collection { dimension, ..Collection::default() });
        Ok(CollectionOperation { result: true }.encode_to_vec())
    }

    fn upsert(&mut self, call: UpsertPoints) -> Result<Vec<u8>, Refusal> {
        let held = self.of(&call.collection)?;
        for point in call.points {
            let length = vector(&point).len() as u64;
            if length != held.dimension {
                return Err((
                    3,
                    format!("Wrong input: Vector dimension error: expected dim: {}, got {length}", held.dimension),
                ));
            }
            let before = held.points.get(&key(&point));
            let may_update = |before: &Point| call.update_filter.as_ref().is_none_or(|f| matching::holds(f, &before.payload));
            if before.is_none_or(may_update) {
                held.points.insert(key(&point), point);
            }
        }
        Ok(Done {}.encode_to_vec())
    }

    fn scroll(&mut self, call: &ScrollPoints, leaked: Option<Point>) -> Result<Vec<u8>, Refusal> {
        let (filter, limit) = (call.filter.clone().unwrap_or_default(), call.limit.unwrap_or(10) as usize);
        let from = call.offset.as_ref().map(uuid).unwrap_or_default();
        let points = self.of(&call.collection)?.points.range(from..).map(|(_, point)| point);
        let mut page: Vec<&Point> = points.filter(|point| matching::holds(&filter, &point.payload)).take(limit + 1).collect();
        let next = if page.len() > limit { page.pop().and_then(|point| point.id.clone()) } else { None };
        let told = page.into_iter().chain(&leaked);
        let result = told.map(|point| Retrieved { id: point.id.clone(), payload: point.payload.clone() }).collect();
        Ok(ScrollResponse { next, result }.encode_to_vec())
    }

    fn query(&mut self, call: &QueryPoints, leaked: Option<Point>) -> Result<Vec<u8>, Refusal> {
        let dense = call.query.as_ref().and_then(|query| query.nearest.as_ref()?.dense.as_ref());
        let question = dense.ok_or((3, "no vector".to_owned()))?.data.clone();
        let filter = call.filter.clone().unwrap_or_default();
        let held = self.of(&call.collection)?;
        if question.len() as u64 != held.dimension {
            return Err((3, "Wrong input: Vector dimension error".to_owned()));
        }
        let points = held.points.values().filter(|point| matching::holds(&filter, &point.payload));
        let mut result: Vec<Scored> = points.chain(&leaked).map(|point| scored(point, &question)).collect();
        result.sort_by(|a, b| b.score.total_cmp(&a.score));
        result.truncate(usize::try_from(call.limit.unwrap_or(10)).unwrap());
        Ok(QueryResponse { result }.encode_to_vec())
    }

    fn facet(&mut self, call: &FacetCounts) -> Result<Vec<u8>, Refusal> {
        let held = self.of(&call.collection)?;
        if !held.indexed.contains(&call.key) && !held.points.is_empty() {
            return Err((3, format!("No appropriate index for faceting: `{}`", call.key)));
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for word in held.points.values().filter_map(|point| word(&point.payload, &call.key)) {
            *counts.entry(word).or_default() += 1;
        }
        let hits = counts.into_iter().map(|(text, count)| FacetHit { value: Some(FacetValue { text: Some(text) }), count });
        Ok(FacetResponse { hits: hits.collect() }.encode_to_vec())
    }
}

fn scored(point: &Point, question: &[f32]) -> Scored {
    let score = question.iter().zip(vector(point)).map(|(a, b)| a * b).sum();
    Scored { id: point.id.clone(), payload: point.payload.clone(), score }
}

fn read<M: Message + Default>(message: Bytes) -> Result<M, Refusal> {
    M::decode(message).map_err(|error| (3, error.to_string()))
}

/// The name that a point is kept under.
pub(crate) fn key(point: &Point) -> String {
    uuid(point.id.as_ref().unwrap())
}

fn uuid(id: &PointId) -> String {
    match id.kind.as_ref().unwrap() {
        point_id::Kind::Uuid(uuid) => uuid.clone(),
        point_id::Kind::Number(number) => number.to_string(),
    }
}

fn vector(point: &Point) -> Vec<f32> {
    let dense = || Some(point.vectors.as_ref()?.vector.as_ref()?.dense.as_ref()?.data.clone());
    dense().unwrap_or_default()
}

fn word(payload: &Payload, key: &str) -> Option<String> {
    match payload.get(key)?.kind.as_ref()? {
        value::Kind::Text(text) => Some(text.clone()),
        _ => None,
    }
}
