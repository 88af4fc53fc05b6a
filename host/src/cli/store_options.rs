//! The options that name a store and an installation in it, for every verb that opens one. What they
//! mean is decided in `config` and by the store.
//!
//! **Invariant.** A password in a URL is never printed: messages name the option and not its value.

use super::{Error, age};
use crate::config::{self, Store};
use crate::ids::StreamName;
use crate::store::redis::{self, NAMESPACE};

/// Schemes of a store's URL.
const SCHEMES: [&str; 7] = [
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
];

/// Longest name of an installation: it is part of every key.
const NAMESPACE_CHARS_MAX: usize = 64;

/// How a host that shares its work keeps everything.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StoreOptions {
    /// Keep everything in Redis (7.0 or later), so that any number of hosts share the work; without it,
    /// everything is in --data, for one host. One of redis://[USER:PASSWORD@]HOST:PORT[/DB],
    /// rediss://… (TLS), redis+sentinel://HOST:PORT[,HOST:PORT…]/SERVICE[/DB],
    /// redis+cluster://HOST:PORT[,HOST:PORT…]. Set LEYDEN_STORE to keep a password off the command line.
    #[arg(
        long,
        value_name = "URL",
        env = "LEYDEN_STORE",
        hide_env_values = true,
        help_heading = "Many hosts"
    )]
    store: Option<String>,
    #[command(flatten)]
    installation: Installation,
    /// How long other hosts wait for a sign of life before they take over, such as 3s or 800ms
    /// [default: 3s].
    #[arg(long, value_name = "SPAN", value_parser = age::parse_ms, help_heading = "Many hosts")]
    lease: Option<u64>,
    /// Where others reach this host, as `leyden hosts` shows it [default: where it listens].
    #[arg(long, value_name = "URL", help_heading = "Many hosts")]
    advertise: Option<String>,
    /// Carry a stream on to another installation in the same Redis, each record exactly once; give it to
    /// every host, and again for every stream.
    #[arg(long, value_name = "STREAM=NAMESPACE", help_heading = "Many hosts")]
    link: Vec<String>,
}

/// Which installation, and what it promises.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Installation {
    /// Name of the installation; several can share one Redis [default: leyden].
    #[arg(long, value_name = "NAME", help_heading = "Many hosts")]
    namespace: Option<String>,
    /// Partitions of a stream, and so the most hosts that share it; fixed by the first host of an
    /// installation [default: 16].
    #[arg(long, value_name = "N", help_heading = "Many hosts",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    partitions: Option<u16>,
    /// Most records of a partition; then whoever publishes gets 503 until the groups have caught up
    /// [default: 1000000].
    #[arg(long, value_name = "RECORDS", help_heading = "Many hosts",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    log_max: Option<u64>,
    /// Answer only when a commit is on a replica or, from Redis 7.2, on a disk as well.
    #[arg(long, help_heading = "Many hosts")]
    durable: bool,
}

impl StoreOptions {
    /// Where everything is kept.
    ///
    /// # Errors
    /// An option breaks a rule, or is given without --store.
    pub(super) fn store(&self) -> Result<Store, Error> {
        match &self.store {
            Some(url) => Ok(Store::Redis(self.installation.options("--store", url)?)),
            None => self.alone().map(|()| Store::Embedded),
        }
    }

    /// Without --store there is nothing to share.
    fn alone(&self) -> Result<(), Error> {
        let given = [
            ("--namespace", self.installation.namespace.is_some()),
            ("--partitions", self.installation.partitions.is_some()),
            ("--log-max", self.installation.log_max.is_some()),
            ("--durable", self.installation.durable),
            ("--lease", self.lease.is_some()),
            ("--advertise", self.advertise.is_some()),
            ("--link", !self.link.is_empty()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Error::Usage(format!(
                "{option}: is for hosts that share a store; name it with --store"
            ))),
            None => Ok(()),
        }
    }

