//! Bytes over a socket, for what a well-behaved client cannot be made to send.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::Reply;
use crate::wait::within;

const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const BLOCK: usize = 64 * 1024;

/// Sends these bytes and reads one answer. `None` when the server closed the connection without one.
pub async fn send(base: &str, bytes: &[u8]) -> Option<Reply> {
    let mut socket = connect(base).await;
    // The server may answer and close before it has read everything: what it said still counts.
    let _ = socket.write_all(bytes).await;
    within(ANSWER_LIMIT, "a raw answer", read_reply(&mut socket)).await
}

/// Sends `head`, then `total` bytes of body in blocks from `block`, for as long as the server takes them. Returns the
/// answer, and how many bytes of body went out.
pub async fn send_large(base: &str, head: &[u8], total: u64, block: impl Fn(usize) -> Vec<u8>) -> (Option<Reply>, u64) {
    let (mut read, mut write) = connect(base).await.into_split();
    let head = head.to_vec();
    let answer = tokio::spawn(async move { within(ANSWER_LIMIT, "a raw answer", read_reply(&mut read)).await });
    let mut sent = 0;
    if write.write_all(&head).await.is_ok() {
        while sent < total && !answer.is_finished() {
            let next = block(BLOCK.min((total - sent) as usize));
            if write.write_all(&next).await.is_err() {
                break;
            }
            sent += next.len() as u64;
        }
    }
    let reply = answer.await.unwrap();
    (reply, sent)
}

/// A connection to the server at `base`.
pub async fn connect(base: &str) -> TcpStream {
    TcpStream::connect(base.trim_start_matches("http://")).await.unwrap()
}

/// Reads one answer: to the end of its `content-length`, or of the connection.
async fn read_reply(socket: &mut (impl AsyncReadExt + Unpin)) -> Option<Reply> {
    let mut bytes = Vec::new();
    let mut block = vec![0; BLOCK];
    loop {
        match read(socket, &mut block).await {
            Ok(0) | Err(_) => return parse(&bytes),
            Ok(count) => bytes.extend_from_slice(&block[..count]),
        }
        if let Some(reply) = parse(&bytes)
            && reply.header("content-length").parse() == Ok(reply.body.len())
        {
            return Some(reply);
        }
    }
}

async fn read(socket: &mut (impl AsyncReadExt + Unpin), block: &mut [u8]) -> io::Result<usize> {
    socket.read(block).await
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?);
    }
    Some(Reply { status, headers, body: Bytes::copy_from_slice(&bytes[end + 4..]) })
}
