//! Alert packets from the outside in: tarballs, containers, records, cutouts, images.

use std::io::{BufReader, Cursor};
use std::sync::{Arc, LazyLock};

use estampa::ztf::cutout::CutoutReader;
use estampa::ztf::tarball::Tarball;
use estampa::ztf::{decode::Decoder, fits, fuzzing, packet_schema};

/// A container, decoded whole and block by block.
pub(crate) fn avro(bytes: &[u8]) {
    fuzzing::compare_pieces(bytes);
}

/// A record, decoded plainly and in general. The first two bytes are the length of its schema; 0: the survey's.
pub(crate) fn record(bytes: &[u8]) {
    static SURVEY: LazyLock<String> = LazyLock::new(packet_schema::json);
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (schema, record) = rest.split_at(length);
    fuzzing::compare_ways(if schema.is_empty() { SURVEY.as_bytes() } else { schema }, record);
}

/// One image; what is read is written and read again.
pub(crate) fn fits(bytes: &[u8]) {
    let Ok(stamp) = fits::read(bytes) else { return };
    let again = fits::read(&fits::write(&stamp)).expect("what was written is read");
    assert_eq!((again.rows, again.columns), (stamp.rows, stamp.columns));
    assert!(again.pixels.iter().zip(&stamp.pixels).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// One cutout, alone and beside others.
pub(crate) fn cutout(bytes: &[u8]) {
    let mut reader = CutoutReader::default();
    let alone = format!("{:?}", reader.read(bytes));
    for beside in reader.read_all(&[bytes, &bytes[..bytes.len() / 2], bytes, b"", bytes]).into_iter().step_by(2) {
        assert_eq!(format!("{beside:?}"), alone);
    }
}

/// An archive, gzipped or not, with all containers in it; as it is, and with checksums that fit.
pub(crate) fn tar(bytes: &[u8]) {
    members(bytes.to_vec());
    let mut sound = bytes.to_vec();
    for header in sound.as_chunks_mut::<512>().0.iter_mut().filter(|block| &block[257..262] == b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    members(sound);
}

fn members(bytes: Vec<u8>) {
    let Ok(tarball) = Tarball::open(BufReader::new(Cursor::new(bytes))) else { return };
    let mut decoder = Decoder::new(Arc::default(), Arc::default());
    for member in tarball {
        if let Ok(bytes) = member.bytes {
            decoder.container(&member.name.into(), &bytes);
        }
    }
}
