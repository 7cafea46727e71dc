//! What is in alert files, as text for people: counts, schemas, codecs, shapes, what is wrong, and one alert in full.
//! Prints nothing itself.

use super::alert::{Alert, CUTOUTS, FIELDS, Stamp};
use super::container::{Container, Header};
use super::decode::{Decoder, Reading};
use super::feed::{Feed, Piece, Source};
use super::quality::{Occurrence, Reason, Totals};
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// Most examples of what is wrong.
const EXAMPLES: usize = 20;

/// What is in some files.
#[derive(Debug, Default)]
pub struct Summary {
    /// Files and members of tarballs.
    pub pieces: BTreeMap<&'static str, u64>,
    /// Records that were looked at.
    pub records: u64,
    /// Whether there were more.
    pub cut_short: bool,
    /// Usable alerts.
    pub alerts: u64,
    /// Schemas: record name, version, number of candidate fields, and how many containers or blocks have them.
    pub schemas: BTreeMap<String, u64>,
    /// Codecs.
    pub codecs: BTreeMap<&'static str, u64>,
    /// Shapes of the cutouts, rows and columns.
    pub shapes: BTreeMap<(usize, usize), u64>,
    /// How many alerts have no value of a field.
    pub absent: BTreeMap<&'static str, u64>,
    /// Reasons, counted once for each alert.
    pub totals: Totals,
    /// The first of what was found, and how many there are in all.
    pub examples: Vec<Occurrence>,
    found: usize,
    /// The only alert, when there is one.
    pub alert: Option<Alert>,
}

impl Summary {
    /// Looks at `sources`, at most `most` records.
    #[must_use]
    pub fn of(sources: Vec<Source>, most: u64) -> Self {
        let mut decoder = Decoder::new(Arc::default(), Arc::default());
        let mut summary = Self::default();
        for piece in Feed::new(sources) {
            if summary.records >= most {
                summary.cut_short = true;
                break;
            }
            summary.note_piece(&piece);
            for reading in decoder.piece(piece) {
                summary.note_reading(reading);
            }
        }
        summary
    }

    fn note_piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Container { bytes, .. } => {
                *self.pieces.entry("containers").or_default() += 1;
                if let Ok(container) = Container::open(Cursor::new(bytes)) {
                    self.note_header(container.header());
                }
            }
            Piece::Block { header, .. } => {
                *self.pieces.entry("blocks of large containers").or_default() += 1;
                self.note_header(header);
            }
            Piece::Records { .. } => *self.pieces.entry("batches of rows").or_default() += 1,
            Piece::Fault { .. } => *self.pieces.entry("unreadable files or members").or_default() += 1,
        }
    }

    fn note_header(&mut self, header: &Header) {
        *self.codecs.entry(header.codec.name()).or_default() += 1;
        *self.schemas.entry(describe_schema(&header.schema)).or_default() += 1;
    }

    fn note_reading(&mut self, reading: Reading) {
        self.records += 1;
        self.totals.add_once_each(&reading.occurrences);
        let room = EXAMPLES - self.examples.len();
        self.found += reading.occurrences.len();
        self.examples.extend(reading.occurrences.into_iter().take(room));
        let Some(alert) = reading.alert else { return };
        self.alerts += 1;
        *self.shapes.entry((alert.stamps[0].rows, alert.stamps[0].columns)).or_default() += 1;
        for (name, _) in FIELDS.iter().zip(&alert.values).filter(|(_, value)| value.is_nan()) {
            *self.absent.entry(name).or_default() += 1;
        }
        self.alert = Some(alert).filter(|_| self.alerts == 1);
    }
}

impl Summary {
    /// Whether nothing that was looked at is a file of alerts.
    #[must_use]
    pub fn is_of_other_files(&self) -> bool {
        self.alerts == 0 && self.totals.iter().all(|(reason, _)| reason == Reason::NotAvro)
    }
}

/// One alert in full.
pub struct Described<'a>(pub &'a Alert);

impl Display for Described<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write_alert(f, self.0)
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let more = if self.cut_short { " (there are more)" } else { "" };
        writeln!(f, "records   {}{more}, {} usable alerts", self.records, self.alerts)?;
        writeln!(f, "pieces    {}", list(&self.pieces))?;
        writeln!(f, "codecs    {}", list(&self.codecs))?;
        writeln!(f, "schemas   {}", list(&self.schemas))?;
        let shapes = self.shapes.iter().map(|((rows, columns), n)| (format!("{rows} x {columns}"), *n)).collect();
        writeln!(f, "cutouts   {}", list(&shapes))?;
        writeln!(f, "absent    {}", list(&self.absent))?;
        for (reason, count) in self.totals.iter() {
            writeln!(f, "{count:>7} {:<18} {}", reason.name(), reason.meaning())?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        if self.found > self.examples.len() {
            writeln!(f, "  and {} more", self.found - self.examples.len())?;
        }
        self.alert.as_ref().map_or(Ok(()), |alert| write_alert(f, alert))
    }
}

/// The first usable alert, or the one called `candid`: its stamps are what a picture shows.
#[must_use]
pub fn find_alert(sources: Vec<Source>, candid: Option<i64>) -> Option<Alert> {
    let mut decoder = Decoder::new(Arc::default(), Arc::default());
    let mut alerts = Feed::new(sources).flat_map(|piece| decoder.piece(piece)).filter_map(|reading| reading.alert);
    alerts.find(|alert| candid.is_none_or(|candid| alert.candid == candid))
}

