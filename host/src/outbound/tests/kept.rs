//! Which connection a request goes over.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::super::kept::{KEPT_FOR, KEPT_MAX};
use super::*;

/// A server that answers every request of a connection with these bytes, and how many connections were made to it.
async fn keeping(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                // A request is short, and comes whole.
                while stream
                    .read(&mut [0; 4_096])
                    .await
                    .is_ok_and(|read| read > 0)
                {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, made)
}

/// Where the tests send to.
struct Place {
    url: String,
    hosts: Vec<OutboundHost>,
    outbound: Outbound,
}

impl Place {
    fn at(address: SocketAddr) -> Self {
        let here = address.to_string();
        Self {
            url: format!("http://{here}/"),
            hosts: named(&[&here]),
            outbound: outbound(&[&here]),
        }
    }

    async fn begin(&self, outbound: &Outbound) -> Exchange {
        let sent = outbound.send(&self.hosts, get(&self.url), Patience::default());
        sent.await.expect("an answer")
    }

    /// One exchange to its end.
    async fn exchange(&self, outbound: &Outbound) {
        let Exchange {
            response,
            connection,
        } = self.begin(outbound).await;
        let body = response.into_body().collect().await;
        assert_eq!(body.expect("a body").to_bytes(), "hi");
        connection.over().await;
    }
}

/// Waits until something is so.
async fn until(what: impl Fn() -> bool) {
    let so = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), so)
        .await
        .expect("it comes to be so");
}

#[tokio::test]
async fn requests_of_one_function_go_over_one_connection() {
    let (address, made) = keeping(OK).await;
    let place = Place::at(address);
    for _ in 0..5 {
        place.exchange(&place.outbound).await;
    }
    assert_eq!(made.load(Ordering::Relaxed), 1);
    let free = place.outbound.shared.connections.available_permits();
    assert_eq!(free, CONNECTIONS_MAX, "one that waits has no place");
    let other = place.outbound.apart();
    place.exchange(&other).await;
    assert_eq!(
        made.load(Ordering::Relaxed),
        2,
        "another function's is another"
    );
}

#[tokio::test]
async fn a_connection_leads_where_it_was_made_to() {
    let (address, _) = keeping(OK).await;
    let (elsewhere, _) = keeping(OK).await;
    let place = Place::at(address);
    place.exchange(&place.outbound).await;
    let kept = &place.outbound.kept;
    assert!(kept.take(&[elsewhere], None).is_none());
    assert!(kept.take(&[address], Some("localhost")).is_none());
    assert!(kept.take(&[elsewhere, address], None).is_some());
    assert!(kept.take(&[address], None).is_none(), "it is taken");
}

#[tokio::test]
async fn an_address_is_judged_though_a_connection_to_it_is_kept() {
    let (address, made) = keeping(OK).await;
    let place = Place::at(address);
    place.exchange(&place.outbound).await;
    let strict = Outbound {
        kept: place.outbound.kept.clone(),
        ..outbound(&["*"])
    };
    let refused = strict.send(&place.hosts, get(&place.url), Patience::default());
    assert!(matches!(refused.await, Err(Error::NotPublic(..))));
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_is_not_kept() {
    let (address, made) = keeping("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi").await;
    let place = Place::at(address);
    drop(place.begin(&place.outbound).await);
    let places = &place.outbound.shared.connections;
    until(|| places.available_permits() == CONNECTIONS_MAX).await;
    assert_eq!(place.outbound.kept.count(), 0);
    drop(place.begin(&place.outbound).await);
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_whose_server_closes_soon_is_not_kept() {
    for field in ["connection: close", "keep-alive: timeout=1, max=9"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{field}\r\ncontent-length: 2\r\n\r\nhi");
        let (address, made) = keeping(answer.leak()).await;
        let place = Place::at(address);
        place.exchange(&place.outbound).await;
        place.exchange(&place.outbound).await;
        assert_eq!(made.load(Ordering::Relaxed), 2, "{field}");
    }
}

#[tokio::test]
async fn kept_connections_are_bounded_in_number_and_time() {
    let (address, _) = keeping(OK).await;
    let place = Place::at(address);
    let one = || place.begin(&place.outbound);
    let mut exchanges = Vec::new();
    for _ in 0..KEPT_MAX + 2 {
        exchanges.push(one().await);
    }
    for exchange in exchanges {
        let body = exchange.response.into_body().collect().await;
        body.expect("a body");
        exchange.connection.over().await;
    }
    assert_eq!(place.outbound.kept.count(), KEPT_MAX);
    let keeping = &place.outbound.shared.keeping;
    assert_eq!(keeping.available_permits(), KEPT_ALL_MAX - KEPT_MAX);
    tokio::time::sleep(KEPT_FOR).await;
    until(|| place.outbound.kept.count() == 0).await;
    assert_eq!(keeping.available_permits(), KEPT_ALL_MAX);
}

#[tokio::test]
async fn a_request_that_was_not_sent_goes_over_a_new_connection() {
    let (address, made) = keeping(OK).await;
    let place = Place::at(address);
    place.exchange(&place.outbound).await;
    // It still looks as if it was there: the runtime has one thread, which is here.
    place.outbound.kept.cut();
    place.exchange(&place.outbound).await;
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

/// The server closes while the runtime, which has one thread, is held up, so that nothing here has read of it yet.
#[tokio::test]
async fn a_connection_that_was_just_closed_is_not_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let place = Place::at(listener.local_addr().expect("an address"));
    let (close, closing) = mpsc::channel::<()>();
    let (closed, is_closed) = mpsc::channel();
    let server = std::thread::spawn(move || {
        for connection in 0..2 {
            let (mut stream, _) = listener.accept().expect("a connection");
            let read = stream.read(&mut [0; 4_096]).expect("a request");
            assert!(read > 0, "request {connection}");
            stream.write_all(OK.as_bytes()).expect("an answer");
            closing.recv().expect("a word");
            drop(stream);
            closed.send(()).expect("somebody waits");
        }
    });
    place.exchange(&place.outbound).await;
    assert_eq!(place.outbound.kept.count(), 1);
    close.send(()).expect("a server");
    is_closed.recv().expect("it closes");
    place.exchange(&place.outbound).await;
    close.send(()).expect("a server");
    tokio::task::spawn_blocking(|| server.join())
        .await
        .expect("a thread")
        .expect("two requests on two connections");
}
