//! Rows of households, many at a time: most name the same few houses and objects, so each name is there once and rows
//! refer to it. From the components that they come from to the partner who reads them nothing is made for each row. Pure.
//!
//! **Invariant.** What a partner gets names no household and no object but those of its own readings, and its order
//! tells nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Interval, Place, Secrets};

/// What a house drew or produced in an interval, as it was measured. What it refers to lies in its [`Rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its interval.
    pub interval: Interval,
    /// Its community.
    pub community: u64,
    /// Its house: the place of its name.
    pub house: u32,
    /// Mean power, mW.
    pub power_mw: u64,
    /// The place of the first of its objects, which lie together.
    pub first_object: u32,
    /// How many objects of it are known.
    pub objects: u32,
    /// Whether its community's interval is closed.
    pub complete: bool,
}

/// What an object drew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectPower {
    /// The object: the place of its name.
    pub name: u32,
    /// Mean power, mW.
    pub power_mw: u64,
}

/// Rows, and what they refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// In an order.
    pub rows: Vec<Row>,
    /// The names of their houses, mostly each once.
    pub houses: Vec<Arc<str>>,
    /// What their objects drew.
    pub objects: Vec<ObjectPower>,
    /// The names of objects.
    pub object_names: Vec<Arc<str>>,
}

impl Rows {
    /// Whether there is all that they refer to.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let (houses, names) = (self.houses.len(), self.object_names.len());
        let has_all = |row: &Row| {
            let end = (row.first_object as usize).checked_add(row.objects as usize);
            (row.house as usize) < houses && end.is_some_and(|end| end <= self.objects.len())
        };
        let has_name = |object: &ObjectPower| (object.name as usize) < names;
        self.rows.iter().all(has_all) && self.objects.iter().all(has_name)
    }

    /// Where one of them stands among all rows.
    #[must_use]
    pub fn place(&self, row: &Row) -> Place {
        Place {
            interval: row.interval,
            community: row.community,
            house: self.houses[row.house as usize].clone(),
        }
    }

    /// The objects of one of them.
    #[must_use]
    pub fn objects_of(&self, row: &Row) -> &[ObjectPower] {
        let first = row.first_object as usize;
        &self.objects[first..first + row.objects as usize]
    }
}

/// Names, each kept once.
#[derive(Debug, Default)]
struct Names {
    list: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl Names {
    fn place(&mut self, name: &Arc<str>) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        // As many as rows of a page and their objects at most.
        let place = self.list.len() as u32;
        self.list.push(name.clone());
        self.places.insert(name.clone(), place);
        place
    }
}

/// Rows that are put together one by one, or picked out of others: what they refer to and nothing else.
#[derive(Debug, Default)]
pub struct Picked {
    rows: Vec<Row>,
    houses: Names,
    objects: Vec<ObjectPower>,
    object_names: Names,
}

/// Where the names of some rows are among those of [`Picked`], as far as they are.
#[derive(Debug)]
pub struct Known {
    houses: Vec<Option<u32>>,
    object_names: Vec<Option<u32>>,
}

impl Known {
    /// Nothing is known yet of these rows.
    #[must_use]
    pub fn of(rows: &Rows) -> Self {
        Self {
            houses: vec![None; rows.houses.len()],
            object_names: vec![None; rows.object_names.len()],
        }
    }
}

impl Picked {
    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, rows: usize, objects: usize) {
        self.rows.reserve(rows);
        self.objects.reserve(objects);
    }

    /// Adds a row.
    pub fn add(
        &mut self,
        place: &Place,
        power_mw: u64,
        objects: impl IntoIterator<Item = (Arc<str>, u64)>,
        complete: bool,
    ) {
        let first = self.objects.len();
        for (name, power_mw) in objects {
            let name = self.object_names.place(&name);
            self.objects.push(ObjectPower { name, power_mw });
        }
        self.rows.push(Row {
            interval: place.interval,
            community: place.community,
            house: self.houses.place(&place.house),
            power_mw,
            first_object: first as u32,
            objects: (self.objects.len() - first) as u32,
            complete,
        });
    }

    /// Picks one out of some rows.
    pub fn pick(&mut self, from: &Rows, known: &mut Known, row: &Row) {
        let first = self.objects.len() as u32;
        for object in from.objects_of(row) {
            let at = object.name as usize;
            let name = *known.object_names[at]
                .get_or_insert_with(|| self.object_names.place(&from.object_names[at]));
            self.objects.push(ObjectPower { name, ..*object });
        }
        let at = row.house as usize;
        let house = *known.houses[at].get_or_insert_with(|| self.houses.place(&from.houses[at]));
        self.rows.push(Row {
            house,
            first_object: first,
            ..*row
        });
    }

    /// All of them.
    #[must_use]
    pub fn into_rows(self) -> Rows {
        Rows {
            rows: self.rows,
            houses: self.houses.list,
            objects: self.objects,
            object_names: self.object_names.list,
        }
    }
}

/// Rows as their reader gets them: houses go by their pseudonyms, rows come by interval, and in each by pseudonym; objects
/// and their names come as rows have them. Any other order would be the same for every partner and so let two of them
/// match their readings.
#[must_use]
pub fn veiled(secrets: &Secrets, mut rows: Rows) -> Rows {
    let (names, ranks) = pseudonyms(secrets, &rows.houses);
    for row in &mut rows.rows {
        row.house = ranks[row.house as usize];
    }
    rows.houses = names;
    // They come by interval.
    if !rows.rows.is_sorted_by_key(|row| row.interval) {
        rows.rows.sort_by_key(|row| row.interval);
    }
    let of_interval = |one: &Row, next: &Row| one.interval == next.interval;
    for rows in rows.rows.chunk_by_mut(of_interval) {
        rows.sort_by_key(|row| row.house);
    }
    in_order(rows)
}

