//! Tests on real packets, kept outside the project (folder `ESTAMPA_ZTF_ALERTS`); only digests and small numbers are kept here.

use super::alert::{Alert, CUTOUTS, Stamp};
use super::archive::Archive;
use super::decode::Reading;
use super::described;
use super::feed::Source;
use super::labels::{Identity, LabelOptions, Labels, TableOptions};
use super::quality::{Occurrence, Policies, Policy, Reason};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folder of real packets, unless this machine has none.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/ztf-alerts").into();
    let path = std::env::var_os("ESTAMPA_ZTF_ALERTS").map_or_else(beside, PathBuf::from).join(name);
    if !path.exists() {
        #[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
        {
            eprintln!("SKIPPED: no {}; set ESTAMPA_ZTF_ALERTS to the folder of real packets", path.display());
        }
        return None;
    }
    Some(path)
}

fn read(path: PathBuf) -> Vec<Reading> {
    read_with(path, Policies::default())
}

fn read_with(path: PathBuf, policies: Policies) -> Vec<Reading> {
    Archive::open(sources(path), policies).collect()
}

/// The file, or those of the folder.
fn sources(path: PathBuf) -> Vec<Source> {
    let source = |path: PathBuf| Source { label: path.file_name().unwrap().to_str().unwrap().to_owned(), path };
    let mut sources = vec![source(path.clone())];
    if path.is_dir() {
        sources = std::fs::read_dir(path).unwrap().map(|entry| source(entry.unwrap().path())).collect();
    }
    sources.sort_by(|a: &Source, b| a.label.cmp(&b.label));
    sources
}

/// CRC-32 of fields and pixels in the order of the file, and sums.
#[derive(Debug, Default, PartialEq)]
struct Digest {
    fields: u32,
    pixels: [u32; 3],
    nan: [usize; 3],
    shapes: BTreeMap<(usize, usize), usize>,
}

fn crc32(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}

impl Digest {
    fn add(&mut self, alert: &Alert) {
        let values = alert.values.iter().map(|value| if value.is_nan() { f64::NAN } else { *value });
        let mut bytes = alert.object_id.as_bytes().to_vec();
        bytes.extend(alert.candid.to_le_bytes());
        bytes.extend(values.flat_map(f64::to_le_bytes));
        self.fields = crc32(self.fields, &bytes);
        for (i, stamp) in alert.stamps.iter().enumerate() {
            let bytes: Vec<u8> = stamp.pixels.iter().flat_map(|pixel| pixel.to_le_bytes()).collect();
            self.pixels[i] = crc32(self.pixels[i], &bytes);
            self.nan[i] += stamp.pixels.iter().filter(|pixel| pixel.is_nan()).count();
        }
        *self.shapes.entry((alert.stamps[2].rows, alert.stamps[2].columns)).or_default() += 1;
    }
}

