//! Names that rows have in common: each is kept once, and rows tell its place.

use std::collections::BTreeMap;

/// Different names, each with its place among them.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    places: BTreeMap<String, u32>,
    /// Where the name is looked for first: rows name the same again, or the same in the same order.
    next: usize,
}

impl Names {
    /// A name's place; one that was not there yet is the last.
    pub(super) fn place(&mut self, name: &str) -> u32 {
        let guesses = [self.next, 0, self.next.wrapping_sub(1)];
        let is = |at: &usize| self.names.get(*at).is_some_and(|known| known == name);
        let known = guesses.into_iter().find(is).map(|at| at as u32);
        let place = known.or_else(|| self.places.get(name).copied());
        let place = place.unwrap_or_else(|| self.add(name));
        self.next = place as usize + 1;
        place
    }

    fn add(&mut self, name: &str) -> u32 {
        // A page's rows bound how many there are.
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }

    /// All of them, by place.
    pub(super) fn into_list(self) -> Vec<String> {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_has_one_place_in_whatever_order_it_comes() {
        let mut names = Names::default();
        let places: Vec<_> = ["a", "b", "c", "a", "b", "c", "c", "a", "c", "b", "d"]
            .into_iter()
            .map(|name| names.place(name))
            .collect();
        assert_eq!(places, [0, 1, 2, 0, 1, 2, 2, 0, 2, 1, 3]);
        assert_eq!(names.into_list(), ["a", "b", "c", "d"]);
    }
}
