//! Rows of households gathered into groups: all of one interval together. Pure.

use super::{Group, Interval, Row};

/// A household behind a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// What the partner's cohorts call it.
    pub id: u64,
    /// What it draws, mW.
    pub power_mw: u64,
    /// Whether the partner cannot read its own value anyway (`detailed-consumption`).
    pub hidden: bool,
}

/// All rows of one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The interval.
    pub interval: Interval,
    /// Households that consent.
    pub members: Vec<Member>,
    /// Whether all communities in it are closed, those of households that withhold their value included.
    pub complete: bool,
}

impl Gathered {
    fn new(interval: Interval) -> Self {
        Self {
            interval,
            members: Vec::new(),
            complete: true,
        }
    }

    /// The households together.
    #[must_use]
    pub fn group(&self) -> Group {
        let mut group = Group::default();
        self.members.iter().for_each(|one| group.add(one.power_mw));
        group
    }
}

/// Gathers rows, which come by interval, into at most so many groups.
#[derive(Debug)]
pub struct Gathering {
    limit: usize,
    groups: Vec<Gathered>,
}

impl Gathering {
    /// For at most `limit` intervals.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            groups: Vec::new(),
        }
    }

    /// Takes in a row; `member` is who it is of, none where they withhold it.
    ///
    /// # Errors
    /// The row begins an interval too many: it is the first of the next page.
    pub fn add(&mut self, row: &Row, member: Option<Member>) -> Result<(), Interval> {
        let interval = row.interval;
        if self.last() != Some(interval) {
            if self.groups.len() == self.limit {
                return Err(interval);
            }
            self.groups.push(Gathered::new(interval));
        }
        if let Some(group) = self.groups.last_mut() {
            group.members.extend(member);
            group.complete &= row.complete;
        }
        Ok(())
    }

    /// The interval that the last row was of.
    #[must_use]
    pub fn last(&self) -> Option<Interval> {
        self.groups.last().map(|group| group.interval)
    }

    /// Drops the interval that rows are still missing of, and says which it was.
    pub fn drop_last(&mut self) -> Option<Interval> {
        self.groups.pop().map(|group| group.interval)
    }

    /// The groups, by interval.
    #[must_use]
    pub fn into_groups(self) -> Vec<Gathered> {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(start: u64, complete: bool) -> Row {
        let interval = Interval {
            starts_at_ms: start,
            ends_at_ms: start + 1,
        };
        Row {
            interval,
            community: 1,
            house: 0,
            power_mw: 5,
            first_object: 0,
            objects: 0,
            complete,
        }
    }

    fn member(id: u64) -> Option<Member> {
        Some(Member {
            id,
            power_mw: 5,
            hidden: true,
        })
    }

    #[test]
    fn rows_of_an_interval_come_together_up_to_the_limit() {
        let mut gathering = Gathering::new(2);
        assert_eq!(gathering.add(&row(0, true), member(1)), Ok(()));
        assert_eq!(gathering.add(&row(0, false), None), Ok(()));
        assert_eq!(gathering.add(&row(1, true), member(1)), Ok(()));
        let third = row(2, true);
        assert_eq!(gathering.add(&third, member(1)), Err(third.interval));
        let groups = gathering.into_groups();
        let counts: Vec<_> = groups
            .iter()
            .map(|group| (group.members.len(), group.complete))
            .collect();
        assert_eq!(counts, [(1, false), (1, true)]);
    }

    #[test]
    fn an_interval_with_missing_rows_is_dropped_whole() {
        let mut gathering = Gathering::new(9);
        assert_eq!(gathering.drop_last(), None);
        for start in [0, 1, 1] {
            assert_eq!(gathering.add(&row(start, true), member(1)), Ok(()));
        }
        assert_eq!(gathering.drop_last(), Some(row(1, true).interval));
        assert_eq!(gathering.into_groups().len(), 1);
    }
}
