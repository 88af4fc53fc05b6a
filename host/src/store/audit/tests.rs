use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::store::ISSUER;

/// Rows of a page: few, so that most of what happens happens between pages.
const PAGE: usize = 3;

/// A ledger in memory, to which somebody commits before each page.
#[derive(Default)]
struct Books {
    state: Mutex<State>,
    /// Movements before each page.
    growth: u64,
}

#[derive(Default)]
struct State {
    version: Version,
    head: Head,
    unchained: u64,
    rows: Vec<Row>,
    accounts: BTreeMap<String, Option<Account>>,
}

impl State {
    fn account(&mut self, name: &str) -> &mut Account {
        let account = self.accounts.entry(name.to_owned()).or_default();
        account.get_or_insert_default()
    }

    /// A commit of two movements, to an account that may be new.
    fn commit(&mut self) {
        self.version += 1;
        let taker = format!("account {}", self.version * 7 % 40);
        let posting = |position| Posting {
            debit: ISSUER.to_owned(),
            credit: taker.clone(),
            amount: self.version + position,
            reference: format!("{} {position}", self.version),
        };
        let (postings, at) = ([posting(0), posting(1)], 1_000 * self.version);
        let hashes = self.head.commit(&postings, at);
        for ((position, posting), hash) in (0..).zip(postings).zip(hashes) {
            self.account(ISSUER).debits += posting.amount;
            self.account(&taker).credits += posting.amount;
            let chain = Some(hash);
            self.rows.push(Row {
                version: self.version,
                position,
                entry: Some(Entry { posting, at, chain }),
            });
        }
    }

    fn entry(&mut self, row: usize) -> &mut Entry {
        self.rows[row].entry.as_mut().expect("an entry")
    }

    fn page<T>(&self, rows: impl Iterator<Item = T>, from: usize) -> Page<T, usize> {
        let rows: Vec<_> = rows.skip(from).take(PAGE).collect();
        let next = (!rows.is_empty()).then_some(from + rows.len());
        Page {
            rows,
            version: self.version,
            next,
        }
    }
}

impl Books {
    fn of(commits: u64, growth: u64) -> Self {
        let mut state = State::default();
        (0..commits).for_each(|_| state.commit());
        Self {
            state: Mutex::new(state),
            growth,
        }
    }

    fn grown(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.state.lock().expect("not poisoned");
        // Not for ever: who reads is faster than who commits.
        if state.version < 300 {
            (0..self.growth).for_each(|_| state.commit());
        }
        state
    }

    async fn found(self, change: impl FnOnce(&mut State)) -> LedgerCheck {
        change(&mut self.state.lock().expect("not poisoned"));
        check(&self, None).await.expect("checked")
    }
}

impl Pages for Books {
    type AccountPlace = String;
    type EntryPlace = usize;

    async fn cut(&self) -> Result<Cut> {
        let state = self.state.lock().expect("not poisoned");
        Ok(Cut {
            version: state.version,
            head: state.head,
            unchained: state.unchained,
            accounts: state.accounts.len() as u64,
        })
    }

    /// By name, so that an account made meanwhile may come or not.
    async fn accounts(&self, from: String) -> Result<Page<NamedAccount, String>> {
        let state = self.grown();
        let all = state.accounts.iter();
        let after = all.filter(|(name, _)| **name > from);
        let rows: Vec<_> = after.take(PAGE).map(|(n, a)| (n.clone(), *a)).collect();
        let next = rows.last().map(|(name, _)| name.clone());
        Ok(Page {
            rows,
            version: state.version,
            next,
        })
    }

    async fn entries(&self, from: usize) -> Result<Page<Row, usize>> {
        let state = self.grown();
        Ok(state.page(state.rows.iter().cloned(), from))
    }
}

fn sums(check: &LedgerCheck) -> (u64, u64, u128, u128) {
    (check.entries, check.accounts, check.debits, check.credits)
}

#[tokio::test]
async fn what_is_committed_meanwhile_changes_nothing() {
    let still = check(&Books::of(20, 0), None).await.expect("checked");
    assert!(still.is_sound(), "{still:?}");
    // Of 20 commits, with 1 + 2 + … and a movement that is one more each.
    let sum = 2 * (20 * 21 / 2) + 20;
    assert_eq!(sums(&still), (40, 21, sum, sum));
    for growth in [1, 2, 5] {
        let busy = check(&Books::of(20, growth), None).await.expect("checked");
        assert_eq!(busy, still, "growth {growth}");
    }
}

