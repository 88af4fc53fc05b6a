//! Plugins that harm through what passes between them and the host: lists, texts, calls, log lines, reports
//! and parameters, and the memory in which they pass.

use super::family::{Hostile, Stop, TIME, family};
use crate::partner::plugin::{self, ANSWER, HEAP, Import, PAGE, Plugin, TEXT};
use crate::partner::shell::{MODULE, Shell};

/// A period in which something was measured, ms since 1970; see `hostile::Ground`.
use super::PERIOD;

/// Bytes of a body that is longer than any trust level allows for a report.
const TOO_LONG: u32 = 48 << 20;

/// Pages that hold it.
const TOO_LONG_PAGES: u32 = 800;

pub fn plugins() -> Vec<Hostile> {
    let families = [
        lists(),
        calls(),
        logs(),
        reports(),
        credit(),
        params(),
        text(),
        realloc(),
    ];
    families.into_iter().flatten().collect()
}

/// Does something for ever.
fn for_ever(step: &str) -> String {
    format!("(loop $for-ever {step} (br $for-ever)) (unreachable)")
}

/// Returns an error: its case, and where its text lies with which length.
fn failure(case: u32, text: (u32, u32)) -> String {
    format!(
        "(i32.store8 (i32.const {ANSWER}) (i32.const 1))
         (i32.store8 (i32.const {}) (i32.const {case}))
         (i32.store (i32.const {}) (i32.const {})) (i32.store (i32.const {}) (i32.const {}))
         (i32.const {ANSWER})",
        ANSWER + 4,
        ANSWER + 8,
        text.0 as i32,
        ANSWER + 12,
        text.1 as i32,
    )
}

fn log(at: u32, length: u32) -> String {
    format!(
        "(call $log (i32.const 1) (i32.const {}) (i32.const {}))",
        at as i32, length as i32
    )
}

/// A read whose cursor lies there.
fn read_with_cursor(at: u32, length: u32) -> String {
    format!(
        "(call $global (i64.const {}) (i64.const {}) (i32.const 0) (i64.const 0) \
         (i32.const 1) (i32.const {}) (i32.const {}) (i32.const 1000) (i32.const {PAGE}))",
        PERIOD.0, PERIOD.1, at as i32, length as i32
    )
}

fn lists() -> Vec<Hostile> {
    let page = plugin::read(Import::Global, PERIOD, 1_000);
    let every = plugin::read(Import::Global, PERIOD, u32::MAX);
    let outside = "(i32.const 0x7ffffff0)";
    let big = format!("{TOO_LONG_PAGES}");
    let plugins = vec![
        (
            "a line of 4 GiB",
            Plugin::new(format!("{} (unreachable)", log(0, u32::MAX))),
        ),
        (
            "a line past the end",
            Plugin::new(format!("{} (unreachable)", log(65_530, 1_000_000))),
        ),
        (
            "lines of 48 MiB for ever",
            Plugin::new(for_ever(&log(HEAP, TOO_LONG))).memory(&big),
        ),
        (
            "a cursor of 4 GiB",
            Plugin::new(format!("{} (unreachable)", read_with_cursor(0, u32::MAX))),
        ),
        (
            "cursors of 48 MiB for ever",
            Plugin::new(for_ever(&read_with_cursor(HEAP, TOO_LONG))).memory(&big),
        ),
        (
            "an error's text of 48 MiB",
            Plugin::new(failure(1, (HEAP, TOO_LONG))).memory(&big),
        ),
        (
            "a refusal's text of 4 GiB",
            Plugin::new(failure(0, (8, u32::MAX))),
        ),
        (
            "a page put outside",
            Plugin::new(format!("{page} (unreachable)")).realloc(outside),
        ),
        (
            "pages into the same place for ever",
            Plugin::new(for_ever(&page)).realloc("(i32.const 65536)"),
        ),
        (
            "4,294,967,295 readings for ever",
            Plugin::new(for_ever(&every)),
        ),
    ];
    let hostile = |(what, plugin): (&str, Plugin)| {
        Hostile::new(what, &plugin.with(&[Import::Global, Import::Log])).trust(1)
    };
    let ends = &[
        Stop::Trap,
        Stop::Limit,
        Stop::Fuel,
        Stop::Deadline,
        Stop::Failed,
    ];
    family(
        "huge lists and texts",
        ends,
        "",
        plugins.into_iter().map(hostile).collect(),
    )
}