/// The pseudonyms of houses in their order, and where each house's is among them.
fn pseudonyms(secrets: &Secrets, houses: &[Arc<str>]) -> (Vec<Arc<str>>, Vec<u32>) {
    let names = houses.iter().map(|house| secrets.pseudonym(house));
    let mut names: Vec<(String, usize)> = names.zip(0..).collect();
    names.sort_unstable();
    let mut ranks = vec![0; names.len()];
    for (rank, (_, at)) in (0..).zip(&names) {
        ranks[*at] = rank;
    }
    let names = names.into_iter().map(|(name, _)| name.into());
    (names.collect(), ranks)
}

/// The same rows with their objects one after the other, and their names in the order in which they come.
fn in_order(mut rows: Rows) -> Rows {
    let mut objects = Vec::with_capacity(rows.objects.len());
    let mut places = vec![None; rows.object_names.len()];
    let mut names: Vec<Arc<str>> = Vec::with_capacity(places.len());
    for row in &mut rows.rows {
        let first = row.first_object as usize;
        row.first_object = objects.len() as u32;
        for object in &rows.objects[first..first + row.objects as usize] {
            let at = object.name as usize;
            let name = *places[at].get_or_insert_with(|| {
                names.push(rows.object_names[at].clone());
                names.len() as u32 - 1
            });
            objects.push(ObjectPower { name, ..*object });
        }
    }
    Rows {
        objects,
        object_names: names,
        ..rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(starts_at_ms: u64, house: &str) -> Place {
        let ends_at_ms = starts_at_ms + 1;
        Place {
            interval: Interval {
                starts_at_ms,
                ends_at_ms,
            },
            community: 1,
            house: house.into(),
        }
    }

    /// Two houses in two intervals; the second has objects.
    fn rows() -> Rows {
        let mut rows = Picked::default();
        for start in [0, 1] {
            rows.add(&place(start, "a"), 10 + start, [], true);
            let objects = [("oven".into(), 1), ("tv".into(), 2 + start)];
            rows.add(&place(start, "b"), 20 + start, objects, false);
        }
        rows.into_rows()
    }

    /// A row's start, house, power and objects.
    type Told = (u64, String, u64, Vec<(String, u64)>);

    /// Each row with all that it refers to.
    fn told(rows: &Rows) -> Vec<Told> {
        let objects = |row: &Row| {
            let objects = rows.objects_of(row).iter();
            let name = |object: &ObjectPower| rows.object_names[object.name as usize].to_string();
            objects
                .map(|object| (name(object), object.power_mw))
                .collect()
        };
        let row = |row: &Row| {
            let house = rows.houses[row.house as usize].to_string();
            (row.interval.starts_at_ms, house, row.power_mw, objects(row))
        };
        rows.rows.iter().map(row).collect()
    }

    #[test]
    fn names_are_there_once_and_rows_refer_to_them() {
        let rows = rows();
        assert!(rows.is_sound());
        assert_eq!((rows.houses.len(), rows.object_names.len()), (2, 2));
        assert_eq!(rows.place(&rows.rows[1]), place(0, "b"));
        let objects = vec![("oven".to_owned(), 1), ("tv".to_owned(), 3)];
        assert_eq!(told(&rows)[3], (1, "b".to_owned(), 21, objects));
    }

    #[test]
    fn rows_that_refer_to_what_is_not_there_are_not_sound() {
        let broken: [fn(&mut Rows); 4] = [
            |rows| rows.rows[0].house = 2,
            |rows| rows.rows[3].objects = 3,
            |rows| rows.rows[0].first_object = u32::MAX,
            |rows| rows.objects[0].name = 2,
        ];
        for breaks in broken {
            let mut rows = rows();
            breaks(&mut rows);
            assert!(!rows.is_sound(), "{rows:?}");
        }
    }

    #[test]
    fn what_is_picked_names_nothing_else() {
        let from = rows();
        let (mut picked, mut known) = (Picked::default(), Known::of(&from));
        picked.pick(&from, &mut known, &from.rows[2]);
        picked.pick(&from, &mut known, &from.rows[0]);
        let picked = picked.into_rows();
        assert!(picked.is_sound());
        let names = (picked.houses.as_slice(), picked.object_names.len());
        assert_eq!(names, (["a".into()].as_slice(), 0));
        let all: Vec<_> = told(&from).into_iter().step_by(2).rev().collect();
        assert_eq!(told(&picked), all);
    }

    #[test]
    fn what_is_veiled_comes_by_interval_and_pseudonym_and_objects_with_their_rows() {
        let secrets = Secrets::new(&[7; 32]);
        let mut shuffled = rows();
        shuffled.rows.reverse();
        shuffled.houses.reverse();
        shuffled
            .rows
            .iter_mut()
            .for_each(|row| row.house = 1 - row.house);
        let veiled = veiled(&secrets, shuffled);
        assert!(veiled.is_sound());
        let mut expected = told(&rows());
        for (_, house, ..) in &mut expected {
            *house = secrets.pseudonym(house);
        }
        expected.sort();
        assert_eq!(told(&veiled), expected);
        assert!(veiled.houses.is_sorted());
        let mut after = 0;
        for row in &veiled.rows {
            assert_eq!(row.first_object, after);
            after += row.objects;
        }
    }
}
