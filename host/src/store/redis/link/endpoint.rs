//! Where the server that takes writes is: always the same place, or what sentinels or the nodes of a
//! cluster say. No state but the places to ask.

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, Value};

use super::Trouble;
use super::live::connect;

/// Most places to ask: what a URL names and a cluster adds is more than enough to find one that answers.
const PLACES_MAX: usize = 64;

/// Port of a sentinel that names none.
const SENTINEL_PORT: u16 = 26_379;

/// How servers are found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Topology {
    /// There is one.
    Single,
    /// Sentinels know it under this name.
    Sentinel(String),
    /// The nodes of a cluster know who has the slot of this key.
    Cluster(String),
}

/// Where to look for the server.
#[derive(Debug, Clone)]
pub(in crate::store::redis) struct Endpoint {
    topology: Topology,
    /// Whom to ask, the next one first.
    places: Vec<ConnectionInfo>,
    /// What to tell the server itself: user, password, database.
    settings: RedisConnectionInfo,
}

impl Endpoint {
    /// Reads a URL; `key` is one of the installation's, all of which are in one slot.
    ///
    /// # Errors
    /// The rule that the URL breaks.
    pub(in crate::store::redis) fn parse(url: &str, key: &str) -> Result<Self, &'static str> {
        let rule = "must be redis://HOST:PORT[/DB], rediss://…, \
                    redis+sentinel://HOST:PORT[,…]/SERVICE[/DB] or redis+cluster://HOST:PORT[,…]";
        let (scheme, rest) = url.split_once("://").ok_or(rule)?;
        match scheme {
            "redis" | "rediss" | "unix" => Self::single(url),
            "redis+sentinel" => Self::sentinel("redis", rest),
            "rediss+sentinel" => Self::sentinel("rediss", rest),
            "redis+cluster" => Self::cluster("redis", rest, key),
            "rediss+cluster" => Self::cluster("rediss", rest, key),
            _ => Err(rule),
        }
    }

    fn single(url: &str) -> Result<Self, &'static str> {
        let place = place(url)?;
        Ok(Self {
            topology: Topology::Single,
            settings: place.redis_settings().clone(),
            places: vec![place],
        })
    }

    fn sentinel(scheme: &str, rest: &str) -> Result<Self, &'static str> {
        let rule = "must name the service: redis+sentinel://HOST:PORT[,…]/SERVICE[/DB]";
        let (authority, path) = rest.split_once('/').ok_or(rule)?;
        let (service, db) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() {
            return Err(rule);
        }
        let places = places(scheme, authority, SENTINEL_PORT, db)?;
        let settings = places.first().ok_or(rule)?.redis_settings().clone();
        let asked = |place: ConnectionInfo| {
            // Sentinels have no databases.
            let settings = place.redis_settings().clone().set_db(0);
            place.set_redis_settings(settings)
        };
        Ok(Self {
            topology: Topology::Sentinel(service.to_owned()),
            places: places.into_iter().map(asked).collect(),
            settings,
        })
    }

    fn cluster(scheme: &str, rest: &str, key: &str) -> Result<Self, &'static str> {
        let (authority, db) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(db, "" | "0") {
            return Err("must name no database: a cluster has one only");
        }
        let places = places(scheme, authority, 6379, "")?;
        let settings = places.first().ok_or("must name a node")?.redis_settings();
        Ok(Self {
            topology: Topology::Cluster(key.to_owned()),
            settings: settings.clone(),
            places,
        })
    }

    /// Whether the servers form a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.topology, Topology::Cluster(_))
    }

    /// Where the server is now.
    pub(super) async fn locate(&mut self) -> Result<ConnectionInfo, Trouble> {
        let mut last = Trouble::new("the URL names no server");
        for _ in 0..self.places.len() {
            let Some(place) = self.places.first().cloned() else {
                break;
            };
            match self.ask(&place).await {
                Ok(found) => return Ok(found),
                Err(trouble) => last = trouble,
            }
            self.turn();
        }
        Err(last)
    }

    /// Begins with another place the next time: what the first one said was of no use.
    pub(super) fn turn(&mut self) {
        if !self.places.is_empty() {
            self.places.rotate_left(1);
        }
    }

    async fn ask(&mut self, place: &ConnectionInfo) -> Result<ConnectionInfo, Trouble> {
        match self.topology.clone() {
            Topology::Single => Ok(place.clone()),
            Topology::Sentinel(service) => self.ask_sentinel(place, &service).await,
            Topology::Cluster(key) => self.ask_node(place, &key).await,
        }
    }

    async fn ask_sentinel(
        &self,
        place: &ConnectionInfo,
        service: &str,
    ) -> Result<ConnectionInfo, Trouble> {
        let mut sentinel = match connect(place).await {
            Ok(sentinel) => sentinel,
            // Servers often have a password where their sentinels have none.
            Err(_) if place.redis_settings().password().is_some() => {
                connect(&place.clone().set_redis_settings(Default::default())).await?
            }
            Err(trouble) => return Err(trouble),
        };
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("get-master-addr-by-name")
            .arg(service)
            .query_async(&mut sentinel)
            .await?;
        let (host, port) =
            found.ok_or(Trouble::new("the sentinels know no service of that name"))?;
        Ok(self.at(place, &host, port))
    }

    async fn ask_node(
        &mut self,
        place: &ConnectionInfo,
        key: &str,
    ) -> Result<ConnectionInfo, Trouble> {
        let mut node = connect(place).await?;
        let (slot, slots) = slots(&mut node, key).await?;
        let ranges = ranges(&slots);
        let own = host_of(place);
        let address = |(host, port): &(String, u16)| {
            // A node that does not know its own name leaves it out.
            let host = if host.is_empty() || host == "?" {
                &own
            } else {
                host
            };
            self.at(place, host, *port)
        };
        let known: Vec<_> = ranges.iter().map(|range| address(&range.primary)).collect();
        let found = ranges
            .iter()
            .position(|range| (range.first..=range.last).contains(&slot))
            .and_then(|index| known.get(index).cloned());
        self.remember(known);
        found.ok_or(Trouble::new("no node of the cluster has the keys' slot"))
    }

    /// Adds places to ask, so that the cluster is found when all that the URL names have gone.
    fn remember(&mut self, known: Vec<ConnectionInfo>) {
        for place in known {
            let is_new = !self.places.iter().any(|other| other.addr() == place.addr());
            if is_new && self.places.len() < PLACES_MAX {
                self.places.push(place);
            }
        }
    }

    /// A server's place, reached the way `like` is.
    fn at(&self, like: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
        let host = host.to_owned();
        let address = match like.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        like.clone()
            .set_addr(address)
            .set_redis_settings(self.settings.clone())
    }
}

