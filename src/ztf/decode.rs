//! Containers and blocks to readings: an alert or the reasons why there is none, for every record.
//! Knows bytes in memory, not where they came from.

use super::alert::{Alert, CUTOUTS, SIDE, Stamp};
use super::container::{BLOCK_LIMIT, Block, Container, Header, Unpacker};
use super::cutout::{self, CutoutReader, Judged};
use super::feed::Piece;
use super::history::Point;
use super::labels::Label;
use super::lanes::Inflaters;
use super::packet::Packet;
use super::quality::{Fault, Occurrence, Place, Policies, Policy, Reason};
use super::record::{Images, Record, Told};
use super::repair;
use super::schemas::Schemas;
use std::io::Cursor;
use std::sync::Arc;

/// Packets whose cutouts are read side by side.
const TOGETHER: usize = 64;
/// Most bytes of readings that come of one piece: ten thousand whole alerts. A few bytes of a hostile block claim one.
const HELD: usize = 512 << 20;
/// What is said where there are more.
const TOO_MANY: &str = "more alerts than are held in memory at once";

/// Most characters of an object's name in what was found; the survey's have 12.
const LONGEST_NAME: usize = 100;

/// What came of one record, or of a file or block that could not be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Where it was read.
    pub place: Place,
    /// The alert, unless a reason forbids its use.
    pub alert: Option<Alert>,
    /// Everything that was found, also about alerts that are kept.
    pub occurrences: Vec<Occurrence>,
    /// The label that the source itself gives, when a table describes it.
    pub label: Option<Label>,
    /// The object at other times, where that was asked for and the source tells it.
    pub history: Vec<Point>,
}

impl Reading {
    /// A reading without alert.
    fn failed(place: Place, told: Option<&Told>, fault: Fault, policies: &Policies) -> Self {
        let occurrences = vec![occurrence(fault, &place, told, policies)];
        Self { place, alert: None, occurrences, label: None, history: Vec::new() }
    }

    /// About how many bytes it takes.
    pub(super) fn held(&self) -> usize {
        let alert = self.alert.as_ref().map_or(0, |alert| {
            alert.object_id.len()
                + 8 * alert.values.len()
                + 4 * alert.stamps.iter().map(|stamp| stamp.pixels.len()).sum::<usize>()
        });
        size_of::<Self>()
            + self.occurrences.len() * (size_of::<Occurrence>() + 64)
            + size_of_val(&self.history[..])
            + alert
    }

    /// The strictest policy among what was found.
    #[must_use]
    pub fn verdict(&self) -> Policy {
        self.occurrences.iter().map(|found| found.policy).max().unwrap_or(Policy::Keep)
    }
}

fn occurrence(fault: Fault, place: &Place, told: Option<&Told>, policies: &Policies) -> Occurrence {
    let candid = told.and_then(|told| told.candid);
    let object_id = told.and_then(|told| told.object_id.as_ref());
    // a name that is none may be as long as its block
    let object_id = object_id.map(|name| name.chars().take(LONGEST_NAME).collect());
    Occurrence { candid, object_id, ..Occurrence::new(fault, place, policies) }
}

/// Decodes one file or block after the other; one for each thread, schemas and policies shared.
pub struct Decoder {
    unpacker: Unpacker,
    inflaters: Inflaters,
    records: RecordDecoder,
    /// Data of blocks that are done with.
    pub(super) spent: Vec<Vec<u8>>,
}

/// Decodes unpacked records.
struct RecordDecoder {
    schemas: Arc<Schemas>,
    policies: Arc<Policies>,
    cutouts: CutoutReader,
    /// Whether histories are wanted.
    history: bool,
}

impl Decoder {
    /// A decoder with empty buffers.
    #[must_use]
    pub fn new(schemas: Arc<Schemas>, policies: Arc<Policies>) -> Self {
        let records = RecordDecoder { schemas, policies, cutouts: CutoutReader::default(), history: false };
        Self { unpacker: Unpacker::default(), inflaters: Inflaters::default(), records, spent: Vec::new() }
    }

