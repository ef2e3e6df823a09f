//! A provider of a few lines: it reads a request and plays a script.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use insula_model::{AttemptId, Operation, Timestamp};
use insula_providers::{
    Asked, Dialect, Outbound, PriceBook, Provider, ProviderSettings, Providers, Room, SIMULATOR_PRICES, Viewer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const ATTEMPT: AttemptId = AttemptId::from_bytes([7; 16]);

/// One step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Closes the connection in good order.
    Close,
    /// Closes it with a reset.
    Reset,
}

/// What arrived: the connection's number, and head and body as text.
#[derive(Debug, Clone)]
pub struct Received {
    pub connection: usize,
    pub head: String,
    pub body: String,
}

pub struct Server {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// Plays the scripts in turn, one a request, and the last one for all further requests.
    pub async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = received.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                tokio::spawn(serve(socket, connection, scripts.clone(), seen.clone()));
            }
        });
        Self { url, received }
    }

    /// The same script for every request.
    pub async fn always(script: Vec<Step>) -> Self {
        Self::start(vec![script]).await
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn settings(&self) -> ProviderSettings {
        ProviderSettings::new("simulator", &self.url)
    }

    pub fn provider(&self) -> Arc<Provider> {
        provider(self.settings())
    }
}

/// The client that a configuration with these settings makes.
pub fn provider(settings: ProviderSettings) -> Arc<Provider> {
    let book = PriceBook::parse(SIMULATOR_PRICES, "prices").unwrap();
    let providers = Providers::new(vec![settings], book).unwrap();
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    providers.candidates("sim-small", Operation::Chat, now, &Viewer::default()).unwrap().remove(0).provider
}

async fn serve(mut socket: TcpStream, connection: usize, scripts: Vec<Vec<Step>>, seen: Arc<Mutex<Vec<Received>>>) {
    while let Some((head, body)) = read_request(&mut socket).await {
        let place = {
            let mut seen = seen.lock().unwrap();
            seen.push(Received { connection, head, body });
            seen.len() - 1
        };
        for step in scripts.get(place).or(scripts.last()).unwrap() {
            match step {
                Step::Send(bytes) => {
                    if socket.write_all(bytes).await.is_err() {
                        return;
                    }
                }
                Step::Pause(time) => tokio::time::sleep(*time).await,
                Step::Close => return,
                Step::Reset => return socket.set_zero_linger().unwrap(),
            }
        }
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head, String::from_utf8(bytes[end + 4..].to_vec()).unwrap()));
            }
        }
        let mut more = [0; 4096];
        match socket.read(&mut more).await {
            Ok(count @ 1..) => bytes.extend_from_slice(&more[..count]),
            _ => return None,
        }
    }
}

/// A whole answer.
pub fn answer(status: &str, headers: &str, body: &str) -> Step {
    Step::Send(
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
            .into_bytes(),
    )
}

/// The head of a stream.
pub fn stream_head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec())
}

/// One chunk of a chunked body.
pub fn chunk(bytes: impl AsRef<[u8]>) -> Step {
    let bytes = bytes.as_ref();
    Step::Send([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat())
}

/// The end of a chunked body.
pub fn end() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// A chat with the simulator's small model, in Chat Completions.
pub fn outbound(body: &'static [u8], stream: bool, include_usage: bool) -> Outbound {
    let providers = Providers::new(
        vec![ProviderSettings::new("simulator", "http://127.0.0.1:1/v1")],
        PriceBook::parse(SIMULATOR_PRICES, "simulator").unwrap(),
    );
    let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
    let card = providers.unwrap().candidates("sim-small", Operation::Chat, now, &Viewer::default()).unwrap().remove(0).card;
    let body = Bytes::from_static(body);
    let dialect = Dialect::ChatCompletions;
    let model = "sim-small".to_owned();
    let asked =
        Asked { dialect, stream, include_usage, model, id: "1".to_owned(), created: 0, request: body.clone(), editor: None };
    Outbound { body, card, asked, key: None, room: Room::new(u64::MAX) }
}
