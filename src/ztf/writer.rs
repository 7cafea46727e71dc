//! An alert as a real ZTF packet: Avro 4.02, codec null, three gzipped FITS cutouts; one file each, or a tarball of a night.
//! The same alerts give the same bytes: no clock and no random marker.

use super::alert::{Alert, CUTOUTS, Stamp};
use super::container::MAGIC;
use super::fits;
use super::history::{Point, PointKind};
use super::packet_schema::{self, CANDIDATE, FORCED, Field, PREVIOUS};
use flate2::{Compression, GzBuilder, write::GzEncoder};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Value that the survey writes where a number may not be null but is not known.
const UNKNOWN: f64 = -999.0;

/// Branches of the union `[null, type]`.
const NULL: i64 = 0;
const PRESENT: i64 = 1;

/// Why packets could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The place cannot be written.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Turns alerts into packets; the schema is built once.
pub struct PacketWriter {
    schema: String,
    fields: Vec<Field>,
}

impl Default for PacketWriter {
    fn default() -> Self {
        Self { schema: packet_schema::json(), fields: packet_schema::fields(CANDIDATE).collect() }
    }
}

impl PacketWriter {
    /// The bytes of a packet: an Avro container of one record.
    ///
    /// Values become `float` or `int` where the schema says so; NaN becomes null, or -999 where null is not allowed.
    #[must_use]
    pub fn packet(&self, alert: &Alert) -> Vec<u8> {
        self.packet_with(alert, &[])
    }

    /// The same with the object's history: forced photometry goes into `fp_hists`, the rest into `prv_candidates`.
    #[must_use]
    pub fn packet_with(&self, alert: &Alert, history: &[Point]) -> Vec<u8> {
        let record = self.record(alert, history);
        let hash = blake3::hash(&record);
        let sync = &hash.as_bytes()[..16];
        let mut packet = Datum(MAGIC.to_vec());
        packet.long(2);
        for (key, value) in [("avro.codec", "null"), ("avro.schema", &self.schema)] {
            packet.bytes(key.as_bytes());
            packet.bytes(value.as_bytes());
        }
        packet.long(0);
        packet.0.extend_from_slice(sync);
        packet.long(1);
        packet.bytes(&record);
        packet.0.extend_from_slice(sync);
        packet.0
    }

    fn record(&self, alert: &Alert, history: &[Point]) -> Vec<u8> {
        let mut datum = Datum(Vec::with_capacity(48 << 10));
        for text in [packet_schema::VERSION, "estampa", &alert.object_id] {
            datum.bytes(text.as_bytes());
        }
        datum.long(alert.candid);
        for field in &self.fields {
            datum.field(*field, alert.value(field.name), Some(alert.candid));
        }
        let (forced, previous): (Vec<&Point>, _) = history.iter().partition(|point| point.kind == PointKind::Forced);
        datum.history(PREVIOUS, &previous);
        datum.history(FORCED, &forced);
        for (stamp, kind) in alert.stamps.iter().zip(CUTOUTS) {
            datum.long(PRESENT);
            datum.bytes(format!("candid{}_{kind}.fits.gz", alert.candid).as_bytes());
            datum.bytes(&gzip(stamp));
        }
        datum.0
    }
}

/// Avro's binary form of one value after the other.
struct Datum(Vec<u8>);

impl Datum {
    /// An `int` or `long`: zigzag, seven bits a byte, low first.
    fn long(&mut self, value: i64) {
        let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while left >= 0x80 {
            self.0.push(left as u8 | 0x80);
            left >>= 7;
        }
        self.0.push(left as u8);
    }

    /// A `string` or `bytes`.
    fn bytes(&mut self, bytes: &[u8]) {
        self.long(bytes.len() as i64);
        self.0.extend_from_slice(bytes);
    }

    /// An array of points, each with these fields; null when there is none.
    fn history(&mut self, fields: &'static str, points: &[&Point]) {
        if points.is_empty() {
            return self.long(NULL);
        }
        self.long(PRESENT);
        self.long(points.len() as i64);
        for point in points {
            packet_schema::fields(fields).for_each(|field| self.field(field, known(point, field.name), point.candid));
        }
        self.long(0);
    }