    /// The same, which reads histories if they are wanted.
    #[must_use]
    pub fn with_history(mut self, wanted: bool) -> Self {
        self.records.history = wanted;
        self
    }

    /// Every record of each piece, with the same results as [`Decoder::piece`] of each; deflated blocks side by side.
    pub(super) fn pieces(&mut self, pieces: Vec<Piece>) -> Vec<Vec<Reading>> {
        let mut readings: Vec<Option<Vec<Reading>>> = vec![None; pieces.len()];
        let blocks = || pieces.iter().enumerate().filter_map(|(i, piece)| Some((i, piece.deflated_block()?)));
        let blocks: Vec<_> = blocks().collect();
        if blocks.len() > 1 {
            let inputs: Vec<&[u8]> = blocks.iter().map(|(_, (.., block))| &block.data[..]).collect();
            let records = &mut self.records;
            self.inflaters.inflate(&inputs, BLOCK_LIMIT, |job, out| {
                let (i, (file, header, block)) = blocks[job];
                readings[i] = out.and_then(|(plain, _)| records.block(file, &header.schema, block, plain, HELD).ok());
            });
        }
        let rest = readings.into_iter().zip(pieces);
        rest.map(|(readings, piece)| match (readings, piece) {
            (None, piece) => self.piece(piece),
            (Some(readings), Piece::Block { block, .. }) => {
                self.spent.push(block.data);
                readings
            }
            (Some(readings), _) => readings,
        })
        .collect()
    }

    /// Every record of a piece.
    pub(super) fn piece(&mut self, piece: Piece) -> Vec<Reading> {
        match piece {
            Piece::Container { file, bytes } => self.container(&file, &bytes),
            Piece::Block { file, header, block } => self.block(&file, &header, &block),
            Piece::Records { file, records } => self.records.records(&file, records),
            Piece::Fault { file, fault } => {
                vec![Reading::failed(Place::file(&file), None, fault, &self.records.policies)]
            }
        }
    }

    /// Every record of the container `bytes`, which is called `file` in what is found.
    pub fn container(&mut self, file: &Arc<str>, bytes: &[u8]) -> Vec<Reading> {
        self.container_within(file, bytes, HELD)
    }

    /// As [`Decoder::container`], with so much room for readings.
    fn container_within(&mut self, file: &Arc<str>, bytes: &[u8], mut room: usize) -> Vec<Reading> {
        let container = match Container::open(Cursor::new(bytes)) {
            Ok(container) => container,
            Err(fault) => return vec![Reading::failed(Place::file(file), None, fault, &self.records.policies)],
        };
        let header = Arc::clone(container.header());
        let mut readings = Vec::new();
        for block in container {
            if room == 0 {
                let offset = block.offset;
                let fault = Fault::new(Reason::TooLarge, format!("{TOO_MANY}; what follows byte {offset} is left out"));
                readings.push(Reading::failed(Place::file(file), None, fault, &self.records.policies));
                break;
            }
            let more = self.block_within(file, &header, &block, room);
            room = room.saturating_sub(more.iter().map(Reading::held).sum());
            readings.extend(more);
        }
        if readings.is_empty() {
            let fault = Fault::new(Reason::NoRecords, "");
            readings.push(Reading::failed(Place::file(file), None, fault, &self.records.policies));
        }
        readings
    }

    /// Every record of one block.
    pub fn block(&mut self, file: &Arc<str>, header: &Header, block: &Block) -> Vec<Reading> {
        self.block_within(file, header, block, HELD)
    }

    /// As [`Decoder::block`], with so much room for readings.
    fn block_within(&mut self, file: &Arc<str>, header: &Header, block: &Block, room: usize) -> Vec<Reading> {
        let plain = header.codec.unpack(&block.data, &mut self.unpacker);
        let readings = plain.and_then(|plain| self.records.block(file, &header.schema, block, plain, room));
        readings.unwrap_or_else(|fault| {
            let fault = with_losses(block.fault.clone().unwrap_or(fault), block.records.saturating_sub(1));
            let place = Place { file: Arc::clone(file), record: Some(block.first), offset: block.offset };
            vec![Reading::failed(place, None, fault, &self.records.policies)]
        })
    }
}