/// Numbers of an independent reader, fastavro 1 and astropy 7:
///
/// ```text
/// import io, re, struct, sys, warnings, zlib, gzip
/// import fastavro
/// from astropy.io import fits
/// warnings.simplefilter("ignore")
/// FIELDS = re.findall(r'^    "(\w+)",$', open("src/ztf/alert.rs").read(), re.M)
/// crc, nan, fields, shapes = [0] * 3, [0] * 3, 0, {}
/// for alert in fastavro.reader(open(sys.argv[1], "rb")):
///     values = []
///     for name in FIELDS:
///         value = alert["candidate"][name]
///         value = {"t": 1, "1": 1, "f": 0, "0": 0}[value] if name == "isdiffpos" and value else value
///         values.append(float("nan") if value is None else float(value))
///     packed = struct.pack("<q%dd" % len(FIELDS), alert["candid"], *values)
///     fields = zlib.crc32(alert["objectId"].encode() + packed, fields)
///     for i, name in enumerate(("cutoutScience", "cutoutTemplate", "cutoutDifference")):
///         raw = gzip.decompress(alert[name]["stampData"])
///         data = fits.open(io.BytesIO(raw), ignore_missing_simple=True)[0].data
///         crc[i] = zlib.crc32(data.astype("<f4").tobytes(), crc[i])
///         nan[i] += int((data != data).sum())
///     shapes[data.shape] = shapes.get(data.shape, 0) + 1
/// print([hex(x) for x in crc], nan, hex(fields), sorted(shapes.items()))
/// ```
#[test]
fn all_alerts_equal_an_independent_readers() {
    let Some(path) = data("alerts.avro") else { return };
    let readings = read(path);
    assert_eq!(readings.len(), 1249);
    let mut digest = Digest::default();
    for reading in &readings {
        let alert = reading.alert.as_ref();
        digest.add(alert.unwrap_or_else(|| panic!("not loaded: {:?}", reading.occurrences)));
    }
    let cut = [(43, 63, 2), (44, 63, 1), (48, 63, 1), (53, 63, 1), (55, 63, 1), (63, 42, 1), (63, 44, 1), (63, 48, 1)];
    let rest = [(63, 54, 1), (63, 55, 1), (63, 59, 1), (63, 62, 1), (63, 63, 1236)];
    let expected = Digest {
        fields: 0x8d6d_66c6,
        pixels: [0xd528_64d2, 0xafc6_8f02, 0x1b7a_bc34],
        nan: [64242, 57021, 64242],
        shapes: cut.into_iter().chain(rest).map(|(rows, columns, count)| ((rows, columns), count)).collect(),
    };
    assert_eq!(digest, expected);
}

#[test]
fn every_raw_packet_loads() {
    let Some(path) = data("packets_raw") else { return };
    let readings = read(path);
    assert_eq!(readings.len(), 39);
    for reading in &readings {
        let duplicate = reading.occurrences.iter().any(|found| found.reason == Reason::Duplicate);
        assert!(reading.alert.is_some() || duplicate, "{:?}", reading.occurrences);
    }
    let duplicates = readings.iter().filter(|reading| reading.alert.is_none()).count();
    assert_eq!(duplicates, 3);
}

