//! Tests of the splitter: what it cuts out, what it refuses, and that neither depends on how the
//! bytes arrive.

use super::*;
use RowFormat::{Csv, Json, Ndjson};

/// All batches of an upload that arrives in these chunks, and how it ended.
fn split_chunks(format: RowFormat, chunks: &[&[u8]]) -> (Vec<RowBatch>, Option<Error>) {
    let mut splitter = Splitter::new(format);
    let mut batches = Vec::new();
    for chunk in chunks {
        let mut input = *chunk;
        loop {
            match splitter.next_batch(&mut input) {
                Ok(Some(batch)) => batches.push(batch),
                Ok(None) => break,
                Err(error) => return (batches, Some(error)),
            }
        }
        assert!(input.is_empty());
    }
    match splitter.finish() {
        Ok(rest) => batches.extend(rest),
        Err(error) => return (batches, Some(error)),
    }
    (batches, None)
}

/// The upload's rows, after checking that every way to cut it in two or to scatter it gives the same.
fn split(format: RowFormat, upload: &[u8]) -> Result<Vec<String>, Error> {
    let whole = split_chunks(format, &[upload]);
    for at in 0..=upload.len() {
        let (left, right) = upload.split_at(at);
        assert_eq!(split_chunks(format, &[left, right]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = upload.chunks(1).collect();
    assert_eq!(split_chunks(format, &single), whole, "byte by byte");
    let (batches, error) = whole;
    let rows = batches.into_iter().flat_map(|batch| batch.rows);
    error.map_or_else(
        || Ok(rows.map(|row| String::from_utf8(row).unwrap()).collect()),
        Err,
    )
}

fn malformed(row: impl Into<Option<u64>>) -> impl Fn(Error) -> &'static str {
    let expected = row.into();
    move |error| match error {
        Error::Malformed { row, rule } => {
            assert_eq!(row, expected, "{rule}");
            rule
        }
        Error::RowTooLong { .. } => panic!("{error}"),
    }
}

/// A small generator with a fixed seed: the tests are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Cuts into chunks of 0 to 40 bytes.
    fn scatter<'a>(&mut self, mut upload: &'a [u8]) -> Vec<&'a [u8]> {
        let mut chunks = Vec::new();
        while !upload.is_empty() {
            let (chunk, rest) = upload.split_at(self.below(41).min(upload.len()));
            chunks.push(chunk);
            upload = rest;
        }
        chunks
    }
}

#[test]
fn csv_rows_are_lines_outside_of_quotes() {
    assert_eq!(split(Csv, b"a,b\n1,2\n3,4\n").unwrap(), ["1,2", "3,4"]);
    assert_eq!(split(Csv, b"a,b\r\n1,2\r\n3,4").unwrap(), ["1,2", "3,4"]);
    assert_eq!(
        split(Csv, b"a\n\"x\ny\"\n\"p\"\"q\"\r\n").unwrap(),
        ["\"x\ny\"", "\"p\"\"q\""]
    );
    assert_eq!(
        split(Csv, b"a,b\n\"1\",\"2\"\n\"\",\n").unwrap(),
        ["\"1\",\"2\"", "\"\","]
    );
    assert_eq!(split(Csv, b"a\n\n1\n\r\n2\n\n").unwrap(), ["1", "2"]);
    assert_eq!(split(Csv, b"a,b\n").unwrap(), [""; 0]);
}

#[test]
fn csv_batches_carry_the_header() {
    let (batches, _) = split_chunks(Csv, &[b"\xef\xbb\xbfa,\"b\"\r\n1,2\n"]);
    assert_eq!(batches[0].header.as_deref(), Some(&b"a,\"b\""[..]));
    assert_eq!((batches[0].first_row, batches[0].format), (1, Csv));
}

#[test]
fn broken_csv_is_refused_with_the_row() {
    for (upload, row) in [
        (&b"a\n1\nx\"y\n"[..], Some(2)),
        (b"a\n\"x\"y\n", Some(1)),
        (b"a\n\"x\"\ry\n", Some(1)),
        (b"a\n1\n2\n\"open\n3\n", Some(3)),
        (b"a\"b\n1\n", None),
        (b"\"a", None),
        (b"", None),
        (b"\n\r\n", None),
    ] {
        malformed(row)(split(Csv, upload).unwrap_err());
    }
}

#[test]
fn ndjson_rows_are_lines_and_blank_ones_are_none() {
    assert_eq!(
        split(Ndjson, b"{\"a\":1}\n\n  \r\n{\"a\":2}\r\n").unwrap(),
        ["{\"a\":1}", "{\"a\":2}"]
    );
    assert_eq!(split(Ndjson, b"\xef\xbb\xbf1\n2").unwrap(), ["1", "2"]);
    assert_eq!(split(Ndjson, b"").unwrap(), [""; 0]);
}

#[test]
fn json_rows_are_elements() {
    let nested = br#" [ {"a":"]},\"{"} , [1,[2]],"x,\\" ,-1.5e3,true ,null] "#;
    let rows = [
        r#"{"a":"]},\"{"}"#,
        "[1,[2]]",
        r#""x,\\""#,
        "-1.5e3",
        "true",
        "null",
    ];
    assert_eq!(split(Json, nested).unwrap(), rows);
    assert_eq!(split(Json, b"[]").unwrap(), [""; 0]);
    assert_eq!(split(Json, b"\n[\n{}\n]\n").unwrap(), ["{}"]);
    assert_eq!(
        split(Json, b"\xef\xbb\xbf {\"a\": [1, 2]} \n").unwrap(),
        ["{\"a\": [1, 2]}"]
    );
}