fn calls() -> Vec<Hostile> {
    let reads = |import| plugin::read(import, PERIOD, 0);
    let steps = [
        ("the clock", "(drop (call $now))".to_owned()),
        ("what is left", "(drop (call $left))".to_owned()),
        ("what was spent", "(drop (call $spent))".to_owned()),
        (
            "all three",
            "(drop (call $now)) (drop (call $left)) (drop (call $spent))".to_owned(),
        ),
        ("invalid reads of sums", reads(Import::Global)),
        ("invalid reads of production", reads(Import::Production)),
        ("invalid reads of households", reads(Import::Detailed)),
        (
            "reads of years to come",
            plugin::read(Import::Global, (4_102_444_800_000, 4_102_444_900_000), 10),
        ),
        (
            "reads of all datasets",
            Import::ALL[..3]
                .iter()
                .map(|dataset| reads(*dataset))
                .collect(),
        ),
        (
            "reads and the clock",
            format!("{} (drop (call $now))", reads(Import::Global)),
        ),
    ];
    let plugin = |(what, step): (&str, String)| {
        let imports = &Import::ALL[..6];
        Hostile::new(what, &Plugin::new(for_ever(&step)).with(imports)).trust(3)
    };
    family(
        "host-call floods",
        &[Stop::Limit],
        "",
        steps.map(plugin).into(),
    )
}

fn logs() -> Vec<Hostile> {
    let steps = [
        ("short lines", log(TEXT, 4)),
        ("empty lines", log(0, 0)),
        ("lines of 4 KiB", log(HEAP, 4_096)),
        ("lines of 60 KiB", log(HEAP, 60_000)),
        ("lines of 1 MiB", log(HEAP, 1 << 20)),
        ("lines of one zero byte", log(0, 1)),
        ("two lines at a time", log(TEXT, 4).repeat(2)),
        (
            "lines of every level",
            (0..4)
                .map(|level| {
                    format!("(call $log (i32.const {level}) (i32.const {TEXT}) (i32.const 4))")
                })
                .collect(),
        ),
        (
            "lines with the time",
            format!("{} (drop (call $now))", log(TEXT, 4)),
        ),
    ];
    let plugin = |(what, step): (&str, String)| {
        let plugin = Plugin::new(for_ever(&step)).memory("40").text("line");
        Hostile::new(what, &plugin.with(&[Import::Log, Import::Now]))
    };
    let mut plugins: Vec<_> = steps.map(plugin).into();
    let unknown =
        Plugin::new("(call $log (i32.const 77) (i32.const 0) (i32.const 0)) (unreachable)");
    let unknown = Hostile::new("a level that there is not", &unknown.with(&[Import::Log]));
    plugins.push(unknown.ends(&[Stop::Trap], ""));
    family("log floods", &[Stop::Limit], "", plugins)
}

fn reports() -> Vec<Hostile> {
    let media = (TEXT, 10);
    let sizes = [
        ("of 48 MiB", (HEAP, TOO_LONG)),
        ("of 40 MiB", (HEAP, 40 << 20)),
        ("of 32 MiB", (HEAP, 32 << 20)),
        ("of 20 MiB", (HEAP, 20 << 20)),
    ];
    let long = |(what, body): (&str, (u32, u32))| {
        let plugin = Plugin::new(plugin::answer(media, body)).text("text/plain");
        Hostile::new(
            format!("a body {what}"),
            &plugin.memory(format!("{TOO_LONG_PAGES}")),
        )
    };
    let mut plugins: Vec<_> = sizes.map(long).into();
    for (what, length) in [("48 MiB", TOO_LONG), ("1 MiB", 1 << 20), ("64 KiB", 65_000)] {
        // The letter "a" all over.
        let fill = format!("(memory.fill (i32.const {HEAP}) (i32.const 97) (i32.const {length}))");
        let body = format!("{fill} {}", plugin::answer((HEAP, length), (TEXT, 1)));
        let plugin = Plugin::new(body).memory(format!("{TOO_LONG_PAGES}"));
        let hostile = Hostile::new(format!("a media type of {what}"), &plugin);
        plugins.push(hostile.ends(&[Stop::Limit, Stop::NoReport], ""));
    }
    for (what, body) in [
        ("a body of 4 GiB", (8, u32::MAX)),
        ("a body past the end", (HEAP, 65_537)),
        ("a body that wraps around", (u32::MAX - 8, 16)),
    ] {
        let plugin = Plugin::new(plugin::answer(media, body)).text("text/plain");
        plugins.push(Hostile::new(what, &plugin).ends(&[Stop::Trap], ""));
    }
    family("huge reports", &[Stop::Limit], "report", plugins)
}

