//! Files written by the same library with the schemas that Fink publishes: `schemas/template_schema_ZTF_rawdatabase.parquet` and
//! `rubin_parquet_schema/` of github.com/astrolabsoftware/fink-broker. Real ones are read in `real_alerts`.

use super::super::alert::{Alert, Stamp};
use super::super::archive::Archive;
use super::super::decode::Reading;
use super::super::feed::Source;
use super::super::fits;
use super::super::quality::{Policies, Policy, Reason};
use super::super::writer::tests::alert;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const ZTF: &str = "message spark_schema {
    OPTIONAL BYTE_ARRAY objectId (UTF8);
    OPTIONAL INT64 candid;
    OPTIONAL GROUP candidate {
        REQUIRED DOUBLE jd;
        REQUIRED INT32 fid;
        REQUIRED BYTE_ARRAY isdiffpos (UTF8);
        OPTIONAL FLOAT magpsf;
        OPTIONAL BYTE_ARRAY ssnamenr (UTF8);
    }
    OPTIONAL GROUP prv_candidates (LIST) { REPEATED GROUP list { OPTIONAL GROUP element { OPTIONAL DOUBLE jd; } } }
    OPTIONAL GROUP cutoutScience { REQUIRED BYTE_ARRAY fileName (UTF8); REQUIRED BYTE_ARRAY stampData; }
    OPTIONAL GROUP cutoutTemplate { REQUIRED BYTE_ARRAY fileName (UTF8); REQUIRED BYTE_ARRAY stampData; }
    OPTIONAL GROUP cutoutDifference { REQUIRED BYTE_ARRAY fileName (UTF8); REQUIRED BYTE_ARRAY stampData; }
    OPTIONAL INT96 timestamp;
}";

const RUBIN: &str = "message spark_schema {
    OPTIONAL INT64 diaSourceId;
    OPTIONAL GROUP diaSource {
        OPTIONAL INT64 diaSourceId; OPTIONAL INT64 diaObjectId; OPTIONAL INT64 ssObjectId;
        OPTIONAL DOUBLE midpointMjdTai; OPTIONAL DOUBLE ra; OPTIONAL FLOAT psfFlux; OPTIONAL FLOAT psfFluxErr;
        OPTIONAL BYTE_ARRAY band (UTF8);
    }
    OPTIONAL BYTE_ARRAY cutoutDifference;
    OPTIONAL BYTE_ARRAY cutoutScience;
    OPTIONAL BYTE_ARRAY cutoutTemplate;
}";

/// A cell to write.
enum Cell {
    Null,
    Number(f64),
    Bytes(Vec<u8>),
}

/// A file with row groups of these many rows; the cells of the columns come from `cell(path, row)`.
fn write(schema: &str, codec: Compression, groups: &[usize], cell: impl Fn(&str, usize) -> Cell) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(codec).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let columns = writer.schema_descr().columns().to_vec();
    let mut first = 0;
    for rows in groups {
        let mut group = writer.next_row_group().unwrap();
        for column in &columns {
            let (path, most) = (column.path().string(), column.max_def_level());
            let cells: Vec<Cell> = (first..first + rows).map(|row| cell(&path, row)).collect();
            let levels: Vec<i16> = cells.iter().map(|cell| if matches!(cell, Cell::Null) { 0 } else { most }).collect();
            let levels = Some(&levels[..]).filter(|_| most > 0);
            let repeats = vec![0; *rows];
            let repeats = Some(&repeats[..]).filter(|_| column.max_rep_level() > 0);
            let numbers =
                || cells.iter().filter_map(|cell| if let Cell::Number(value) = cell { Some(*value) } else { None });
            let bytes = || {
                cells.iter().filter_map(|cell| if let Cell::Bytes(bytes) = cell { Some(bytes.clone()) } else { None })
            };
            let mut open = group.next_column().unwrap().unwrap();
            match open.untyped() {
                ColumnWriter::Int32ColumnWriter(writer) => {
                    writer.write_batch(&numbers().map(|v| v as i32).collect::<Vec<_>>(), levels, repeats)
                }
                ColumnWriter::Int64ColumnWriter(writer) => {
                    writer.write_batch(&numbers().map(|v| v as i64).collect::<Vec<_>>(), levels, repeats)
                }
                ColumnWriter::FloatColumnWriter(writer) => {
                    writer.write_batch(&numbers().map(|v| v as f32).collect::<Vec<_>>(), levels, repeats)
                }
                ColumnWriter::DoubleColumnWriter(writer) => {
                    writer.write_batch(&numbers().collect::<Vec<_>>(), levels, repeats)
                }
                ColumnWriter::Int96ColumnWriter(writer) => writer.write_batch(&[], levels, repeats),
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    writer.write_batch(&bytes().map(ByteArray::from).collect::<Vec<_>>(), levels, repeats)
                }
                _ => panic!("no such column"),
            }
            .unwrap();
            open.close().unwrap();
        }
        group.close().unwrap();
        first += rows;
    }
    writer.into_inner().unwrap()
}

fn ztf_cell(path: &str, row: usize) -> Cell {
    let alert = alert(row as i64);
    match path {
        "objectId" => Cell::Bytes(alert.object_id.into_bytes()),
        "candid" => Cell::Number(row as f64),
        "candidate.isdiffpos" => Cell::Bytes(if row % 2 == 1 { b"t".into() } else { b"f".into() }),
        "candidate.magpsf" if row == 1 => Cell::Null,
        "candidate.jd" | "candidate.fid" | "candidate.magpsf" => Cell::Number(alert.value(&path[10..])),
        "cutoutScience.stampData" => Cell::Bytes(fits::write(&alert.stamps[0])),
        "cutoutTemplate.stampData" => Cell::Bytes(fits::write(&alert.stamps[1])),
        "cutoutDifference.stampData" => Cell::Bytes(fits::write(&alert.stamps[2])),
        path if path.ends_with("fileName") => Cell::Bytes(b"x.fits.gz".into()),
        _ => Cell::Null,
    }
}

