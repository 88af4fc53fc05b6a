//! Where a function may send requests to. What a name leads to (an address that is not public, say) is not judged here:
//! that is known only when the request is sent.

use std::fmt;
use std::net::IpAddr;

/// Longest name of a host (bytes), as in DNS.
const NAME_BYTES_MAX: usize = 253;
/// Longest label of a name (bytes), as in DNS.
const LABEL_BYTES_MAX: usize = 63;
/// Ports of an entry that names none: those of `http` and `https`.
const PORTS_DEFAULT: [u16; 2] = [80, 443];

/// One of `outbound.hosts`: a host, all hosts below a name, or an address, with a port or on those of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundHost {
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// This name.
    Name(String),
    /// Every name below this one, but not the name itself.
    Below(String),
    /// This address.
    Address(IpAddr),
}

impl OutboundHost {
    /// Reads `api.example.com`, `*.example.com`, `192.0.2.1` or `[2001:db8::1]`, each with `:PORT` or without.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (host, port) = split(text)?;
        let port = port.map(parse_port).transpose()?;
        let host = match (host.strip_prefix("*."), address(host)) {
            (Some(below), _) if !below.contains('.') => {
                return Err("'*.' must stand before a name of at least two labels");
            }
            (Some(below), _) => Host::Below(checked(below)?),
            (None, Some(address)) => Host::Address(address.to_canonical()),
            (None, None) => Host::Name(checked(host)?),
        };
        Ok(Self { host, port })
    }

    /// Whether a request to this host (a name, or an address, in brackets or not) and port is meant.
    #[must_use]
    pub fn allows(&self, host: &str, port: u16) -> bool {
        let ports = self
            .port
            .map_or_else(|| PORTS_DEFAULT.contains(&port), |allowed| allowed == port);
        ports && self.names(host)
    }

    fn names(&self, host: &str) -> bool {
        if let Host::Address(allowed) = self.host {
            return address(host).is_some_and(|address| address.to_canonical() == allowed);
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        match &self.host {
            Host::Name(name) => host == *name,
            Host::Below(name) => host
                .strip_suffix(name.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
            Host::Address(_) => false,
        }
    }
}

/// An address, in brackets or not.
fn address(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

/// Host and port.
fn split(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let rule = "an address of IPv6 stands in brackets, with a port after them or none";
        let (_, after) = rest.split_once(']').ok_or(rule)?;
        let host = &text[..text.len() - after.len()];
        let port = match after {
            "" => None,
            after => Some(after.strip_prefix(':').ok_or(rule)?),
        };
        return match host.contains(':') {
            true if address(host).is_some() => Ok((host, port)),
            _ => Err(rule),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err("an address of IPv6 stands in brackets"),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let rule = "a port must be 1 to 65535";
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok().filter(|port| *port != 0).ok_or(rule),
        false => Err(rule),
    }
}

/// A name that is one, and that no reader takes for an address.
fn checked(name: &str) -> Result<String, &'static str> {
    let rule = "must be the name of a host in lower case, such as api.example.com, *.example.com or \
                api.example.com:8443, without scheme and path";
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // `127.1`, `2130706433` and `0x7f000001` are addresses to some readers.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) || is_number {
        return Err(rule);
    }
    Ok(name.to_owned())
}

/// As a manifest writes it.
impl fmt::Display for OutboundHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Below(name) => write!(f, "*.{name}")?,
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Address(address) => write!(f, "{address}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl serde::Serialize for OutboundHost {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_allows_what_it_says_and_nothing_else() {
        let cases = [
            ("api.example.com", "API.example.com.", 443, true),
            ("api.example.com", "api.example.com", 80, true),
            ("api.example.com", "api.example.com", 8443, false),
            ("api.example.com", "x.api.example.com", 443, false),
            ("api.example.com", "api.example.com.evil.org", 443, false),
            ("api.example.com:8443", "api.example.com", 8443, true),
            ("api.example.com:8443", "api.example.com", 443, false),
            ("*.example.com", "a.example.com", 443, true),
            ("*.example.com", "a.b.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("*.example.com", ".example.com", 443, false),
            ("*.example.com", "badexample.com", 443, false),
            ("127.0.0.1:8080", "127.0.0.1", 8080, true),
            ("127.0.0.1:8080", "::ffff:127.0.0.1", 8080, true),
            ("[2001:db8::1]", "[2001:db8:0::1]", 443, true),
            ("[2001:db8::1]:81", "2001:db8::1", 81, true),
            ("localhost:3000", "localhost", 3000, true),
            ("localhost:3000", "127.0.0.1", 3000, false),
        ];
        for (entry, host, port, expected) in cases {
            let parsed = OutboundHost::parse(entry).expect(entry);
            assert_eq!(
                parsed.allows(host, port),
                expected,
                "{entry}: {host} {port}"
            );
            assert_eq!(parsed.to_string(), entry);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.com", "a".repeat(64));
        for entry in [
            "",
            "*",
            "*.com",
            "*.*.com",
            "a.*.com",
            "https://a.com",
            "a.com/x",
            "A.com",
            "a..com",
            "a.com.",
            ".a.com",
            "-a.com",
            "a-.com",
            "a_b.com",
            "a.com:",
            "a.com:0",
            "a.com:65536",
            "a.com:+1",
            "a.com:x",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "[]",
            "127.1",
            "2130706433",
            "0x7f000001",
            "1.2.3.4.5",
            "256.1.1.1",
            "é.com",
            "user@a.com",
            "*.1.2",
            &long,
        ] {
            assert!(OutboundHost::parse(entry).is_err(), "{entry:?}");
        }
    }
}
