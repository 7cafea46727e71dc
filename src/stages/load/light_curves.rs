//! Light curves of real packets, kept outside the project, beside those of an independent reader.

use super::tests::load;
use crate::artifacts::light_curves::{LightCurveRow, LightCurves};
use crate::spec::value::Value;
use crate::ztf::real_alerts::data;
use std::path::Path;

/// Points of each kind, and a CRC-32 of all that the rows hold.
fn digest(folder: &Path) -> ([usize; 3], u32) {
    let mut light_curves = LightCurves::open(folder).unwrap().unwrap();
    let (mut counts, mut crc) = ([0; 3], crc32fast::Hasher::new());
    while let Some(rows) = light_curves.object().unwrap() {
        for LightCurveRow { object_id, told, point } in rows {
            counts[point.kind as usize] += 1;
            crc.update(object_id.as_bytes());
            crc.update(&point.jd.to_le_bytes());
            crc.update(&point.fid.to_le_bytes());
            crc.update(&[point.kind as u8]);
            crc.update(&told.to_le_bytes());
            crc.update(&point.candid.unwrap_or(-1).to_le_bytes());
            crc.update(&[point.isdiffpos.map_or(u8::MAX, u8::from)]);
            point.values.iter().for_each(|value| crc.update(&value.to_le_bytes()));
        }
    }
    (counts, crc.finalize())
}

/// What `load` writes of the files below the folder of real packets.
fn found(name: &str) -> Option<([usize; 3], u32)> {
    let path = data(name)?;
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![path.clone()];
    if path.is_dir() {
        files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
    }
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    Some(digest(&load(folder.path(), &files, &[("light_curves", Value::Bool(true))]).unwrap()))
}

/// Numbers of fastavro 1:
///
/// ```text
/// import glob, math, struct, sys, zlib
/// import fastavro
/// VALUES = ["magpsf", "sigmapsf", "diffmaglim", "forcediffimflux", "forcediffimfluxunc", "magzpsci"]
/// def real(value):
///     value = math.nan if value is None else struct.unpack("<f", struct.pack("<f", value))[0]
///     return math.nan if value in (-99999.0, -999.0) else value
/// def magnitude(value):
///     return math.nan if value <= 0 else value
/// def date(fields):
///     units = (fields.get("candid") or fields["pid"] * 10**6) // 10**10
///     told = 2457754.5 + (units + 0.5) / 1e5
///     return told if abs(fields["jd"] - told) * 86400 >= 10 else fields["jd"]
/// def point(fields, kind):
///     values = [real(fields.get(name)) for name in VALUES]
///     values[0], values[2] = magnitude(values[0]), magnitude(values[2])
///     kind = kind or (1 if math.isnan(values[0]) else 0)
///     sign = {"t": 1, "1": 1, "f": 0, "0": 0, None: -1}[fields.get("isdiffpos")]
///     candid = fields.get("candid")
///     return fields["jd"], fields["fid"], kind, -1 if candid is None else candid, sign, values
/// def apart(a, b):
///     if b.get("ra") is None:
///         return math.inf
///     x = (b["ra"] - a["ra"]) * math.cos(math.radians((a["dec"] + b["dec"]) / 2))
///     return math.hypot(x, b["dec"] - a["dec"])
/// def nearest(alert):
///     own, best = alert["candidate"], {}
///     for fields in alert["prv_candidates"] or []:
///         if point(fields, 0)[2] == 0:
///             key = fields["jd"], fields["fid"]
///             best.setdefault(key, []).append((apart(own, fields), fields["candid"], fields))
///         else:
///             yield fields
///     best[own["jd"], own["fid"]] = [(0, 0, own)]
///     yield from (min(sources, key=lambda source: source[:2])[2] for sources in best.values())
/// rows, seen = [], set()
/// for path in sorted(glob.glob(sys.argv[1])):
///     for alert in fastavro.reader(open(path, "rb")):
///         if alert["candid"] not in seen:
///             seen.add(alert["candid"])
///             for fields in (alert["prv_candidates"] or []) + (alert.get("fp_hists") or []):
///                 fields["jd"] = date(fields)
///             points = [point(fields, 0) for fields in nearest(alert)]
///             points += [point(fields, 2) for fields in alert.get("fp_hists") or []]
///             rows += [(alert["objectId"], *p[:3], alert["candidate"]["jd"], *p[3:]) for p in points]
/// rows.sort(key=lambda row: row[:7] + tuple(math.inf if math.isnan(x) else x for x in row[7]))
/// rows.sort(key=lambda row: row[4])
/// first = {}
/// for row in rows:
///     same = first.setdefault((row[0], row[2], row[3]), [])
///     if all(abs(row[1] - known[1]) > 1e-4 for known in same):
///         same.append(row)
/// counts, crc = [0] * 3, 0
/// for row in sorted((row for same in first.values() for row in same), key=lambda row: row[:7]):
///     counts[row[3]] += 1
///     crc = zlib.crc32(row[0].encode() + struct.pack("<dqBdqb6f", *row[1:7], *row[7]), crc)
/// print(counts, hex(crc))
/// ```
#[test]
fn light_curves_equal_an_independent_readers() {
    if let Some(found) = found("alerts.avro") {
        assert_eq!(found, ([7316, 13_982, 369], 0xf2bf_230e));
    }
    if let Some(found) = found("packets_raw") {
        assert_eq!(found, ([413, 472, 235], 0x3c45_a147));
    }
}
