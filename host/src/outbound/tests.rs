//! What is sent and what is not, over real connections on this machine.

mod kept;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// A server that answers each connection with these bytes, and what the first request looked like.
async fn server(answer: &'static str) -> (SocketAddr, tokio::sync::oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (seen, first) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut seen = Some(seen);
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4_096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            request.truncate(read);
            if let Some(seen) = seen.take() {
                let _ = seen.send(String::from_utf8_lossy(&request).into_owned());
            }
            let _ = stream.write_all(answer.as_bytes()).await;
            // What is left open is cut with the test.
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        }
    });
    (address, first)
}

fn named(hosts: &[&str]) -> Vec<OutboundHost> {
    let parse = |host: &&str| OutboundHost::parse(host).expect("a host");
    hosts.iter().map(parse).collect()
}

fn outbound(allow: &[&str]) -> Outbound {
    let parse = |entry: &&str| entry.parse().expect("an entry");
    Outbound::trusting(allow.iter().map(parse).collect(), RootCertStore::empty())
}

fn get(url: &str) -> Request<Empty<Bytes>> {
    Request::builder()
        .uri(url)
        .body(Empty::new())
        .expect("a request")
}

async fn send(
    outbound: &Outbound,
    hosts: &[String],
    request: Request<Empty<Bytes>>,
) -> Result<Exchange, Error> {
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    outbound
        .send(&named(&hosts), request, Patience::default())
        .await
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_request_goes_where_the_manifest_and_the_operator_say() {
    let (address, first) = server(OK).await;
    let here = address.to_string();
    let outbound = outbound(&[&here]);
    let exchange = send(
        &outbound,
        std::slice::from_ref(&here),
        get(&format!("http://{here}/a?b")),
    )
    .await;
    let exchange = exchange.expect("an answer");
    let body = exchange
        .response
        .into_body()
        .collect()
        .await
        .expect("a body");
    assert_eq!(body.to_bytes(), "hi");
    let seen = first.await.expect("a request");
    assert!(seen.starts_with("GET /a?b HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {here}\r\n")), "{seen}");
}

#[tokio::test]
async fn what_either_does_not_say_is_not_sent() {
    let (address, first) = server(OK).await;
    let (here, port) = (address.to_string(), address.port());
    let localhost = format!("localhost:{port}");
    let url = format!("http://{here}/");
    let not_named = send(&outbound(&[&here]), &[], get(&url)).await;
    assert!(matches!(not_named, Err(Error::NotNamed(_))));
    for allow in [
        vec![],
        vec!["127.0.0.1:1"],
        vec!["10.0.0.0/8"],
        vec!["*.example.com"],
    ] {
        let refused = send(&outbound(&allow), std::slice::from_ref(&here), get(&url)).await;
        assert!(matches!(refused, Err(Error::NotAllowed(_))), "{allow:?}");
    }
    // A name is allowed, and leads to an address that is not public and that nobody has listed.
    let by_name = get(&format!("http://{localhost}/"));
    for allow in [vec!["*"], vec![&*localhost], vec!["*", "10.0.0.0/8"]] {
        let refused = send(
            &outbound(&allow),
            std::slice::from_ref(&localhost),
            by_name.clone(),
        )
        .await;
        assert!(matches!(refused, Err(Error::NotPublic(..))), "{allow:?}");
    }
    for odd in [
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let hosts = [format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}")];
        let refused = send(&outbound(&["*"]), &hosts, get(&odd)).await;
        assert!(matches!(refused, Err(Error::NotPublic(..))), "{odd}");
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(50), first)
            .await
            .is_err(),
        "nobody came"
    );
    let listed = outbound(&["*", "127.0.0.0/8", "::1/128"]);
    let sent = send(&listed, std::slice::from_ref(&localhost), by_name).await;
    assert_eq!(sent.expect("an answer").response.status(), 200);
}