    /// A field of `candidate`, or of a point.
    fn field(&mut self, of: Field, known: f64, candid: Option<i64>) {
        let is_missing = if of.name == "candid" { candid.is_none() } else { known.is_nan() };
        if of.nullable {
            self.long(if is_missing { NULL } else { PRESENT });
            if is_missing {
                return;
            }
        }
        let number = if known.is_nan() { UNKNOWN } else { known };
        match (of.kind, of.name) {
            ("double", _) => self.0.extend_from_slice(&number.to_le_bytes()),
            ("float", _) => self.0.extend_from_slice(&(number as f32).to_le_bytes()),
            ("string", "isdiffpos") => self.bytes(isdiffpos(known).as_bytes()),
            ("string", _) => self.bytes(b""),
            (_, "candid") => self.long(candid.unwrap_or_default()),
            (_, "pid" | "rfid") if known.is_nan() => self.long(0),
            _ => self.long(number as i64),
        }
    }
}

/// What a point has in the field `name`.
fn known(point: &Point, name: &str) -> f64 {
    match name {
        "jd" => point.jd,
        "fid" => point.fid as f64,
        "isdiffpos" => point.isdiffpos.map_or(f64::NAN, |positive| f64::from(u8::from(positive))),
        "pid" => point.pid as f64,
        "ra" => point.place[0],
        "dec" => point.place[1],
        _ => point.value(name).into(),
    }
}

fn isdiffpos(value: f64) -> &'static str {
    match value {
        1.0 => "t",
        0.0 => "f",
        _ => "",
    }
}

fn gzip(stamp: &Stamp) -> Vec<u8> {
    let mut encoder = deterministic_gzip(Vec::new());
    encoder.write_all(&fits::write(stamp)).and_then(|()| encoder.finish()).expect("writing into a vector does not fail")
}

/// A gzip stream without a time, a name or a system in its header.
fn deterministic_gzip<W: Write>(writer: W) -> GzEncoder<W> {
    GzBuilder::new().mtime(0).operating_system(255).write(writer, Compression::new(6))
}

/// Writes packets as `<candid>.avro` into a folder, or into a gzipped tarball when its name ends in `.tar.gz` or `.tgz`.
pub struct PacketSink {
    path: PathBuf,
    packets: PacketWriter,
    place: SinkPlace,
}

enum SinkPlace {
    Folder,
    Tarball(Box<tar::Builder<GzEncoder<BufWriter<File>>>>),
}

impl PacketSink {
    /// Makes the folder, or the tarball.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let name = path.to_string_lossy();
        let place = if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            let file = File::create(path).map_err(|source| io_error(path, source))?;
            SinkPlace::Tarball(Box::new(tar::Builder::new(deterministic_gzip(BufWriter::new(file)))))
        } else {
            fs::create_dir_all(path).map_err(|source| io_error(path, source))?;
            SinkPlace::Folder
        };
        Ok(Self { path: path.to_owned(), packets: PacketWriter::default(), place })
    }

    /// Writes one alert.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn push(&mut self, alert: &Alert) -> Result<(), WriteError> {
        self.push_with(alert, &[])
    }

    /// Writes one alert with its object's history.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn push_with(&mut self, alert: &Alert, history: &[Point]) -> Result<(), WriteError> {
        let packet = self.packets.packet_with(alert, history);
        self.append(alert.candid, &packet)
    }

    /// Writes a packet that a [`PacketWriter`] made, as that of alert `candid`.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn append(&mut self, candid: i64, packet: &[u8]) -> Result<(), WriteError> {
        let name = format!("{candid}.avro");
        match &mut self.place {
            SinkPlace::Folder => {
                let path = self.path.join(name);
                fs::write(&path, packet).map_err(|source| io_error(&path, source))
            }
            SinkPlace::Tarball(builder) => {
                let mut header = tar::Header::new_ustar();
                header.set_size(packet.len() as u64);
                header.set_mode(0o644);
                header.set_mtime(0);
                builder.append_data(&mut header, name, packet).map_err(|source| io_error(&self.path, source))
            }
        }
    }

    /// Ends the tarball; a folder needs no end.
    ///
    /// # Errors
    /// [`WriteError::Io`].
    pub fn finish(self) -> Result<(), WriteError> {
        let SinkPlace::Tarball(builder) = self.place else { return Ok(()) };
        let end = builder.into_inner().and_then(GzEncoder::finish).and_then(|mut file| file.flush());
        end.map_err(|source| io_error(&self.path, source))
    }
}

