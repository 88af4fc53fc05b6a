//! `leyden ledger`, against a host whose database somebody changes.

use serde_json::{Value, json};

use super::support::process::Process;
use super::{NOBODY, code, complaint, done, json_of, leyden};

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_verified_and_its_accounts_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    let url = host.url.as_str();
    for partner in ["acme", "Énergie & Co", "zeta"] {
        done(url, &["partner", "add", partner, "--credit", "1000"]);
    }
    let sound = json_of(url, &["ledger", "verify"]);
    assert_eq!(
        (&sound["sound"], &sound["sum"]),
        (&json!(true), &json!("0"))
    );
    assert_eq!(
        (&sound["entries"], &sound["broken"]),
        (&json!(3), &Value::Null)
    );
    let head = sound["head"].as_str().expect("a head");
    let text = done(url, &["ledger", "verify"]);
    assert!(head.len() == 64 && text.contains(head), "{text}");
    let note = sound["note"].as_str().expect("what to note").to_owned();
    assert!(
        note == format!("3:{head}") && text.contains(&note),
        "{text}"
    );
    done(url, &["ledger", "verify", "--noted", &note]);
    let other = format!("2:{head}");
    let found = leyden(url, &["ledger", "verify", "--noted", &other]);
    assert_eq!(code(&found), 1);
    let said = complaint(&found);
    assert!(
        said.contains("entry 2 (commit ") && said.contains("noted"),
        "{said}"
    );
    for wrong in ["x", head, "3", "3:abc"] {
        let refused = leyden(url, &["ledger", "verify", "--noted", wrong]);
        assert_eq!(code(&refused), 2, "{wrong}");
    }
    assert_eq!(code(&leyden(NOBODY, &["ledger", "verify"])), 3);
    accounts_are_listed(url);

    let file = folder.path().join("data/leyden.db");
    let change = "UPDATE entries SET amount = 1001 WHERE (version, position) = \
        (SELECT version, position FROM entries ORDER BY version, position LIMIT 1 OFFSET 1)";
    let changed = rusqlite::Connection::open(file).and_then(|db| db.execute(change, []));
    assert_eq!(changed.expect("changed"), 1);
    a_change_is_named(url, head);
}

fn accounts_are_listed(url: &str) {
    let all = json_of(url, &["ledger", "accounts"]);
    let names = |listed: &Value| {
        let accounts = listed["accounts"].as_array().cloned().unwrap_or_default();
        let name = |account: &Value| account["account"].as_str().unwrap_or_default().to_owned();
        accounts.iter().map(name).collect::<Vec<_>>()
    };
    let expected = [
        "issuer",
        "partner/acme",
        "partner/zeta",
        "partner/Énergie & Co",
    ];
    assert_eq!(names(&all), expected);
    let balances: Vec<_> = (0..2)
        .map(|n| all["accounts"][n]["balance"].as_i64())
        .collect();
    assert_eq!(balances, [Some(-3_000), Some(1_000)]);
    assert_eq!(all["next"], Value::Null);
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = ["ledger", "accounts", "--limit", "1", "--after", &after];
        let page = json_of(url, &page);
        found.extend(names(&page));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(found, expected);
    let shown = leyden(url, &["ledger", "accounts", "--limit", "2"]);
    assert!(complaint(&shown).contains("--after 'partner/acme'"));
    for wrong in ["0", "1001", "x"] {
        let refused = leyden(url, &["ledger", "accounts", "--limit", wrong]);
        assert_eq!(code(&refused), 2, "{wrong}");
    }
}

fn a_change_is_named(url: &str, head: &str) {
    let found = leyden(url, &["ledger", "verify"]);
    assert_eq!(code(&found), 1);
    let said = complaint(&found);
    assert!(said.contains("entry 2 (commit "), "{said}");
    assert!(said.contains("its hash does not follow"), "{said}");
    assert!(said.contains("issuer, partner/"), "{said}");
    let found = leyden(url, &["--json", "ledger", "verify"]);
    assert_eq!(code(&found), 1);
    let answer: Value = serde_json::from_slice(&found.stdout).expect("JSON");
    assert_eq!(
        (&answer["sound"], &answer["broken"]["entry"]),
        (&json!(false), &json!(2))
    );
    assert_ne!(answer["head"], *head);
}
