//! What a server tells of itself, whether Leyden can use it, and what a crash of it can lose. Opens an
//! installation: the first host of one lays down how many units it has, for ever.
//!
//! Only commands that managed services permit are needed; where the configuration cannot be read,
//! what it would have said is unknown and nothing more.

mod durability;
mod facts;
mod upgrade;

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::keys::Keys;
use super::link::{self, Endpoint, Link, Trouble};
use super::options::{OpenError, Options};
use crate::clock;
use crate::store::Error;
pub(super) use durability::Waits;
pub use durability::{Durability, Synced};
pub(super) use facts::Facts;

/// The layout of keys that this version of Leyden reads and writes; see [`super::keys`].
pub(super) const FORMAT: &str = "2";

/// Longest wait for a server that loads its data: a big one takes minutes, and a supervisor starts us
/// again.
const LOADING_WAIT_MAX: Duration = Duration::from_secs(60);

/// Between two tries meanwhile.
const LOADING_PAUSE: Duration = Duration::from_millis(250);

static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/open.lua")));

/// A server with an installation in it.
pub(super) struct Opened {
    pub(super) link: Link,
    pub(super) units: u16,
    pub(super) durability: Durability,
}

/// Connects, checks the server and makes the namespace where it is new.
pub(super) async fn open(options: &Options) -> Result<Opened, OpenError> {
    let (link, durability) = reach(options).await?;
    let units = install(&link, &Keys::new(&options.namespace), options).await?;
    Ok(Opened {
        link,
        units,
        durability,
    })
}

/// Connects and checks the server.
pub(super) async fn reach(options: &Options) -> Result<(Link, Durability), OpenError> {
    options.check()?;
    // Rustls asks the process for an implementation; whoever was first to choose one has done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let keys = Keys::new(&options.namespace);
    let endpoint =
        Endpoint::parse(&options.url, &keys.meta()).map_err(|rule| OpenError::Option {
            field: "the store's URL",
            rule,
        })?;
    let link = connect(&endpoint, options, &keys, Waits::default()).await?;
    let facts = link.facts().await?;
    facts.suits()?;
    let durability = Durability::of(&link, &facts).await;
    let link = if options.durable {
        // Now that it is known what there is to wait for.
        connect(&endpoint, options, &keys, durability.waits()?).await?
    } else {
        link
    };
    Ok((link, durability))
}

async fn connect(
    endpoint: &Endpoint,
    options: &Options,
    keys: &Keys,
    waits: Waits,
) -> Result<Link, OpenError> {
    let until = clock::monotonic() + LOADING_WAIT_MAX;
    loop {
        let options = link::Options {
            reply_max: Duration::from_millis(options.reply_ms_max),
            probe_key: keys.probe(),
            barrier_key: keys.barrier(),
            waits,
        };
        match Link::open(endpoint.clone(), options).await {
            Ok(link) => return Ok(link),
            Err(trouble) if trouble.reason == facts::LOADING && clock::monotonic() < until => {
                tracing::info!("waiting for Redis to load its data");
                clock::sleep(LOADING_PAUSE).await;
            }
            Err(trouble) => return Err(trouble.into()),
        }
    }
}

/// Makes the installation where there is none, and returns its number of units.
async fn install(link: &Link, keys: &Keys, options: &Options) -> Result<u16, OpenError> {
    let mut script = OPEN.key(keys.meta());
    script.arg(FORMAT).arg(options.partitions);
    let (format, units, copying): (String, u16, Option<String>) = link.script(&script).await?;
    if copying.is_some() {
        return Err(OpenError::Copying(options.namespace.clone()));
    }
    match format.as_str() {
        FORMAT => {}
        upgrade::FROM => upgrade::upgrade(link, keys).await?,
        _ => return Err(OpenError::Format(format)),
    }
    if units != options.partitions {
        tracing::warn!(
            units,
            asked = options.partitions,
            "the installation has another number of partitions; it stays"
        );
    }
    Ok(units)
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        let source = trouble.source.map(|source| Box::new(source) as Box<_>);
        Self::Server {
            reason: trouble.reason,
            source,
        }
    }
}