impl RecordDecoder {
    /// The records of the unpacked block; one that cannot be decoded is the last, for the next has no known place.
    fn block(
        &mut self,
        file: &Arc<str>,
        schema: &[u8],
        block: &Block,
        mut plain: &[u8],
        mut room: usize,
    ) -> Result<Vec<Reading>, Fault> {
        let schema = self.schemas.get(schema)?;
        let mut readings = Vec::new();
        while (readings.len() as u64) < block.records {
            let wanted = (block.records - readings.len() as u64).min(TOGETHER as u64);
            let (mut packets, mut failed, mut points) = (Vec::new(), None, 0);
            while (packets.len() as u64) < wanted && failed.is_none() && points <= room {
                let mut packet = Packet::new(self.history);
                match packet.decode(&schema, plain) {
                    Ok(taken) => {
                        plain = &plain[taken..];
                        points += packet.history.as_deref().map_or(0, size_of_val);
                        packets.push(packet);
                    }
                    Err(fault) => failed = Some((packet, block.fault.clone().unwrap_or(fault))),
                }
            }
            let more = self.readings(file, block, readings.len(), packets);
            room = room.saturating_sub(more.iter().map(Reading::held).sum());
            readings.extend(more);
            let left = block.records - readings.len() as u64;
            if failed.is_none() && room == 0 && left > 0 {
                failed = Some((Packet::default(), Fault::new(Reason::TooLarge, TOO_MANY)));
            }
            if let Some((packet, fault)) = failed {
                let place = place(file, block, readings.len());
                readings.push(Reading::failed(
                    place,
                    Some(&packet.told()),
                    with_losses(fault, left - 1),
                    &self.policies,
                ));
                break;
            }
        }
        match &block.fault {
            Some(fault) if readings.is_empty() => Err(fault.clone()),
            _ => Ok(readings),
        }
    }

    /// The readings of decoded packets, whose cutouts are read side by side.
    fn readings(&mut self, file: &Arc<str>, block: &Block, first: usize, packets: Vec<Packet>) -> Vec<Reading> {
        let cutouts: Vec<&[u8]> =
            packets.iter().flat_map(|packet| packet.cutouts).map(Option::unwrap_or_default).collect();
        let mut stamps = self.cutouts.read_all(&cutouts).into_iter();
        let reading = |(index, packet): (usize, Packet)| {
            let stamps = stamps.by_ref().take(CUTOUTS.len());
            let mut told = packet.told();
            told.faults.splice(0..0, block.fault.clone());
            reading(place(file, block, first + index), told, stamps, &self.policies)
        };
        packets.into_iter().enumerate().map(reading).collect()
    }

    /// The readings of alerts that are no Avro records.
    fn records(&mut self, file: &Arc<str>, records: Vec<Record>) -> Vec<Reading> {
        let reading = |record: Record| {
            let stamps = match record.images {
                Images::Files(files) => files.map(|file| file.and_then(|bytes| self.cutouts.read(&bytes))),
                Images::Stamps(stamps) => stamps.map(|stamp| Ok(Judged::of(stamp))),
            };
            let place = Place { file: Arc::clone(file), record: Some(record.number), offset: 0 };
            reading(place, record.told, stamps.into_iter(), &self.policies)
        };
        records.into_iter().map(reading).collect()
    }
}

fn place(file: &Arc<str>, block: &Block, index: usize) -> Place {
    let record = Some(block.first.saturating_add(index as u64));
    Place { file: Arc::clone(file), record, offset: block.offset }
}

fn reading(
    place: Place,
    mut told: Told,
    stamps: impl Iterator<Item = Result<Judged, Fault>>,
    policies: &Policies,
) -> Reading {
    let mut faults = std::mem::take(&mut told.faults);
    repair::values(&mut told, &mut faults, policies);
    let stamps = sound_stamps(stamps, &told, policies, &mut faults);
    let found = faults.into_iter().map(|fault| occurrence(fault, &place, Some(&told), policies)).collect();
    let mut reading = Reading { place, alert: None, occurrences: found, label: told.label, history: told.history };
    if let (Some(candid), Some(object_id), Some(stamps)) = (told.candid, told.object_id, stamps)
        && reading.verdict().uses()
    {
        reading.alert = Some(Alert { candid, object_id, values: told.values, stamps });
    }
    reading
}