#[tokio::test]
async fn what_is_no_request_is_not_sent() {
    let outbound = outbound(&["*"]);
    let hosts = ["a.example.com".to_owned()];
    for url in [
        "ftp://a.example.com/",
        "http://user@a.example.com/",
        "http://user:p@a.example.com/",
    ] {
        let refused = send(&outbound, &hosts, get(url)).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{url}");
    }
    let mut connect = get("http://a.example.com/");
    *connect.method_mut() = Method::CONNECT;
    assert!(matches!(
        send(&outbound, &hosts, connect).await,
        Err(Error::Invalid(_))
    ));
}

#[tokio::test]
async fn nobody_is_waited_for_for_ever() {
    let (address, _first) = server("").await;
    let here = address.to_string();
    let silent = outbound(&[&here]);
    let short = Duration::from_millis(50);
    let patience = Patience {
        first_byte: Some(short),
        between_bytes: Some(short),
        ..Patience::default()
    };
    let hosts = named(&[&here]);
    let url = format!("http://{here}/");
    let late = silent.send(&hosts, get(&url), patience).await;
    assert!(matches!(late, Err(Error::TimedOut(Stage::Answering))));
    let (address, _first) = server("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi").await;
    let here = address.to_string();
    let stuck = outbound(&[&here]);
    let url = format!("http://{here}/");
    let exchange = stuck.send(&named(&[&here]), get(&url), patience).await;
    let broken = exchange
        .expect("an answer")
        .response
        .into_body()
        .collect()
        .await;
    assert!(broken.is_err(), "the rest never comes");
}

#[tokio::test]
async fn tls_is_only_with_whom_is_trusted() {
    let (address, _first) = server(OK).await;
    let here = address.to_string();
    let sent = send(
        &outbound(&[&here]),
        std::slice::from_ref(&here),
        get(&format!("https://{here}/")),
    )
    .await;
    assert!(
        matches!(sent, Err(Error::Tls(..))),
        "what is spoken there is not TLS"
    );
}

/// A server that speaks TLS, and a certificate that it shows, as the authority that signed it; `None` where nobody makes one.
async fn secure_server() -> Option<(SocketAddr, RootCertStore)> {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out crt -days 2 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let made = std::process::Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder.path())
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let certificate = CertificateDer::from_pem_file(folder.path().join("crt")).expect("one");
    let key = PrivateKeyDer::from_pem_file(folder.path().join("key")).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(OK.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    Some((address, roots))
}

#[tokio::test]
async fn https_goes_to_whom_an_authority_vouches_for() {
    let Some((address, roots)) = secure_server().await else {
        return eprintln!("skipped: openssl makes no certificates here");
    };
    let localhost = format!("localhost:{}", address.port());
    let by_number = address.to_string();
    let hosts = [localhost.clone(), by_number.clone()];
    let allow = || {
        let entries = [&localhost, "127.0.0.0/8", "::1/128"];
        entries
            .map(|entry| entry.parse().expect("an entry"))
            .to_vec()
    };
    let url = format!("https://{localhost}/");
    let trusting = Outbound::trusting(allow(), roots);
    let exchange = send(&trusting, &hosts, get(&url)).await.expect("an answer");
    let body = exchange.response.into_body().collect().await;
    assert_eq!(body.expect("a body").to_bytes(), "hi");
    // It is vouched for by its name, and by nobody else's authority.
    let others = [
        (trusting, format!("https://{by_number}/")),
        (Outbound::trusting(allow(), RootCertStore::empty()), url),
    ];
    for (outbound, url) in others {
        let refused = send(&outbound, &hosts, get(&url)).await.map(|_| ());
        let refused = refused.expect_err("not trusted");
        assert!(refused.is_about_a_certificate(), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let (address, _first) = server(OK).await;
    let here = address.to_string();
    let outbound = outbound(&[&here]);
    let _all = outbound
        .shared
        .connections
        .clone()
        .acquire_many_owned(CONNECTIONS_MAX as u32)
        .await;
    let sent = send(
        &outbound,
        std::slice::from_ref(&here),
        get(&format!("http://{here}/")),
    )
    .await;
    assert!(matches!(sent, Err(Error::Busy)));
}
