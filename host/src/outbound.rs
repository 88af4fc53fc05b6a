//! Requests that functions send to elsewhere: which are allowed, where a name leads, and one exchange over HTTP/1.1,
//! with TLS where it is asked for, over a new connection or one that was kept (`kept`). Nothing of wasmtime here.
//!
//! **Invariants.** A request goes to an address that was judged for it, and to no other: a name is looked up once. An
//! address that is not public is connected to only where the operator has listed it. Every wait has a bound, and so
//! have heads, bodies and connections.

mod address;
mod allow;
mod exchange;
mod kept;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

pub use allow::Allow;
pub use exchange::{Exchange, Received};
pub use kept::InUse;
use kept::{KEPT_ALL_MAX, Kept};

use crate::registry::manifest::OutboundHost;

/// Connections of all functions together at a time: each has a descriptor and some ten KiB.
const CONNECTIONS_MAX: usize = 256;

/// Longest time until a connection is made, names and TLS included, where the function names none, and at most.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Longest wait for an answer's head, and for each piece of its body, likewise. The function's own deadline
/// is shorter, most often.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Addresses of a name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// What the operator allows, and what connections need. Cheap to clone; a clone has the same kept connections.
#[derive(Clone)]
pub struct Outbound {
    shared: Arc<Shared>,
    kept: Arc<Kept>,
}

struct Shared {
    allow: Vec<Allow>,
    tls: Arc<ClientConfig>,
    connections: Arc<Semaphore>,
    /// Places for connections that are kept.
    keeping: Arc<Semaphore>,
}

/// How long a function waits at most, where it says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// Until a connection is made.
    pub connect: Option<Duration>,
    /// Until the answer begins.
    pub first_byte: Option<Duration>,
    /// From one piece of the answer to the next.
    pub between_bytes: Option<Duration>,
}

impl Patience {
    fn connect(&self) -> Duration {
        self.connect.unwrap_or(CONNECT_MAX).min(CONNECT_MAX)
    }

    fn first_byte(&self) -> Duration {
        self.first_byte.unwrap_or(ANSWER_MAX).min(ANSWER_MAX)
    }

    fn between_bytes(&self) -> Duration {
        self.between_bytes.unwrap_or(ANSWER_MAX).min(ANSWER_MAX)
    }
}

/// Why a request is not sent, or has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no request that is sent: scheme, authority or method.
    #[error("the request is not one that is sent: {0}")]
    Invalid(&'static str),
    /// The function's manifest does not name the host.
    #[error("the manifest's outbound.hosts do not name {0}")]
    NotNamed(String),
    /// The operator does not allow the host.
    #[error("the operator does not allow {0} (leyden up --outbound-allow {0})")]
    NotAllowed(String),
    /// The host has no address.
    #[error("{0} has no address")]
    Unresolved(String),
    /// The host's addresses are not public, and not listed by the operator.
    #[error(
        "{0} leads to {1}, which is not public (leyden up --outbound-allow {ip} allows it)", ip = .1
    )]
    NotPublic(String, std::net::IpAddr),
    /// Too many connections are open.
    #[error("too many requests of functions are under way")]
    Busy,
    /// Nobody answers at the address.
    #[error("no connection to {0}")]
    Connect(SocketAddr, #[source] io::Error),
    /// TLS was not agreed upon.
    #[error("no TLS with {0}")]
    Tls(String, #[source] io::Error),
    /// A wait took too long.
    #[error("{0} took too long")]
    TimedOut(Stage),
    /// The exchange broke off.
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    /// The answer is longer than functions take in.
    #[error("the answer has more than {0} bytes")]
    TooLong(u64),
}

impl Error {
    /// Whether the other side has shown a certificate that is not trusted.
    #[must_use]
    pub fn is_about_a_certificate(&self) -> bool {
        let Self::Tls(_, error) = self else {
            return false;
        };
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Name, connection and TLS.
    Connecting,
    /// The head of the answer.
    Answering,
    /// A piece of its body.
    Reading,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "the connection",
            Self::Answering => "the answer",
            Self::Reading => "the answer's body",
        })
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.shared.allow).finish()
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Outbound {
    /// Allows what these entries say. Whom TLS trusts is what the machine trusts.
    #[must_use]
    pub fn new(allow: Vec<Allow>) -> Self {
        // Without any function that reaches out there is no need to read a few hundred certificates.
        let roots = match allow.is_empty() {
            true => RootCertStore::empty(),
            false => machine_roots(),
        };
        Self::trusting(allow, roots)
    }

    /// The same, trusting these certificates only.
    #[must_use]
    pub fn trusting(allow: Vec<Allow>, roots: RootCertStore) -> Self {
        let keeping = Arc::new(Semaphore::new(KEPT_ALL_MAX));
        Self {
            kept: Arc::new(Kept::new(keeping.clone())),
            shared: Arc::new(Shared {
                allow,
                tls: Arc::new(tls(roots)),
                connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
                keeping,
            }),
        }
    }

    /// The same for another function: it shares no connection with this one.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            kept: Arc::new(Kept::new(self.shared.keeping.clone())),
        }
    }

    /// Whether a request to this host and port may be sent, before it is known where the name leads.
    fn check(&self, named: &[OutboundHost], host: &str, port: u16) -> Result<(), Error> {
        let shown = || format!("{host}:{port}");
        if !named.iter().any(|entry| entry.allows(host, port)) {
            return Err(Error::NotNamed(shown()));
        }
        match self
            .shared
            .allow
            .iter()
            .any(|entry| entry.names(host, port))
        {
            true => Ok(()),
            false => Err(Error::NotAllowed(shown())),
        }
    }

    /// The addresses of a host, without brackets, that may be connected to, in the order in which to try them.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let found = tokio::net::lookup_host((host, port)).await;
        let unresolved = || Error::Unresolved(host.to_owned());
        let found: Vec<_> = found
            .map_err(|_| unresolved())?
            .take(ADDRESSES_MAX)
            .collect();
        let first = *found.first().ok_or_else(unresolved)?;
        let may = |address: &SocketAddr| self.may_connect(*address);
        let allowed: Vec<_> = found.into_iter().filter(may).collect();
        match allowed.is_empty() {
            true => Err(Error::NotPublic(host.to_owned(), first.ip())),
            false => Ok(allowed),
        }
    }

    fn may_connect(&self, address: SocketAddr) -> bool {
        let listed = |entry: &Allow| entry.lists(address);
        address::is_public(address.ip()) || self.shared.allow.iter().any(listed)
    }
}

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let errors = found.errors.len() + unusable;
        tracing::warn!(
            errors,
            "the machine trusts no certificate: functions cannot use https"
        );
    }
    roots
}

fn tls(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    match versions {
        Ok(builder) => builder.with_root_certificates(roots).with_no_client_auth(),
        Err(_) => unreachable!("ring has the default versions of TLS"),
    }
}

#[cfg(test)]
mod tests;