#[test]
fn broken_json_is_refused_with_the_row() {
    for (upload, row) in [
        (&b""[..], 1),
        (b"  ", 1),
        (b"1", 1),
        (b"\"a\"", 1),
        (b"[", 1),
        (b"[1", 1),
        (b"[1,", 2),
        (b"[1,]", 2),
        (b"[,1]", 1),
        (b"[1,,2]", 2),
        (b"[1 2]", 2),
        (b"[{}{}]", 2),
        (b"[{]}", 1),
        (b"[1,{\"a\":[}]", 2),
        (b"[}", 1),
        (b"[1]x", 2),
        (b"[1][2]", 2),
        (b"{}{}", 2),
        (b"{\"a\":\"", 1),
        (b"[{},{},\"open]", 3),
    ] {
        malformed(row)(split(Json, upload).unwrap_err());
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| [b"[".repeat(depth + 1), b"]".repeat(depth + 1)].concat();
    assert_eq!(split(Json, &nested(127)).unwrap().len(), 1);
    assert_eq!(
        malformed(1)(split(Json, &nested(128)).unwrap_err()),
        "a row is nested deeper than 127 brackets"
    );
}

#[test]
fn batches_are_full_and_numbered_over_the_whole_upload() {
    let upload = "1\n".repeat(2 * BATCH_ROWS_MAX + 7);
    let (batches, error) = split_chunks(Ndjson, &[upload.as_bytes()]);
    let shape: Vec<(u64, usize)> = batches
        .iter()
        .map(|batch| (batch.first_row, batch.rows.len()))
        .collect();
    assert_eq!(
        (shape, error),
        (vec![(1, 1000), (1001, 1000), (2001, 7)], None)
    );
}

#[test]
fn batches_are_bounded_by_their_bytes() {
    let row = "x".repeat(ROW_BYTES_MAX);
    let upload = format!("{row}\n{row}\n{row}\n{row}\n{row}\n1\n{row}\n{row}\n{row}\n{row}");
    let (batches, error) = split_chunks(Ndjson, &[upload.as_bytes()]);
    let shape: Vec<usize> = batches.iter().map(|batch| batch.rows.len()).collect();
    assert_eq!((shape, error), (vec![4, 4, 2], None));
    let bytes = |batch: &RowBatch| batch.rows.iter().map(Vec::len).sum::<usize>();
    assert!(batches.iter().all(|batch| bytes(batch) <= BATCH_BYTES_MAX));
}

#[test]
fn rows_are_bounded() {
    let upload = format!("1\n{}", "x".repeat(ROW_BYTES_MAX + 1));
    for format in [Csv, Ndjson] {
        let (batches, error) = split_chunks(format, &[upload.as_bytes()]);
        let row = if format == Csv { Some(1) } else { Some(2) };
        assert_eq!((batches.len(), error), (0, Some(Error::RowTooLong { row })));
    }
    let (_, error) = split_chunks(Json, &[b"[\"", "x".repeat(ROW_BYTES_MAX).as_bytes()]);
    assert_eq!(error, Some(Error::RowTooLong { row: Some(1) }));
}

#[test]
fn batches_before_an_error_come_out_first() {
    let upload = format!("[{}x", "{},".repeat(BATCH_ROWS_MAX));
    let (batches, error) = split_chunks(Json, &[upload.as_bytes()]);
    assert_eq!(batches.len(), 1);
    assert_eq!(
        malformed(1001)(error.unwrap()),
        "the document ends too early"
    );
}

#[test]
fn chunks_do_not_matter_to_large_uploads() {
    let mut random = Random(0x1e7d_e4b5_97c3_2a61);
    for format in [Csv, Ndjson, Json] {
        let upload = random_upload(&mut random, format);
        let whole = split_chunks(format, &[upload.as_slice()]);
        assert_eq!(whole.1, None);
        assert_eq!(
            whole.0.iter().map(|batch| batch.rows.len()).sum::<usize>(),
            2_500
        );
        for _ in 0..5 {
            assert_eq!(split_chunks(format, &random.scatter(&upload)), whole);
        }
    }
}

#[test]
fn noise_never_panics_and_chunks_do_not_matter_to_it() {
    let mut random = Random(0x51f0_aa02_dead_10cc);
    for _ in 0..3_000 {
        let length = random.below(40);
        let noise: Vec<u8> = (0..length)
            .map(|_| b"[]{},\"\\ \n\r1a:\xef\xbb\xbf"[random.below(16)])
            .collect();
        for format in [Csv, Ndjson, Json] {
            let whole = split_chunks(format, &[noise.as_slice()]);
            assert_eq!(
                split_chunks(format, &noise.chunks(1).collect::<Vec<_>>()),
                whole,
                "{noise:?}"
            );
        }
    }
}

/// 2,500 rows whose fields hold everything that could be mistaken for an end.
fn random_upload(random: &mut Random, format: RowFormat) -> Vec<u8> {
    let mut upload = match format {
        Csv => b"a,b\r\n".to_vec(),
        Ndjson => Vec::new(),
        Json => b"[".to_vec(),
    };
    for row in 0..2_500 {
        let noise: String = (0..random.below(30))
            .map(|_| [',', 'x', '[', '}', 'é'][random.below(5)])
            .collect();
        let text = match format {
            Csv => format!("{row},\"{noise}\"\"\n\"\r\n"),
            Ndjson => format!("{{\"a\":\"{noise}\\\"\"}}\n\n"),
            Json => format!(
                "{}{{\"a\":[\"{noise}\\\"\\\\\"]}} ",
                if row == 0 { "" } else { ",\n" }
            ),
        };
        upload.extend_from_slice(text.as_bytes());
    }
    if format == Json {
        upload.push(b']');
    }
    upload
}
