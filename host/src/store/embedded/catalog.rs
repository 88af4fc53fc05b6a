//! The numbers of spaces and streams, and the tails of streams: what readers and the writer share.
//! Only the writer adds numbers and moves tails.
//!
//! **Invariant.** A number is shared only after it is durable and before anything is stored under
//! it, so a reader that finds none knows that its snapshot holds nothing there.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use rusqlite::Connection;
use tokio::sync::watch;

use super::log;
use super::schema::unsigned;
use crate::ids::StreamName;
use crate::store::{Offset, Space};

/// A stream's number and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamState {
    pub(super) id: i64,
    pub(super) tail: Offset,
    /// Records that are kept.
    pub(super) length: u64,
    /// Whether the group being written has moved the tail.
    pub(super) moved: bool,
}

/// What is known at the start.
#[derive(Default)]
pub(super) struct Names {
    pub(super) spaces: HashMap<Space, i64>,
    pub(super) streams: HashMap<StreamName, StreamState>,
}

impl Names {
    /// Reads all names; a stream whose name breaks today's rule is left where it lies.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut names = Self::default();
        let mut statement = connection.prepare("SELECT name, id FROM spaces")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            names
                .spaces
                .insert(Space::from(row.get_ref(0)?.as_str()?), row.get(1)?);
        }
        let mut statement = connection.prepare("SELECT name, id, tail FROM streams")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = row.get(1)?;
            let state = StreamState {
                id,
                tail: unsigned(row.get(2)?),
                length: log::kept_after(connection, id, 0)?,
                moved: false,
            };
            if let Ok(name) = StreamName::parse(row.get_ref(0)?.as_str()?) {
                names.streams.insert(name, state);
            }
        }
        Ok(names)
    }

    /// Takes in a new stream.
    pub(super) fn add_stream(&mut self, stream: StreamName, id: i64) {
        self.streams.insert(
            stream,
            StreamState {
                id,
                tail: 0,
                length: 0,
                moved: false,
            },
        );
    }
}

/// A stream that somebody watches need not exist yet: then it has no number.
struct Shared {
    id: Option<i64>,
    tail: watch::Sender<Offset>,
}

impl Shared {
    fn new(id: Option<i64>, tail: Offset) -> Self {
        Self {
            id,
            tail: watch::Sender::new(tail),
        }
    }
}

/// The shared view of [`Names`].
pub(super) struct Catalog {
    spaces: RwLock<HashMap<Space, i64>>,
    streams: RwLock<HashMap<StreamName, Shared>>,
}

impl Catalog {
    pub(super) fn new(names: &Names) -> Self {
        let shared = |(name, state): (&StreamName, &StreamState)| {
            (name.clone(), Shared::new(Some(state.id), state.tail))
        };
        let streams = names.streams.iter().map(shared).collect();
        Self {
            spaces: RwLock::new(names.spaces.clone()),
            streams: RwLock::new(streams),
        }
    }

    pub(super) fn space(&self, space: &Space) -> Option<i64> {
        self.spaces
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(space)
            .copied()
    }

    pub(super) fn stream(&self, stream: &StreamName) -> Option<i64> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(stream).and_then(|shared| shared.id)
    }

    pub(super) fn add_space(&self, space: Space, id: i64) {
        self.spaces
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(space, id);
    }

    pub(super) fn add_stream(&self, stream: StreamName, id: i64) {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams
            .entry(stream)
            .or_insert_with(|| Shared::new(None, 0))
            .id = Some(id);
    }

    /// Watches a tail. Keeps an entry per name that was asked for, so names must not come from
    /// outside unchecked.
    pub(super) fn watch(&self, stream: &StreamName) -> watch::Receiver<Offset> {
        let known = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(stream) {
            return shared.tail.subscribe();
        }
        drop(known);
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams
            .entry(stream.clone())
            .or_insert_with(|| Shared::new(None, 0))
            .tail
            .subscribe()
    }

    pub(super) fn set_tail(&self, stream: &StreamName, tail: Offset) {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = streams.get(stream) {
            shared.tail.send_replace(tail);
        }
    }
}
