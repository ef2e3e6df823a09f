//! A Qdrant as far as this crate uses one: it keeps collections in memory, answers over gRPC, and notes every call that it gets.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use h2::{
    RecvStream,
    server::{SendResponse, handshake},
};
use http::{HeaderMap, Request, Response, StatusCode};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;

use super::{
    super::proto::{
        CollectionOperation, CountPoints, CountResponse, CountResult, CreateCollection, CreateFieldIndex, DeleteCollection,
        DeletePoints, Done, FacetCounts, FacetHit, FacetResponse, FacetValue, ListCollectionsResponse, Payload, Point, PointId,
        QueryPoints, QueryResponse, Retrieved, Scored, ScrollPoints, ScrollResponse, UpsertPoints, point_id, value,
    },
    super::proto_collections::CollectionDescription,
    matching,
};

/// How it behaves.
#[derive(Debug, Clone, Default)]
pub(super) enum Mood {
    /// As it should.
    #[default]
    Well,
    /// It drops every connection.
    Away,
    /// It answers so late.
    Slow(Duration),
    /// It does as it should so many times more, then it is away.
    AwayAfter(usize),
    /// It puts this point, of somebody else, among what a query or a scroll finds.
    Leaks(Box<Point>),
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub method: String,
    pub message: Bytes,
    pub api_key: Option<String>,
}

#[derive(Debug, Default)]
struct Collection {
    dimension: u64,
    indexed: Vec<String>,
    points: BTreeMap<String, Point>,
}

#[derive(Debug, Default)]
struct State {
    collections: BTreeMap<String, Collection>,
    recorded: Vec<Recorded>,
    mood: Mood,
}

/// The peer; it is gone with the runtime of its test.
#[derive(Clone)]
pub(super) struct Peer {
    url: String,
    state: Arc<Mutex<State>>,
}

/// A status of gRPC that is no success, and what is said of it.
type Refusal = (u32, String);

impl Peer {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let peer = Self { url, state: Arc::default() };
        let serving = peer.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if matches!(serving.state.lock().mood, Mood::Away) {
                    continue;
                }
                let peer = serving.clone();
                tokio::spawn(async move {
                    let Ok(mut connection) = handshake(socket).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(peer.clone().serve(request, respond));
                    }
                });
            }
        });
        peer
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn set(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    /// What it was asked so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.state.lock().recorded.clone()
    }

    /// The names of its collections, and how many points each has.
    pub fn holds(&self) -> BTreeMap<String, usize> {
        self.state.lock().collections.iter().map(|(name, collection)| (name.clone(), collection.points.len())).collect()
    }

    /// All points of a collection.
    pub fn points(&self, collection: &str) -> Vec<Point> {
        self.state.lock().collections.get(collection).map(|held| held.points.values().cloned().collect()).unwrap_or_default()
    }

    /// Puts a point there behind everybody's back.
    pub fn plant(&self, collection: &str, point: Point) {
        let mut state = self.state.lock();
        state.collections.entry(collection.to_owned()).or_default().points.insert(key(&point), point);
    }

    /// Has a field of a collection indexed.
    pub fn index(&self, collection: &str, field: &str) {
        self.state.lock().collections.get_mut(collection).unwrap().indexed.push(field.to_owned());
    }

    /// Takes a point away behind everybody's back.
    pub fn lose_one(&self, collection: &str) {
        self.state.lock().collections.get_mut(collection).unwrap().points.pop_first();
    }

    async fn serve(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let mood = self.mood_of_a_call();
        match mood {
            Mood::Away => return respond.send_reset(h2::Reason::REFUSED_STREAM),
            Mood::Slow(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        let api_key = request.headers().get("api-key").map(|key| key.to_str().unwrap().to_owned());
        let (method, mut body) = (request.uri().path().to_owned(), request.into_body());
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.data().await {
            let Ok(piece) = piece else { return };
            let _ = body.flow_control().release_capacity(piece.len());
            bytes.extend_from_slice(&piece);
        }
        let message = bytes.freeze().slice(5..);
        let answer = {
            let mut state = self.state.lock();
            state.recorded.push(Recorded { method: method.clone(), message: message.clone(), api_key });
            state.answer(&method, message, &mood)
        };
        // Whoever hung up hears no answer.
        let _ = send(respond, answer);
    }

    fn mood_of_a_call(&self) -> Mood {
        let mut state = self.state.lock();
        let mood = state.mood.clone();
        match mood {
            Mood::AwayAfter(0) => state.mood = Mood::Away,
            Mood::AwayAfter(more) => state.mood = Mood::AwayAfter(more - 1),
            _ => return mood,
        }
        state.mood.clone()
    }
}

fn send(mut respond: SendResponse<Bytes>, answer: Result<Vec<u8>, Refusal>) -> Result<(), h2::Error> {
    let head = |status: Option<Refusal>| {
        let mut head = Response::builder().status(StatusCode::OK).header("content-type", "application/grpc");
        if let Some((code, message)) = status {
            head = head.header("grpc-status", code).header("grpc-message", message);
        }
        head.body(()).unwrap()
    };
    match answer {
        Err(refusal) => respond.send_response(head(Some(refusal)), true).map(drop),
        Ok(message) => {
            let mut stream = respond.send_response(head(None), false)?;
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(u32::try_from(message.len()).unwrap());
            framed.put_slice(&message);
            stream.send_data(framed.freeze(), false)?;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            stream.send_trailers(trailers)
        }
    }
}

impl State {
    fn answer(&mut self, method: &str, message: Bytes, mood: &Mood) -> Result<Vec<u8>, Refusal> {
        let leaked = if let Mood::Leaks(point) = mood { Some((**point).clone()) } else { None };
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

fn key(point: &Point) -> String {
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
