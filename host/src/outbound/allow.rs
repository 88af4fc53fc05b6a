//! What an operator allows functions to reach: `--outbound-allow`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::registry::manifest::OutboundHost;

/// One entry: a host as in a manifest (`api.example.com`, `*.example.com:8443`, `127.0.0.1:9000`), a network
/// (`10.0.0.0/8`), or `*` for every host that is public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow(Entry);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Public,
    Host(OutboundHost),
    Network(IpAddr, u32),
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self(Entry::Public));
        }
        if let Some((first, length)) = text.split_once('/') {
            return network(first, length).map(Self);
        }
        let host = OutboundHost::parse(text).map(Entry::Host);
        host.map(Self).map_err(str::to_owned)
    }
}

fn network(first: &str, length: &str) -> Result<Entry, String> {
    let rule =
        "a network is an address and the length of its prefix, such as 10.0.0.0/8 or fd00::/8";
    let first: IpAddr = first.parse().map_err(|_| rule.to_owned())?;
    let most = if first.is_ipv4() { 32 } else { 128 };
    let length = length.parse().ok().filter(|length| *length <= most);
    let length = length.ok_or_else(|| rule.to_owned())?;
    Ok(Entry::Network(first, length))
}

impl Allow {
    /// Whether a request to this host, as the request names it, may be sent at all.
    pub(super) fn names(&self, host: &str, port: u16) -> bool {
        match &self.0 {
            Entry::Public => true,
            Entry::Host(entry) => entry.allows(host, port),
            Entry::Network(first, length) => {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                let address = bare.parse::<IpAddr>();
                address.is_ok_and(|address| contains(*first, *length, address))
            }
        }
    }

    /// Whether this address is listed, so that it may be connected to though it is not public. Names are not: who can
    /// change what a name leads to could have it lead anywhere.
    pub(super) fn lists(&self, address: SocketAddr) -> bool {
        match &self.0 {
            Entry::Public => false,
            Entry::Host(entry) => entry.allows(&address.ip().to_string(), address.port()),
            Entry::Network(first, length) => contains(*first, *length, address.ip()),
        }
    }
}

fn contains(first: IpAddr, length: u32, address: IpAddr) -> bool {
    match (first, address.to_canonical()) {
        (IpAddr::V4(first), IpAddr::V4(address)) => {
            (u32::from(first) ^ u32::from(address)).leading_zeros() >= length
        }
        (IpAddr::V6(first), IpAddr::V6(address)) => {
            (u128::from(first) ^ u128::from(address)).leading_zeros() >= length
        }
        _ => false,
    }
}

/// As the option writes it.
impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Entry::Public => f.write_str("*"),
            Entry::Host(host) => host.fmt(f),
            Entry::Network(first, length) => write!(f, "{first}/{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> Allow {
        text.parse().unwrap_or_else(|rule| panic!("{text}: {rule}"))
    }

    #[test]
    fn an_entry_names_hosts_and_lists_addresses() {
        for (entry, host, port, names) in [
            ("*", "api.example.com", 8443, true),
            ("*.example.com", "api.example.com", 443, true),
            ("*.example.com", "api.example.org", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 9000, true),
            ("10.0.0.0/8", "11.1.2.3", 9000, false),
            ("10.0.0.0/8", "ten.example.com", 443, false),
            ("fd00::/8", "[fd12::1]", 443, true),
        ] {
            assert_eq!(
                allow(entry).names(host, port),
                names,
                "{entry} {host}:{port}"
            );
            assert_eq!(allow(entry).to_string(), entry);
        }
        for (entry, address, lists) in [
            ("*", "127.0.0.1:80", false),
            ("localhost:9000", "127.0.0.1:9000", false),
            ("127.0.0.1:9000", "127.0.0.1:9000", true),
            ("127.0.0.1:9000", "127.0.0.1:9001", false),
            ("127.0.0.1:9000", "[::ffff:127.0.0.1]:9000", true),
            ("10.0.0.0/8", "10.255.0.1:9000", true),
            ("10.0.0.0/8", "[::ffff:10.0.0.1]:1", true),
            ("0.0.0.0/0", "[::1]:80", false),
            ("fd00::/8", "[fd00::1]:80", true),
        ] {
            let address: SocketAddr = address.parse().expect(address);
            assert_eq!(allow(entry).lists(address), lists, "{entry} {address}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for wrong in [
            "",
            "http://a.com",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "a.com/8",
            "fd00::/129",
            "**",
        ] {
            assert!(wrong.parse::<Allow>().is_err(), "{wrong}");
        }
    }
}
