//! TLS: the certificate that the host shows, read from files, and read again when it is told so.
//!
//! With a certificate, other machines reach the host over TLS only; programs on this machine may go on without, so
//! that `leyden` and a proxy beside the host need nothing more.
//!
//! **Invariant.** A certificate that cannot be used never replaces one that can.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest wait for a client's part in the beginning of a connection.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// First byte of whatever begins with a TLS handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// What is spoken inside, the preferred one first (RFC 7301, 6).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// For whoever speaks HTTP where TLS is needed, before the connection is closed.
const TLS_NEEDED: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 42\r\nconnection: close\r\n\r\nother machines reach this host over https\n";

/// Files with a certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, then those that lead from it to one that clients know.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// There is no certificate in the file.
    #[error("{0} holds no certificate in PEM")]
    Empty(PathBuf),
    /// The two do not go together.
    #[error("the certificate in {0} cannot be used with this key")]
    Unusable(PathBuf, #[source] rustls::Error),
}

/// The certificate that is shown now.
#[derive(Debug)]
pub(super) struct Certificate {
    files: Files,
    config: ArcSwap<ServerConfig>,
}

impl Certificate {
    /// Reads the files.
    pub(super) fn read(files: Files) -> Result<Self, Error> {
        let config = ArcSwap::new(config(&files)?);
        Ok(Self { files, config })
    }

    /// Reads the files again, for connections that begin from now on.
    pub(super) fn read_again(&self) -> Result<(), Error> {
        self.config.store(config(&self.files)?);
        Ok(())
    }

    /// What a client begins a connection with; `None`: it is not served.
    pub(super) async fn accept(&self, stream: TcpStream, from: SocketAddr) -> Option<Accepted> {
        let accepted = timeout(HANDSHAKE_MAX, self.handshake(stream, from)).await;
        accepted.unwrap_or_else(|_| {
            tracing::debug!(%from, "a TLS handshake took too long");
            None
        })
    }

    async fn handshake(&self, mut stream: TcpStream, from: SocketAddr) -> Option<Accepted> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first[0] == HANDSHAKE => {}
            Ok(1) if is_from_here(from, stream.local_addr().ok()?) => {
                return Some(Accepted::Plain(stream));
            }
            Ok(1) => {
                // It is told why, or it is gone.
                drop(stream.write_all(TLS_NEEDED).await);
                return None;
            }
            _ => return None,
        }
        let acceptor = TlsAcceptor::from(self.config.load_full());
        match acceptor.accept(stream).await {
            Ok(stream) => Some(Accepted::Secure(Box::new(stream))),
            Err(error) => {
                tracing::debug!(%from, %error, "a TLS handshake failed");
                None
            }
        }
    }
}

/// Whether a connection comes from this machine.
fn is_from_here(from: SocketAddr, to: SocketAddr) -> bool {
    let (from, to) = (from.ip().to_canonical(), to.ip().to_canonical());
    from.is_loopback() || from == to
}

/// A connection that may be served.
pub(super) enum Accepted {
    /// Without TLS.
    Plain(TcpStream),
    /// With.
    Secure(Box<TlsStream<TcpStream>>),
}

fn config(files: &Files) -> Result<Arc<ServerConfig>, Error> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| Error::Read(files.key.clone(), error))?;
    let unusable = |error| Error::Unusable(files.certificate.clone(), error);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(unusable)?.with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |error| Error::Read(file.to_owned(), error);
    let found = CertificateDer::pem_file_iter(file).map_err(failed)?;
    let chain: Vec<_> = found.collect::<Result<_, _>>().map_err(failed)?;
    match chain.is_empty() {
        true => Err(Error::Empty(file.to_owned())),
        false => Ok(chain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_from_others() {
        for (from, to, here) in [
            ("127.0.0.1:9", "127.0.0.1:1", true),
            ("127.8.8.8:9", "127.0.0.1:1", true),
            ("[::1]:9", "[::1]:1", true),
            ("[::ffff:127.0.0.1]:9", "[::ffff:127.0.0.1]:1", true),
            ("10.0.0.1:9", "10.0.0.1:1", true),
            ("10.0.0.2:9", "10.0.0.1:1", false),
            ("[::ffff:10.0.0.2]:9", "[::ffff:10.0.0.1]:1", false),
            ("[2001:db8::2]:9", "[2001:db8::1]:1", false),
        ] {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            assert_eq!(is_from_here(from, to), here, "{from} {to}");
        }
    }

    #[test]
    fn the_answer_without_tls_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TLS_NEEDED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(length, Some(body.len().to_string().as_str()));
    }
}
