use super::*;

const SEED: [u8; 32] = [7; 32];

fn facts(id: &str) -> Facts {
    let subject = Subject {
        name: "daily-peaks".into(),
        digest: Digest::of(b"plugin").to_string(),
    };
    Facts {
        id: id.into(),
        partner: PartnerId::parse("Energie Süd \"7\"").expect("an id"),
        reader: Reader::Plugin(subject),
        policy: Some(Digest::of(b"policy")),
        generation: None,
        trust_level: 2,
        at: Instant(1_636_300_702_144),
        trigger: "request".into(),
        reads: vec![
            entry(Dataset::GlobalConsumption, 10, 50),
            entry(Dataset::Production, 1_000, 70),
        ],
        fuel: 1_234_567,
        compute: 2,
        outcome: Outcome::Report,
        report: Some(Digest::of(b"<svg/>")),
    }
}

fn entry(dataset: Dataset, rows: u32, datapoints: u64) -> ReadEntry {
    ReadEntry {
        dataset,
        from_ms: 1_636_300_000_000,
        to_ms: 1_636_300_600_000,
        rows,
        datapoints,
    }
}

/// A chain of so many receipts.
fn chain(count: usize) -> Vec<Vec<u8>> {
    let signer = Signer::new(&SEED);
    let mut head = Head::default();
    let mut receipts = Vec::new();
    for number in 0..count {
        let issued = signer.issue(&head, &facts(&format!("run-{number}")));
        head = issued.head;
        receipts.push(issued.bytes);
    }
    receipts
}

fn key() -> PublicKey {
    Signer::new(&SEED).public_key()
}

fn one() -> Vec<u8> {
    chain(1).remove(0)
}

#[test]
fn a_receipt_says_what_happened_and_verifies_with_the_public_key_alone() {
    let key = PublicKey::from_pem(&key().to_pem()).expect("a key");
    let receipt = verify(&one(), &key).expect("sound");
    assert_eq!(receipt.total, 122);
    assert_eq!(receipt.sequence, 1);
    assert_eq!(receipt.previous, NO_RECEIPT);
    assert_eq!(receipt.at, "2021-11-07T15:58:22.144Z");
    assert_eq!(receipt.reads[1].dataset, Dataset::Production);
    assert_eq!(receipt.outcome, Outcome::Report);
    let mut with_line_end = one();
    with_line_end.push(b'\n');
    assert!(verify(&with_line_end, &key).is_ok());
    with_line_end.push(b'\n');
    assert!(verify(&with_line_end, &key).is_err());
}

#[test]
fn its_members_stand_in_the_documented_order() {
    let text = String::from_utf8(one()).expect("text");
    let members = [
        "version",
        "sequence",
        "id",
        "partner",
        "plugin",
        "policy",
        "trustLevel",
        "at",
        "trigger",
        "reads",
        "fuel",
        "compute",
        "total",
        "outcome",
        "reportSha256",
        "previous",
        "key",
        "signature",
    ];
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let named: Vec<_> = value.as_object().expect("an object").keys().collect();
    assert_eq!(named, members);
    assert_eq!(
        value.to_string(),
        text,
        "what passes JSON on keeps every byte"
    );
}

