//! Servers that move: a cluster's slot that goes to another node, and a sentinel's failover.

use std::process::{Child, Command, Stdio};

use leyden::store::Store as _;
use leyden::store::redis::OpenError;

use crate::lost::{append, durable, payloads};
use crate::redis::{Cluster, Kept, Server, free_port};
use crate::{eventually, hasty, host, open, open_with, patient, refused, unhealthy, works};

#[tokio::test]
async fn a_cluster_is_found_through_any_of_its_nodes() {
    let cluster = Cluster::start(Kept::Nothing);
    for node in &cluster.nodes {
        let url = format!("redis+cluster://127.0.0.1:{}", node.port());
        works(&open(&url).await).await;
        let single = refused(hasty(&node.url())).await.to_string();
        assert!(single.contains("redis+cluster://"), "{single}");
    }
    for namespace in ["a", "b", "c", "d", "e"] {
        let mut options = hasty(&cluster.url());
        namespace.clone_into(&mut options.namespace);
        let store = open_with(options).await;
        works(&store).await;
    }
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = Server::start(Kept::Nothing);
    let url = format!("redis+cluster://127.0.0.1:{}", server.port());
    let refused = refused(hasty(&url)).await.to_string();
    assert!(refused.contains("redis://"), "{refused}");
}

/// Moves the slot of the installation from one node to another, as `redis-cli --cluster reshard` does.
fn move_slot(from: &Server, to: &Server) {
    let slot = from
        .ask(&["CLUSTER", "KEYSLOT", "{leyden}:meta"])
        .expect("a slot");
    let id = |node: &Server| node.ask(&["CLUSTER", "MYID"]).expect("an id");
    let (source, target) = (id(from), id(to));
    to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source])
        .expect("set");
    from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target])
        .expect("set");
    let port = to.port().to_string();
    loop {
        let keys = from
            .ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])
            .expect("keys");
        if keys.is_empty() {
            break;
        }
        for key in keys.lines() {
            from.ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])
                .expect("moved");
        }
    }
    for node in [to, from] {
        node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &target])
            .expect("set");
    }
}

#[tokio::test]
async fn a_slot_that_moves_is_followed() {
    let cluster = Cluster::start(Kept::Nothing);
    let store = open(&cluster.url()).await;
    works(&store).await;
    let has_keys = |node: &&Server| node.ask(&["DBSIZE"]).expect("a size") != "0";
    let from = cluster.nodes.iter().find(has_keys).expect("one has them");
    let to = cluster
        .nodes
        .iter()
        .find(|node| !has_keys(node))
        .expect("another");
    move_slot(from, to);
    works(&store).await;
    let members = store.beat(&host("another"), 60_000).await.expect("told");
    assert_eq!(members.hosts.len(), 2, "what was there came along");
}

/// A sentinel that watches one primary under the name `main`.
struct Sentinel {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Sentinel {
    fn start(primary: &Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 10000\n",
            primary.port()
        );
        std::fs::write(&file, text).expect("written");
        let program =
            std::env::var_os("LEYDEN_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let child = Command::new(program)
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("a sentinel");
        Self {
            child,
            port,
            _folder: folder,
        }
    }

    /// Waits until it could promote a replica.
    async fn knows(&self, replica: &Server) {
        let port = replica.port().to_string();
        eventually("the sentinel knows the replica", || async {
            crate::redis::ask(self.port, &["SENTINEL", "replicas", "main"])
                .is_ok_and(|replicas| replicas.contains(&port))
        })
        .await;
    }

    fn url(&self, service: &str) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{service}/0", self.port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_failover_is_followed_through_the_sentinels() {
    let mut primary = Server::start(Kept::Nothing);
    let replica = Server::replica_of(&primary, Kept::Nothing);
    let sentinel = Sentinel::start(&primary);
    sentinel.knows(&replica).await;
    let unknown = refused(hasty(&sentinel.url("other"))).await.to_string();
    assert!(unknown.contains("no service of that name"), "{unknown}");

    let store = open(&sentinel.url("main")).await;
    works(&store).await;
    primary.kill();
    unhealthy(&store, Result::is_err).await;
    works(&store).await;
    let role = replica.ask(&["INFO", "replication"]).expect("told");
    assert!(role.contains("role:master"), "{role}");
}

#[tokio::test]
async fn what_a_durable_commit_promised_outlives_the_primary() {
    let mut primary = Server::start(Kept::Nothing);
    let replica = Server::replica_of(&primary, Kept::Nothing);
    let sentinel = Sentinel::start(&primary);
    sentinel.knows(&replica).await;
    let url = sentinel.url("main");
    let store = open_with(durable(patient(&url))).await;
    let wanted: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    for payload in &wanted {
        store.commit(append(payload)).await.expect("committed");
    }
    primary.kill();
    eventually("the replica is promoted", || async {
        let role = replica.ask(&["INFO", "replication"]);
        role.is_ok_and(|role| role.contains("role:master"))
    })
    .await;
    let afterwards = open_with(patient(&url)).await;
    assert_eq!(payloads(&afterwards).await, wanted);
    // Nothing can be promised while there is no replica; that is said, not assumed.
    let hastily = hasty(&url);
    let refused = refused(durable(hastily)).await;
    assert!(matches!(refused, OpenError::NotDurable), "{refused}");
}
