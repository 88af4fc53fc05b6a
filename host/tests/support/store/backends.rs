//! The stores under test: what makes each of them, and what each does in its own way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use leyden::store::Store;
use leyden::store::{embedded, redis};

use crate::model::{Flaw, Kind, LOG_RECORDS_MAX};
use crate::model_store::Model;
use crate::random::{Backend, Tally};
use crate::redis::{Kept, Server};

/// A store of one process, which keeps old versions and knows hosts in memory only.
pub(crate) struct Narrow;

impl Narrow {
    pub(crate) const KIND: Kind = Kind {
        partitions: 1,
        has_narrow_streams: false,
        log_records_max: LOG_RECORDS_MAX,
        step: 1,
        extends: false,
        keeps_members: false,
    };
}

/// A store of many hosts.
pub(crate) struct Wide;

impl Wide {
    pub(crate) const KIND: Kind = Kind {
        partitions: 3,
        has_narrow_streams: true,
        log_records_max: LOG_RECORDS_MAX,
        step: 7,
        extends: true,
        keeps_members: true,
    };
}

/// Flaws that every run must notice.
pub(crate) const FLAWS: [Flaw; 26] = [
    Flaw::IgnoresKeysRead,
    Flaw::IgnoresRangesRead,
    Flaw::IgnoresRemovalsInRanges,
    Flaw::IgnoresOverdraft,
    Flaw::KeepsHalfOfARefusedTransaction,
    Flaw::IncludesTheEndOfARange,
    Flaw::ReusesTrimmedOffsets,
    Flaw::ForgetsOnReopen,
    Flaw::IgnoresBound,
    Flaw::IgnoresFence,
    Flaw::FetchesForAnyone,
    Flaw::AcknowledgesTwice,
    Flaw::AcknowledgesUnfetched,
    Flaw::AcknowledgesOutside,
    Flaw::NeverAcknowledges,
    Flaw::ForgetsPending,
    Flaw::BreaksKeyOrder,
    Flaw::KeepsRemovedRecords,
    Flaw::RemovesTwice,
    Flaw::StartsGroupsAtTheEnd,
    Flaw::TakesFromAnyone,
    Flaw::ReleasesNothing,
    Flaw::CountsOneTooFew,
    Flaw::HidesLosses,
    Flaw::LeavesReferencesUnchained,
    Flaw::ForgetsWhatCameBefore,
];

/// Flaws that only a store with partitions and moving snapshots can have.
pub(crate) const WIDE_FLAWS: [Flaw; 4] = [
    Flaw::ScattersKeys,
    Flaw::ExtendsBlindly,
    Flaw::ReadsAheadOfItsVersion,
    Flaw::OvertakesForNothing,
];

/// The same store with room for everything.
pub(crate) fn roomy(kind: Kind) -> Kind {
    Kind {
        log_records_max: 1_000_000,
        ..kind
    }
}

/// The embedded store in a directory.
pub(crate) struct OnDisk {
    directory: tempfile::TempDir,
    pub(crate) kind: Kind,
}

impl OnDisk {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
            kind: Narrow::KIND,
        }
    }
}

impl Backend for OnDisk {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        Box::pin(async {
            let options = embedded::Options {
                log_records_max: self.kind.log_records_max,
                ..embedded::Options::new(self.directory.path().join("data"))
            };
            let store = embedded::Embedded::open(options).expect("opened");
            Arc::new(store) as Arc<dyn Store>
        })
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

/// The model with a flaw, in the place of a store.
pub(crate) struct InMemory {
    kind: Kind,
    flaw: Flaw,
    model: Mutex<Arc<Model>>,
}

impl InMemory {
    pub(crate) fn new(kind: Kind, flaw: Flaw) -> Self {
        let model = Mutex::new(Arc::new(Model::new(kind, flaw)));
        Self { kind, flaw, model }
    }
}

impl Backend for InMemory {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        let mut model = self.model.lock().expect("not poisoned");
        if self.flaw == Flaw::ForgetsOnReopen {
            *model = Arc::new(Model::new(self.kind, self.flaw));
        } else {
            model.reopen();
        }
        let store: Arc<dyn Store> = Arc::<Model>::clone(&model);
        Box::pin(std::future::ready(store))
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

/// An installation in a Redis.
pub(crate) struct OnRedis {
    pub(crate) kind: Kind,
    url: String,
    namespace: String,
    server: Option<Mutex<Server>>,
    /// Whether the server is killed and started again at every second opening.
    is_killed: bool,
    opened: AtomicU64,
}

impl OnRedis {
    pub(crate) fn at(url: String, namespace: &str) -> Self {
        Self {
            kind: Wide::KIND,
            url,
            // A rule's name is longer than a namespace may be.
            namespace: namespace.replace('_', "-").chars().take(30).collect(),
            server: None,
            is_killed: false,
            opened: AtomicU64::new(0),
        }
    }

    /// On a server of its own; one that keeps what it has is killed now and then.
    pub(crate) fn alone(kept: Kept) -> Self {
        let server = Server::start(kept);
        Self {
            url: server.url(),
            is_killed: kept != Kept::Nothing,
            server: Some(Mutex::new(server)),
            ..Self::at(String::new(), "alone")
        }
    }
}

impl Backend for OnRedis {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed);
        let again = self.is_killed && opened % 2 == 1;
        if let Some(server) = self.server.as_ref().filter(|_| again) {
            server.lock().expect("not poisoned").restart();
        }
        let options = redis::Options {
            namespace: self.namespace.clone(),
            partitions: self.kind.partitions,
            log_records_max: self.kind.log_records_max,
            ..redis::Options::new(&self.url)
        };
        Box::pin(async {
            let store = redis::Redis::open(options).await.expect("opened");
            Arc::new(store) as Arc<dyn Store>
        })
    }

    fn kind(&self) -> Kind {
        self.kind
    }
}

impl Tally {
    /// How often the rarest thing happened that matters for a kind of store.
    pub(crate) fn rarest(&self, extends: bool) -> u64 {
        let moved = self.extended.min(self.overtaken);
        let rarest = [
            self.committed,
            self.conflicts,
            self.overdrawn,
            self.invalid,
            self.full,
            self.fenced,
            self.acknowledged,
            self.removed,
            self.fetched,
            self.refused_fetches,
            self.taken,
            self.lost,
            self.reads,
            self.trims,
            self.reopened * 20,
            if extends { moved } else { u64::MAX },
        ];
        rarest.into_iter().min().unwrap_or(0)
    }
}
