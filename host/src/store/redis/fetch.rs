//! What a group is given. The usual way is one `XREADGROUP` for what is new; what a holder was given and has not
//! acknowledged is read again where the caller goes back, and what other consumers hold is taken over.
//!
//! **Invariants.** A fetch returns records in order without leaving one out: the entry that is pending first
//! must be the one that the server gave first, else somebody else holds it, or an answer was lost.
//! Entries that cannot be returned are not stuck: one without a body is counted as lost, and one that no offset can
//! name becomes a dead letter.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use redis::{Script, Value};

use super::Shared;
use super::groups::lost_field;
use super::reply::{self, Batch, Body, Entry, entry_id, items, strange, text};
use crate::ids::StreamName;
use crate::store::{
    Acknowledgement, Claim, Error, Holder, Offset, Partition, Record, Result, Subscription,
    offset_of,
};

/// How often one fetch takes over what others hold: they fetch at the same time only for a moment.
const TAKEOVERS_MAX: u32 = 5;

/// Where records go that could not be handled.
const DEAD_LETTERS: &str = "leyden.dead-letters";

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/claim.lua")));

static LOST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/lost.lua")));

static BURY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/bury.lua")));

/// What is known of the claims of this process: a few for each group and unit.
#[derive(Debug, Default)]
pub(super) struct Reaches {
    known: Mutex<HashMap<(Subscription, Holder), Reach>>,
}

/// How far a claim has come.
#[derive(Debug, Clone, Copy)]
struct Reach {
    /// What the holder was given up to here may be pending; after it nothing is, as far as one knows.
    through: Offset,
    /// What this process has acknowledged up to here is not.
    done: Offset,
    /// Bytes of a record.
    typical: Option<usize>,
}

impl Reaches {
    fn get(&self, claim: &Claim) -> Option<Reach> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&named(claim)).copied()
    }

    fn keep(&self, claim: &Claim, mut reach: Reach) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let name = named(claim);
        // A commit may have acknowledged something during the fetch.
        reach.done = known
            .get(&name)
            .map_or(reach.done, |known| known.done.max(reach.done));
        known.insert(name, reach);
    }

    /// Takes note of what a commit has acknowledged.
    pub(super) fn acknowledged(&self, done: &Acknowledgement) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(reach), Some(last)) = (known.get_mut(&named(&done.claim)), done.offsets.last())
        {
            reach.done = reach.done.max(*last);
        }
    }

    fn forget(&self, claim: &Claim) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&named(claim));
    }
}

fn named(claim: &Claim) -> (Subscription, Holder) {
    (claim.subscription.clone(), claim.holder.clone())
}

/// One fetch on its way.
struct Fetch<'a> {
    shared: &'a Shared,
    claim: &'a Claim,
    key: String,
    batch: Batch,
    reach: Reach,
    /// Where it is: the id, and the offset at or before it.
    id: String,
    at: Offset,
}

/// What the server answered.
struct Given {
    entries: Vec<Entry>,
    /// The first entry after where the fetch is that is pending for anybody.
    pending: Option<String>,
}

impl Shared {
    /// The next records of a claim after an offset.
    pub(super) async fn fetch(
        &self,
        claim: &Claim,
        after: Offset,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>> {
        let known = self.reaches.get(claim);
        let reach = known.unwrap_or(Reach {
            through: Offset::MAX,
            done: 0,
            typical: None,
        });
        let mut fetch = Fetch {
            shared: self,
            claim,
            key: self.keys.stream(&claim.subscription.partition),
            batch: Batch::new(limit, bytes_max, reach.typical),
            reach,
            id: entry_id(after),
            at: after,
        };
        match fetch.run(known.is_none()).await {
            Ok(()) => {
                fetch.reach.typical = fetch.batch.typical();
                self.reaches.keep(claim, fetch.reach);
                Ok(fetch.batch.records)
            }
            Err(error) => {
                // Whatever was given meanwhile is read again.
                self.reaches.forget(claim);
                Err(error)
            }
        }
    }
}

impl Fetch<'_> {
    async fn run(&mut self, first: bool) -> Result<()> {
        if first {
            self.take_over().await?;
        }
        let mut takeovers = 0;
        while let Some(count) = self.batch.room() {
            let again = self.at.max(self.reach.done) < self.reach.through;
            let given = self.ask(again, count).await?;
            if given.pending.as_deref() != given.entries.first().map(|entry| entry.id.as_str()) {
                takeovers += 1;
                if takeovers > TAKEOVERS_MAX {
                    return Err(Error::Unavailable(
                        "other consumers take this group's records",
                    ));
                }
                self.take_over().await?;
                self.reach.through = Offset::MAX;
                continue;
            }
            let more = given.entries.len() == count;
            if !self.collect(again, given.entries).await? {
                break;
            }
            match (more, again) {
                (true, _) => {}
                (false, true) => self.reach.through = self.at,
                (false, false) => break,
            }
        }
        Ok(())
    }