#[test]
fn any_other_value_of_any_byte_fails() {
    let (bytes, key) = (one(), key());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(verify(&changed, &key).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn any_byte_more_or_less_fails() {
    let (bytes, key) = (one(), key());
    for at in 0..=bytes.len() {
        for byte in [b' ', b'\n', b'\t', b'0', b'"', b',', 0] {
            let mut longer = bytes.clone();
            longer.insert(at, byte);
            let is_line_end = at == bytes.len() && byte == b'\n';
            assert_eq!(verify(&longer, &key).is_ok(), is_line_end, "{byte} at {at}");
        }
        if at < bytes.len() {
            let mut shorter = bytes.clone();
            shorter.remove(at);
            assert!(verify(&shorter, &key).is_err(), "without byte {at}");
        }
    }
}

#[test]
fn members_in_another_order_or_twice_fail() {
    let (text, key) = (String::from_utf8(one()).expect("text"), key());
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let members: Vec<_> = value.as_object().expect("an object").iter().collect();
    for swapped in 1..members.len() {
        let mut order = members.clone();
        order.swap(swapped - 1, swapped);
        let object: serde_json::Map<_, _> = order
            .iter()
            .map(|(k, v)| ((*k).clone(), (*v).clone()))
            .collect();
        let changed = serde_json::Value::Object(object).to_string();
        assert_eq!(verify(changed.as_bytes(), &key), Err(Unsound::Rewritten));
    }
    for twice in ["\"fuel\":1234567,", "\"total\":1,", "\"more\":1,"] {
        let changed = text.replacen("\"fuel\"", &format!("{twice}\"fuel\""), 1);
        let refused = verify(changed.as_bytes(), &key);
        assert!(matches!(refused, Err(Unsound::NotAReceipt(_))), "{twice}");
    }
    let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
    assert_eq!(verify(&pretty, &key), Err(Unsound::Rewritten));
    let escaped = text.replacen("run-0", "run\\u002d0", 1);
    assert_eq!(verify(escaped.as_bytes(), &key), Err(Unsound::Rewritten));
}

#[test]
fn another_key_or_a_forged_name_of_it_fails() {
    let other = Signer::new(&[8; 32]).public_key();
    assert!(matches!(
        verify(&one(), &other),
        Err(Unsound::OtherKey { .. })
    ));
    let forged = String::from_utf8(one()).expect("text");
    let forged = forged.replacen(&key().name(), &other.name(), 1);
    assert_eq!(verify(forged.as_bytes(), &other), Err(Unsound::Signature));
    for pem in [
        "",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(PublicKey::from_pem(pem), Err(Unsound::KeyFile));
    }
}

#[test]
fn a_signed_contradiction_fails_too() {
    let signer = Signer::new(&SEED);
    let contradict = |change: fn(&mut Receipt)| {
        let mut receipt = verify(&one(), &key()).expect("sound");
        change(&mut receipt);
        receipt.signature.clear();
        let signature = signer.key.sign(&written(&receipt));
        receipt.signature = BASE64.encode(signature.to_bytes());
        verify(&written(&receipt), &key())
    };
    assert!(contradict(|_| {}).is_ok());
    for change in [
        (|r| r.total = 1) as fn(&mut Receipt),
        |r| r.version = 2,
        |r| r.component = r.plugin.clone(),
        |r| r.plugin = None,
        |r| r.outcome = Outcome::HostFault,
        |r| r.reads[0].datapoints = u64::MAX,
    ] {
        let refused = contradict(change);
        assert!(
            matches!(refused, Err(Unsound::Contradiction(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn a_chain_has_no_gap_no_guest_and_no_other_order() {
    let (receipts, key) = (chain(4), key());
    let verified = |order: &[usize]| {
        let mut chain = Chain::new(&key);
        order
            .iter()
            .try_for_each(|at| chain.next(&receipts[*at]).map(|_| ()))
    };
    assert_eq!(verified(&[0, 1, 2, 3]), Ok(()));
    assert_eq!(verified(&[2, 3]), Ok(()), "a part of a chain");
    for wrong in [&[0, 2][..], &[1, 0], &[0, 0], &[0, 1, 1], &[3, 2]] {
        assert!(
            matches!(verified(wrong), Err(Unsound::Link { .. })),
            "{wrong:?}"
        );
    }
    // One that was issued on another history fits neither by hash nor as a first.
    let signer = Signer::new(&SEED);
    let head = Head {
        sequence: 1,
        ..Head::default()
    };
    let forked = signer.issue(&head, &facts("other")).bytes;
    let mut chain = Chain::new(&key);
    assert!(chain.next(&receipts[0]).is_ok() && chain.next(&forked).is_err());
    assert!(Chain::new(&key).next(&forked).is_err());
}

#[test]
fn receipts_of_a_chain_never_go_back_in_time() {
    let signer = Signer::new(&SEED);
    let head = Head {
        sequence: 9,
        hash: NO_RECEIPT.replace('0', "a"),
        at_ms: 1_700_000_000_000,
    };
    let issued = signer.issue(&head, &facts("late"));
    assert_eq!(issued.at, Instant(1_700_000_000_000));
    assert_eq!(
        (issued.head.sequence, issued.head.at_ms),
        (10, 1_700_000_000_000)
    );
    let receipt = verify(&issued.bytes, &key()).expect("sound");
    assert_eq!(receipt.at, Instant(1_700_000_000_000).to_string());
}
