//! Records that break a rule of the format, and what is said of them.

use leyden::replay::RecordOptions;
use leyden::replay::file::Reader;
use leyden::replay::format::Line;

use super::records::{options, player, recorded};
use super::support::{TestHost, name};

/// What is said of a broken record.
fn complaint(record: &[u8]) -> String {
    let read = || {
        let mut reader = Reader::open(record)?;
        while reader.next_line()?.is_some() {}
        Ok(reader.has_ended())
    };
    let read: Result<bool, leyden::replay::file::Error> = read();
    match read {
        Ok(has_ended) => format!("ended: {has_ended}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_records_are_refused_by_line() {
    let host = TestHost::with_guests(&["echo"]).await;
    let only = RecordOptions {
        component: Some(name("echo").into()),
        ..options()
    };
    let record = recorded(&host, only, async {
        for body in ["one", "two"] {
            let echoed = host.post("echo", "/echo", &[], body, None).await;
            echoed.expect("an echo");
        }
    })
    .await;
    let text = String::from_utf8(record.clone()).expect("text");
    let list: Vec<&str> = text.lines().collect();
    assert_eq!(list.len(), 5, "header, component, two invocations, end");
    let of = |lines: &[&str]| complaint((lines.join("\n") + "\n").as_bytes());
    let [header, component, first, second, end] = list[..] else {
        panic!("five lines");
    };
    assert_eq!(of(&list), "ended: true");
    assert_eq!(of(&list[..4]), "ended: false");
    assert_eq!(complaint(b""), "line 1: the file is empty");
    assert!(of(&["{}"]).starts_with("line 1: is no record of Leyden"));
    assert!(of(&["x"]).starts_with("line 1: is no record of Leyden"));
    let newer = header.replace("\"version\":1", "\"version\":2");
    let rule = "line 1: leydenRecord.version: is 2, and this version of Leyden reads 1";
    assert_eq!(of(&[&newer]), rule);
    assert!(of(&[header, header]).contains("line 2: leydenRecord: comes once"));
    assert!(of(&[header, first]).contains("line 2: invocation.components: no component 0"));
    assert!(of(&[header, component, component]).contains("line 3: component.id: 0 comes twice"));
    assert!(of(&[header, component, first, end]).contains("line 4: end.invocations: says 2"));
    assert!(of(&[header, component, first, second, end, first]).contains("line 6: comes after"));
    assert!(of(&[header, "{\"else\":1}"]).contains("line 2: unknown variant `else`"));
    assert!(of(&[header, component, "{"]).starts_with("line 3: EOF"));
    let wrong = first.replace("\"atMs\"", "\"at\"");
    assert!(of(&[header, component, &wrong]).contains("line 3: unknown field `at`"));
    let cut = &record[..record.len() - 10];
    assert_eq!(complaint(cut), "line 5: is cut off: it has no line end");
    bytes_that_change_never_panic(&record);
    let other = component.replace("\"wasm\":\"AGFz", "\"wasm\":\"AGFy");
    let other: Line = serde_json::from_str(&other).expect("a line");
    let Line::Component(other) = other else {
        panic!("a component");
    };
    let refused = player().admit(&other).expect_err("other bytes");
    assert!(
        refused.to_string().contains("component.digest"),
        "{refused}"
    );
}

/// Cuts and changed bytes all over the file are refused, or leave a record.
fn bytes_that_change_never_panic(record: &[u8]) {
    let step = record.len() / 200;
    for at in (0..record.len()).step_by(step.max(1)) {
        complaint(&record[..at]);
        for new in [0, b'"', b'}', 0xff] {
            let mut changed = record.to_vec();
            changed[at] = new;
            complaint(&changed);
        }
    }
}
