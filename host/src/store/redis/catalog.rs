//! How many partitions each stream has. What the server has said once holds for ever, so it is asked
//! once; a stream that nobody has used yet has no number yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Shared;
use crate::ids::StreamName;
use crate::store::Result;

/// Beginnings of the names of streams with one partition: the host's own, and time.
const SINGLE: [&str; 2] = ["leyden.", "clock."];

/// Streams remembered; beyond that all are asked for again. Far more than components have.
const KNOWN_MAX: usize = 10_000;

/// The numbers that the server has confirmed.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    known: Mutex<HashMap<StreamName, u16>>,
}

impl Catalog {
    fn get(&self, stream: &StreamName) -> Option<u16> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(stream).copied()
    }

    fn keep(&self, stream: &StreamName, partitions: u16) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(stream.clone(), partitions);
    }

    fn names(&self) -> Vec<StreamName> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys().cloned().collect()
    }
}

/// How many partitions a stream gets in an installation of so many units.
pub(super) fn partitions_of_new(stream: &StreamName, units: u16) -> u16 {
    let single = SINGLE.iter().any(|name| stream.as_str().starts_with(name));
    if single { 1 } else { units.max(1) }
}

impl Shared {
    /// How many partitions a stream has, or will have.
    pub(super) async fn partitions(&self, stream: &StreamName) -> Result<u16> {
        if let Some(partitions) = self.catalog.get(stream) {
            return Ok(partitions);
        }
        let mut ask = redis::cmd("HGET");
        ask.arg(self.keys.streams()).arg(stream.as_str());
        let Some(partitions) = self.link.run::<Option<u16>>(&ask).await? else {
            return Ok(self.partitions_of_new(stream));
        };
        self.catalog.keep(stream, partitions.max(1));
        Ok(partitions.max(1))
    }

    /// Fixes how many partitions a stream has, if nobody has; how many it has.
    pub(super) async fn register(&self, stream: &StreamName) -> Result<u16> {
        match self.catalog.get(stream) {
            Some(partitions) => Ok(partitions),
            None => self.register_again(stream).await,
        }
    }

    /// The same without trusting that the server still knows it.
    pub(super) async fn register_again(&self, stream: &StreamName) -> Result<u16> {
        let (key, name) = (self.keys.streams(), stream.as_str());
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("HSETNX")
            .arg(&key)
            .arg(name)
            .arg(self.partitions_of_new(stream))
            .ignore();
        pipeline.cmd("HGET").arg(&key).arg(name);
        let (partitions,) = self.link.pipe::<(u16,)>(&pipeline).await?;
        self.catalog.keep(stream, partitions.max(1));
        Ok(partitions.max(1))
    }

    fn partitions_of_new(&self, stream: &StreamName) -> u16 {
        partitions_of_new(stream, self.units)
    }

    /// All streams, by name. Those that a crash of the server made it forget are told again.
    pub(super) async fn all_streams(&self) -> Result<Vec<(StreamName, u16)>> {
        let mut ask = redis::cmd("HGETALL");
        ask.arg(self.keys.streams());
        let found = self.link.run::<HashMap<String, u16>>(&ask).await?;
        for stream in self.catalog.names() {
            if !found.contains_key(stream.as_str()) {
                self.register_again(&stream).await?;
            }
        }
        let named = found.into_iter().filter_map(|(name, partitions)| {
            // A name that breaks the rules was not written by a host, and no component can use it.
            Some((StreamName::parse(&name).ok()?, partitions.max(1)))
        });
        let mut streams: Vec<_> = named.collect();
        streams.sort();
        Ok(streams)
    }
}
