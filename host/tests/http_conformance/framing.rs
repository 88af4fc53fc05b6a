//! Where a body ends, and what follows on a connection.

use std::time::Duration;

use tokio::time::timeout;

use super::wire::{Answer, Wire};
use super::{common, host};
use crate::process::Process;
use crate::web::{PATIENCE, run};

async fn open() -> Wire {
    Wire::open(common().await.server.address()).await
}

async fn asked(wire: &mut Wire, bytes: impl AsRef<[u8]>) -> Answer {
    wire.send(bytes).await;
    wire.answer().await.expect("an answer")
}

fn post(lines: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nhost: x\r\n{lines}\r\n{body}")
}

/// RFC 9112, 6.3: a length that cannot be relied on ends the connection.
#[test]
fn lengths_that_contradict_each_other_are_refused() {
    run(async {
        for lines in [
            "content-length: 1\r\ncontent-length: 2\r\n",
            "content-length: 1, 2\r\n",
            "content-length: -1\r\n",
            "content-length: +1\r\n",
            "content-length: 0x1\r\n",
            "content-length: 1 1\r\n",
            "content-length: \r\n",
            "content-length: 99999999999999999999\r\n",
            // 6.1 and 7: chunked has to come last, and once.
            "transfer-encoding: gzip\r\n",
            "transfer-encoding: chunked, gzip\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n",
            "transfer-encoding: xchunked\r\n",
        ] {
            let mut wire = open().await;
            let answer = asked(&mut wire, post(lines, "ab")).await;
            assert_eq!(answer.status, 400, "{lines:?}: {answer:?}");
            assert!(wire.is_closed().await, "{lines:?}");
        }
    });
}

/// A body in chunks, and a request that nobody may see: a proxy that goes by a length would have put another client's there.
const SMUGGLED: &str = "2\r\nab\r\n0\r\n\r\nGET /probe/trap HTTP/1.1\r\nhost: x\r\n\r\n";

/// RFC 9112, 6.1: with both, the coding counts, and nothing that follows is read, whatever went before.
#[test]
fn a_request_with_length_and_coding_is_the_last_of_its_connection() {
    run(async {
        for lines in [
            "content-length: 6\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
            "TRANSFER-ENCODING:CHUNKED\nx: y\nCONTENT-LENGTH:6\n",
            "content-length: 6\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 6\r\ncontent-length: 7\r\n",
            "content-length: 0\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n",
            "transfer-encoding: chunked\r\ncontent-length: many\r\n",
        ] {
            for (before, body) in [
                ("", ""),
                ("content-length: 2\r\n", "ab"),
                ("transfer-encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"),
            ] {
                let mut wire = open().await;
                if !before.is_empty() {
                    let answer = asked(&mut wire, post(before, body)).await;
                    assert_eq!(answer.headers.get("connection"), None, "{before:?}");
                }
                let answer = asked(&mut wire, post(lines, SMUGGLED)).await;
                assert_eq!((answer.status, answer.text()), (200, "ab"), "{lines:?}");
                assert_eq!(answer.headers["connection"], "close", "{lines:?}");
                assert!(wire.is_closed().await, "{before:?} {lines:?}");
            }
        }
    });
}