/// Whether a file is a packet of this alert, whole as a file. What is in it may be odd: that is for the loader to say.
#[must_use]
pub fn is_packet_of(path: &Path, candid: i64) -> bool {
    const BROKEN: [Reason; 4] = [Reason::Truncated, Reason::BadSync, Reason::BadBlock, Reason::BadRecord];
    let mut decoder = Decoder::new(Arc::default(), Arc::default());
    let source = Source { label: String::new(), path: path.to_owned() };
    let readings: Vec<Reading> = Feed::new(vec![source]).flat_map(|piece| decoder.piece(piece)).collect();
    let found = || readings.iter().flat_map(|reading| &reading.occurrences);
    let usable = readings.iter().filter_map(|reading| reading.alert.as_ref()).map(|alert| alert.candid);
    let is_named = usable.chain(found().filter_map(|found| found.candid)).any(|named| named == candid);
    is_named && !found().any(|found| BROKEN.contains(&found.reason))
}

fn write_alert(f: &mut Formatter<'_>, alert: &Alert) -> std::fmt::Result {
    writeln!(f, "alert     candid {} of {}", alert.candid, alert.object_id)?;
    for (stamp, kind) in alert.stamps.iter().zip(CUTOUTS) {
        writeln!(f, "{kind:<14}  {}", describe_stamp(stamp))?;
    }
    for (name, value) in FIELDS.iter().zip(&alert.values).filter(|(_, value)| !value.is_nan()) {
        writeln!(f, "{name:<14}  {value}")?;
    }
    Ok(())
}

/// Shape, quartiles and what is not finite.
fn describe_stamp(stamp: &Stamp) -> String {
    let mut finite: Vec<f32> = stamp.pixels.iter().copied().filter(|x| x.is_finite()).collect();
    finite.sort_by(f32::total_cmp);
    let at = |percent: usize| finite.get((finite.len().saturating_sub(1)) * percent / 100).copied().unwrap_or(f32::NAN);
    let lost = stamp.pixels.len() - finite.len();
    let (rows, columns) = (stamp.rows, stamp.columns);
    format!("{rows} x {columns}, DN from {} over {} (median) to {}, {lost} not finite", at(0), at(50), at(100))
}

/// Record name, version and number of candidate fields of a schema.
fn describe_schema(text: &[u8]) -> String {
    let Ok(schema) = serde_json::from_slice::<serde_json::Value>(text) else { return "unreadable".into() };
    let record = schema.as_array().and_then(|types| types.last()).unwrap_or(&schema);
    let name = record["name"].as_str().unwrap_or("unnamed");
    let version = record["version"].as_str().map(|version| format!(" {version}")).unwrap_or_default();
    let candidate = record["fields"].as_array().into_iter().flatten().find(|field| field["name"] == "candidate");
    let fields = candidate.and_then(|field| record_fields(&field["type"])).unwrap_or(0);
    format!("{name}{version} with {fields} candidate fields")
}

/// Number of fields of a record, alone or in a union.
fn record_fields(kind: &serde_json::Value) -> Option<usize> {
    let fields = |kind: &serde_json::Value| kind["fields"].as_array().map(Vec::len);
    kind.as_array().map_or_else(|| fields(kind), |kinds| kinds.iter().find_map(fields))
}

fn list<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::writer::{PacketSink, tests::alert};

    #[test]
    fn a_packet_and_a_tarball_are_described() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = PacketSink::create(&folder.path().join("night.tar.gz")).unwrap();
        for candid in [1, 2] {
            sink.push(&alert(candid)).unwrap();
        }
        sink.finish().unwrap();
        let mut sink = PacketSink::create(folder.path()).unwrap();
        sink.push(&alert(3)).unwrap();
        let source = |name: &str| vec![Source { label: name.into(), path: folder.path().join(name) }];
        let night = Summary::of(source("night.tar.gz"), 10).to_string();
        assert!(night.contains("records   2, 2 usable alerts"), "{night}");
        assert!(night.contains("ztf.alert 4.02 with 103 candidate fields: 2"), "{night}");
        assert!(night.contains("cutouts   63 x 63: 2") && night.contains("absent    drb: 2"), "{night}");
        let packet = Summary::of(source("3.avro"), 10).to_string();
        assert!(packet.contains("candid 3 of ZTF20aaaaaa3") && packet.contains("science         63 x 63"), "{packet}");
        assert!(Summary::of(source("night.tar.gz"), 1).cut_short);
        assert_eq!(find_alert(source("night.tar.gz"), Some(2)).unwrap().candid, 2);
        assert!(find_alert(source("night.tar.gz"), Some(5)).is_none());
        let path = folder.path().join("3.avro");
        let described = Described(&alert(3)).to_string();
        assert!(described.starts_with("alert     candid 3 of ZTF20aaaaaa3") && packet.ends_with(&described));
        for number in 0..25 {
            std::fs::write(folder.path().join(format!("{number}.txt")), "no packet").unwrap();
        }
        let texts = (0..25).flat_map(|number| source(&format!("{number}.txt"))).collect();
        let texts = Summary::of(texts, 100);
        assert!(texts.is_of_other_files() && texts.to_string().ends_with("  and 5 more\n"), "{texts}");
        assert!(!Summary::of(source("night.tar.gz"), 10).is_of_other_files());
        assert!(is_packet_of(&path, 3) && !is_packet_of(&path, 4));
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 3, 4, 100, whole.len() / 2, whole.len() - 17, whole.len() - 16, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(!is_packet_of(&path, 3), "cut at {cut} of {}", whole.len());
        }
        assert!(Summary::of(source("absent.avro"), 1).to_string().contains("unreadable"));
    }
}