    /// How long others wait for a sign of life, ms.
    ///
    /// # Errors
    /// It is out of bounds.
    pub(super) fn lease_ms(&self) -> Result<u64, Error> {
        let lease_ms = self.lease.unwrap_or(config::LEASE_MS);
        match (config::LEASE_MS_MIN..=config::LEASE_MS_MAX).contains(&lease_ms) {
            true => Ok(lease_ms),
            false => Err(Error::Usage(format!(
                "--lease: must be {} to {}",
                age::words(config::LEASE_MS_MIN),
                age::words(config::LEASE_MS_MAX)
            ))),
        }
    }

    /// Streams that are carried on to other installations.
    ///
    /// # Errors
    /// A name breaks its rule, or the installation would be linked to itself.
    pub(super) fn links(&self) -> Result<Vec<config::Link>, Error> {
        self.link.iter().map(|given| self.link(given)).collect()
    }

    fn link(&self, given: &str) -> Result<config::Link, Error> {
        let refused = |rule: &str| Error::Usage(format!("--link: {rule}"));
        let (stream, to) = given
            .split_once('=')
            .ok_or_else(|| refused("must be STREAM=NAMESPACE"))?;
        let stream = StreamName::parse(stream).map_err(|rule| refused(rule.0))?;
        if !is_namespace(to) || self.installation.namespace.as_deref().unwrap_or(NAMESPACE) == to {
            return Err(refused("must name another installation"));
        }
        let to = to.to_owned();
        Ok(config::Link { stream, to })
    }

    /// The address that others see.
    ///
    /// # Errors
    /// It is no URL of a host.
    pub(super) fn advertise(&self) -> Result<Option<String>, Error> {
        let Some(given) = &self.advertise else {
            return Ok(None);
        };
        let url = reqwest::Url::parse(given).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match url {
            Some(_) => Ok(Some(given.trim_end_matches('/').to_owned())),
            None => Err(Error::Usage(
                "--advertise: must be a URL such as http://10.0.0.5:3000".to_owned(),
            )),
        }
    }
}

impl Installation {
    /// How to open the installation at a URL that `option` gave.
    ///
    /// # Errors
    /// The URL or the name breaks a rule.
    pub(super) fn options(&self, option: &str, url: &str) -> Result<redis::Options, Error> {
        check_url(option, url)?;
        let mut options = redis::Options::new(url);
        if let Some(namespace) = &self.namespace {
            check_namespace(namespace)?;
            options.namespace.clone_from(namespace);
        }
        options.partitions = self.partitions.unwrap_or(options.partitions);
        options.log_records_max = self.log_max.unwrap_or(options.log_records_max);
        options.durable = self.durable;
        Ok(options)
    }
}

/// The URL itself is not quoted: it may hold a password.
fn check_url(option: &str, url: &str) -> Result<(), Error> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", ""));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    if !SCHEMES.contains(&scheme) {
        return Err(Error::Usage(format!(
            "{option}: must begin with redis://, rediss://, redis+sentinel:// or redis+cluster://"
        )));
    }
    if scheme != "unix" && (place.is_empty() || place.starts_with('/')) {
        return Err(Error::Usage(format!("{option}: names no host")));
    }
    Ok(())
}

fn is_namespace(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAMESPACE_CHARS_MAX).contains(&name.len()) && name.chars().all(plain)
}

fn check_namespace(name: &str) -> Result<(), Error> {
    let rule = "--namespace: must be 1 to 64 letters, digits, '-', '_' and '.'";
    is_namespace(name)
        .then_some(())
        .ok_or_else(|| Error::Usage(rule.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_names_follow_their_rules() {
        for good in [
            "redis://h",
            "rediss://u:p@h:6380/0",
            "redis+sentinel://a:1,b:2/main/0",
            "redis+cluster://a:1,b:2",
            "unix:///run/redis.sock",
        ] {
            assert!(check_url("--store", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "h:1",
            "http://h",
            "redis://",
            "redis://u:secret@",
            "redis:///0",
        ] {
            let error = check_url("--store", bad).expect_err(bad).to_string();
            assert!(
                error.starts_with("--store: ") && !error.contains("secret"),
                "{error}"
            );
        }
        assert!(check_namespace("energy-2_a").is_ok());
        for bad in ["", "{x}", "a b", "a:b", &"x".repeat(65)] {
            assert!(check_namespace(bad).is_err(), "{bad}");
        }
    }
}