fn credit() -> Vec<Hostile> {
    let read = |dataset| plugin::read(dataset, PERIOD, 1_000);
    let failed = format!("(br_if $enough (i32.load8_u (i32.const {PAGE})))");
    let until = |then: &str| {
        let read = read(Import::Global);
        format!("(block $enough (loop $more {read} {failed} (br $more))) {then}")
    };
    let bodies = [
        ("sums for ever", for_ever(&read(Import::Global))),
        ("production for ever", for_ever(&read(Import::Production))),
        ("households for ever", for_ever(&read(Import::Detailed))),
        (
            "all in turn for ever",
            for_ever(
                &Import::ALL[..3]
                    .iter()
                    .map(|d| read(*d))
                    .collect::<String>(),
            ),
        ),
        (
            "one reading at a time for ever",
            for_ever(&plugin::read(Import::Global, PERIOD, 1)),
        ),
        (
            "asks what is left for ever",
            until(&for_ever("(drop (call $left))")),
        ),
        (
            "asks again for ever",
            until(&for_ever(&read(Import::Detailed))),
        ),
        ("loops when nothing is left", until(&for_ever(""))),
        ("traps when nothing is left", until("(unreachable)")),
        (
            "gives up when nothing is left",
            until(&failure(1, (TEXT, 4))),
        ),
    ];
    let plugin = |(what, body): (&str, String)| {
        let needs_all = body.contains("$production") || body.contains("$detailed");
        let (imports, trust) = match needs_all {
            true => (&Import::ALL[..5], 3),
            false => (&[Import::Global, Import::Left][..], 1),
        };
        let plugin = Plugin::new(body).with(imports).text("gone");
        // Nothing given out twice, so that pages do not fill the memory.
        let plugin = plugin.realloc(format!("(i32.const {HEAP})")).memory("16");
        Hostile::new(what, &plugin)
            .request(r#"{"maxSpend":120}"#)
            .trust(trust)
    };
    let mut plugins: Vec<_> = bodies.map(plugin).into();
    plugins[7] = plugins[7].clone().ends(TIME, "");
    plugins[8] = plugins[8].clone().ends(&[Stop::Trap], "");
    plugins[9] = plugins[9].clone().ends(&[Stop::Failed], "gone");
    // A refused read is cheap, so the bound on calls may come before the deadline.
    let ends = &[Stop::Limit, Stop::Deadline];
    family("out-of-credit loops", ends, "", plugins)
}

fn params() -> Vec<Hostile> {
    let quiet = plugin::say(Plugin::new(""));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        (
            "a text of 15 MiB",
            format!(r#"{{"params":{{"x":"{}"}}}}"#, "a".repeat(15 << 20)).into(),
        ),
        (
            "a body of 20 MiB",
            format!(r#"{{"params":"{}"}}"#, "a".repeat(20 << 20)).into(),
        ),
        (
            "lists in lists, 100,000 deep",
            format!(
                r#"{{"params":{}{}}}"#,
                "[".repeat(100_000),
                "]".repeat(100_000)
            )
            .into(),
        ),
        (
            "objects in objects, 10,000 deep",
            format!(
                r#"{{"params":{}1{}}}"#,
                r#"{"a":"#.repeat(10_000),
                "}".repeat(10_000)
            )
            .into(),
        ),
        (
            "1,000,000 numbers",
            format!(r#"{{"params":[{}1]}}"#, "1,".repeat(1_000_000)).into(),
        ),
        ("no UTF-8", b"{\"params\":{\"x\":\"\xff\xfe\"}}".to_vec()),
        ("half a document", br#"{"params":{"x":"#.to_vec()),
        (
            "a number without end",
            format!(r#"{{"params":{{"x":{}}}}}"#, "9".repeat(3_000_000)).into(),
        ),
        ("a spend below zero", br#"{"maxSpend":-1}"#.to_vec()),
        (
            "200,000 members",
            format!(
                r#"{{"params":{{{}"z":1}}}}"#,
                (0..200_000)
                    .map(|n| format!(r#""{n}":1,"#))
                    .collect::<String>()
            )
            .into(),
        ),
    ];
    let plugin = |(what, body): (&str, Vec<u8>)| Hostile::new(what, &quiet).request(body);
    family(
        "huge parameters",
        &[Stop::Request],
        "",
        bodies.into_iter().map(plugin).collect(),
    )
}

fn text() -> Vec<Hostile> {
    let with = |text: &[u8], body: String| {
        let escaped: String = text.iter().map(|byte| format!("\\{byte:02x}")).collect();
        Plugin::new(body).field(format!("(data (i32.const {TEXT}) \"{escaped}\")"))
    };
    let media = |text: &[u8]| {
        let length = text.len() as u32;
        with(text, plugin::answer((TEXT, length), (TEXT, length)))
    };
    let mut plugins = Vec::new();
    for (what, text) in [
        ("no UTF-8", b"text/\xff\xfe".as_slice()),
        ("a surrogate", b"text/\xed\xa0\x80"),
        ("half a letter", b"text/\xc3"),
    ] {
        let hostile = Hostile::new(format!("a media type with {what}"), &media(text));
        plugins.push(hostile.ends(&[Stop::Trap], ""));
    }
    let no_text = b"\xc0\x80\xff".as_slice();
    let failed = with(no_text, failure(1, (TEXT, 3)));
    plugins.push(Hostile::new("an error without UTF-8", &failed).ends(&[Stop::Trap], ""));
    let line = with(no_text, format!("{} (unreachable)", log(TEXT, 3))).with(&[Import::Log]);
    plugins.push(Hostile::new("a line without UTF-8", &line).ends(&[Stop::Trap], ""));
    for (what, text) in [
        (
            "a header behind it",
            b"text/html\r\nset-cookie: a=b".as_slice(),
        ),
        ("nothing in it", b""),
        ("no subtype", b"text"),
        ("a zero byte", b"text/\0plain"),
        ("letters that are not ASCII", "text/plaïn".as_bytes()),
    ] {
        plugins.push(Hostile::new(
            format!("a media type with {what}"),
            &media(text),
        ));
    }
    let ends = &[Stop::NoReport];
    family("broken texts and media types", ends, "", plugins)
}

fn realloc() -> Vec<Hostile> {
    let page = plugin::read(Import::Global, PERIOD, 1_000);
    let mut plugins = Vec::new();
    for (what, body) in [
        ("gives an odd place", "(i32.const 65537)".to_owned()),
        (
            "gives a place past the end",
            "(i32.mul (memory.size) (i32.const 65536))".to_owned(),
        ),
        ("gives the highest place", "(i32.const -8)".to_owned()),
        ("traps", "(unreachable)".to_owned()),
        (
            "writes over what it was given",
            format!(
                "(memory.fill (i32.const 0) (i32.const 255) (i32.const 131072)) {}",
                plugin::bump()
            ),
        ),
    ] {
        plugins.push((
            what,
            Plugin::new(format!("{page} (unreachable)")).realloc(locals_first(&body)),
        ));
    }
    plugins.push((
        "never comes back",
        Plugin::new(format!("{page} (unreachable)")).realloc(for_ever("")),
    ));
    for (what, result) in [
        ("an odd place", 1_025),
        ("a place past the end", 0x7fff_fff0_u32),
        ("the highest place", u32::MAX),
    ] {
        plugins.push((what, Plugin::new(format!("(i32.const {})", result as i32))));
    }
    let hostile = |(what, plugin): (&str, Plugin)| {
        let hostile = Hostile::new(what, &plugin.with(&[Import::Global])).trust(1);
        match what {
            "never comes back" => hostile.ends(TIME, ""),
            _ => hostile,
        }
    };
    let mut plugins: Vec<_> = plugins.into_iter().map(hostile).collect();
    let shell = Shell {
        before: MODULE.replace("(i32.const 4096)", "(i32.const 65535)"),
        options: "string-encoding=utf16".into(),
        ..Shell::default()
    };
    plugins.push(Hostile::of_bytes("UTF-16 in odd places", shell.build()));
    family(
        "tricks of realloc and alignment",
        &[Stop::Trap],
        "",
        plugins,
    )
}

/// The text format wants locals before anything else.
fn locals_first(body: &str) -> String {
    match body.split_once("(local $at i32)") {
        Some((before, after)) => format!("(local $at i32) {before} {after}"),
        None => body.to_owned(),
    }
}