fn io_error(path: &Path, source: io::Error) -> WriteError {
    WriteError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ztf::alert::{FIELDS, SIDE};
    use crate::ztf::archive::Archive;
    use crate::ztf::feed::Source;
    use crate::ztf::quality::{Policies, Reason};

    /// An alert whose values all survive the schema's types.
    pub(crate) fn alert(candid: i64) -> Alert {
        let kind = |name: &str| packet_schema::fields(CANDIDATE).find(|field| field.name == name).unwrap();
        let value = |(i, name): (usize, &&str)| match (*name, kind(name).kind) {
            ("isdiffpos", _) => (candid % 2) as f64,
            ("drb", _) => f64::NAN,
            (_, "int") => i as f64 - 3.0,
            (_, "float") => f64::from(i as f32 * 0.1),
            _ => 2_458_881.674_605_5 + i as f64 / 7.0,
        };
        let stamp = |shift: usize| Stamp {
            rows: SIDE,
            columns: SIDE,
            pixels: (0..SIDE * SIDE).map(|i| ((i * 7919 + shift) % 1009) as f32 * 0.37 - 11.0).collect(),
        };
        let values = FIELDS.iter().enumerate().map(value).collect();
        Alert { candid, object_id: format!("ZTF20aaaaaa{candid}"), values, stamps: [stamp(0), stamp(1), stamp(2)] }
    }

    /// Equal, NaN to NaN.
    fn assert_equal(read: &Alert, written: &Alert) {
        assert_eq!((read.candid, &read.object_id), (written.candid, &written.object_id));
        for (name, (a, b)) in FIELDS.iter().zip(read.values.iter().zip(&written.values)) {
            assert!(a == b || a.is_nan() && b.is_nan(), "{name}: {a} read, {b} written");
        }
        assert_eq!(read.stamps, written.stamps);
    }

    fn write(path: &Path, alerts: &[Alert]) {
        let mut sink = PacketSink::create(path).unwrap();
        for alert in alerts {
            sink.push(alert).unwrap();
        }
        sink.finish().unwrap();
    }

    #[test]
    fn a_folder_and_a_tarball_load_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let alerts: Vec<Alert> = (10..15).map(alert).collect();
        write(&folder.path().join("night"), &alerts);
        write(&folder.path().join("night.tar.gz"), &alerts);
        let packets = alerts.iter().map(|alert| format!("night/{}.avro", alert.candid));
        for files in [packets.collect::<Vec<_>>(), vec!["night.tar.gz".to_owned()]] {
            let source = |label: String| Source { path: folder.path().join(&label), label };
            let read: Vec<_> = Archive::open(files.into_iter().map(source).collect(), Policies::default()).collect();
            assert_eq!(read.len(), alerts.len());
            for (reading, written) in read.iter().zip(&alerts) {
                assert!(reading.occurrences.is_empty(), "{:?}", reading.occurrences);
                assert_equal(reading.alert.as_ref().unwrap(), written);
            }
        }
    }

    #[test]
    fn the_same_alerts_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = ["a.tar.gz", "b.tgz"].map(|name| {
            write(&folder.path().join(name), &[alert(1), alert(2)]);
            fs::read(folder.path().join(name)).unwrap()
        });
        assert!(bytes[0] == bytes[1]);
    }

    #[test]
    fn duplicates_are_named_and_the_first_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("night.tar.gz");
        write(&path, &[alert(1), alert(2), alert(1)]);
        let source = Source { label: String::new(), path };
        let read: Vec<_> = Archive::open(vec![source], Policies::default()).collect();
        assert_eq!(read.iter().map(|reading| reading.alert.is_some()).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(read[2].occurrences[0].reason, Reason::Duplicate);
        assert!(read[2].occurrences[0].to_string().ends_with("candid 1 of ZTF20aaaaaa1: duplicate (came before)"));
    }
}
