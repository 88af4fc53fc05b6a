//! Houses over a time, page by page, in the order of their rows: by interval, community, house. What a page
//! looks at is bounded, whatever it finds.

use super::aggregate::mean_mw;
use super::batch::Slot;
use super::names::Names;
use super::read::{INDEX_MAX, INTERVALS_AT_MAX, Power};
use super::row::Row;
use super::totals::{PAGE, containing, starting};
use super::{Interval, Result, State, keys};
use crate::bindings::leyden::grid;
use crate::state::{key_after, prefix_end};

/// The most rows of a page, as the interfaces of rows say.
const PAGE_LIMIT_MAX: u32 = 1_000;
/// The most rows looked at for one page, where most rows are not wanted.
const PAGE_ROWS_MAX: usize = 10_000;
/// The fewest rows that one scan asks for, so that rows which are not wanted do not come one by one.
const SCAN_ROWS_MIN: usize = 64;
/// The most intervals in which one page looks for a community's rows, where it has few.
const PAGE_INTERVALS_MAX: usize = 1_000;

/// Where a row stands in the order of rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its interval.
    pub interval: Interval,
    /// Its community.
    pub community: u64,
    /// Its house; empty: before the first.
    pub house: String,
}

impl Place {
    /// The first row of an interval.
    #[must_use]
    pub fn beginning(interval: Interval) -> Self {
        Self {
            interval,
            community: 0,
            house: String::new(),
        }
    }

    fn of(key: &[u8]) -> Result<Self> {
        let slot = keys::slot_of(key)?;
        Ok(Self {
            interval: slot.interval,
            community: slot.community,
            house: keys::house_of(key)?.to_owned(),
        })
    }

    fn key(&self) -> Vec<u8> {
        let slot = Slot {
            interval: self.interval,
            community: self.community,
        };
        keys::row(slot, &self.house)
    }
}

/// Each interface of rows has a type of its own for what is the same place.
macro_rules! places {
    ($($interface:ident),*) => {$(
        impl From<grid::$interface::Place> for Place {
            fn from(place: grid::$interface::Place) -> Self {
                Self {
                    interval: place.interval.into(),
                    community: place.community,
                    house: place.house,
                }
            }
        }

        impl From<Place> for grid::$interface::Place {
            fn from(place: Place) -> Self {
                Self {
                    interval: place.interval.into(),
                    community: place.community,
                    house: place.house,
                }
            }
        }
    )*};
}
places!(consumption, consumption_rows, production, production_rows);

/// How many rows a page has at most where so many are asked for.
#[must_use]
pub fn page_limit(asked: u32) -> usize {
    asked.clamp(1, PAGE_LIMIT_MAX) as usize
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Start of the time, ms since 1970, included.
    pub from_ms: u64,
    /// Its end, excluded.
    pub to_ms: u64,
    /// Only this community; none: all.
    pub community: Option<u64>,
    /// The first row; none: from the beginning.
    pub start: Option<&'a Place>,
    /// Most rows of the page.
    pub limit: usize,
    /// Whether objects are wanted too.
    pub objects: bool,
}

/// A house in an interval, as a row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HouseRow {
    /// The house: its place in [`HousePage::houses`].
    pub house: u32,
    /// Its community.
    pub community: u64,
    /// The interval.
    pub interval: Interval,
    /// Mean powers.
    pub power: Power,
    /// How many of [`HousePage::objects`] are its: those after the ones of the rows before it.
    pub objects: u32,
}

/// What an object of a row drew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// The object: the place of its name in [`HousePage::object_names`].
    pub name: u32,
    /// Mean power, mW.
    pub consumption_mw: u64,
}

/// One page of houses. Most rows name the same few houses and objects, so these are told once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HousePage {
    /// Rows by their place.
    pub rows: Vec<HouseRow>,
    /// The houses that rows name.
    pub houses: Vec<String>,
    /// What objects drew, row by row.
    pub objects: Vec<ObjectRow>,
    /// The names of objects.
    pub object_names: Vec<String>,
    /// Where the next page starts; none at the end.
    pub next: Option<Place>,
}