/// The same where the request comes byte by byte, for a host looks at a head anew with each of them.
#[test]
fn a_length_beside_a_coding_is_seen_in_whatever_pieces_it_comes() {
    run(async {
        for lines in [
            "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
            "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        ] {
            let mut wire = open().await;
            for byte in post(lines, "2\r\nab\r\n0\r\n\r\n").as_bytes() {
                wire.send([*byte]).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let answer = wire.answer().await.expect("an answer");
            assert_eq!((answer.status, answer.text()), (200, "ab"), "{lines:?}");
            assert_eq!(answer.headers["connection"], "close", "{lines:?}");
            assert!(wire.is_closed().await, "{lines:?}");
        }
    });
}

/// RFC 9112, 6.1, 7 and 5: what servers are known to read differently is refused, and nothing that follows is read.
#[test]
fn fields_that_not_everybody_reads_alike_end_the_connection() {
    run(async {
        let beside = "content-length: 6\r\n";
        for lines in [
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: identity, chunked\r\n",
            "transfer-encoding: chunked, chunked\r\n",
            "transfer-encoding: , chunked\r\n",
            "transfer-encoding: chunked,\r\n",
            "transfer-encoding: chunked;q=1\r\n",
            "transfer-encoding: \"chunked\"\r\n",
            "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding:\r\n",
            "transfer-encoding:\r\n",
            "transfer-encoding : chunked\r\n",
            "transfer-encoding\t: chunked\r\n",
            "transfer-encoding: \x0bchunked\r\n",
            "transfer-encoding: chunked\0\r\n",
            "transfer-encoding:\r\n chunked\r\n",
            "x: y\r\n transfer-encoding: chunked\r\n",
            "x: y\rtransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length : 6\r\n",
            "transfer-encoding: chunked\r\n content-length: 6\r\n",
            "transfer-encoding: chunked\r\n\0content-length: 6\r\n",
        ] {
            for lines in [lines.to_owned(), format!("{beside}{lines}")] {
                let mut wire = open().await;
                let answer = asked(&mut wire, post(&lines, SMUGGLED)).await;
                assert_eq!(answer.status, 400, "{lines:?}: {answer:?}");
                assert!(wire.is_closed().await, "{lines:?}");
            }
        }
        // HTTP/1.0 has no coding.
        let old = "POST /echo HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n";
        for lines in ["", beside] {
            let mut wire = open().await;
            let request = format!("{old}transfer-encoding: chunked\r\n{lines}\r\n{SMUGGLED}");
            assert_eq!(asked(&mut wire, request).await.status, 400, "{lines:?}");
            assert!(wire.is_closed().await, "{lines:?}");
        }
    });
}

/// RFC 9112, 9.3: a request in chunks is as good as any other, also among others.
#[test]
fn connections_are_kept_after_chunks() {
    run(async {
        let mut wire = open().await;
        for turn in 0..3 {
            for (lines, body) in [
                ("transfer-encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"),
                ("content-length: 2\r\n", "ab"),
            ] {
                let answer = asked(&mut wire, post(lines, body)).await;
                assert_eq!((answer.status, answer.text()), (200, "ab"), "{turn}");
                assert_eq!(answer.headers.get("connection"), None, "{turn} {lines}");
            }
        }
    });
}

/// RFC 9112, 7.1: chunks, their extensions and trailers.
#[test]
fn chunks_are_put_together() {
    run(async {
        for body in [
            "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
            "6;name=value;other=\"x\"\r\nabcdef\r\n0\r\n\r\n",
            "06\r\nabcdef\r\n000\r\n\r\n",
            "6\r\nabcdef\r\n0\r\nx-trailer: y\r\n\r\n",
            "6\r\nabcdef\r\n0\r\ncontent-length: 1\r\n\r\n",
        ] {
            let mut wire = open().await;
            let answer = asked(&mut wire, post("transfer-encoding: Chunked\r\n", body)).await;
            assert_eq!((answer.status, answer.text()), (200, "abcdef"), "{body:?}");
        }
        for broken in [
            "x\r\nabc\r\n0\r\n\r\n",
            "-1\r\na\r\n0\r\n\r\n",
            "2\r\nabc\r\n0\r\n\r\n",
            "ffffffffffffffffff\r\na\r\n",
            "3 \nabc\r\n0\r\n\r\n",
        ] {
            let mut wire = open().await;
            wire.send(post("transfer-encoding: chunked\r\n", broken))
                .await;
            if let Some(answer) = wire.answer().await {
                assert_eq!(answer.status, 400, "{broken:?}: {answer:?}");
            }
            assert!(wire.is_closed().await, "{broken:?}");
        }
    });
}

/// RFC 9112, 9.3: requests follow each other, also before the answers have come, and answers keep their order.
#[test]
fn connections_are_kept_and_requests_may_come_ahead() {
    run(async {
        let mut wire = open().await;
        for text in ["one", "two"] {
            let answer = asked(
                &mut wire,
                post(&format!("content-length: {}\r\n", text.len()), text),
            )
            .await;
            assert_eq!((answer.version.as_str(), answer.text()), ("HTTP/1.1", text));
        }
        let slow = "GET /probe/busy?ms=100 HTTP/1.1\r\nhost: x\r\n\r\n";
        let many = format!(
            "{slow}{}GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n{}",
            post("content-length: 3\r\n", "abc"),
            post("content-length: 4\r\nconnection: close\r\n", "last"),
        );
        wire.send(many).await;
        assert_eq!(wire.answer().await.expect("the slow one").status, 200);
        assert_eq!(wire.answer().await.expect("the second").text(), "abc");
        assert_eq!(wire.answer().await.expect("the third").status, 404);
        let last = wire.answer().await.expect("the last");
        assert_eq!(
            (last.text(), last.headers["connection"].as_str()),
            ("last", "close")
        );
        assert!(wire.is_closed().await);
    });
}

/// RFC 9110, 10.1.1: a client that asks first is told to go on, or why not, before it sends its body.
#[test]
fn clients_may_ask_before_they_send() {
    run(async {
        let mut wire = open().await;
        let ask = "expect: 100-continue\r\ncontent-length: 3\r\n";
        let answer = asked(&mut wire, post(ask, "")).await;
        assert_eq!(answer.status, 100);
        assert_eq!(asked(&mut wire, "abc").await.text(), "abc");

        let mut wire = open().await;
        let large = "expect: 100-continue\r\ncontent-length: 99000000\r\n";
        let answer = asked(&mut wire, post(large, "")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "too-large")
        );
        let mut wire = open().await;
        let nowhere = format!("POST /nothing HTTP/1.1\r\nhost: x\r\n{ask}\r\n");
        assert_eq!(asked(&mut wire, nowhere).await.status, 404);
    });
}

