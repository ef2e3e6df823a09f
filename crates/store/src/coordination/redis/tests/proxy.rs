//! A wire to the server that can be cut.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::super::link::Task;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Whole,
    /// Connections break and none is made: the server was killed.
    Cut,
    /// Connections are made and nothing comes back: the server hangs, or the network drops packets.
    Silent,
}

pub(super) struct Proxy {
    wire: watch::Sender<Wire>,
    accepted: Arc<AtomicUsize>,
    url: String,
    _task: Task,
}

impl Proxy {
    pub(super) async fn to(url: &str) -> Self {
        // `redis://user:password@host:port/0`; all but the place stays as it is.
        let place = url.trim_start_matches("redis://").rsplit('@').next().unwrap();
        let target = place.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let url = url.replacen(&target, &here, 1);
        let (wire, accepted) = (watch::Sender::new(Wire::Whole), Arc::new(AtomicUsize::new(0)));
        let (state, count) = (wire.clone(), accepted.clone());
        let task = Task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(stream, target.clone(), state.subscribe()));
            }
        });
        Self { wire, accepted, url, _task: task }
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    pub(super) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// How many connections were tried.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn carry(mut client: TcpStream, target: String, mut wire: watch::Receiver<Wire>) {
    if *wire.borrow_and_update() == Wire::Whole {
        let mut server = TcpStream::connect(&target).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
            _ = wire.changed() => {}
        }
    }
    let _ = wire.wait_for(|wire| *wire != Wire::Silent).await;
}