#[test]
fn every_edge_packet_has_its_reasons() {
    use Reason::{BadGzip, BadSync, HugePixels, NanPixels, NotAvro, NotFits, NotSquare};
    let Some(path) = data("packets_edge") else { return };
    let found: Vec<(String, bool, Vec<Reason>)> = read(path)
        .into_iter()
        .map(|reading| {
            let mut reasons: Vec<Reason> = reading.occurrences.iter().map(|found| found.reason).collect();
            reasons.dedup();
            (reading.place.file.to_string(), reading.alert.is_some(), reasons)
        })
        .collect();
    let expected: &[(&str, bool, &[Reason])] = &[
        ("badgzip_516401801315010009.avro", false, &[BadSync, NanPixels, BadGzip]),
        ("badgzip_516442330015015017.avro", false, &[BadSync, BadGzip]),
        ("broken_0_IndexError.avro", false, &[BadSync]),
        ("broken_1_IndexError.avro", false, &[BadSync]),
        ("broken_2_IndexError.avro", false, &[BadSync]),
        ("broken_3_IndexError.avro", false, &[BadSync]),
        ("jpg_cutouts_v1.3.avro", false, &[NotFits]),
        ("manynan_721164661015010000.avro", true, &[NanPixels]),
        ("manynan_728142522215010000.avro", true, &[NanPixels, HugePixels, NanPixels]),
        ("negative_396522680015020000.avro", true, &[]),
        ("negative_396522680015040000.avro", true, &[]),
        ("nonsquare_611292835115010000.avro", true, &[NotSquare]),
        (
            "nonsquare_615326205215010000.avro",
            true,
            &[NotSquare, NanPixels, NotSquare, NanPixels, NotSquare, NanPixels],
        ),
        ("not_avro_alerts_11574.avro", false, &[NotAvro]),
    ];
    for ((file, kept, reasons), wanted) in found.iter().zip(expected) {
        assert_eq!((file.as_str(), *kept, reasons.as_slice()), *wanted);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn a_real_stamp_looks_like_one() {
    let Some(path) = data("packets_edge/negative_396522680015020000.avro") else { return };
    let alert = read(path)[0].alert.clone().unwrap();
    assert_eq!(alert.value("isdiffpos"), 0.0);
    let centre = |i: usize| alert.stamps[i].pixels[31 * 63 + 31];
    assert!(centre(2) > 0.0, "the source is positive in the packet's own sign, {} {}", CUTOUTS[2], centre(2));
}

/// `labels.csv` gives each alert's own place, so both ways find its row, up to rows that share a place and to distances
/// below the digits of the table.
#[test]
fn labels_by_position_are_those_by_candid() {
    let (Some(alerts), Some(table)) = (data("alerts.avro"), data("labels.csv")) else { return };
    let labels = |identity| {
        let own = TableOptions { name: "labels.csv".into(), identity: Some(identity), ..TableOptions::default() };
        let options = LabelOptions { radius: 0.1, ..LabelOptions::default() };
        Labels::read([(table.as_path(), own)], &options).unwrap()
    };
    let [mut by_candid, mut by_place] = [Identity::Candid, Identity::Position].map(labels);
    let (mut labelled, mut other, mut farthest) = (0, 0, 0.0_f64);
    for reading in read(alerts) {
        let alert = reading.alert.unwrap();
        let (one, two) = (by_candid.of(&alert).0, by_place.of(&alert).0);
        let distance = two.evidence.trim_start_matches("labels.csv:position ").trim_end_matches('"');
        if !one.label.is_empty() {
            labelled += 1;
            farthest = farthest.max(distance.parse().unwrap());
        }
        other += usize::from(one.label != two.label);
    }
    assert_eq!((labelled, other), (757, 0));
    assert!(farthest <= 0.01, "{farthest} arcsec");
    assert_eq!(by_candid.unmatched().count(), 0);
    assert!(by_place.unmatched().map(|(_, rows)| rows).sum::<u64>() <= 1, "1249 rows at 1248 places");
}

#[test]
fn dates_in_candids_are_those_of_the_packets() {
    let Some(path) = data("alerts.avro") else { return };
    for alert in read(path).into_iter().filter_map(|reading| reading.alert) {
        let date = super::dates::of_candid(alert.candid).unwrap();
        assert!((date - alert.value("jd")).abs() * 86_400.0 < 0.44, "{}", alert.candid);
    }
}

/// How many packets have wrong dates of their past, and how many detections, upper limits and forced measurements. All of them
/// say 2460236.0626, and come from a broker's tests. Numbers of fastavro 1:
///
/// ```text
/// import glob, sys
/// import fastavro
/// packets, off = 0, {"detection": [], "limit": [], "forced": []}
/// for path in sorted(glob.glob(sys.argv[1])):
///     for alert in fastavro.reader(open(path, "rb")):
///         before = sum(abs(x) >= 10 for xs in off.values() for x in xs)
///         for array in ("prv_candidates", "fp_hists"):
///             for fields in alert.get(array) or []:
///                 kind = "forced" if array == "fp_hists" else "limit" if fields.get("candid") is None else "detection"
///                 units = (fields.get("candid") or fields["pid"] * 10**6) // 10**10
///                 off[kind].append((fields["jd"] - 2457754.5 - (units + 0.5) / 1e5) * 86400)
///         packets += sum(abs(x) >= 10 for xs in off.values() for x in xs) > before
/// print(packets, [sum(abs(x) >= 10 for x in xs) for xs in off.values()])
/// good, wrong = ([abs(x) for xs in off.values() for x in xs if (abs(x) >= 10) == is_wrong] for is_wrong in (0, 1))
/// print(len(good), max(good), len(wrong), min(wrong))
/// ```
///
/// The margin is safe on both sides: in `alerts.avro` 21,304 dates are at most 0.433 s off and 4,661 at least 2,140 s.
#[test]
fn wrong_dates_of_the_past_are_as_many_as_an_independent_reader_finds() {
    for (name, expected) in [("alerts.avro", [185, 2005, 2656, 0]), ("packets_raw", [2, 9, 21, 0])] {
        let Some(path) = data(name) else { return };
        let mut found = [0; 4];
        for reading in Archive::open(sources(path), Policies::default()).with_history() {
            let duplicate = |found: &Occurrence| found.reason == Reason::Duplicate;
            for found_here in &reading.occurrences {
                assert_ne!(found_here.reason, Reason::WrongJd, "{found_here}");
                if found_here.reason == Reason::WrongPastJd && !reading.occurrences.iter().any(duplicate) {
                    assert_eq!(found_here.policy, Policy::Repair);
                    found[0] += 1;
                    let words: Vec<&str> = found_here.detail.split(' ').collect();
                    for (kind, count) in ["detection", "limit", "forced"].iter().zip(&mut found[1..]) {
                        let at = words.iter().position(|word| word == kind);
                        *count += at.map_or(0, |at| words[at + 1].parse::<usize>().unwrap());
                    }
                }
            }
        }
        assert_eq!(found, expected, "{name}");
    }
}

/// The source stands in the middle of a whole stamp, so it does so in one that was filled up on the right side.
#[test]
fn cut_stamps_are_filled_up_on_the_right_side_and_lose_nothing() {
    let Some(path) = data("alerts.avro") else { return };
    let mut policies = Policies::default();
    policies.repair(Reason::NotSquare);
    let finite = |pixels: &[f32]| pixels.iter().copied().filter(|x| !x.is_nan()).collect::<Vec<_>>();
    let (mut filled, mut centred, mut centred_before) = (0, 0, 0);
    for (mended, plain) in read_with(path.clone(), policies).into_iter().zip(read(path)) {
        let (mended, plain) = (mended.alert.unwrap(), plain.alert.unwrap());
        let (after, before) = (&mended.stamps[2], &plain.stamps[2]);
        assert_eq!((after.rows, after.columns), (63, 63));
        assert_eq!(finite(&before.pixels), finite(&after.pixels));
        if before.pixels.len() < after.pixels.len() {
            filled += 1;
            centred += usize::from(brightest_is_central(after));
            centred_before += usize::from(brightest_is_central(before));
        }
    }
    assert_eq!((filled, centred, centred_before), (13, 10, 5));
}

/// Whether the brightest pixel is within four of the middle of a whole stamp.
fn brightest_is_central(stamp: &Stamp) -> bool {
    let bright = |pixel: &f32| if pixel.is_nan() { f32::MIN } else { *pixel };
    let brightest =
        (0..stamp.pixels.len()).max_by(|a, b| bright(&stamp.pixels[*a]).total_cmp(&bright(&stamp.pixels[*b])));
    let (y, x) = (brightest.unwrap() / stamp.columns, brightest.unwrap() % stamp.columns);
    y.abs_diff(31) <= 4 && x.abs_diff(31) <= 4
}

/// The stamps that ALeRCE labelled: numbers of the script above.
#[test]
fn labelled_alerts_equal_an_independent_readers() {
    let Some(path) = data("alerce_labelled/alerts.avro") else { return };
    let readings = read(path);
    let mut digest = Digest::default();
    for reading in &readings {
        digest.add(reading.alert.as_ref().unwrap_or_else(|| panic!("not loaded: {:?}", reading.occurrences)));
    }
    let pixels = [0x90cc_1d37, 0xa9c5_c090, 0x6dd1_e6a5];
    let shapes = BTreeMap::from([((63, 63), 51)]);
    assert_eq!(digest, Digest { fields: 0xba06_55f4, pixels, nan: [489; 3], shapes });
}

/// `BTSbot`'s array with its csv, whose candids a table program rounded. Numbers of numpy 2:
///
/// ```text
/// import csv, re, struct, sys, zlib
/// import numpy as np
/// FIELDS = re.findall(r'^    "(\w+)",$', open("src/ztf/alert.rs").read(), re.M)
/// stamps, fields, crc = np.load(sys.argv[1]), 0, [0] * 3
/// for i, row in enumerate(csv.DictReader(open(sys.argv[2]))):
///     cells = [row.get(name, "") for name in FIELDS]
///     cells[FIELDS.index("isdiffpos")] = {"t": "1", "f": "0"}[row["isdiffpos"]]
///     values = [float(cell) if cell else float("nan") for cell in cells]
///     packed = struct.pack("<q%dd" % len(FIELDS), -1 - i, *values)
///     fields = zlib.crc32(row["objectId"].encode() + packed, fields)
///     for k in range(3):
///         crc[k] = zlib.crc32(stamps[i, :, :, k].astype("<f4").tobytes(), crc[k])
/// print([hex(x) for x in crc], hex(fields))
/// ```
#[test]
fn an_array_with_its_table_equals_an_independent_readers() {
    let Some(path) = data("btsbot/usage_triplets_f32.npy") else { return };
    let Some(table) = data("btsbot/usage_candidates.csv") else { return };
    let source = Source { label: "a.npy".into(), path };
    let table = described::TableOptions { path: table, label: "label".into(), ..described::TableOptions::default() };
    let readings: Vec<Reading> = Archive::with_table(vec![source], &table, Policies::default()).unwrap().collect();
    let mut digest = Digest::default();
    let mut labels = BTreeMap::<&str, usize>::new();
    for reading in &readings {
        let reasons: Vec<Reason> = reading.occurrences.iter().map(|found| found.reason).collect();
        assert_eq!(reasons, [Reason::MadeUpCandid]);
        *labels.entry(reading.label.as_ref().unwrap().label.as_str()).or_default() += 1;
        let mut alert = reading.alert.clone().unwrap();
        assert!(alert.candid < 0);
        alert.candid = -1 - reading.place.record.unwrap() as i64;
        digest.add(&alert);
    }
    let pixels = [0xcda1_0069, 0x133a_9a66, 0x330e_ccef];
    let shapes = BTreeMap::from([((63, 63), 39)]);
    assert_eq!(labels, BTreeMap::from([("0", 16), ("1", 23)]));
    assert_eq!(digest, Digest { fields: 0x8b8b_77f8, pixels, nan: [0; 3], shapes });
}

/// Fink's archive, if the folder has it: `fink/part-00000-ef0fdc02*.parquet` is one of github.com/astrolabsoftware/fink-broker,
/// `online/raw/20200101`. Numbers of pyarrow 26 and astropy 8: the script of packets above with
/// `pyarrow.parquet.read_table(sys.argv[1]).to_pylist()` as its alerts.
#[test]
#[cfg(feature = "parquet")]
fn finks_rows_equal_an_independent_readers() {
    let name = "fink/part-00000-ef0fdc02-e308-4103-8141-dc4b4201db5d.c000.snappy.parquet";
    let Some(path) = data(name) else { return };
    let mut digest = Digest::default();
    for reading in read(path) {
        digest.add(reading.alert.as_ref().unwrap_or_else(|| panic!("not loaded: {:?}", reading.occurrences)));
    }
    let pixels = [0x7891_b4a3, 0x3173_4466, 0x9ec7_227f];
    let shapes = BTreeMap::from([((63, 63), 9)]);
    assert_eq!(digest, Digest { fields: 0x274d_4db9, pixels, nan: [0; 3], shapes });
}
