//! The operator's verbs about partners, against a host.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::support::process::Process;
use super::{NOBODY, code, complaint, done, json_of, leyden};

fn path(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_are_registered_credited_and_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Process::start(&folder.path().join("data")).await;
    let url = host.url.as_str();
    a_key_is_told_once(url);
    a_key_goes_into_a_file_of_its_owner(url, folder.path());
    credit_counts_once_for_a_reference(url);
    a_credit_is_taken_back_once(url);
    let trusted = json_of(url, &["partner", "trust", "acme", "3"]);
    assert_eq!(trusted["trustLevel"], 3);
    assert_eq!(json_of(url, &["partner", "show", "acme"])["balance"], 1_400);
    a_partner_sees_itself_and_nobody_else(url, folder.path());
    let listed = json_of(url, &["partner", "list"]);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["id"]),
        (&json!("acme"), &json!("Énergie & Co"))
    );
    keys_are_rotated_and_revoked(url);
    an_upload_key_is_registered_and_a_private_one_is_not_sent(url, folder.path());
    consent_is_given_and_withdrawn(url);
}

fn a_key_is_told_once(url: &str) {
    let add = ["partner", "add", "acme", "--trust", "2", "--credit", "1000"];
    let told = leyden(url, &add);
    assert_eq!(code(&told), 0, "{}", complaint(&told));
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.contains("ley_"), "{text}");
    assert!(
        complaint(&told).contains("told this once"),
        "{}",
        complaint(&told)
    );
    assert!(!done(url, &["partner", "show", "acme"]).contains("ley_"));
    assert!(!done(url, &["partner", "keys", "acme"]).contains("ley_"));
    let again = leyden(url, &add);
    assert_eq!(code(&again), 1, "{}", complaint(&again));
    assert_eq!(code(&leyden(url, &["partner", "add", "a/b"])), 2);
    assert_eq!(
        code(&leyden(url, &["partner", "add", "x", "--trust", "11"])),
        1
    );
    assert_eq!(code(&leyden(NOBODY, &["partner", "list"])), 3);
}

fn a_key_goes_into_a_file_of_its_owner(url: &str, folder: &Path) {
    let file = path(folder, "key");
    let add = ["partner", "add", "Énergie & Co", "--key-file", &file];
    assert!(!done(url, &add).contains("ley_"));
    let key = std::fs::read_to_string(&file).expect("the key");
    assert!(key.starts_with("ley_") && key.ends_with('\n'), "{key}");
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let taken = leyden(url, &["partner", "add", "late", "--key-file", &file]);
    assert_eq!(code(&taken), 2, "a file is never written over");
    assert_eq!(
        code(&leyden(url, &["partner", "show", "late"])),
        1,
        "nobody was registered for it"
    );
    let refused = path(folder, "refused");
    assert_eq!(
        code(&leyden(
            url,
            &["partner", "add", "acme", "--key-file", &refused]
        )),
        1
    );
    assert!(!Path::new(&refused).exists(), "no empty file stays");
    let shown = json_of(url, &["partner", "show", "Énergie & Co"]);
    assert_eq!(shown["id"], "Énergie & Co");
}

fn credit_counts_once_for_a_reference(url: &str) {
    let credit = ["partner", "credit", "acme", "500", "--reference", "INV-17"];
    assert_eq!(json_of(url, &credit)["balance"], 1_500);
    let again = leyden(url, &credit);
    assert_eq!(code(&again), 0);
    assert!(
        complaint(&again).contains("nothing has changed"),
        "{}",
        complaint(&again)
    );
    assert_eq!(json_of(url, &["partner", "show", "acme"])["balance"], 1_500);
    let other = ["partner", "credit", "acme", "501", "--reference", "INV-17"];
    assert_eq!(code(&leyden(url, &other)), 1);
    assert_eq!(
        code(&leyden(
            url,
            &["partner", "credit", "nobody", "1", "--reference", "x"]
        )),
        1
    );
    assert_eq!(
        code(&leyden(url, &["partner", "credit", "acme", "1"])),
        2,
        "for what?"
    );
}

