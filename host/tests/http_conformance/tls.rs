//! TLS: what is agreed on, who may do without, and certificates that change. They are made by `openssl`; where there is none, this
//! says so and tests nothing.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use leyden::gateway::{CertificateFiles, Token};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::host;
use super::wire::Wire;
use crate::process::Process;
use crate::web::{PATIENCE, Web, run};

/// Makes a certificate that signs itself; `None` where nobody can.
fn certificate(folder: &Path) -> Option<CertificateFiles> {
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout host.key -out host.crt \
        -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let made = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output();
    let is_made = made.is_ok_and(|output| output.status.success());
    is_made.then(|| CertificateFiles {
        certificate: folder.join("host.crt"),
        key: folder.join("host.key"),
    })
}

/// A connection that takes this certificate and no other.
async fn connect(
    to: SocketAddr,
    files: &CertificateFiles,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&files.certificate).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

fn agreed(stream: &TlsStream<TcpStream>) -> Option<&[u8]> {
    stream.get_ref().1.alpn_protocol()
}

async fn secure(files: &CertificateFiles) -> Web {
    host(|options| options.certificate = Some(files.clone())).await
}

#[test]
fn both_protocols_are_spoken_over_tls() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(files) = certificate(folder.path()) else {
            return eprintln!("skipped: openssl makes no certificates here");
        };
        let web = secure(&files).await;
        let to = web.server.address();

        let stream = connect(to, &files, &[b"h2", b"http/1.1"]).await.unwrap();
        assert_eq!(agreed(&stream), Some(&b"h2"[..]));
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::builder()
            .uri("https://localhost/echo")
            .body(())
            .unwrap();
        let (answer, _) = send
            .ready()
            .await
            .unwrap()
            .send_request(request, true)
            .unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);

        for (offered, expected) in [
            (&[&b"http/1.1"[..]][..], Some(&b"http/1.1"[..])),
            (&[], None),
        ] {
            let mut stream = connect(to, &files, offered).await.unwrap();
            assert_eq!(agreed(&stream), expected);
            let request = "GET /echo HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("Hello, world!"),
                "{answer}"
            );
        }
        assert!(connect(to, &files, &[b"spdy/1"]).await.is_err());
    });
}

#[test]
fn programs_on_this_machine_may_go_on_without_tls() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(files) = certificate(folder.path()) else {
            return eprintln!("skipped: openssl makes no certificates here");
        };
        let web = host(|options| {
            options.listen = "0.0.0.0:0".parse().unwrap();
            options.token = Some(Token::parse("0123456789abcdef").unwrap());
            options.certificate = Some(files.clone());
        })
        .await;
        let port = web.server.address().port();
        let get = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut here = Wire::open(SocketAddr::from(([127, 0, 0, 1], port))).await;
        here.send(get).await;
        assert_eq!(here.answer().await.unwrap().status, 200);
        // Also where it uses the address that others use.
        let Some(address) = other_address() else {
            return eprintln!("skipped in part: this machine has one address only");
        };
        let to = SocketAddr::new(address, port);
        let mut there = Wire::open(to).await;
        there.send(get).await;
        assert_eq!(there.answer().await.unwrap().status, 200);
        assert!(connect(to, &files, &[b"h2"]).await.is_ok());
    });
}

/// An address of this machine that is not its own loopback.
fn other_address() -> Option<IpAddr> {
    // Nothing is sent: the system only says from where it would be.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn certificates_are_read_again_and_broken_ones_are_not_taken() {
    run(async {
        let (folder, another) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (Some(files), Some(others)) = (certificate(folder.path()), certificate(another.path()))
        else {
            return eprintln!("skipped: openssl makes no certificates here");
        };
        let web = secure(&files).await;
        let to = web.server.address();
        let kept = connect(to, &files, &[]).await.unwrap();
        assert!(connect(to, &others, &[]).await.is_err());

        // Halfway through a change the two do not go together: the one before stays.
        let first = tempfile::tempdir().unwrap();
        let first = CertificateFiles {
            certificate: first.path().join("host.crt"),
            ..files.clone()
        };
        std::fs::copy(&files.certificate, &first.certificate).unwrap();
        std::fs::copy(&others.certificate, &files.certificate).unwrap();
        assert!(web.server.renew_certificate().is_err());
        assert!(connect(to, &first, &[]).await.is_ok());
        std::fs::copy(&others.key, &files.key).unwrap();
        web.server.renew_certificate().unwrap();
        assert!(connect(to, &others, &[]).await.is_ok());
        assert!(connect(to, &first, &[]).await.is_err());
        drop(kept);

        for broken in [
            "",
            "nonsense",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&files.certificate, broken).unwrap();
            let error = web.server.renew_certificate().expect_err("broken");
            assert!(error.to_string().contains("host.crt"), "{error}");
        }
        assert!(connect(to, &others, &[]).await.is_ok());
    });
}

