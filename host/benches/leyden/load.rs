//! Load over HTTP/1.1: a bounded number of kept-alive connections, each one request at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Requests per second that `connections` get answered in `duration`.
pub(crate) async fn rate(
    address: SocketAddr,
    path: &str,
    connections: usize,
    duration: Duration,
) -> f64 {
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    let end = Instant::now() + duration;
    let started = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| tokio::spawn(connection(address, request.clone(), end)))
        .collect();
    let mut answered = 0;
    for task in tasks {
        answered += task.await.expect("a connection's task");
    }
    f64::from(answered) / started.elapsed().as_secs_f64()
}

async fn connection(address: SocketAddr, request: String, end: Instant) -> u32 {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server accepts");
    stream.set_nodelay(true).expect("nodelay");
    let mut buffer = vec![0; 4096];
    let mut answered = 0;
    // All answers are as long as the first.
    let mut length = None;
    while answered % 64 != 0 || Instant::now() < end {
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request is sent");
        let mut filled = 0;
        while filled == 0 || !is_whole(&buffer[..filled], &mut length) {
            filled += stream.read(&mut buffer[filled..]).await.expect("an answer");
        }
        assert!(
            buffer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&buffer[..filled])
        );
        answered += 1;
    }
    answered
}

/// Whether an answer has come to its end. Whoever asks in the hope of much must not look long: nearly all answers have the
/// length of the first, and only the others are searched.
fn is_whole(answer: &[u8], length: &mut Option<usize>) -> bool {
    if *length == Some(answer.len()) {
        return true;
    }
    // A function that was interrupted in the middle of its answer is answered in pieces.
    if is_in_pieces(answer) {
        return answer.ends_with(b"0\r\n\r\n");
    }
    *length = length.or_else(|| answer_length(answer));
    length.is_some_and(|length| answer.len() >= length)
}

/// Whether an answer comes in chunks.
fn is_in_pieces(bytes: &[u8]) -> bool {
    let chunked = b"chunked\r\n";
    bytes.windows(chunked.len()).any(|window| window == chunked)
}

/// The length of a whole answer, head and body, once its head is there.
fn answer_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head])
        .expect("a textual head")
        .to_ascii_lowercase();
    let (_, rest) = text
        .split_once("content-length:")
        .expect("a content length");
    let length: usize = rest.split("\r\n").next()?.trim().parse().expect("a number");
    Some(head + length)
}
