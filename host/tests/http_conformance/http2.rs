//! HTTP/2 with prior knowledge (RFC 9113): by a client that speaks it well, and frame by frame by one that does not.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{common, host};
use crate::web::{PATIENCE, Web, run};

type Connection = JoinHandle<Result<(), h2::Error>>;

async fn connect(to: SocketAddr) -> (SendRequest<Bytes>, Connection) {
    let stream = TcpStream::connect(to).await.expect("a connection");
    let (send, connection) = client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    (send.ready().await.expect("ready"), connection)
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://example.org{path}"))
}

async fn whole(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Asks and reads the answer whole.
async fn ask(
    send: &SendRequest<Bytes>,
    request: Request<()>,
    body: &[u8],
) -> Result<Response<Vec<u8>>, h2::Error> {
    let mut send = send.clone().ready().await?;
    let (answer, mut stream) = send.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body), true)?;
    }
    let (parts, body) = answer.await?.into_parts();
    Ok(Response::from_parts(parts, whole(body).await?))
}

async fn get(send: &SendRequest<Bytes>, path: &str) -> Result<Response<Vec<u8>>, h2::Error> {
    ask(send, request("GET", path).body(()).unwrap(), b"").await
}

#[test]
fn requests_share_a_connection() {
    run(async {
        let (send, _connection) = connect(common().await.server.address()).await;
        let answer = get(&send, "/echo").await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, &b"Hello, world!"[..])
        );
        assert_eq!(answer.headers()["x-request-id"].len(), 32);
        assert_eq!(answer.headers()["content-length"], "13");
        for forbidden in ["connection", "transfer-encoding", "keep-alive"] {
            assert!(!answer.headers().contains_key(forbidden), "{forbidden}");
        }
        let large = vec![b'x'; 300_000];
        let asked = (0..100).map(|number: u32| {
            let (send, large) = (send.clone(), large.clone());
            tokio::spawn(async move {
                let body = if number.is_multiple_of(10) {
                    large
                } else {
                    number.to_string().into_bytes()
                };
                let request = request("POST", "/echo").body(()).unwrap();
                let answer = ask(&send, request, &body).await.unwrap();
                assert_eq!(
                    (answer.status().as_u16(), answer.body() == &body),
                    (200, true),
                    "{number}"
                );
            })
        });
        for one in asked.collect::<Vec<_>>() {
            one.await.expect("an answer");
        }
    });
}

#[test]
fn http_means_the_same_on_it() {
    run(async {
        let (send, _connection) = connect(common().await.server.address()).await;
        for (method, path, status) in [
            ("GET", "/nothing", 404),
            ("TRACE", "/echo", 405),
            ("GET", "/admin/clock", 200),
            ("GET", "/probe/trap", 502),
        ] {
            let answer = ask(&send, request(method, path).body(()).unwrap(), b"")
                .await
                .unwrap();
            assert_eq!(answer.status(), status, "{method} {path}");
            if status >= 400 {
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
            }
        }
        let head = ask(&send, request("HEAD", "/echo").body(()).unwrap(), b"")
            .await
            .unwrap();
        assert_eq!(
            (
                head.headers()["content-length"].as_bytes(),
                head.body().len()
            ),
            (&b"13"[..], 0)
        );
        // Pages of other sites are known by the authority, which takes the place of `Host`.
        let from = |origin: &str| {
            request("GET", "/echo")
                .header("origin", origin)
                .body(())
                .unwrap()
        };
        assert_eq!(
            ask(&send, from("http://example.org"), b"")
                .await
                .unwrap()
                .status(),
            200
        );
        assert_eq!(
            ask(&send, from("http://evil.example"), b"")
                .await
                .unwrap()
                .status(),
            403
        );
    });
}