/// A range of slots and its primary's host and port.
struct SlotRange {
    first: u16,
    last: u16,
    primary: (String, u16),
}

/// The slot of a key, and who has which slots.
async fn slots(node: &mut MultiplexedConnection, key: &str) -> Result<(u16, Vec<Value>), Trouble> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLUSTER").arg("KEYSLOT").arg(key);
    pipeline.cmd("CLUSTER").arg("SLOTS");
    let answer = pipeline.query_async(node).await;
    answer.map_err(|error: redis::RedisError| {
        if error.to_string().contains("cluster support disabled") {
            Trouble::new("the server is not part of a cluster: use a redis:// URL")
        } else {
            error.into()
        }
    })
}

fn ranges(slots: &[Value]) -> Vec<SlotRange> {
    slots.iter().filter_map(range).collect()
}

/// Reads `[first, last, [host, port, …], replicas…]`.
fn range(value: &Value) -> Option<SlotRange> {
    let Value::Array(parts) = value else {
        return None;
    };
    let [first, last, Value::Array(primary), ..] = parts.as_slice() else {
        return None;
    };
    let [host, port, ..] = primary.as_slice() else {
        return None;
    };
    Some(SlotRange {
        first: redis::from_redis_value_ref(first).ok()?,
        last: redis::from_redis_value_ref(last).ok()?,
        primary: (
            redis::from_redis_value_ref::<Option<String>>(host)
                .ok()?
                .unwrap_or_default(),
            redis::from_redis_value_ref(port).ok()?,
        ),
    })
}