/// Houses recorded in intervals that overlap a time, for which `wanted` holds. A page may hold fewer than
/// its limit, and still have a next.
///
/// # Errors
/// The state cannot be read, or more intervals than can be told apart contain one instant.
pub fn houses_between(
    state: &impl State,
    span: &Span<'_>,
    wanted: impl Fn(&Row<'_>) -> bool,
) -> Result<HousePage> {
    let mut walk = Walk {
        state,
        first: span.start.map_or_else(Vec::new, Place::key),
        limit: span.limit,
        objects: span.objects,
        wanted,
        looked: 0,
        page: HousePage::default(),
        houses: Names::default(),
        object_names: Names::default(),
    };
    if span.from_ms < span.to_ms && !walk.early(span)? {
        match span.community {
            None => walk.rows(
                keys::numbered(b'r', &[span.from_ms]),
                &keys::numbered(b'r', &[span.to_ms]),
            )?,
            Some(community) => walk.late_of(span, community)?,
        };
    }
    Ok(HousePage {
        houses: walk.houses.into_list(),
        object_names: walk.object_names.into_list(),
        ..walk.page
    })
}

/// A page while its rows are gathered.
struct Walk<'s, S, W> {
    state: &'s S,
    /// No row before this key belongs to the page.
    first: Vec<u8>,
    limit: usize,
    objects: bool,
    wanted: W,
    looked: usize,
    page: HousePage,
    houses: Names,
    object_names: Names,
}

/// Each step says whether the page is done: it is full, or has looked at enough.
impl<S: State, W: Fn(&Row<'_>) -> bool> Walk<'_, S, W> {
    /// Intervals that start before the time and reach into it.
    fn early(&mut self, span: &Span<'_>) -> Result<bool> {
        if self.first >= keys::numbered(b'r', &[span.from_ms]) {
            return Ok(false);
        }
        for interval in containing(self.state, span.from_ms, INTERVALS_AT_MAX, INDEX_MAX)?.keys() {
            if interval.starts_at_ms < span.from_ms && self.interval(*interval, span.community)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A community's rows in the intervals that start within the time. The index of intervals tells where
    /// to look: the rows of all the others in between are passed over.
    fn late_of(&mut self, span: &Span<'_>, community: u64) -> Result<bool> {
        let begun_ms = span.start.map_or(0, |place| place.interval.starts_at_ms);
        let mut from_ms = Some(span.from_ms.max(begun_ms));
        let mut visited = 0;
        while let Some(start_ms) = from_ms {
            let (intervals, rest_ms) = starting(self.state, start_ms, span.to_ms)?;
            for interval in intervals {
                if visited == PAGE_INTERVALS_MAX {
                    self.page.next = Some(Place::beginning(interval));
                    return Ok(true);
                }
                visited += usize::from(!self.is_past(interval));
                if self.interval(interval, Some(community))? {
                    return Ok(true);
                }
            }
            from_ms = rest_ms;
        }
        Ok(false)
    }

    /// Whether the page starts after an interval.
    fn is_past(&self, interval: Interval) -> bool {
        let next = keys::numbered(b'r', &[interval.starts_at_ms, interval.ends_at_ms]);
        prefix_end(&next).is_some_and(|end| end <= self.first)
    }

    /// The rows of an interval, of all communities or one.
    fn interval(&mut self, interval: Interval, community: Option<u64>) -> Result<bool> {
        let mut numbers = vec![interval.starts_at_ms, interval.ends_at_ms];
        numbers.extend(community);
        let prefix = keys::numbered(b'r', &numbers);
        let end = prefix_end(&prefix).unwrap_or_default();
        self.rows(prefix, &end)
    }

    /// The rows from a key to another.
    fn rows(&mut self, start: Vec<u8>, end: &[u8]) -> Result<bool> {
        let mut start = start.max(self.first.clone());
        while start.as_slice() < end {
            let left = self.limit - self.page.rows.len();
            let few = (left + 1).clamp(SCAN_ROWS_MIN, PAGE);
            let entries = self.state.scan(&start, end, few)?;
            self.page.rows.reserve(entries.len().min(left));
            for (key, value) in entries.iter() {
                if self.row(key, value)? {
                    return Ok(true);
                }
            }
            match entries.iter().last() {
                Some((key, _)) if entries.len() == few => start = key_after(key),
                _ => break,
            }
        }
        Ok(false)
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        let row = Row::decode(value)?;
        let is_wanted = (self.wanted)(&row);
        if self.looked == PAGE_ROWS_MAX || is_wanted && self.page.rows.len() == self.limit {
            self.page.next = Some(Place::of(key)?);
            return Ok(true);
        }
        self.looked += 1;
        if is_wanted {
            let row = if self.objects { row } else { row.bare() };
            self.keep(key, &row)?;
        }
        Ok(false)
    }

    fn keep(&mut self, key: &[u8], row: &Row<'_>) -> Result<()> {
        let Slot {
            interval,
            community,
        } = keys::slot_of(key)?;
        let before = self.page.objects.len();
        for object in row.objects() {
            let (name, energy_uj) = object?;
            self.page.objects.push(ObjectRow {
                name: self.object_names.place(name),
                consumption_mw: mean_mw(energy_uj.into(), interval.length_ms()),
            });
        }
        self.page.rows.push(HouseRow {
            house: self.houses.place(keys::house_of(key)?),
            community,
            interval,
            power: Power::of(row, interval),
            objects: (self.page.objects.len() - before) as u32,
        });
        Ok(())
    }
}
