//! A network between a node and its database that breaks when it is told to, or by chance.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use insula_model::{Random, SeededRandom};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(super) struct Proxy {
    pub(super) port: u16,
    /// Of a million messages to the server, how many break their connection: half before they are delivered, half after, so
    /// that nobody hears what became of them.
    pub(super) breaks: Arc<AtomicU64>,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// A connection breaks with the next message that holds this, after it is delivered.
    breaks_at: Mutex<Option<&'static [u8]>>,
    /// Everything stands still before the next message that holds this.
    stands_at: Mutex<Option<&'static [u8]>>,
    stands: watch::Sender<bool>,
}

fn takes(at: &Mutex<Option<&'static [u8]>>, message: &[u8]) -> bool {
    at.lock().take_if(|text| message.windows(text.len()).any(|part| part == *text)).is_some()
}

impl Proxy {
    pub(super) async fn new((host, port): (String, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self { port: listener.local_addr().unwrap().port(), breaks: Arc::default(), faults: Arc::default() };
        let (breaks, faults) = (this.breaks.clone(), this.faults.clone());
        let random = Arc::new(SeededRandom::new(port.into()));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((host.as_str(), port)).await else { continue };
                tokio::spawn(carry(client, server, breaks.clone(), faults.clone(), random.clone()));
            }
        });
        this
    }

    pub(super) fn break_at(&self, text: &'static [u8]) {
        *self.faults.breaks_at.lock() = Some(text);
    }

    pub(super) fn has_broken(&self) -> bool {
        self.faults.breaks_at.lock().is_none()
    }

    pub(super) fn stand_at(&self, text: &'static [u8]) {
        *self.faults.stands_at.lock() = Some(text);
    }

    pub(super) fn stands(&self) -> bool {
        *self.faults.stands.borrow()
    }

    pub(super) fn go_on(&self) {
        self.faults.stands.send_replace(false);
    }
}

async fn carry(client: TcpStream, server: TcpStream, breaks: Arc<AtomicU64>, faults: Arc<Faults>, random: Arc<SeededRandom>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let message = &buffer[..length];
        if takes(&faults.stands_at, message) {
            faults.stands.send_replace(true);
        }
        let _ = faults.stands.subscribe().wait_for(|stands| !stands).await;
        let mut chance = [0; 8];
        random.fill(&mut chance);
        let chance = u64::from_le_bytes(chance) % 1_000_000;
        let told = takes(&faults.breaks_at, message);
        let rate = breaks.load(SeqCst);
        if chance < rate / 2 && !told {
            break;
        }
        if told || chance < rate {
            // Nothing of the answer gets through.
            back.abort();
        }
        if to_server.write_all(message).await.is_err() || told || chance < rate {
            break;
        }
    }
    back.abort();
}