/// However few accounts are held at a time, the findings are the same.
#[tokio::test]
async fn accounts_are_compared_in_shares() {
    let damage = |state: &mut State| {
        state.account("account 7").credits += 1;
        state.accounts.insert("account 14".to_owned(), None);
        state.accounts.remove("account 21");
        state.account("nobody").debits += 1;
    };
    let whole = Books::of(30, 0).found(damage).await;
    let wrong = ["account 14", "account 21", "account 7", "nobody"];
    assert_eq!(whole.wrong_accounts, wrong);
    assert!(whole.broken.is_none() && !whole.is_sound());
    for growth in [0, 3] {
        for accounts_max in [1, 2, 5, 1_000] {
            let books = Books::of(30, growth);
            damage(&mut books.state.lock().expect("not poisoned"));
            let shared = check_in_shares(&books, None, accounts_max).await;
            assert_eq!(shared.expect("checked").wrong_accounts, wrong);
        }
    }
}

#[tokio::test]
async fn wrong_accounts_are_named_up_to_a_bound() {
    let found = Books::of(1, 0).found(|state| {
        for n in 0..500 {
            state.account(&format!("wrong {n:03}")).credits = 1;
        }
    });
    let found = found.await.wrong_accounts;
    assert_eq!(found.len(), WRONG_ACCOUNTS_MAX);
    assert_eq!((&*found[0], &*found[99]), ("wrong 000", "wrong 099"));
}

fn broken(entry: u64, place: Option<(Version, u64)>, flaw: Flaw) -> Option<Broken> {
    Some(Broken { entry, place, flaw })
}

/// A change, and what is to be found.
type Case = (fn(&mut State), Option<Broken>);

#[tokio::test]
async fn the_first_broken_entry_is_named() {
    let cases: Vec<Case> = vec![
        (|_| (), None),
        (
            |state| state.entry(4).posting.amount += 1,
            broken(5, Some((3, 0)), Flaw::Hash),
        ),
        (
            |state| state.entry(4).posting.reference.clear(),
            broken(5, Some((3, 0)), Flaw::Hash),
        ),
        (
            |state| state.entry(0).at += 1,
            broken(1, Some((1, 0)), Flaw::Hash),
        ),
        (
            |state| state.entry(5).chain = None,
            broken(6, Some((3, 1)), Flaw::Hash),
        ),
        (
            |state| state.rows[6].entry = None,
            broken(7, Some((4, 0)), Flaw::Unreadable),
        ),
        (
            |state| drop(state.rows.remove(4)),
            broken(5, Some((3, 1)), Flaw::Hash),
        ),
        (
            |state| drop(state.rows.pop()),
            broken(20, None, Flaw::Missing),
        ),
        (
            |state| state.rows.truncate(18),
            broken(19, None, Flaw::Missing),
        ),
        (
            |state| drop(state.rows.drain(4..6)),
            broken(6, Some((4, 1)), Flaw::Hash),
        ),
        (
            |state| drop(state.rows.remove(5)),
            broken(5, Some((3, 0)), Flaw::Hash),
        ),
        (
            |state| state.rows[5].version += 1,
            broken(5, Some((3, 0)), Flaw::Hash),
        ),
        (|state| state.rows.clear(), broken(1, None, Flaw::Missing)),
        (
            |state| state.rows.swap(4, 5),
            broken(5, Some((3, 1)), Flaw::Hash),
        ),
        (
            |state| {
                let kept = state.head;
                state.commit();
                state.head = kept;
            },
            broken(21, Some((11, 0)), Flaw::Surplus),
        ),
        (
            |state| {
                state.commit();
                state.version -= 1;
            },
            broken(21, Some((11, 0)), Flaw::Surplus),
        ),
        (
            |state| state.head.hash = Digest::of(b"another"),
            broken(20, None, Flaw::Head),
        ),
    ];
    for (n, (change, expected)) in cases.into_iter().enumerate() {
        let found = Books::of(10, 0).found(change).await;
        assert_eq!(found.broken, expected, "case {n}");
        assert_eq!(found.broken.is_none(), found.is_sound(), "case {n}");
    }
}

/// Entries that are older than the chain have no hash of their own, but the first that has one holds them too.
#[tokio::test]
async fn entries_older_than_the_chain_are_held_by_it() {
    let strip = |state: &mut State| {
        state.unchained = 6;
        (0..6).for_each(|row| state.entry(row).chain = None);
    };
    let sound = Books::of(10, 0).found(strip).await;
    assert!(sound.is_sound(), "{sound:?}");
    let changed = Books::of(10, 0).found(|state| {
        strip(state);
        state.entry(2).posting.reference.push('!');
    });
    assert_eq!(changed.await.broken, broken(8, Some((4, 1)), Flaw::Hash));
    let stripped = Books::of(10, 0).found(|state| {
        strip(state);
        state.entry(6).chain = None;
    });
    assert_eq!(stripped.await.broken, broken(7, Some((4, 0)), Flaw::Hash));
}