fn a_credit_is_taken_back_once(url: &str) {
    let refund = |more: &[&str]| leyden(url, &[&["partner", "refund", "acme"], more].concat());
    let back = [
        "partner", "refund", "acme", "--credit", "INV-17", "--amount", "100",
    ];
    let first = json_of(url, &back);
    assert_eq!(
        (&first["balance"], &first["amount"], &first["repeated"]),
        (&json!(1_400), &json!(100), &json!(false))
    );
    assert_eq!(first["reference"], "refund of credit INV-17");
    let again = refund(&back[3..]);
    assert_eq!(code(&again), 0);
    let said = complaint(&again);
    assert!(said.contains("nothing has changed"), "{said}");
    for wrong in [
        &["--credit", "INV-17"][..],
        &["--receipt", "1"],
        &["--credit", "INV-99", "--amount", "1"],
    ] {
        assert_eq!(code(&refund(wrong)), 1, "{wrong:?}");
    }
    for wrong in [
        &[][..],
        &["--receipt", "1", "--credit", "x"],
        &["--receipt", "x"],
    ] {
        assert_eq!(code(&refund(wrong)), 2, "{wrong:?}");
    }
    assert_eq!(json_of(url, &["partner", "show", "acme"])["balance"], 1_400);
}

fn a_partner_sees_itself_and_nobody_else(url: &str, folder: &Path) {
    let key = path(folder, "key");
    let own = ["--token-file", &key, "partner", "show", "Énergie & Co"];
    let shown = json_of(url, &own);
    assert_eq!(
        (&shown["id"], &shown["balance"], &shown["held"]),
        (&json!("Énergie & Co"), &json!(0), &json!(0))
    );
    assert!(
        shown["terms"].is_object() && shown["limits"].is_object(),
        "{shown}"
    );
    let other = leyden(url, &["--token-file", &key, "partner", "show", "acme"]);
    assert_eq!(code(&other), 4, "{}", complaint(&other));
    assert_eq!(code(&leyden(url, &["partner", "show"])), 2, "whom?");
    for reserved in ["..", "receipt-key"] {
        assert_eq!(
            code(&leyden(url, &["partner", "add", reserved])),
            2,
            "{reserved}"
        );
    }
}

fn keys_are_rotated_and_revoked(url: &str) {
    let first = json_of(url, &["partner", "keys", "acme"])[0]["id"].clone();
    let second = json_of(url, &["partner", "keys", "acme", "--rotate"]);
    assert!(
        second["key"]["key"]
            .as_str()
            .is_some_and(|key| key.starts_with("ley_")),
        "{second}"
    );
    assert_eq!(
        code(&leyden(url, &["partner", "keys", "acme", "--rotate"])),
        1,
        "two at most"
    );
    let first = first.as_str().expect("an id");
    let revoked = json_of(url, &["partner", "keys", "acme", "--revoke", first]);
    assert!(revoked["revokedAt"].is_string(), "{revoked}");
    let valid = json_of(url, &["partner", "keys", "acme"]);
    let valid = valid
        .as_array()
        .expect("a list")
        .iter()
        .filter(|key| key["revokedAt"].is_null());
    assert_eq!(
        valid.map(|key| &key["id"]).collect::<Vec<_>>(),
        [&second["key"]["id"]]
    );
}

fn an_upload_key_is_registered_and_a_private_one_is_not_sent(url: &str, folder: &Path) {
    let private = path(folder, "signing.pem");
    done(NOBODY, &["plugin", "keygen", &private]);
    let shown = json_of(url, &["partner", "key", "acme", &format!("{private}.pub")]);
    assert!(shown["uploadKey"].is_string(), "{shown}");
    let refused = leyden(url, &["partner", "key", "acme", &private]);
    assert_eq!(code(&refused), 2);
    assert!(
        complaint(&refused).contains("private key"),
        "{}",
        complaint(&refused)
    );
    assert_eq!(
        code(&leyden(url, &["partner", "key", "acme", "no such file"])),
        2
    );
}

fn consent_is_given_and_withdrawn(url: &str) {
    let house = r#"{"client_name":"Ada"}"#;
    let added = ["invoke", "/house/house-editor/add-house", "--data", house];
    let id = done(url, &added).trim().to_owned();
    let off = ["consent", "set", &id, "detailed-consumption", "off"];
    let granted = &json_of(url, &off)["granted"];
    assert_eq!(
        (&granted["detailed-consumption"], &granted["production"]),
        (&json!(false), &json!(true))
    );
    let shown = done(url, &["consent", "show", &id]);
    assert!(shown.contains("detailed-consumption  off"), "{shown}");
    done(url, &["consent", "set", &id, "detailed-consumption", "on"]);
    assert!(!done(url, &["consent", "show", &id]).contains("off"));
    assert_eq!(
        code(&leyden(url, &["consent", "set", &id, "everything", "off"])),
        2
    );
    assert_eq!(code(&leyden(url, &["consent", "show", "nobody"])), 1);
}