/// Who connects and says nothing keeps neither others from being served nor the host from stopping, and bytes that are not
/// TLS end at once.
#[test]
fn broken_handshakes_leave_the_host_well() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(files) = certificate(folder.path()) else {
            return eprintln!("skipped: openssl makes no certificates here");
        };
        let web = secure(&files).await;
        let _silent = TcpStream::connect(web.server.address()).await.unwrap();
        let mut broken = Wire::open(web.server.address()).await;
        broken
            .send(b"\x16\x03\x01\x00\x05broken and then some")
            .await;
        while broken.answer().await.is_some() {}
        assert!(connect(web.server.address(), &files, &[]).await.is_ok());
        web.shutdown.cancel();
        let stopped = timeout(Duration::from_secs(5), web.server.stopped()).await;
        stopped.expect("it stops before a handshake's time is over");
    });
}

/// The verbs of this machine need no certificate, and a hangup has it read again.
#[test]
fn a_process_with_a_certificate_greets_and_renews_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(files) = certificate(folder.path()) else {
            return eprintln!("skipped: openssl makes no certificates here");
        };
        let file = |path: &Path| path.display().to_string();
        let (cert, key) = (file(&files.certificate), file(&files.key));
        let options = ["--tls-cert", &cert, "--tls-key", &key];
        let log = folder.path().join("log");
        let process = Process::start_logged(&folder.path().join("data"), &options, &[], &log).await;
        let address = process
            .url
            .strip_prefix("https://")
            .expect("it says that it speaks TLS");
        let address: SocketAddr = address.parse().unwrap();
        assert!(connect(address, &files, &[b"h2"]).await.is_ok());
        certificate(folder.path()).unwrap();
        assert!(
            connect(address, &files, &[b"h2"]).await.is_err(),
            "it shows the one before"
        );
        process.signal("HUP");
        let renewed = async {
            while connect(address, &files, &[b"h2"]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, renewed).await.expect("it is read again");
        std::fs::write(&files.key, "broken").unwrap();
        process.signal("HUP");
        let told = async {
            while !std::fs::read_to_string(&log)
                .unwrap()
                .contains("the certificate stays as it was")
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, told)
            .await
            .expect("what is broken is told");
        assert!(connect(address, &files, &[b"h2"]).await.is_ok());
    });
}

/// Verbs reach a host over TLS, and none whose certificate is not signed by whom they trust.
#[test]
fn verbs_speak_tls_and_check_whom_they_speak_to() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(files) = certificate(folder.path()) else {
            return eprintln!("skipped: openssl makes no certificates here");
        };
        let web = secure(&files).await;
        let port = web.server.address().port();
        let verb = |name: &str, more: &[&str]| {
            let url = format!("https://{name}:{port}");
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_leyden"));
            command
                .args(["--json", "--url", &url])
                .args(more)
                .arg("components");
            command
                .env_remove("LEYDEN_TOKEN_FILE")
                .env_remove("LEYDEN_CA_FILE");
            async move { command.output().await.expect("leyden runs") }
        };
        let ca = files.certificate.display().to_string();
        let done = verb("localhost", &["--ca-file", &ca]).await;
        let components: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert!(
            components.as_array().is_some_and(|list| !list.is_empty()),
            "{done:?}"
        );
        for (name, more) in [("localhost", &[][..]), ("127.0.0.1", &["--ca-file", &ca])] {
            let refused = verb(name, more).await;
            assert_eq!(refused.status.code(), Some(3), "{refused:?}");
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            let url = format!("https://{name}:{port}/");
            assert!(
                told.contains("certificate") && told.contains(&url),
                "{told}"
            );
        }
        let wrong = verb(
            "localhost",
            &["--ca-file", &files.key.display().to_string()],
        )
        .await;
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    });
}
