//! The server: it listens, behaves as it is told to, and notes each call.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use h2::{
    RecvStream,
    server::{SendResponse, handshake},
};
use http::{HeaderMap, Request, Response, StatusCode};
use insula_qdrant::Point;
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{
    About, about,
    held::{Held, Refusal, key},
};

/// How it behaves.
#[derive(Debug, Clone, Default)]
pub enum Mood {
    /// As it should.
    #[default]
    Well,
    /// It drops every connection.
    Away,
    /// It takes connections and calls, and never answers.
    Silent,
    /// It answers so late.
    Slow(Duration),
    /// It does as it should so many times more, then it is away.
    AwayAfter(usize),
    /// It puts this point, of somebody else, among what a query or a scroll finds.
    Leaks(Box<Point>),
}

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its path.
    pub method: String,
    /// Its message, without the frame.
    pub message: Bytes,
    /// The key that came with it.
    pub api_key: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    held: Held,
    recorded: Vec<Recorded>,
    mood: Mood,
}

/// The peer; it is gone with the runtime of its test.
#[derive(Clone)]
pub struct Peer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Peer {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = Self { address, state: Arc::default(), serving: Arc::default() };
        peer.serve(listener);
        peer
    }

    /// Nobody listens there any more, and every connection is cut. What it keeps it keeps.
    pub async fn stop(&self) {
        let serving = self.serving.lock().take().expect("it runs");
        serving.abort();
        // Over only once the port is closed.
        let _ = serving.await;
    }

    /// Listens at the same address again.
    pub async fn start_again(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    /// Where it listens, as it is configured.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it behaves so.
    pub fn set(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    /// What it was asked so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.state.lock().recorded.clone()
    }

    /// Whom the calls so far were about, the last of them last.
    ///
    /// # Panics
    /// Where one could touch somebody else.
    pub fn about(&self) -> Vec<(String, About)> {
        let of = |call: Recorded| (call.method.clone(), about(&call).unwrap_or_else(|wrong| panic!("{wrong}")));
        self.recorded().into_iter().map(of).collect()
    }

    /// The names of its collections, and how many points each has.
    pub fn holds(&self) -> BTreeMap<String, usize> {
        let state = self.state.lock();
        state.held.collections.iter().map(|(name, collection)| (name.clone(), collection.points.len())).collect()
    }

    /// All points of a collection.
    pub fn points(&self, collection: &str) -> Vec<Point> {
        let state = self.state.lock();
        state.held.collections.get(collection).map(|held| held.points.values().cloned().collect()).unwrap_or_default()
    }

    /// Puts a point there behind everybody's back.
    pub fn plant(&self, collection: &str, point: Point) {
        let mut state = self.state.lock();
        state.held.collections.entry(collection.to_owned()).or_default().points.insert(key(&point), point);
    }

    /// Has a field of a collection indexed.
    pub fn index(&self, collection: &str, field: &str) {
        self.state.lock().held.collections.get_mut(collection).unwrap().indexed.push(field.to_owned());
    }

    /// Takes a point away behind everybody's back.
    pub fn lose_one(&self, collection: &str) {
        self.state.lock().held.collections.get_mut(collection).unwrap().points.pop_first();
    }

    fn serve(&self, listener: TcpListener) {
        let peer = self.clone();
        let serving = tokio::spawn(async move {
            // They end with this.
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                while connections.try_join_next().is_some() {}
                let mood = peer.state.lock().mood.clone();
                match mood {
                    Mood::Away => drop(socket),
                    Mood::Silent => drop(connections.spawn(held_open(socket))),
                    _ => drop(connections.spawn(peer.clone().hear(socket))),
                }
            }
        });
        *self.serving.lock() = Some(serving);
    }

    async fn hear(self, socket: TcpStream) {
        let Ok(mut connection) = handshake(socket).await else { return };
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(self.clone().answer(request, respond));
        }
    }

    async fn answer(self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let mood = self.mood_of_a_call();
        match mood {
            Mood::Away => return respond.send_reset(h2::Reason::REFUSED_STREAM),
            Mood::Silent => std::future::pending().await,
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
        let leaked = if let Mood::Leaks(point) = mood { Some(*point) } else { None };
        let answer = {
            let mut state = self.state.lock();
            state.recorded.push(Recorded { method: method.clone(), message: message.clone(), api_key });
            state.held.answer(&method, message, leaked)
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

/// Keeps a connection on which nothing is ever said.
async fn held_open(socket: TcpStream) {
    std::future::pending::<()>().await;
    drop(socket);
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
