//! The conformance suite: random sequences of everything a store can do, each answer compared with
//! the model's. Runs against any backend; says at which step of which seed an answer differs, so
//! that a failure can be repeated.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::join_all;
use leyden::ids::StreamName;
use leyden::store::{
    CommitError, Offset, Order, Range, ReadSet, Snapshot, Space, Store, Transaction, Version,
};

use crate::inputs::{ACCOUNTS, SPACES, STREAMS, seen};
use crate::model::{Flaw, Model};
use crate::numbers::Numbers;
use crate::rules::trim_all;

/// Snapshots open at a time, at most.
const OPEN_MAX: usize = 6;

/// A store that can be closed and opened again.
pub(crate) trait Backend: Sync {
    fn open(&self) -> Arc<dyn Store>;
}

/// How often what happened: a run that never met a conflict has shown nothing about conflicts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) committed: u64,
    pub(crate) conflicts: u64,
    pub(crate) overdrawn: u64,
    pub(crate) invalid: u64,
    pub(crate) reads: u64,
    pub(crate) trims: u64,
    pub(crate) reopened: u64,
}

/// An answer that differs from the model's.
#[derive(Debug)]
pub(crate) struct Mismatch(pub(crate) String);

type Outcome = Result<(), Mismatch>;

/// The same snapshot in both stores, and what was read from it.
struct Open {
    expected: Box<dyn Snapshot>,
    found: Box<dyn Snapshot>,
    reads: ReadSet,
}

struct Run<'b> {
    backend: &'b dyn Backend,
    subject: Option<Arc<dyn Store>>,
    model: Model,
    open: Vec<Open>,
    numbers: Numbers,
    tally: Tally,
    place: String,
}

/// Runs so many steps from a seed.
pub(crate) async fn run(backend: &dyn Backend, seed: u64, steps: u64) -> Result<Tally, Mismatch> {
    let subject = Some(backend.open());
    let (model, numbers) = (Model::new(Flaw::None), Numbers(seed));
    let (open, tally, place) = (Vec::new(), Tally::default(), String::new());
    let mut run = Run {
        backend,
        subject,
        model,
        open,
        numbers,
        tally,
        place,
    };
    for step in 0..steps {
        run.place = format!("seed {seed}, step {step}");
        run.step().await?;
    }
    run.reopen().await?;
    Ok(run.tally)
}