#[test]
fn trailers_of_a_request_are_read_over() {
    run(async {
        let (send, _connection) = connect(common().await.server.address()).await;
        let mut send = send.ready().await.unwrap();
        let asked = request("POST", "/echo").body(()).unwrap();
        let (answer, mut stream) = send.send_request(asked, false).unwrap();
        stream.send_data("abc".into(), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", "y".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(whole(answer.into_body()).await.unwrap(), b"abc");
    });
}

#[test]
fn streams_and_headers_are_bounded() {
    run(async {
        let (send, _connection) = connect(common().await.server.address()).await;
        get(&send, "/echo").await.unwrap();
        assert_eq!(send.current_max_send_streams(), 128);
        for length in [40_000, 70_000] {
            let asked = request("GET", "/echo").header("x-long", "x".repeat(length));
            let answer = ask(&send, asked.body(()).unwrap(), b"").await.unwrap();
            assert_eq!(answer.status(), 431, "{length}");
        }
        assert_eq!(get(&send, "/echo").await.unwrap().status(), 200);
    });
}

/// Calls of the probe that take as long as they are told.
async fn patient(change: impl FnOnce(&mut leyden::gateway::Options)) -> Web {
    let web = host(change).await;
    let manifest = "[[routes]]\npath = \"/probe/{action}\"\nmethods = [\"GET\"]\n\
        [limits]\ndeadline-ms = 30000\n";
    web.deploy("probe", manifest).await;
    web
}

#[test]
fn a_request_that_is_taken_back_is_run_no_further() {
    run(async {
        let web = patient(|_| {}).await;
        let (send, _connection) = connect(web.server.address()).await;
        let mut ready = send.clone().ready().await.unwrap();
        let asked = request("GET", "/probe/loop").body(()).unwrap();
        let (answer, mut stream) = ready.send_request(asked, true).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        stream.send_reset(Reason::CANCEL);
        assert!(answer.await.is_err());
        let told = "leyden_requests_total{component=\"probe\",status=\"4xx\"} 1";
        let ended = async {
            while !web.get("/metrics").await.body.contains(told) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(10), ended)
            .await
            .expect("it ends long before its deadline");
        assert_eq!(get(&send, "/echo").await.unwrap().status(), 200);
    });
}

/// RFC 9113, 6.8: what is under way is finished, what would begin is told to go elsewhere.
#[test]
fn a_host_that_stops_says_goodbye() {
    run(async {
        let web = patient(|options| options.drain_ms = 60_000).await;
        let (send, connection) = connect(web.server.address()).await;
        let slow = {
            let send = send.clone();
            tokio::spawn(async move { get(&send, "/probe/busy?ms=700").await })
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        web.shutdown.cancel();
        assert_eq!(slow.await.unwrap().unwrap().status(), 200);
        let ended = timeout(PATIENCE, connection)
            .await
            .expect("an end")
            .unwrap();
        let is_goodbye = |error: &h2::Error| error.reason() == Some(Reason::NO_ERROR);
        assert!(ended.as_ref().err().is_none_or(is_goodbye), "{ended:?}");
        assert!(
            get(&send, "/echo").await.is_err(),
            "nothing begins any more"
        );
        timeout(PATIENCE, web.server.stopped())
            .await
            .expect("the gateway stops");
    });
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET /echo`, the last of its stream.
fn get_frame(stream: u32) -> Vec<u8> {
    frame(HEADERS, 5, stream, b"\x82\x86\x04\x05/echo\x01\x01x")
}

/// What comes back for these frames: kinds and payloads, until the connection ends or a frame of `last` comes.
async fn told(frames: &[Vec<u8>], last: u8) -> Vec<(u8, Vec<u8>)> {
    let mut stream = TcpStream::connect(common().await.server.address())
        .await
        .unwrap();
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    stream
        .write_all(&[begin, frames.concat()].concat())
        .await
        .unwrap();
    let mut told = Vec::new();
    let reading = async {
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                break;
            }
            told.push((head[3], payload));
            if head[3] == last {
                break;
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("an end");
    told
}

#[test]
fn broken_frames_end_the_connection_with_a_reason() {
    run(async {
        // The library tells most of them as PROTOCOL_ERROR, which section 7 allows.
        for (what, frames) in [
            ("data of no stream (6.1)", frame(DATA, 0, 0, b"x")),
            ("an even stream (5.1.1)", get_frame(2)),
            (
                "a frame that is too long (4.2)",
                frame(DATA, 0, 1, &[0; 16_385]),
            ),
            ("a short ping (6.7)", frame(PING, 0, 0, b"short")),
            ("settings of a stream (6.5)", frame(SETTINGS, 0, 1, b"")),
            ("a window of nothing (6.9)", frame(WINDOW, 0, 0, &[0; 4])),
            (
                "headers that do not unpack (4.3)",
                frame(HEADERS, 5, 1, &[0xff; 6]),
            ),
        ] {
            let told = told(&[frames], GOAWAY).await;
            let (kind, payload) = told.last().expect("a frame");
            assert_eq!(*kind, GOAWAY, "{what}: {told:?}");
            assert_ne!(payload[4..8], [0; 4], "{what}");
        }
    });
}

#[test]
fn pings_are_answered_and_unknown_frames_read_over() {
    run(async {
        let frames = [
            frame(0xee, 0, 0, b"unknown"),
            frame(PING, 0, 0, b"12345678"),
        ];
        let answer = told(&frames, PING).await;
        assert_eq!(answer.last(), Some(&(PING, b"12345678".to_vec())));
    });
}

/// CVE-2023-44487: streams that are begun and taken back at once cost a host more than a client.
#[test]
fn a_client_that_begins_and_takes_back_is_sent_away() {
    run(async {
        let frames: Vec<Vec<u8>> = (0..500)
            .map(|number| 2 * number + 1)
            .flat_map(|stream| {
                [
                    get_frame(stream),
                    frame(RESET, 0, stream, &8_u32.to_be_bytes()),
                ]
            })
            .collect();
        let told = told(&frames, GOAWAY).await;
        let (kind, payload) = told.last().expect("a frame");
        // ENHANCE_YOUR_CALM.
        assert_eq!(
            (*kind, &payload[4..8]),
            (GOAWAY, &u32::to_be_bytes(11)[..]),
            "{told:?}"
        );
        assert_eq!(common().await.get("/echo").await.status, 200);
    });
}

/// A client that takes no answers (its window stays shut) gets no more than the streams it may have.
#[test]
fn a_client_that_reads_nothing_is_bounded() {
    run(async {
        let stream = TcpStream::connect(common().await.server.address())
            .await
            .unwrap();
        let mut shut = client::Builder::new();
        shut.initial_window_size(0);
        let (send, connection) = shut.handshake::<_, Bytes>(stream).await.unwrap();
        tokio::spawn(connection);
        // The host's bounds are known once it has answered something.
        let head = request("HEAD", "/echo").body(()).unwrap();
        assert_eq!(ask(&send, head, b"").await.unwrap().status(), 200);
        let mut open = Vec::new();
        for number in 0..129 {
            let mut send = send.clone().ready().await.unwrap();
            let asked = request("GET", "/echo").body(()).unwrap();
            let (answer, _) = send.send_request(asked, true).unwrap();
            let answer = timeout(Duration::from_secs(2), answer).await;
            assert_eq!(
                answer.is_ok(),
                number < 128,
                "the answer to request {number}"
            );
            open.push(answer);
        }
        assert_eq!(common().await.get("/echo").await.status, 200);
    });
}
