use std::collections::BTreeMap;

use super::line::{OWN_WAITING_MAX, WAITING_MAX};
use super::*;

fn partner(name: &str) -> PartnerId {
    PartnerId::parse(name).expect("an id")
}

const fn claim(room: usize, runs: usize) -> Claim {
    Claim { room, runs }
}

/// Arrivals and departures in a made-up time: every run takes one step.
struct Simulation {
    line: Line,
    names: HashMap<Ticket, (&'static str, usize)>,
    running: Vec<(&'static str, usize)>,
    room: usize,
}

impl Simulation {
    fn new(room: usize) -> Self {
        Self {
            line: Line::new(room),
            names: HashMap::new(),
            running: Vec::new(),
            room,
        }
    }

    fn arrive(&mut self, name: &'static str, claim: Claim) -> Result<(), Full> {
        let ticket = self.line.arrive(&partner(name), claim)?;
        self.names.insert(ticket, (name, claim.room));
        self.call();
        Ok(())
    }

    fn call(&mut self) {
        for ticket in self.line.call() {
            let run = self.names.remove(&ticket).expect("somebody who waits");
            self.running.push(run);
        }
        let used: usize = self.running.iter().map(|(_, room)| room).sum();
        assert!(used <= self.room, "more than there is room for");
        assert_eq!(self.line.load(), (used, self.names.len()));
    }

    /// All that run end; who runs next.
    fn step(&mut self) -> Vec<&'static str> {
        for (name, room) in std::mem::take(&mut self.running) {
            self.line.leave(&partner(name), room);
        }
        self.call();
        self.running()
    }

    fn running(&self) -> Vec<&'static str> {
        self.running.iter().map(|(name, _)| *name).collect()
    }
}

#[test]
fn a_storm_of_one_partner_leaves_room_for_those_who_have_none() {
    let mut queue = Simulation::new(8);
    for _ in 0..400 {
        queue.arrive("storm", claim(1, 8)).expect("a place in line");
    }
    assert_eq!(queue.running().len(), 4, "half of the room");
    queue.arrive("calm", claim(1, 8)).expect("a place");
    queue.arrive("large", claim(3, 8)).expect("a place");
    let running = queue.running();
    assert!(
        running.contains(&"calm") && running.contains(&"large"),
        "{running:?}"
    );
}

#[test]
fn partners_that_wait_take_turns() {
    let mut queue = Simulation::new(1);
    for (name, count) in [("a", 300), ("b", 30), ("c", 3)] {
        for _ in 0..count {
            queue.arrive(name, claim(1, 4)).expect("a place in line");
        }
    }
    let mut counts = BTreeMap::new();
    for _ in 0..9 {
        for name in queue.step() {
            *counts.entry(name).or_insert(0) += 1;
        }
    }
    assert_eq!(counts, BTreeMap::from([("a", 3), ("b", 3), ("c", 3)]));
}

#[test]
fn a_partner_at_its_own_bound_leaves_places_to_others() {
    let mut queue = Simulation::new(8);
    for _ in 0..10 {
        queue.arrive("low", claim(1, 1)).expect("a place in line");
    }
    for _ in 0..10 {
        queue.arrive("high", claim(1, 3)).expect("a place in line");
    }
    for running in [queue.running(), queue.step()] {
        let of = |name| running.iter().filter(|running| **running == name).count();
        assert_eq!((of("low"), of("high")), (1, 3));
    }
}

#[test]
fn a_large_run_is_not_overtaken_for_ever_by_small_ones() {
    let mut queue = Simulation::new(4);
    for name in ["a", "b", "c"] {
        queue.arrive(name, claim(1, 2)).expect("a place");
    }
    queue.arrive("large", claim(4, 1)).expect("a place in line");
    for name in ["d", "e"] {
        queue.arrive(name, claim(1, 2)).expect("a place in line");
    }
    assert_eq!(
        queue.running(),
        ["a", "b", "c"],
        "what is free is kept for it"
    );
    assert_eq!(queue.step(), ["large"]);
    assert_eq!(queue.step(), ["d", "e"]);
}