fn host_of(place: &ConnectionInfo) -> String {
    match place.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
        _ => String::new(),
    }
}

/// The places of `user:password@host:port,host:port`.
fn places(
    scheme: &str,
    authority: &str,
    port: u16,
    db: &str,
) -> Result<Vec<ConnectionInfo>, &'static str> {
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    if hosts.split(',').count() > PLACES_MAX {
        return Err("must name 64 servers at most");
    }
    let with_port = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) if !port.contains(']') => host.to_owned(),
        _ => format!("{host}:{port}"),
    };
    hosts
        .split(',')
        .map(|host| place(&format!("{scheme}://{user}{}/{db}", with_port(host))))
        .collect()
}

fn place(url: &str) -> Result<ConnectionInfo, &'static str> {
    let rule = "must name a host, a port and a database's number that exist";
    let info = url.into_connection_info().map_err(|_| rule)?;
    // Small commands wait for nobody.
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Endpoint {
        Endpoint::parse(url, "{leyden}:meta").expect("a URL")
    }

    fn addresses(url: &str) -> Vec<String> {
        let places = parsed(url).places;
        places
            .iter()
            .map(|place| place.addr().to_string())
            .collect()
    }

    #[test]
    fn every_place_is_asked_at_its_port() {
        assert_eq!(addresses("redis://a"), ["a:6379"]);
        assert_eq!(
            addresses("redis+cluster://a:1,b,[::1]:3,[::2]"),
            ["a:1", "b:6379", "::1:3", "::2:6379"]
        );
        assert_eq!(addresses("redis+sentinel://a,b:7/main"), ["a:26379", "b:7"]);
    }

    #[test]
    fn user_password_and_database_are_the_servers() {
        let sentinel = parsed("redis+sentinel://me:p%40ss,word@a:1,b:2/main/3");
        assert_eq!(sentinel.topology, Topology::Sentinel("main".to_owned()));
        assert_eq!(sentinel.places.len(), 2);
        assert_eq!(sentinel.settings.db(), 3);
        assert_eq!(sentinel.settings.password(), Some("p@ss,word"));
        // Sentinels have no databases.
        assert!(
            sentinel
                .places
                .iter()
                .all(|place| place.redis_settings().db() == 0)
        );
        let found = sentinel.at(&sentinel.places[0], "c", 9);
        assert_eq!(found.addr().to_string(), "c:9");
        assert_eq!(found.redis_settings().db(), 3);
    }

    #[test]
    fn what_is_reached_over_tls_leads_to_what_is_reached_over_tls() {
        let cluster = parsed("rediss+cluster://a:1");
        let found = cluster.at(&cluster.places[0], "b", 2);
        assert!(matches!(
            found.addr(),
            ConnectionAddr::TcpTls {
                insecure: false,
                ..
            }
        ));
    }

    #[test]
    fn slots_are_read_with_their_primaries() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port)]);
        let named = |host: &str| Value::BulkString(host.as_bytes().to_vec());
        let range_of = |first, last, primary| {
            let replica = node(named("replica"), 9);
            Value::Array(vec![Value::Int(first), Value::Int(last), primary, replica])
        };
        let told = [
            range_of(0, 99, node(named("a"), 1)),
            range_of(100, 16_383, node(Value::Nil, 2)),
            Value::Nil,
        ];
        let read: Vec<_> = ranges(&told)
            .into_iter()
            .map(|range| (range.first, range.last, range.primary))
            .collect();
        let wanted = [
            (0, 99, ("a".to_owned(), 1)),
            (100, 16_383, (String::new(), 2)),
        ];
        assert_eq!(read, wanted);
    }
}
