mod charged;
mod faults;
mod keys;
mod lost;
mod refunds;
mod together;
mod triggers;

use std::sync::Arc;

use leyden::store::Store;
use leyden::store::embedded::{self, Embedded};
use leyden::store::redis::{self, Redis};

use crate::partners::Bench;
use crate::redis::{Kept, Server};

/// Each of these tests, on a store of its own: once embedded, once in Redis.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let (bench, _folder) = super::super::embedded().await;
                    super::$name(bench).await;
                }
            )*
        }
        mod in_redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    let (bench, _server) = super::super::in_redis().await;
                    super::$name(bench).await;
                }
            )*
        }
    };
}
use on_both_stores;

async fn embedded() -> (Bench, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(embedded::Options::new(folder.path())).expect("a store");
    (bench(Arc::new(store), false).await, folder)
}

async fn in_redis() -> (Bench, Server) {
    let server = Server::start(Kept::Nothing);
    let store = Redis::open(redis::Options::new(server.url()))
        .await
        .expect("a store");
    (bench(Arc::new(store), true).await, server)
}

/// With `acme`, of trust level 3, who has 1,000 datapoints.
async fn bench(store: Arc<dyn Store>, shared: bool) -> Bench {
    let bench = Bench::over(store, shared, "first").await;
    bench.add("acme", 3, 1_000).await;
    bench
}