    /// Asks for what is pending for this holder, or for what is new.
    async fn ask(&self, again: bool, count: usize) -> Result<Given> {
        let Claim {
            subscription,
            holder,
        } = self.claim;
        let (group, owner) = (&*subscription.group, &*holder.0);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("HGET")
            .arg(self.shared.keys.owners())
            .arg(subscription.partition.number);
        pipeline
            .cmd("XREADGROUP")
            .arg("GROUP")
            .arg(group)
            .arg(owner);
        pipeline
            .arg("COUNT")
            .arg(count)
            .arg("STREAMS")
            .arg(&self.key);
        pipeline.arg(if again { self.id.as_str() } else { ">" });
        pipeline.cmd("XPENDING").arg(&self.key).arg(group);
        pipeline.arg(format!("({}", self.id)).arg("+").arg(1);
        let (found, given, pending) = self
            .shared
            .link
            .pipe::<(Option<String>, Value, Value)>(&pipeline)
            .await?;
        if found.as_deref() != Some(owner) {
            return Err(Error::Fenced);
        }
        Ok(Given {
            entries: reply::entries_of_one(given)?,
            pending: first_pending(pending)?,
        })
    }

    /// Collects what was given; whether there is room for more.
    async fn collect(&mut self, again: bool, entries: Vec<Entry>) -> Result<bool> {
        self.batch.learn(&entries);
        let newest = entries.iter().rev().find_map(|entry| offset_of(&entry.id));
        if let (false, Some(newest)) = (again, newest) {
            self.reach.through = self.reach.through.max(newest);
        }
        let mut gone = Vec::new();
        let mut room = true;
        for entry in entries {
            let id = entry.id.clone();
            match (offset_of(&id), entry) {
                (_, Entry { body: None, .. }) => gone.push(id.clone()),
                (Some(offset), entry) => {
                    room = entry.into_record().is_none_or(|r| self.batch.push(r));
                    if !room {
                        break;
                    }
                    self.at = offset;
                }
                (
                    None,
                    Entry {
                        body: Some(body), ..
                    },
                ) => self.bury(&id, body).await?,
            }
            self.id = id;
        }
        self.count_lost(&gone).await?;
        Ok(room)
    }

    /// Takes over everything that other consumers of the group hold.
    async fn take_over(&self) -> Result<()> {
        let partition = &self.claim.subscription.partition;
        let mut start = "0-0".to_owned();
        loop {
            let mut invocation = CLAIM.key(&self.key);
            invocation
                .key(self.shared.keys.owners())
                .key(self.shared.keys.lost());
            invocation.arg(&*self.claim.subscription.group);
            invocation.arg(&*self.claim.holder.0).arg(partition.number);
            invocation.arg(self.lost_field()).arg(&start);
            let claimed = self
                .shared
                .link
                .script::<Option<(String, u64)>>(&invocation);
            let (next, lost) = claimed.await?.ok_or(Error::Fenced)?;
            self.tell_lost(lost);
            if next == "0-0" {
                return Ok(());
            }
            start = next;
        }
    }

    /// Is done with entries whose bodies are gone.
    async fn count_lost(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut invocation = LOST.key(&self.key);
        invocation.key(self.shared.keys.lost());
        invocation.arg(&*self.claim.subscription.group);
        invocation.arg(self.lost_field()).arg(ids);
        self.tell_lost(self.shared.link.script(&invocation).await?);
        Ok(())
    }

    fn lost_field(&self) -> String {
        let Subscription { group, partition } = &self.claim.subscription;
        format!("{}:{group}", lost_field(partition))
    }

    fn tell_lost(&self, lost: u64) {
        let Subscription { group, partition } = &self.claim.subscription;
        if lost > 0 {
            tracing::error!(
                %group, stream = %partition.stream, partition = partition.number, lost,
                "records were removed before the group had handled them"
            );
        }
    }

    /// Puts an entry that no offset can name among the dead letters.
    async fn bury(&self, id: &str, body: Body) -> Result<()> {
        let Subscription { group, partition } = &self.claim.subscription;
        let letters = StreamName::parse(DEAD_LETTERS).map_err(|_| strange("a stream's name"))?;
        self.shared.register(&letters).await?;
        let letters = self.shared.keys.stream(&Partition {
            stream: letters,
            number: 0,
        });
        let letter = serde_json::json!({
            "group": group,
            "stream": partition.stream.as_str(),
            "partition": partition.number,
            "offset": id,
            "key": body.key,
            "payload": String::from_utf8_lossy(&body.payload),
            "reason": "no offset can name the entry's id: producers must let Redis choose it",
            "component": null,
            "deliveries": 0,
        });
        let mut invocation = BURY.key(&self.key);
        invocation.key(self.shared.keys.owners()).key(letters);
        invocation.arg(&**group).arg(&*self.claim.holder.0);
        invocation.arg(partition.number).arg(id).arg(&body.key);
        invocation.arg(letter.to_string()).arg(body.published_at.0);
        if self.shared.link.script::<u64>(&invocation).await? > 0 {
            tracing::error!(
                %group, stream = %partition.stream, partition = partition.number, id,
                "an entry has an id that no offset can name and is now a dead letter"
            );
        }
        Ok(())
    }
}

/// The first id that `XPENDING` names.
fn first_pending(value: Value) -> Result<Option<String>> {
    let Some(row) = items(value)?.into_iter().next() else {
        return Ok(None);
    };
    let id = items(row)?.into_iter().next();
    id.map(text).transpose()
}
