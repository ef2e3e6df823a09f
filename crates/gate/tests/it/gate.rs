use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use insula_gate::{Gate, Message, NoAddress, Reach, Resolver, Resolving, Target, Unsent};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

/// Answers one list after the other, and the last one for good.
struct Lies {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lies {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(read).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolver for Lies {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Box::pin(async move { Ok(self.answers[turn].clone()) })
    }
}

/// Answers every request with `answer` and passes on what it was sent.
async fn receiver(answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let length = socket.read(&mut request).await.unwrap();
            sender.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, received)
}

fn message() -> Message {
    Message {
        headers: vec![("webhook-id", "evt_1".to_owned())],
        body: r#"{"a":1}"#.into(),
        total_max: Duration::from_secs(5),
        answer_bytes_max: 16,
    }
}

fn loopback() -> Reach {
    Reach { also: vec!["127.0.0.0/8".parse().unwrap()], plain: false }
}

async fn post(resolver: Arc<Lies>, url: &str, reach: &Reach) -> Result<u16, Unsent> {
    Gate::new(resolver).unwrap().post(&Target::parse(url).unwrap(), reach, &message()).await
}

#[tokio::test]
async fn the_checked_address_is_the_one_connected_to() {
    let (address, mut received) = receiver("HTTP/1.1 204 No Content\r\n\r\n").await;
    // A second question would lead elsewhere: there is none.
    let lies = Lies::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let url = format!("http://hooks.example.com:{}/in?a=b", address.port());
    assert_eq!(post(lies.clone(), &url, &loopback()).await, Ok(204));
    assert_eq!(lies.asked.load(Ordering::SeqCst), 1);
    let request = received.recv().await.unwrap().to_lowercase();
    assert!(request.starts_with("post /in?a=b http/1.1\r\n"), "{request}");
    for line in [
        &format!("host: hooks.example.com:{}", address.port()),
        "content-type: application/json",
        "content-length: 7",
        "webhook-id: evt_1",
    ] {
        assert!(request.contains(&format!("{line}\r\n")), "{line}: {request}");
    }
    assert!(request.ends_with(r#"{"a":1}"#));
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_whichever_way() {
    let (address, mut received) = receiver("HTTP/1.1 204 No Content\r\n\r\n").await;
    let url = format!("https://hooks.example.com:{}/", address.port());
    for answers in [
        &["127.0.0.1"][..],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["fd00::1"],
        // One that may be reached does not excuse another.
        &["8.8.8.8", "127.0.0.1"],
        &["2606:4700::1111", "::1"],
    ] {
        let refused = post(Lies::new(&[answers]), &url, &Reach::default()).await;
        assert_eq!(refused, Err(NoAddress::Inside.into()), "{answers:?}");
    }
    let refused = post(Lies::new(&[&["::ffff:127.0.0.1"]]), &url, &loopback()).await;
    assert_eq!(refused, Err(NoAddress::Inside.into()), "nor in a form of another family");
    assert_eq!(post(Lies::new(&[&[]]), &url, &Reach::default()).await, Err(NoAddress::Unresolved.into()));
    let words = [NoAddress::Inside, NoAddress::Unresolved].map(|why| Unsent::from(why).to_string());
    assert_eq!(words[0], words[1], "nobody learns which names there are inside");
    assert!(received.try_recv().is_err(), "nobody was connected to");
}

#[tokio::test]
async fn redirects_are_told_and_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (address, mut received) = receiver(answer).await;
    let url = format!("http://{address}/");
    assert_eq!(post(Lies::new(&[&[]]), &url, &loopback()).await, Ok(302));
    assert!(received.recv().await.is_some() && received.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(socket.read(&mut [0; 4_096]).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while socket.write_all(b"5\r\nhello\r\n").await.is_ok() {}
    });
    assert_eq!(post(Lies::new(&[&[]]), &url, &loopback()).await, Ok(200));
}

#[tokio::test]
async fn a_receiver_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let message = Message { total_max: Duration::from_millis(50), ..message() };
    let gate = Gate::new(Lies::new(&[&[]])).unwrap();
    assert_eq!(gate.post(&target, &loopback(), &message).await, Err(Unsent::TimedOut(50)));
    let closed = Target::parse("http://127.0.0.1:1/").unwrap();
    assert!(matches!(gate.post(&closed, &loopback(), &message).await, Err(Unsent::Unreachable(_))));
}

#[tokio::test]
async fn tls_is_spoken_to_the_name_and_must_be_trusted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://hooks.example.com:{}/", listener.local_addr().unwrap().port());
    let hello = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4_096];
        let length = socket.read(&mut hello).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        hello[..length].to_vec()
    });
    let refused = post(Lies::new(&[&["127.0.0.1"]]), &url, &loopback()).await;
    assert!(matches!(refused, Err(Unsent::Unreachable(_))), "{refused:?}");
    let hello = hello.await.unwrap();
    assert!(hello.windows(17).any(|part| part == b"hooks.example.com"), "the name, not the address, is what TLS asks for");
}
