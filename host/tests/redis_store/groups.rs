//! Groups as Redis' own tools see them, records from outside, and what happens when a unit changes hands.

use super::*;
use leyden::store::{Error, GroupStatus};

async fn status(rig: &Rig) -> GroupStatus {
    let streams = rig.store.streams().await.expect("streams");
    let partition = streams.into_iter().find(|s| s.partition == readings(0));
    partition.expect("a partition").groups.remove(0)
}

#[tokio::test]
async fn redis_tools_see_groups_consumers_and_what_is_pending() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    rig.commit(appends(&["1", "2", "3"]))
        .await
        .expect("committed");
    let fetched = rig.fetch(&claim, 0, 2).await;
    assert_eq!(payloads(&fetched), ["1", "2"]);
    let pending = rig.ask("XPENDING {t}:stream:house.readings:0 consumption");
    assert!(
        pending.starts_with("2\n") && pending.ends_with("host-1\n2"),
        "{pending}"
    );
    let groups = rig.ask("XINFO GROUPS {t}:stream:house.readings:0");
    assert!(
        groups.starts_with("name\nconsumption\nconsumers\n1\npending\n2"),
        "{groups}"
    );
    assert!(groups.ends_with("lag\n1"), "{groups}");
    let told = status(&rig).await;
    assert_eq!(
        (told.lag, told.pending, told.done, told.lost),
        (3, 2, 0, false)
    );
    assert_eq!(told.oldest, Some(at(7)));
    rig.commit(done(&claim, &fetched))
        .await
        .expect("acknowledged");
    let told = status(&rig).await;
    assert_eq!(
        (told.lag, told.pending, told.done),
        (1, 0, fetched[1].offset)
    );
    let subscription = std::slice::from_ref(&claim.subscription);
    assert_eq!(rig.store.backlog(subscription).await.expect("a number"), 1);
}

#[tokio::test]
async fn a_producer_outside_appends_with_plain_xadd() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    for fields in [
        "key 4 payload whole at 5",
        "payload bare",
        "colour red",
        "at soon",
    ] {
        rig.ask(&format!(
            "XADD {{t}}:stream:house.readings:0 1700000000000-* {fields}"
        ));
    }
    let records = rig.fetch(&claim, 0, 10).await;
    assert_eq!(payloads(&records), ["whole", "bare", "", ""]);
    assert_eq!(
        (records[0].key.as_str(), records[0].published_at),
        ("4", at(5))
    );
    assert_eq!(
        (records[1].key.as_str(), records[1].published_at),
        ("", at(1_700_000_000_000))
    );
    assert_eq!(records[3].published_at, at(1_700_000_000_000));
    rig.commit(done(&claim, &records))
        .await
        .expect("acknowledged");
    assert_eq!(status(&rig).await.lag, 0);
}

#[tokio::test]
async fn an_entry_that_no_offset_can_name_becomes_a_dead_letter() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    for id in [
        "1700000000000-1",
        "1700000000000-1048576",
        "1700000000001-0",
    ] {
        rig.ask(&format!(
            "XADD {{t}}:stream:house.readings:0 {id} key 4 payload {id}"
        ));
    }
    let records = rig.fetch(&claim, 0, 10).await;
    assert_eq!(payloads(&records), ["1700000000000-1", "1700000000001-0"]);
    let letter = rig.ask("XRANGE {t}:stream:leyden.dead-letters:0 - +");
    assert!(
        letter.contains(r#""offset":"1700000000000-1048576""#),
        "{letter}"
    );
    assert!(letter.contains(r#""group":"consumption""#), "{letter}");
    rig.commit(done(&claim, &records))
        .await
        .expect("acknowledged");
    let told = status(&rig).await;
    assert_eq!((told.lag, told.pending), (0, 0));
}

#[tokio::test]
async fn a_unit_that_changes_hands_fences_its_former_holder() {
    let rig = Rig::start().await;
    let old = rig.claim(0, "host-1").await;
    rig.commit(appends(&["1", "2", "3"]))
        .await
        .expect("committed");
    let fetched = rig.fetch(&old, 0, 2).await;
    let holder = rig.take(0, Some(&old.holder), "host-2").await;
    let new = Claim {
        holder,
        ..old.clone()
    };
    let late = rig.commit(done(&old, &fetched)).await;
    assert!(
        matches!(late, Err(CommitError::Store(Error::Fenced))),
        "{late:?}"
    );
    let refused = rig.store.fetch(&old, 0, 10, 1 << 20).await;
    assert!(matches!(refused, Err(Error::Fenced)), "{refused:?}");
    assert_eq!(rig.handle(&new, 10).await, ["1", "2", "3"]);
    let consumers = rig.ask("XINFO CONSUMERS {t}:stream:house.readings:0 consumption");
    assert!(
        consumers.contains("host-2") && !consumers.contains("host-1"),
        "{consumers}"
    );
}

#[tokio::test]
async fn what_a_former_holder_was_still_given_is_taken_from_it() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-2").await;
    rig.commit(appends(&["1", "2", "3", "4"]))
        .await
        .expect("committed");
    let first = rig.fetch(&claim, 0, 1).await;
    // A command of a host that does not know yet that its unit is gone.
    rig.ask("XREADGROUP GROUP consumption host-1 COUNT 2 STREAMS {t}:stream:house.readings:0 >");
    let rest = rig.fetch(&claim, first[0].offset, 10).await;
    assert_eq!(payloads(&rest), ["2", "3", "4"]);
    assert_eq!(rig.handle(&claim, 10).await, ["1", "2", "3", "4"]);
    // The same where nothing new is there that would show it.
    rig.commit(appends(&["5"])).await.expect("committed");
    rig.ask("XREADGROUP GROUP consumption host-1 STREAMS {t}:stream:house.readings:0 >");
    assert_eq!(rig.handle(&claim, 10).await, ["5"]);
}

#[tokio::test]
async fn an_acknowledgement_is_of_the_next_records_or_refused() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    rig.commit(appends(&["1", "2", "3"]))
        .await
        .expect("committed");
    let records = rig.fetch(&claim, 0, 2).await;
    let third = Record {
        offset: records[1].offset + 1,
        ..records[1].clone()
    };
    for wrong in [vec![records[1].clone()], vec![records[0].clone(), third]] {
        let refused = rig.commit(done(&claim, &wrong)).await;
        assert!(
            matches!(refused, Err(CommitError::Store(Error::Fenced))),
            "{refused:?}"
        );
    }
    assert_eq!(rig.handle(&claim, 2).await, ["1", "2"]);
    let again = rig.commit(done(&claim, &records)).await;
    assert!(
        matches!(again, Err(CommitError::Store(Error::Fenced))),
        "{again:?}"
    );
}

