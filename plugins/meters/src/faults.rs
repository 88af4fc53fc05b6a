//! What is wrong with a batch of rows: every fault by row and field, up to a bound, and the kind of
//! refusal that they add up to.

use leyden_sdk::Error;
use leyden_sdk::http::{FieldError, Problem, ProblemKind};

/// Faults that one answer lists; the rest are counted.
const LISTED_MAX: usize = 100;

/// Faults of a batch, in the order found.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    listed: Vec<FieldError>,
    count: usize,
    /// The kind all faults share; broken syntax outweighs the others.
    kind: Option<ProblemKind>,
}

impl Faults {
    /// Notes that `field` of a row breaks `rule`.
    pub(crate) fn add(
        &mut self,
        row: u64,
        kind: ProblemKind,
        field: &str,
        rule: impl Into<String>,
    ) {
        self.push(
            kind,
            FieldError {
                row: Some(row),
                field: field.to_owned(),
                rule: rule.into(),
            },
        );
    }

    /// Notes that a column of the header breaks `rule`.
    pub(crate) fn add_column(&mut self, column: &str, rule: impl Into<String>) {
        let error = FieldError {
            row: None,
            field: column.to_owned(),
            rule: rule.into(),
        };
        self.push(ProblemKind::Invalid, error);
    }

    fn push(&mut self, kind: ProblemKind, error: FieldError) {
        self.count += 1;
        self.kind = Some(match self.kind {
            None => kind,
            Some(former) if former == kind => kind,
            Some(former) if former == ProblemKind::Malformed || kind == ProblemKind::Malformed => {
                ProblemKind::Malformed
            }
            Some(_) => ProblemKind::Invalid,
        });
        if self.listed.len() < LISTED_MAX {
            self.listed.push(error);
        }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Nothing, or the refusal that lists the faults by row.
    ///
    /// # Errors
    /// There are faults.
    pub(crate) fn into_result(mut self) -> Result<(), Error> {
        let Some(kind) = self.kind else {
            return Ok(());
        };
        self.listed.sort_by_key(|error| error.row);
        Err(Error::Reject(Problem {
            kind,
            detail: self.detail(),
            errors: self.listed,
        }))
    }

    fn detail(&self) -> String {
        let count = self.count;
        let faults = if count == 1 {
            "1 fault".to_owned()
        } else {
            format!("{count} faults")
        };
        let listed = self.listed.len();
        let rest = if listed < count {
            format!(", the first {listed} found are listed")
        } else {
            String::new()
        };
        format!("{faults}{rest}; no row of this batch is recorded.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProblemKind::{Conflict, Invalid, Malformed, NotFound};

    fn refusal(kinds: &[ProblemKind]) -> Problem {
        let mut faults = Faults::default();
        let rows = (1..=kinds.len() as u64).rev();
        rows.zip(kinds)
            .for_each(|(row, kind)| faults.add(row, *kind, "kind", "is wrong"));
        match faults.into_result() {
            Err(Error::Reject(problem)) => problem,
            other => panic!("a refusal, not {other:?}"),
        }
    }

    #[test]
    fn faults_of_one_kind_keep_it_and_syntax_outweighs() {
        for (kinds, expected) in [
            (&[NotFound, NotFound][..], NotFound),
            (&[Conflict], Conflict),
            (&[Conflict, NotFound], Invalid),
            (&[Invalid, Malformed, NotFound], Malformed),
            (&[Malformed, Invalid], Malformed),
        ] {
            assert_eq!(refusal(kinds).kind, expected);
        }
        assert_eq!(Faults::default().into_result(), Ok(()));
    }

    #[test]
    fn faults_are_listed_by_row_up_to_a_bound() {
        let problem = refusal(&[Invalid; 3]);
        assert_eq!(
            problem
                .errors
                .iter()
                .map(|error| error.row)
                .collect::<Vec<_>>(),
            [Some(1), Some(2), Some(3)]
        );
        let problem = refusal(&[Invalid; 250]);
        assert_eq!(problem.errors.len(), 100);
        assert_eq!(
            problem.detail,
            "250 faults, the first 100 found are listed; no row of this batch is recorded."
        );
    }
}