impl Run<'_> {
    async fn step(&mut self) -> Outcome {
        if self.numbers.once_in(2500) {
            return self.reopen().await;
        }
        match self.numbers.below(100) {
            0..20 => self.begin().await,
            20..42 => self.read().await,
            42..58 => self.scan().await,
            58..66 => self.read_log().await,
            66..70 => self.account().await,
            70..90 => self.commit().await,
            90..96 => self.commit_together().await,
            96..98 => self.trim().await,
            _ => self.overview().await,
        }
    }

    fn same<T: PartialEq + Debug>(&self, what: &str, expected: &T, found: &T) -> Outcome {
        if expected == found {
            return Ok(());
        }
        Err(Mismatch(format!(
            "{}: {what}: expected {expected:?}, found {found:?}",
            self.place
        )))
    }

    fn works<T, E: Debug>(&self, what: &str, result: Result<T, E>) -> Result<T, Mismatch> {
        result.map_err(|error| Mismatch(format!("{}: {what}: {error:?}", self.place)))
    }

    fn subject(&self) -> Arc<dyn Store> {
        Arc::clone(self.subject.as_ref().expect("open between steps"))
    }

    async fn begin(&mut self) -> Outcome {
        if self.open.len() == OPEN_MAX {
            let oldest = self.numbers.below(OPEN_MAX as u64) as usize;
            self.open.swap_remove(oldest);
        }
        let expected = self.works("snapshot", self.model.snapshot().await)?;
        let found = self.works("snapshot", self.subject().snapshot().await)?;
        self.same("version", &expected.version(), &found.version())?;
        let reads = ReadSet {
            version: found.version(),
            ..ReadSet::default()
        };
        self.open.push(Open {
            expected,
            found,
            reads,
        });
        Ok(())
    }

    /// Takes a snapshot out; whoever took it puts it back.
    async fn any_open(&mut self) -> Result<Open, Mismatch> {
        if self.open.is_empty() {
            self.begin().await?;
        }
        let which = self.numbers.below(self.open.len() as u64) as usize;
        Ok(self.open.swap_remove(which))
    }

    async fn read(&mut self) -> Outcome {
        let mut open = self.any_open().await?;
        let (space, key) = (self.numbers.space(), self.numbers.key());
        let expected = self.works("read", open.expected.read(&space, &key).await)?;
        let found = self.works("read", open.found.read(&space, &key).await)?;
        self.same(&format!("read of {space:?} {key:?}"), &expected, &found)?;
        open.reads.keys.push((space, key));
        self.open.push(open);
        self.tally.reads += 1;
        Ok(())
    }

    async fn scan(&mut self) -> Outcome {
        let mut open = self.any_open().await?;
        let (space, range) = (self.numbers.space(), self.numbers.range());
        let order = *self.numbers.pick(&[Order::Ascending, Order::Descending]);
        let limit = *self.numbers.pick(&[0, 1, 2, 5, 1000, usize::MAX]);
        let expected = self.works(
            "scan",
            open.expected.scan(&space, &range, order, limit).await,
        )?;
        let found = self.works("scan", open.found.scan(&space, &range, order, limit).await)?;
        self.same(
            &format!("scan of {space:?} {range:?} {order:?} {limit}"),
            &expected,
            &found,
        )?;
        let reached = if found.len() == limit {
            found.last().map(|entry| entry.key.clone())
        } else {
            None
        };
        open.reads.ranges.push((space, seen(range, order, reached)));
        self.open.push(open);
        self.tally.reads += 1;
        Ok(())
    }

    async fn read_log(&mut self) -> Outcome {
        let mut open = self.any_open().await?;
        let stream = self.numbers.stream();
        let tail = *self.model.tail(&stream).borrow();
        let after = self.numbers.below(tail + 3);
        let limit = *self.numbers.pick(&[0, 1, 7, usize::MAX]);
        let bytes_max = *self.numbers.pick(&[0, 30, 500, usize::MAX]);
        let expected = open
            .expected
            .read_log(&stream, after, limit, bytes_max)
            .await;
        let found = open.found.read_log(&stream, after, limit, bytes_max).await;
        let what = format!("log of {stream} after {after}, at most {limit} or {bytes_max} bytes");
        self.same(
            &what,
            &self.works(&what, expected)?,
            &self.works(&what, found)?,
        )?;
        let expected = self.works("first offset", open.expected.first_offset(&stream).await)?;
        let found = self.works("first offset", open.found.first_offset(&stream).await)?;
        self.same("first offset", &expected, &found)?;
        self.open.push(open);
        self.tally.reads += 1;
        Ok(())
    }

    async fn account(&mut self) -> Outcome {
        let mut open = self.any_open().await?;
        let name = *self.numbers.pick(&ACCOUNTS);
        let expected = self.works("account", open.expected.account(name).await)?;
        let found = self.works("account", open.found.account(name).await)?;
        self.same(name, &expected, &found)?;
        self.open.push(open);
        Ok(())
    }

    async fn commit(&mut self) -> Outcome {
        let transaction = self.transaction().await?;
        let found = self.subject().commit(transaction.clone()).await;
        self.judge(transaction, found).await
    }

    /// Sends several at once, so that they meet in one group; the queue keeps their order.
    async fn commit_together(&mut self) -> Outcome {
        let mut transactions = Vec::new();
        for _ in 0..2 + self.numbers.below(8) {
            transactions.push(self.transaction().await?);
        }
        let subject = self.subject();
        let outcomes = join_all(
            transactions
                .iter()
                .map(|transaction| subject.commit(transaction.clone())),
        )
        .await;
        for (transaction, found) in transactions.into_iter().zip(outcomes) {
            self.judge(transaction, found).await?;
        }
        Ok(())
    }

    async fn judge(
        &mut self,
        transaction: Transaction,
        found: Result<Version, CommitError>,
    ) -> Outcome {
        let (empty, streams) = (transaction.is_empty(), streams_of(&transaction));
        let expected = self.model.commit(transaction).await;
        match &expected {
            Ok(_) => self.tally.committed += 1,
            Err(CommitError::Conflict) => self.tally.conflicts += 1,
            Err(CommitError::Overdrawn { .. }) => self.tally.overdrawn += 1,
            Err(_) => self.tally.invalid += 1,
        }
        if empty {
            return self.works("commit of nothing", found).map(|_| ());
        }
        self.same("commit", &plain(&expected), &plain(&found))?;
        for stream in streams {
            let tail = *self.model.tail(&stream).borrow();
            let found = *self.subject().tail(&stream).borrow();
            // Others of the same group may have moved it further already.
            self.same("the tail is behind", &true, &(found >= tail))?;
        }
        Ok(())
    }

    async fn trim(&mut self) -> Outcome {
        let stream = self.numbers.stream();
        let tail = *self.model.tail(&stream).borrow();
        let up_to = if self.numbers.once_in(5) {
            Offset::MAX
        } else {
            self.numbers.below(tail + 2)
        };
        let expected = self.works("trim", self.model.trim(&stream, up_to).await)?;
        let found = trim_all(&*self.subject(), &stream, up_to).await;
        self.same("trimmed", &expected, &self.works("trim", found)?)?;
        self.tally.trims += 1;
        Ok(())
    }

    async fn overview(&mut self) -> Outcome {
        let expected = self.works("streams", self.model.streams().await)?;
        let found = self.works("streams", self.subject().streams().await)?;
        self.same("streams", &expected, &found)?;
        for (stream, tail) in expected {
            self.same("tail", &tail, &*self.subject().tail(&stream).borrow())?;
        }
        let expected = self.works("ledger", self.model.check_ledger().await)?;
        let found = self.works("ledger", self.subject().check_ledger().await)?;
        self.same("ledger", &expected, &found)
    }

    /// Closes and opens the store, then compares all there is.
    async fn reopen(&mut self) -> Outcome {
        self.open.clear();
        self.subject = None;
        self.subject = Some(self.backend.open());
        self.tally.reopened += 1;
        self.begin().await?;
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        let all = Range {
            start: Vec::new(),
            end: None,
        };
        for space in SPACES.map(Space::from) {
            let expected = self.works(
                "scan",
                open.expected
                    .scan(&space, &all, Order::Ascending, usize::MAX)
                    .await,
            )?;
            let found = self.works(
                "scan",
                open.found
                    .scan(&space, &all, Order::Ascending, usize::MAX)
                    .await,
            )?;
            self.same("all entries after reopening", &expected, &found)?;
        }
        for stream in STREAMS.map(|name| StreamName::parse(name).expect("a name")) {
            let expected = self.works(
                "log",
                open.expected
                    .read_log(&stream, 0, usize::MAX, usize::MAX)
                    .await,
            )?;
            let found = self.works(
                "log",
                open.found
                    .read_log(&stream, 0, usize::MAX, usize::MAX)
                    .await,
            )?;
            self.same("all records after reopening", &expected, &found)?;
        }
        self.overview().await
    }

    /// A transaction on a snapshot, or a blind one.
    async fn transaction(&mut self) -> Result<Transaction, Mismatch> {
        let reads = if self.numbers.once_in(3) {
            ReadSet::default()
        } else {
            self.any_open().await?.reads
        };
        let writes = (0..self.numbers.below(5))
            .map(|_| self.numbers.write())
            .collect();
        let appends = (0..self.numbers.below(3))
            .map(|_| self.numbers.append())
            .collect();
        let postings = if self.numbers.once_in(3) {
            1 + self.numbers.below(3)
        } else {
            0
        };
        let postings = (0..postings).map(|_| self.numbers.posting()).collect();
        Ok(Transaction {
            reads,
            writes,
            appends,
            postings,
            at: self.numbers.below(1 << 40),
        })
    }
}

fn streams_of(transaction: &Transaction) -> Vec<StreamName> {
    transaction
        .appends
        .iter()
        .map(|append| append.stream.clone())
        .collect()
}

/// An outcome without the words of its message, which are each store's own.
fn plain(outcome: &Result<Version, CommitError>) -> Result<Version, String> {
    outcome.as_ref().copied().map_err(|error| match error {
        CommitError::InvalidPosting(_) => "invalid posting".to_owned(),
        error => format!("{error:?}"),
    })
}