#[tokio::test]
async fn records_that_vanish_are_counted_and_do_not_stop_the_rest() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    rig.commit(appends(&["1", "2", "3", "4"]))
        .await
        .expect("committed");
    let records = rig.fetch(&claim, 0, 2).await;
    assert_eq!(records.len(), 2);
    let trim = "XTRIM {t}:stream:house.readings:0 MAXLEN 1";
    assert_eq!(rig.ask(trim), "3");
    assert!(status(&rig).await.lost);
    let left = rig.fetch(&claim, 0, 10).await;
    assert_eq!(payloads(&left), ["4"]);
    rig.commit(done(&claim, &left)).await.expect("acknowledged");
    assert_eq!(rig.ask("HGET {t}:lost house.readings:0:consumption"), "2");
    let told = status(&rig).await;
    assert!(told.lost && told.lag == 0, "{told:?}");
    rig.ask("HDEL {t}:lost house.readings:0:consumption");
    assert!(!status(&rig).await.lost);
}

#[tokio::test]
async fn a_backlog_is_exact_where_entries_were_taken_out() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    let texts: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    rig.commit(appends(&texts)).await.expect("committed");
    let records = rig.fetch(&claim, 0, 3).await;
    let all = rig
        .store
        .read_log(&readings(0), 0, 100, 1 << 20)
        .await
        .expect("records");
    let remove = |n: usize| Transaction {
        removals: vec![(readings(0), all[n].offset)],
        ..Transaction::default()
    };
    let backlog = async || {
        let subscription = std::slice::from_ref(&claim.subscription);
        rig.store.backlog(subscription).await.expect("a number")
    };
    assert_eq!(backlog().await, 10);
    rig.commit(remove(5)).await.expect("removed");
    assert_eq!(backlog().await, 9);
    rig.commit(remove(9)).await.expect("removed");
    assert_eq!(backlog().await, 8);
    rig.commit(done(&claim, &records))
        .await
        .expect("acknowledged");
    assert_eq!(backlog().await, 5);
    for n in [3, 4, 6, 7, 8] {
        rig.commit(remove(n)).await.expect("removed");
    }
    assert_eq!(backlog().await, 0);
}

#[tokio::test]
async fn a_fetch_keeps_its_bounds_and_forgets_nothing_it_was_given() {
    let rig = Rig::start().await;
    let claim = rig.claim(0, "host-1").await;
    let large = "x".repeat(1_000);
    rig.commit(appends(&[large.as_str(); 300]))
        .await
        .expect("committed");
    let mut after = 0;
    let mut count = 0;
    loop {
        let records = rig
            .store
            .fetch(&claim, after, 1_000, 10_500)
            .await
            .expect("records");
        let Some(last) = records.last() else { break };
        assert!(records.len() == 10, "{}", records.len());
        after = last.offset;
        count += records.len();
    }
    assert_eq!(count, 300);
    assert_eq!(rig.fetch(&claim, 0, 1_000).await.len(), 300);
    let one = rig.store.fetch(&claim, 0, 10, 1).await.expect("records");
    assert_eq!(one.len(), 1);
}

#[tokio::test]
async fn trimming_is_exact_and_offsets_are_never_used_again() {
    let rig = Rig::start().await;
    rig.commit(appends(&["x"; 250])).await.expect("committed");
    let all = rig
        .store
        .read_log(&readings(0), 0, 1_000, 1 << 20)
        .await
        .expect("records");
    assert_eq!(all.len(), 250);
    let mut removed = 0;
    loop {
        match rig
            .store
            .trim(&readings(0), all[229].offset)
            .await
            .expect("trimmed")
        {
            0 => break,
            some => removed += some,
        }
    }
    assert_eq!(removed, 230);
    let first = rig
        .store
        .first_offset(&readings(0))
        .await
        .expect("an answer");
    assert_eq!(first, Some(all[230].offset));
    rig.store
        .trim(&readings(0), all[249].offset)
        .await
        .expect("trimmed");
    let newest = rig.store.streams().await.expect("streams")[0].newest;
    assert_eq!(newest, all[249].offset);
    rig.commit(appends(&["y"])).await.expect("committed");
    let first = rig
        .store
        .first_offset(&readings(0))
        .await
        .expect("an answer");
    assert!(first > Some(newest));
}
