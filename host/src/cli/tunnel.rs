//! The way to a host that speaks TLS: a port of this machine, open while the verb runs, from which connections go on
//! over TLS. What speaks to hosts knows plain HTTP only, so nothing of it changes, and no second implementation of TLS
//! comes in with it.
//!
//! Other programs of this machine can use the port meanwhile; they get what they could get from the host
//! themselves, and have no more to show it than before.
//!
//! **Invariant.** Nothing is sent to a host before its certificate is found sound: signed by an authority that the system or
//! `--ca-file` names, and for the name in the URL.

use std::io;
use std::net::{Ipv4Addr, TcpListener as Listener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HOST, HeaderMap, HeaderValue};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Error;

/// Longest wait for a connection with TLS.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Port of `https://` where the URL names none.
const PORT: u16 = 443;

/// A tunnel that is open as long as the process runs.
#[derive(Debug, Clone)]
pub(super) struct Tunnel {
    /// Where it begins, on this machine.
    pub(super) begins: Url,
    /// Where it ends.
    pub(super) ends: Url,
    failure: Arc<Mutex<Option<String>>>,
}

/// What carries connections.
struct Carrier {
    host: String,
    port: u16,
    name: ServerName<'static>,
    connector: TlsConnector,
    failure: Arc<Mutex<Option<String>>>,
}

impl Tunnel {
    /// Opens a tunnel to the host of an `https://` URL.
    ///
    /// # Errors
    /// The authorities cannot be read, or no port can be opened.
    pub(super) fn open(ends: Url, authorities: Option<&Path>) -> Result<Self, Error> {
        let host = ends.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).to_owned();
        let refused = |_| Error::Usage(format!("--url: no certificate can be for {host}"));
        let failure = Arc::default();
        let carrier = Carrier {
            name: ServerName::try_from(host.clone()).map_err(refused)?,
            port: ends.port().unwrap_or(PORT),
            connector: TlsConnector::from(Arc::new(config(roots(authorities)?)?)),
            failure: Arc::clone(&failure),
            host,
        };
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let begins = format!("http://{}", listener.local_addr()?);
        let begins = Url::parse(&begins).map_err(|error| Error::Usage(error.to_string()))?;
        tokio::spawn(Arc::new(carrier).run(TcpListener::from_std(listener)?));
        Ok(Self {
            begins,
            ends,
            failure,
        })
    }

    /// What requests through it say, where they say nothing else: `Host` names where they go, not where the tunnel begins. What
    /// stands before the host may choose by it, and functions see it.
    pub(super) fn headers(&self) -> HeaderMap {
        let host = self.ends.host_str().unwrap_or_default();
        let host = match self.ends.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let host = HeaderValue::try_from(host);
        host.map(|host| (HOST, host)).into_iter().collect()
    }

    /// Why the last connection to the host was none, if it was.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Carrier {
    async fn run(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let carrier = self.clone();
            tokio::spawn(async move { carrier.carry(stream).await });
        }
    }

    /// Carries one connection to its end. Where there is none to the host, it is closed, and the tunnel says why.
    async fn carry(&self, mut here: TcpStream) {
        let connected = timeout(CONNECT_MAX, self.connect()).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let failure = connected.as_ref().err().map(ToString::to_string);
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        if let Ok(mut there) = connected {
            // However it ends, the client sees it.
            drop(copy_bidirectional(&mut here, &mut there).await);
        }
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// The authorities that the system trusts, and those in a file.
fn roots(authorities: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // One that cannot be used is no reason not to use the others.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(file) = authorities else {
        return Ok(roots);
    };
    let unusable = |why: String| Error::Usage(format!("--ca-file {}: {why}", file.display()));
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unusable(e.to_string()))? {
        let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
        roots
            .add(certificate)
            .map_err(|e| unusable(e.to_string()))?;
        count += 1;
    }
    match count {
        0 => Err(unusable("it holds no certificate in PEM".into())),
        _ => Ok(roots),
    }
}

fn config(roots: RootCertStore) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Error::Usage(format!("no TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_host_at_the_other_end() {
        for (ends, host) in [
            ("https://north.example", "north.example"),
            ("https://north.example:8443/x", "north.example:8443"),
            ("https://[::1]:8443", "[::1]:8443"),
        ] {
            let tunnel = Tunnel {
                begins: Url::parse("http://127.0.0.1:1").expect("a URL"),
                ends: Url::parse(ends).expect("a URL"),
                failure: Arc::default(),
            };
            assert_eq!(tunnel.headers()[HOST], host);
        }
    }
}
