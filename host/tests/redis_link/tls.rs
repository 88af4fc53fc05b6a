//! TLS: a server's certificate is checked against the system's authorities, of which `SSL_CERT_FILE` can
//! name others. The certificates are made by `openssl`; where there is none, this says so and tests
//! nothing.

use std::path::Path;
use std::process::Command;

use crate::redis::{Kept, Server, free_port};
use crate::{open_with, patient, refused, works};

/// Set for the process that trusts the test's authority: the system's are read once per connection, but a
/// variable of this process cannot be changed while others read it.
const CHILD: &str = "LEYDEN_TEST_TLS_URL";

fn openssl(folder: &Path, arguments: &str) -> bool {
    Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Makes an authority and a certificate for `localhost` signed by it.
fn certificates(folder: &Path) -> bool {
    std::fs::write(
        folder.join("names"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    )
    .expect("written");
    openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-authority",
    ) && openssl(
        folder,
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
    ) && openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names",
    )
}

#[tokio::test]
async fn tls_is_used_and_certificates_are_checked() {
    if let Ok(url) = std::env::var(CHILD) {
        works(&open_with(patient(&url)).await).await;
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    if !certificates(folder.path()) {
        return eprintln!("skipped: openssl makes no certificates here");
    }
    let port = free_port().to_string();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key, ca) = (file("server.crt"), file("server.key"), file("ca.crt"));
    let options = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    let server = Server::start_with(Kept::Nothing, &options);
    let url = format!("rediss://localhost:{port}/0");

    let untrusted = refused(patient(&url)).await;
    let cause = std::error::Error::source(&untrusted)
        .expect("a cause")
        .to_string();
    assert!(cause.contains("certificate"), "{cause}");

    let trusting = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "tls::tls_is_used_and_certificates_are_checked"])
        .env(CHILD, &url)
        .env("SSL_CERT_FILE", &ca)
        .output()
        .expect("started");
    assert!(
        trusting.status.success(),
        "{}",
        String::from_utf8_lossy(&trusting.stdout)
    );
    drop(server);
}