fn read(bytes: &[u8]) -> Vec<Reading> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.parquet");
    std::fs::write(&path, bytes).unwrap();
    Archive::open(vec![Source { label: "p.parquet".into(), path }], Policies::default()).collect()
}

#[test]
fn rows_of_every_codec_and_row_group_are_alerts() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        let readings = read(&write(ZTF, codec, &[20, 0, 3], ztf_cell));
        assert_eq!(readings.len(), 23, "{codec}");
        for (row, reading) in readings.iter().enumerate() {
            assert!(reading.occurrences.is_empty(), "{codec}: {:?}", reading.occurrences);
            let (found, written) = (reading.alert.as_ref().unwrap(), alert(row as i64));
            assert_eq!((found.candid, &found.object_id), (row as i64, &written.object_id));
            for name in ["jd", "fid", "isdiffpos", "magpsf"] {
                let missing = (row, name) == (1, "magpsf");
                assert!(
                    if missing { found.value(name).is_nan() } else { found.value(name) == written.value(name) },
                    "{row} {name}"
                );
            }
            assert!(found.value("drb").is_nan() && found.stamps == written.stamps);
            assert_eq!((reading.place.record, &*reading.place.file), (Some(row as u64), "p.parquet"));
        }
    }
}

#[test]
fn rubins_rows_are_alerts_with_stamps_of_63_pixels() {
    let stamp = |side: usize| Stamp { rows: side, columns: side, pixels: (0..side * side).map(|i| i as f32).collect() };
    let cell = |path: &str, row: usize| match path {
        "diaSourceId" => Cell::Number(70.0 + row as f64),
        "diaSource.diaObjectId" => Cell::Number(if row == 0 { 5.0 } else { 0.0 }),
        "diaSource.ssObjectId" if row == 1 => Cell::Number(6.0),
        "diaSource.midpointMjdTai" => Cell::Number(60_902.5),
        "diaSource.band" => Cell::Bytes(b"r".into()),
        "diaSource.psfFlux" => Cell::Number(-100.0),
        path if path.starts_with("cutout") => Cell::Bytes(fits::write(&stamp(30))),
        _ => Cell::Null,
    };
    let readings = read(&write(RUBIN, Compression::SNAPPY, &[3], cell));
    let alerts: Vec<&Alert> = readings.iter().filter_map(|reading| reading.alert.as_ref()).collect();
    let names: Vec<(i64, &str)> = alerts.iter().map(|alert| (alert.candid, alert.object_id.as_str())).collect();
    assert_eq!(names, [(70, "5"), (71, "6")]);
    assert_eq!((alerts[0].value("fid"), alerts[0].value("isdiffpos"), alerts[0].value("magpsf")), (2.0, 0.0, 26.4));
    assert_eq!((alerts[0].stamps[1].rows, alerts[0].stamps[1].pixels[31 * 63 + 31]), (63, (15 * 30 + 15) as f32));
    assert!(readings[0].occurrences.iter().all(|found| found.reason == Reason::Resized));
    assert_eq!(readings[0].occurrences.len(), 3);
    assert_eq!(readings[2].occurrences[0].reason, Reason::MissingObject);
}

#[test]
fn files_without_the_columns_or_rows_of_alerts_are_named() {
    let faults = |bytes: &[u8]| {
        let readings = read(bytes);
        assert!(readings.iter().all(|reading| reading.alert.is_none()));
        readings
            .into_iter()
            .flat_map(|reading| reading.occurrences)
            .map(|found| (found.reason, found.detail))
            .collect::<Vec<_>>()
    };
    let no_stamps = "message m { OPTIONAL INT64 candid; OPTIONAL BYTE_ARRAY cutoutScience; }";
    let found = faults(&write(no_stamps, Compression::SNAPPY, &[1], |_, _| Cell::Null));
    assert!(
        found[0].0 == Reason::BadParquet && found[0].1.contains("no column cutoutTemplate among candid"),
        "{found:?}"
    );
    assert_eq!(faults(&write(ZTF, Compression::SNAPPY, &[], ztf_cell)), [(Reason::NoRecords, String::new())]);
    let no_bytes =
        |path: &str, row| if path.ends_with("stampData") { Cell::Bytes(Vec::new()) } else { ztf_cell(path, row) };
    assert_eq!(faults(&write(ZTF, Compression::SNAPPY, &[1], no_bytes))[0].0, Reason::MissingCutout);
}

/// Truncated at and flipped in many places; the stamps are tiny so that most bytes are the format's.
#[test]
fn damage_is_named_and_never_a_panic() {
    let tiny = |path: &str, row| match path {
        path if path.ends_with("stampData") => Cell::Bytes(b"SIMPLE".into()),
        path => ztf_cell(path, row),
    };
    let whole = write(ZTF, Compression::SNAPPY, &[2, 1], tiny);
    assert_eq!(read(&whole).len(), 3);
    for cut in (5..whole.len()).step_by(whole.len() / 60) {
        let readings = read(&whole[..cut]);
        assert!(readings.len() == 1 && readings[0].verdict() == Policy::Skip, "cut at {cut}");
    }
    for at in (4..whole.len()).step_by(whole.len() / 400) {
        let mut flipped = whole.clone();
        flipped[at] ^= [0x01, 0x80, 0xff, 0x10][at % 4];
        for reading in read(&flipped) {
            assert!(reading.alert.is_none(), "flipped at {at}");
        }
    }
}