/// RFC 9110, 15.5.14: a body that is too long is refused by its length, or where it passes the limit.
#[test]
fn bodies_have_a_bound() {
    run(async {
        let mut wire = open().await;
        let answer = asked(&mut wire, post("content-length: 99000000\r\n", "abc")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "too-large")
        );
        let mut wire = open().await;
        wire.send(post("transfer-encoding: chunked\r\n", "")).await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        for _ in 0..40 {
            wire.send(&chunk).await;
        }
        let answer = wire
            .answer()
            .await
            .expect("an answer while the body still comes");
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "too-large")
        );
    });
}

/// A client that sends its head slowly, or never asks for anything, keeps its place for half a minute at most.
#[test]
fn a_client_that_asks_nothing_is_cut() {
    run(async {
        let web = host(|_| {}).await;
        let (mut idle, mut slow) = (
            Wire::open(web.server.address()).await,
            Wire::open(web.server.address()).await,
        );
        let began = std::time::Instant::now();
        let trickle = async {
            slow.send("GET /echo HTTP/1.1\r\nhost: x\r\n").await;
            for _ in 0..90 {
                tokio::time::sleep(Duration::from_millis(500)).await;
                slow.send("x").await;
            }
        };
        tokio::select! {
            closed = idle.is_closed() => assert!(closed),
            () = trickle => panic!("a client that never asks is kept"),
        }
        let took = began.elapsed().as_secs();
        assert!((25..=40).contains(&took), "{took} s");
        assert!(slow.is_closed().await);
    });
}

/// The first signal lets what runs end, the second does not.
#[test]
fn a_second_signal_ends_the_host_at_once() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start_with(folder.path(), &["--drain", "600"]).await;
        process.deploy("echo").await;
        let address = process
            .url
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        let mut slow = Wire::open(address).await;
        slow.send(post("content-length: 3\r\n", "a")).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        process.signal("TERM");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(process.ended(), None, "a request is under way");
        slow.send("b").await;
        process.signal("INT");
        let ended = async {
            loop {
                if let Some(code) = process.ended() {
                    return code;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert_eq!(timeout(PATIENCE, ended).await.expect("it ends"), 130);
    });
}