#[test]
fn a_claim_larger_than_the_machine_runs_alone() {
    let mut queue = Simulation::new(2);
    let ticket = queue.line.arrive(&partner("vast"), claim(9, 1));
    assert_eq!(queue.line.call(), [ticket.expect("a place in line")]);
    assert_eq!(queue.line.load(), (2, 0));
}

#[test]
fn lines_are_bounded_for_one_and_for_all() {
    let mut queue = Simulation::new(1);
    queue.arrive("storm", claim(1, 1)).expect("a place");
    for _ in 0..OWN_WAITING_MAX {
        queue.arrive("storm", claim(1, 1)).expect("a place in line");
    }
    assert_eq!(queue.arrive("storm", claim(1, 1)), Err(Full::Own));
    for number in OWN_WAITING_MAX..WAITING_MAX {
        let name: &'static str = Box::leak(format!("p{number}").into_boxed_str());
        queue.arrive(name, claim(1, 1)).expect("a place in line");
    }
    let before = queue.line.partners();
    assert_eq!(queue.arrive("late", claim(1, 1)), Err(Full::All));
    assert_eq!(
        queue.line.partners(),
        before,
        "who is refused is not remembered"
    );
}

#[test]
fn everybody_gets_through_and_nothing_is_left() {
    let mut queue = Simulation::new(3);
    for round in 0..50 {
        for name in ["a", "b", "c", "d"] {
            let claim = claim(1 + round % 2, 1 + round % 3);
            queue.arrive(name, claim).expect("a place in line");
        }
    }
    let mut ran = queue.running().len();
    while !queue.running.is_empty() {
        ran += queue.step().len();
    }
    assert_eq!(
        (ran, queue.line.load(), queue.line.partners()),
        (200, (0, 0), 0)
    );
}

#[test]
fn a_run_takes_up_the_memory_that_it_may_use() {
    let claims = [0, 1, 2, 3].map(|level| Claim::of(&RunLimits::of(level)).room);
    assert_eq!(claims, [1, 1, 2, 3]);
}

#[tokio::test]
async fn who_goes_away_while_waiting_leaves_no_trace() {
    let queue = Queue::new(1);
    let (a, b) = (partner("a"), partner("b"));
    let place = queue.enter(&a, claim(1, 1)).await.expect("a place");
    let mut waiting = Box::pin(queue.enter(&b, claim(1, 1)));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    assert_eq!(queue.load(), (1, 1));
    drop(waiting);
    assert_eq!(queue.load(), (1, 0));
    drop(place);
    assert_eq!(queue.load(), (0, 0));
    assert_eq!(queue.lock().line.partners(), 0);
    assert!(queue.lock().waiting.is_empty());
}

#[tokio::test]
async fn who_goes_away_just_when_called_gives_the_place_back() {
    let queue = Queue::new(1);
    let (a, b) = (partner("a"), partner("b"));
    let place = queue.enter(&a, claim(1, 1)).await.expect("a place");
    let mut waiting = Box::pin(queue.enter(&b, claim(1, 1)));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    drop(place);
    assert_eq!(queue.load(), (1, 0), "called, and does not know it yet");
    drop(waiting);
    assert_eq!(queue.load(), (0, 0));
    assert!(queue.lock().waiting.is_empty());
}

#[tokio::test]
async fn a_place_that_does_not_become_free_is_not_waited_for_for_ever() {
    let queue = Queue::new(1);
    let (a, b) = (partner("a"), partner("b"));
    let place = queue.enter(&a, claim(1, 1)).await.expect("a place");
    let late = queue
        .enter_within(&b, claim(1, 1), Duration::from_millis(5))
        .await;
    assert_eq!(late.map(drop), Err(Full::Late));
    assert_eq!(queue.load(), (1, 0));
    drop(place);
    assert!(queue.enter(&b, claim(1, 1)).await.is_ok());
}
