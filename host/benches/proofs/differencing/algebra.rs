//! What sums of groups tell together: the span of their members' indicator vectors, over two prime fields at
//! once. Whatever follows from them over the rationals follows in both unless both primes divide the same
//! minor, which for the sizes here does not happen by chance.

/// Mersenne primes, so that products of two numbers below one fit 128 bits with room.
const PRIMES: [u64; 2] = [(1 << 61) - 1, (1 << 31) - 1];

/// Everything that some sums tell, as reduced rows.
#[derive(Debug, Clone)]
pub struct Span {
    fields: [Field; 2],
}

impl Span {
    /// Of no sums yet, over so many households.
    pub fn new(households: usize) -> Self {
        let field = |prime| Field {
            prime,
            households,
            rows: Vec::new(),
        };
        Self {
            fields: PRIMES.map(field),
        }
    }

    /// Adds the sum of these households.
    pub fn add(&mut self, members: &[usize]) {
        self.fields.iter_mut().for_each(|field| field.add(members));
    }

    /// Whether the sum of these households follows from what was added.
    pub fn tells(&self, members: &[usize]) -> bool {
        self.fields.iter().any(|field| field.tells(members))
    }

    /// The households whose own values follow.
    pub fn isolated(&self) -> Vec<usize> {
        let households = 0..self.fields[0].households;
        households.filter(|one| self.tells(&[*one])).collect()
    }
}

#[derive(Debug, Clone)]
struct Field {
    prime: u64,
    households: usize,
    /// Each with the place of its first number, which is 1; no other row has a number there.
    rows: Vec<(usize, Vec<u64>)>,
}

impl Field {
    fn add(&mut self, members: &[usize]) {
        let mut row = self.reduced(members);
        let Some(pivot) = row.iter().position(|number| *number != 0) else {
            return;
        };
        let inverse = self.power(row[pivot], self.prime - 2);
        row.iter_mut()
            .for_each(|number| *number = self.times(*number, inverse));
        let mut rows = std::mem::take(&mut self.rows);
        for (_, other) in &mut rows {
            let factor = other[pivot];
            self.subtract(other, &row, factor);
        }
        rows.push((pivot, row));
        self.rows = rows;
    }

    fn tells(&self, members: &[usize]) -> bool {
        self.reduced(members).iter().all(|number| *number == 0)
    }

    /// What is left of the households' sum when all that is known is taken out.
    fn reduced(&self, members: &[usize]) -> Vec<u64> {
        let mut row = vec![0; self.households];
        members.iter().for_each(|member| row[*member] = 1);
        for (pivot, known) in &self.rows {
            let factor = row[*pivot];
            self.subtract(&mut row, known, factor);
        }
        row
    }

    fn subtract(&self, from: &mut [u64], row: &[u64], factor: u64) {
        if factor == 0 {
            return;
        }
        for (number, other) in from.iter_mut().zip(row) {
            let less = self.times(*other, factor);
            *number = (*number + self.prime - less) % self.prime;
        }
    }

    fn times(&self, one: u64, other: u64) -> u64 {
        let product = u128::from(one) * u128::from(other) % u128::from(self.prime);
        u64::try_from(product).expect("below the prime")
    }

    fn power(&self, mut base: u64, mut exponent: u64) -> u64 {
        let mut result = 1;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.times(result, base);
            }
            base = self.times(base, base);
            exponent >>= 1;
        }
        result
    }
}

/// That it finds what is there to be found, before anything is believed of what it does not find.
pub fn check_itself() {
    let all: Vec<_> = (0..40).collect();
    let mut span = Span::new(40);
    span.add(&all);
    assert_eq!(span.isolated(), [0; 0]);
    span.add(&all[1..]);
    assert_eq!(span.isolated(), [0], "a total less all others");
    // A tracker (Denning and Denning, 1979): 5 is isolated though no two sums differ by it alone.
    let mut span = Span::new(40);
    let (half, other): (Vec<usize>, Vec<usize>) = all.iter().partition(|one| **one < 20);
    span.add(&half);
    span.add(&other);
    assert_eq!(span.isolated(), [0; 0]);
    span.add(&[&[5], &other[..]].concat());
    assert_eq!(span.isolated(), [5]);
    assert!(span.tells(&all) && span.tells(&half) && !span.tells(&[1, 2]));
}