/// The three stamps; what is wrong or odd about them goes into `faults`. Those of any size are brought into ZTF's frame.
fn sound_stamps(
    cutouts: impl Iterator<Item = Result<Judged, Fault>>,
    told: &Told,
    policies: &Policies,
    faults: &mut Vec<Fault>,
) -> Option<[Stamp; 3]> {
    let mut stamps = Vec::with_capacity(CUTOUTS.len());
    let mut shapes = Vec::with_capacity(CUTOUTS.len());
    for (cutout, kind) in cutouts.zip(CUTOUTS) {
        let named = |fault: Fault| Fault { detail: format!("{kind}: {}", fault.detail), ..fault };
        match cutout {
            Ok(Judged { stamp, oddities, shape: (rows, columns) }) if told.any_size && rows.max(columns) != SIDE => {
                let shape = |fault: &Fault| matches!(fault.reason, Reason::NotSquare | Reason::Oversized);
                faults.extend(oddities.into_iter().filter(|fault| !shape(fault)).map(named));
                faults.push(named(Fault::new(Reason::Resized, format!("{rows} x {columns} pixels"))));
                let framed = cutout::centred(&stamp);
                shapes.push((framed.rows, framed.columns));
                stamps.push(framed);
            }
            Ok(Judged { stamp, oddities, shape }) => {
                shapes.push(shape);
                let (stamp, found) = repair::stamp(stamp, oddities, &told.values, policies);
                faults.extend(found.into_iter().map(named));
                stamps.push(stamp);
            }
            Err(fault) => faults.push(named(fault)),
        }
    }
    let stamps: [Stamp; 3] = stamps.try_into().ok()?;
    // as they were read or framed: what was cut here and not there would not be alike for having been filled up
    if shapes.iter().any(|shape| *shape != shapes[0]) {
        let shapes: Vec<_> = shapes.iter().map(|(rows, columns)| format!("{rows} x {columns}")).collect();
        faults.push(Fault::new(Reason::ShapesDiffer, shapes.join(", ")));
    }
    Some(stamps)
}

