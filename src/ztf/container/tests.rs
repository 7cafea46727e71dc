//! Containers that are whole, cut, damaged and hostile.

use super::*;
use std::io::Cursor;
use std::io::Write;

const MARKER: [u8; SYNC] = *b"0123456789abcdef";

fn long(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

fn header(codec: &str) -> Vec<u8> {
    let entries = [text("avro.codec"), text(codec), text("avro.schema"), text("\"long\"")].concat();
    [MAGIC.to_vec(), long(2), entries, long(0), MARKER.to_vec()].concat()
}

fn block(data: &[u8]) -> Vec<u8> {
    [long(1), long(data.len() as i64), data.to_vec(), MARKER.to_vec()].concat()
}

fn open(bytes: &[u8]) -> Result<Container<Cursor<&[u8]>>, Fault> {
    Container::open(Cursor::new(bytes))
}

/// First record, data up to the marker, and reason of every block.
fn blocks(bytes: &[u8]) -> Vec<(u64, Vec<u8>, Option<Reason>)> {
    let reason = |block: &Block| block.fault.as_ref().map(|fault| fault.reason);
    open(bytes).unwrap().map(|block| (block.first, block.data.clone(), reason(&block))).collect()
}

fn packed(codec: &str, plain: &[u8]) -> Vec<u8> {
    match codec {
        "deflate" => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "snappy" => {
            let mut bytes = snap::raw::Encoder::new().compress_vec(plain).unwrap();
            bytes.extend(crc32fast::hash(plain).to_be_bytes());
            bytes
        }
        "zstandard" => zstd::encode_all(plain, 1).unwrap(),
        _ => plain.to_vec(),
    }
}

#[test]
fn every_codec_gives_the_plain_bytes() {
    for (codec, name) in Codec::NAMES {
        let plain = b"some records ".repeat(9000);
        let bytes = [header(name), block(&packed(name, &plain))].concat();
        let mut container = open(&bytes).unwrap();
        assert_eq!((container.header().codec, codec.name()), (codec, name));
        let block = container.next().unwrap();
        let mut unpacker = Unpacker::default();
        assert_eq!(codec.unpack(&block.data, &mut unpacker).unwrap(), plain);
        if codec != Codec::Null {
            let broken = codec.unpack(&block.data[..block.data.len() / 2], &mut unpacker);
            assert_eq!(broken.unwrap_err().reason, Reason::BadBlock, "{name}");
        }
    }
    let mut broken = packed("snappy", b"records");
    *broken.last_mut().unwrap() ^= 1;
    let fault = Codec::Snappy.unpack(&broken, &mut Unpacker::default()).unwrap_err();
    assert!(fault.detail.contains("checksum"));
}

#[test]
fn blocks_follow_each_other_and_damage_is_passed_over() {
    let good = [header("null"), block(b"one"), block(b"two"), block(b"three")].concat();
    let all = [(0, b"one".to_vec(), None), (1, b"two".to_vec(), None), (2, b"three".to_vec(), None)];
    assert_eq!(blocks(&good), all);
    let marked = |data: &[u8]| [data, &MARKER].concat();
    let mut lost = good.clone();
    lost.remove(header("null").len() + block(b"one").len() + 3);
    let found = blocks(&lost);
    assert_eq!(found[1], (1, marked(b"to"), Some(Reason::BadSync)));
    assert_eq!(found[2], all[2]);
    let huge = [header("null"), long(1), long(1 << 50), b"two".to_vec(), MARKER.to_vec(), block(b"three")].concat();
    assert_eq!(blocks(&huge)[0], (0, marked(b"two"), Some(Reason::BadSync)));
    assert_eq!(blocks(&huge)[1].1, b"three");
    let short = &good[..good.len() - 18];
    assert_eq!(blocks(short)[2], (2, b"thr".to_vec(), Some(Reason::Truncated)));
}

#[test]
fn headers_that_are_none_have_their_reason() {
    let reason = |bytes: &[u8]| open(bytes).err().unwrap().reason;
    assert_eq!(reason(b""), Reason::EmptyFile);
    assert_eq!(reason(b"SIMPLE"), Reason::NotAvro);
    assert_eq!(reason(&header("lzma")), Reason::UnsupportedCodec);
    assert_eq!(reason(&[MAGIC.to_vec(), long(0), MARKER.to_vec()].concat()), Reason::BadHeader);
    assert_eq!(reason(&[MAGIC.to_vec(), long(i64::MIN), long(0), long(1)].concat()), Reason::BadHeader);
    assert_eq!(reason(&[MAGIC.to_vec(), long(1), long(1 << 40)].concat()), Reason::BadHeader);
    for cut in 1..header("null").len() {
        assert!(matches!(reason(&header("null")[..cut]), Reason::Truncated | Reason::NotAvro), "cut at {cut}");
    }
}

#[test]
fn claims_of_any_size_are_not_believed() {
    for (records, size) in
        [(1_i64 << 60, 3), (1, 1 << 60), (i64::MAX, i64::MAX), (-1, 3), (1, -1), (i64::MIN, i64::MIN)]
    {
        let claim = [header("null"), long(records), long(size), b"abc".to_vec(), MARKER.to_vec()].concat();
        let block = open(&claim).unwrap().next().unwrap();
        assert!(block.data.len() <= claim.len() && block.data.capacity() < 4096, "{records} {size}");
        assert_eq!(block.fault.is_none(), size == 3 && records > 0, "{records} {size}");
    }
}

/// Counts the bytes that are asked of the file.
struct Counted<'a>(Cursor<&'a [u8]>, &'a std::cell::Cell<usize>);

impl std::io::Read for Counted<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(room)?;
        self.1.set(self.1.get() + read);
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn wrong_claims_do_not_have_the_rest_of_the_file_read_again_and_again() {
    let claim = [long(1), long(20_003), MARKER.to_vec()].concat();
    let file = [header("null"), claim.repeat(3000)].concat();
    let read = std::cell::Cell::new(0);
    let reader = std::io::BufReader::with_capacity(64, Counted(Cursor::new(&file), &read));
    let blocks: Vec<Block> = Container::open(reader).unwrap().collect();
    assert!(blocks.len() == 3000 && blocks.iter().all(|block| block.fault.is_some()));
    assert!(read.get() < 20 * file.len(), "{} bytes read of {}", read.get(), file.len());
    let mut in_memory = open(&file).unwrap().skip(1);
    assert!(in_memory.all(|block| block.data.capacity() <= 2 * STRIDE));
}
