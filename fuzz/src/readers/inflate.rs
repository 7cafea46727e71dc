//! Raw deflate and gzip by every inflater there is, and by that of another crate.

use std::io::Read;

use estampa::ztf::fuzzing::{inflate_alone, inflate_side_by_side};
use estampa::ztf::inflate::{Inflater, snappy, zstandard};
use flate2::read::{DeflateDecoder, GzDecoder};

const LIMIT: usize = 1 << 22;

/// What `flate2` reads, if it is whole and not too long.
fn judged(reader: impl Read) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    reader.take(LIMIT as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= LIMIT).then_some(plain)
}

/// A raw stream, its halves beside it.
pub(crate) fn inflate(bytes: &[u8]) {
    let half = bytes.len() / 2;
    let streams = [bytes, &bytes[..half], &bytes[half..], bytes, b"", bytes];
    for (stream, found) in streams.iter().zip(inflate_side_by_side(&streams, LIMIT)) {
        let judged = judged(DeflateDecoder::new(*stream));
        // libdeflate reads two symbols of the fixed code as lengths that RFC 1951 forbids and zlib refuses
        if judged.is_some() {
            assert_eq!(inflate_alone(stream, LIMIT).ok(), judged);
        }
        if let Some((plain, taken)) = found {
            assert!(taken <= stream.len());
            assert_eq!(Some(&plain), judged.as_ref());
            assert_eq!(inflate_alone(&stream[..taken], LIMIT), Ok(plain), "it took what it needed");
        }
    }
}

/// A gzip member; and the bytes as blocks of the other codecs.
pub(crate) fn gzip(bytes: &[u8]) {
    // libdeflate passes over the header's own checksum
    if let Some(judged) = judged(GzDecoder::new(bytes)) {
        assert_eq!(Inflater::default().gzip(bytes, LIMIT), Ok(&judged[..]));
    }
    let mut plain = Vec::new();
    let _ = snappy(bytes, &mut plain, LIMIT);
    let _ = zstandard(bytes, &mut plain, LIMIT);
}