fn with_losses(fault: Fault, lost: u64) -> Fault {
    match lost {
        0 => fault,
        _ => Fault { detail: format!("{}; {lost} more records of the block are lost", fault.detail), ..fault },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ztf::writer::{PacketWriter, tests::alert};

    /// A packet with stamps of 2 x 2 pixels, so that a test can afford to damage every byte.
    fn packet() -> Vec<u8> {
        let stamp = || Stamp { rows: 2, columns: 2, pixels: vec![1.0, -2.0, f32::NAN, 1e20] };
        PacketWriter::default().packet(&Alert { stamps: [stamp(), stamp(), stamp()], ..alert(7) })
    }

    fn decode(bytes: &[u8]) -> Vec<Reading> {
        Decoder::new(Arc::default(), Arc::default()).container(&"p".into(), bytes)
    }

    #[test]
    fn every_truncation_is_named_and_gives_no_alert() {
        let whole = packet();
        assert!(decode(&whole)[0].alert.is_some());
        for cut in 0..whole.len() {
            let readings = decode(&whole[..cut]);
            assert_eq!(readings.len(), 1, "cut at {cut}");
            assert!(readings[0].alert.is_none() && readings[0].verdict() == Policy::Skip, "cut at {cut}");
        }
    }

    #[test]
    fn no_flipped_byte_panics() {
        let whole = packet();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= [0x01, 0x80, 0xff][at % 3];
            decode(&flipped);
        }
    }

    #[test]
    fn what_is_odd_about_a_kept_alert_is_named() {
        let mut reasons: Vec<Reason> = decode(&packet())[0].occurrences.iter().map(|found| found.reason).collect();
        reasons.truncate(3);
        assert_eq!(reasons, [Reason::NotSquare, Reason::NanPixels, Reason::HugePixels]);
    }

    #[test]
    fn cutouts_of_different_shape_or_too_large_give_no_alert() {
        let stamp = |rows| Stamp { rows, columns: 2, pixels: vec![1.0; 2 * rows] };
        let reasons = |stamps| {
            let readings = decode(&PacketWriter::default().packet(&Alert { stamps, ..alert(7) }));
            assert!(readings[0].alert.is_none());
            readings[0].occurrences.iter().map(|found| found.reason).collect::<Vec<_>>()
        };
        assert!(reasons([stamp(2), stamp(3), stamp(2)]).contains(&Reason::ShapesDiffer));
        assert!(reasons([stamp(64), stamp(64), stamp(64)]).contains(&Reason::Oversized));
    }

    /// A container with a block of so many records, each one boolean.
    pub(in crate::ztf) fn booleans(records: u16) -> Vec<u8> {
        let schema = r#"{"type":"record","name":"a","fields":[{"name":"b","type":"boolean"}]}"#;
        let count = [records << 1 & 0x7f | 0x80, records >> 6 & 0x7f | 0x80, records >> 13].map(|part| part as u8);
        let head = [&b"Obj\x01\x02\x16avro.schema"[..], &[2 * schema.len() as u8, 1], schema.as_bytes(), &[0; 17]];
        [&head.concat()[..], &count, &count, &vec![1; records as usize], &[0; 16]].concat()
    }

    fn decode_block(records: u64, bytes: usize, room: usize) -> Vec<Reading> {
        let header = Container::open(Cursor::new(booleans(0))).unwrap().header().as_ref().clone();
        let block = Block { offset: 0, first: 5, records, data: vec![1; bytes], fault: None };
        Decoder::new(Arc::default(), Arc::default()).block_within(&"b".into(), &header, &block, room)
    }

    #[test]
    fn records_of_one_byte_do_not_fill_memory() {
        let readings = decode_block(1 << 60, 100_000, 1 << 20);
        let (last, rest) = readings.split_last().unwrap();
        assert!(rest.iter().map(Reading::held).sum::<usize>() < 2 << 20, "{} readings", readings.len());
        assert_eq!(last.occurrences[0].reason, Reason::TooLarge);
        let lost = (1_u64 << 60) - rest.len() as u64 - 1;
        assert!(last.occurrences[0].detail.ends_with(&format!("{lost} more records of the block are lost")));
    }

    #[test]
    fn records_keep_their_numbers_when_they_are_more_than_are_read_together() {
        let numbers = |readings: &[Reading]| readings.iter().map(|r| r.place.record.unwrap()).collect::<Vec<_>>();
        let whole = decode_block(150, 150, HELD);
        assert_eq!(numbers(&whole), (5..155).collect::<Vec<_>>());
        assert!(whole.iter().all(|reading| reading.occurrences[0].reason == Reason::MissingCandid));
        let short = decode_block(150, 130, HELD);
        assert_eq!(numbers(&short), (5..136).collect::<Vec<_>>());
        let last = &short[130].occurrences[0];
        assert!(last.reason == Reason::BadRecord && last.detail.contains("19 more records"), "{}", last.detail);
    }

    #[test]
    fn a_container_without_room_says_where_it_stops() {
        let mut decoder = Decoder::new(Arc::default(), Arc::default());
        let bytes = [booleans(0), [&[2, 2, 1][..], &[0; 16]].concat().repeat(4)].concat();
        assert_eq!(decoder.container(&"c".into(), &bytes).len(), 4);
        let readings = decoder.container_within(&"c".into(), &bytes, 1);
        assert_eq!(readings.len(), 2);
        assert!(readings[1].occurrences[0].detail.contains("what follows byte"));
    }

    #[test]
    fn a_name_as_long_as_its_block_is_cut() {
        let name = "Z".repeat(10_000);
        let readings = decode(&PacketWriter::default().packet(&Alert { object_id: name, ..alert(7) }));
        let cut = readings[0].occurrences.first().and_then(|found| found.object_id.as_ref());
        assert!(cut.is_none_or(|name| name.len() == LONGEST_NAME));
        assert!(readings[0].alert.is_some());
    }
}
