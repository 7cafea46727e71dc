//! Decompression with a limit on what may come out: raw deflate, gzip, snappy, zstandard.
//! Knows nothing of containers or images; buffers grow with what is really there, never by a claimed size.
//!
//! One stream at a time, by `libdeflate`: 39 us for a cutout where `zlib-rs` takes a quarter more; `lanes` inflates many at once, and
//! leaves to this what is damaged or rare.

use libdeflater::{DecompressionError, Decompressor};

/// First room for inflated bytes: a 63 x 63 FITS cutout has 20,160, a block of one alert some 70,000. Too little room costs
/// a second pass; untouched room costs nothing.
const FIRST_ROOM: usize = 96 * 1024;

/// A reusable decoder of deflate and gzip with the buffer it inflates into.
pub struct Inflater {
    decoder: Decompressor,
    room: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { decoder: Decompressor::new(), room: vec![0; FIRST_ROOM] }
    }
}

impl Inflater {
    /// Inflates a raw deflate stream at the start of `input`, to at most `limit` bytes. What follows it is not looked at.
    ///
    /// # Errors
    /// A lower-case fragment: the stream is damaged, ends early, or inflates beyond `limit`.
    pub fn deflate(&mut self, input: &[u8], limit: usize) -> Result<&[u8], String> {
        self.inflate(limit, |decoder, room| decoder.deflate_decompress(input, room))
            .map_err(|e| e.unwrap_or_else(|| "deflate data damaged or incomplete".to_owned()))
    }

    /// Inflates one gzip member (RFC 1952), to at most `limit` bytes, checking its checksum and length.
    ///
    /// # Errors
    /// A lower-case fragment, as [`Inflater::deflate`].
    pub fn gzip(&mut self, input: &[u8], limit: usize) -> Result<&[u8], String> {
        self.inflate(limit, |decoder, room| decoder.gzip_decompress(input, room))
            .map_err(|e| e.unwrap_or_else(|| "gzip header, data, length or checksum wrong".to_owned()))
    }

    /// Tries with the room that there is and doubles it while it is too small; without a text: bad data.
    fn inflate(
        &mut self,
        limit: usize,
        decode: impl Fn(&mut Decompressor, &mut [u8]) -> Result<usize, DecompressionError>,
    ) -> Result<&[u8], Option<String>> {
        loop {
            let room = self.room.len().min(limit);
            match decode(&mut self.decoder, &mut self.room[..room]) {
                Ok(len) => return Ok(&self.room[..len]),
                Err(DecompressionError::BadData) => return Err(None),
                Err(DecompressionError::InsufficientSpace) if room == limit => {
                    return Err(Some(format!("inflates to more than the limit of {limit} bytes")));
                }
                Err(DecompressionError::InsufficientSpace) => self.room.resize(2 * room, 0),
            }
        }
    }
}

/// The deflate stream of a gzip member with a plain header, and where it starts; what follows it is left off.
#[must_use]
pub fn gzip_body(input: &[u8]) -> Option<(usize, &[u8])> {
    const NAME: u8 = 8;
    const TRAILER: usize = 8;
    let (&[0x1f, 0x8b, 8, flags, ..], rest) = input.split_first_chunk::<10>()? else { return None };
    let name = match flags {
        0 => 0,
        NAME => rest.iter().position(|byte| *byte == 0)? + 1,
        _ => return None,
    };
    let start = 10 + name;
    Some((start, input.get(start..input.len().checked_sub(TRAILER)?)?))
}

/// Whether the trailer of a gzip member at the start of `trailer` belongs to `plain`.
#[must_use]
pub fn gzip_trailer_fits(trailer: &[u8], plain: &[u8]) -> bool {
    let wanted = u64::from(crc32fast::hash(plain)) | (plain.len() as u64 & 0xffff_ffff) << 32;
    trailer.first_chunk().is_some_and(|trailer| u64::from_le_bytes(*trailer) == wanted)
}

/// Uncompresses a snappy block of Avro: raw snappy, then a big-endian CRC-32 of the plain bytes.
///
/// # Errors
/// A lower-case fragment: damaged, wrong checksum, or a claimed size beyond `limit` or beyond what the input can hold.
pub fn snappy(input: &[u8], output: &mut Vec<u8>, limit: usize) -> Result<(), String> {
    /// A snappy copy of 3 bytes yields at most 64.
    const MOST_EXPANSION: usize = 22;
    let body = input.len().checked_sub(4).ok_or("snappy block shorter than its checksum")?;
    let (body, crc) = input.split_at(body);
    let len = snap::raw::decompress_len(body).map_err(|e| format!("snappy data damaged: {e}"))?;
    if len > limit || len > body.len().saturating_mul(MOST_EXPANSION) {
        return Err(format!("snappy block of {} bytes claims {len} inflated bytes", body.len()));
    }
    output.clear();
    output.resize(len, 0);
    let len = snap::raw::Decoder::new().decompress(body, output).map_err(|e| format!("snappy data damaged: {e}"))?;
    output.truncate(len);
    if crc32fast::hash(output).to_be_bytes() != crc {
        return Err(format!("snappy checksum wrong over {len} bytes"));
    }
    Ok(())
}

/// Uncompresses a zstandard block into `output` (cleared first).
///
/// # Errors
/// A lower-case fragment: damaged, or more than `limit` bytes come out.
pub fn zstandard(input: &[u8], output: &mut Vec<u8>, limit: usize) -> Result<(), String> {
    use std::io::Read;
    output.clear();
    let decoder =
        zstd::stream::read::Decoder::with_buffer(input).map_err(|e| format!("zstandard data damaged: {e}"))?;
    let read =
        decoder.take(limit as u64 + 1).read_to_end(output).map_err(|e| format!("zstandard data damaged: {e}"))?;
    if read > limit {
        return Err(format!("inflates to more than the limit of {limit} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder, write::DeflateEncoder};
    use std::io::Write;

    fn gzipped(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzBuilder::new().filename("a").comment("b").extra("c").write(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_round_trips_with_every_header_field() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(|i| i.wrapping_mul(i).to_le_bytes()).collect();
        let mut inflater = Inflater::default();
        for _ in 0..2 {
            assert_eq!(inflater.gzip(&gzipped(&plain), plain.len()).unwrap(), plain);
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzipped(&vec![0; 4 << 20]);
        let mut inflater = Inflater::default();
        let error = inflater.gzip(&bomb, 1 << 16).unwrap_err();
        assert!(error.contains("65536"), "{error}");
        assert!(inflater.room.len() < 1 << 17);
        let bomb = zstd::encode_all(&vec![0; 4 << 20][..], 1).unwrap();
        assert!(zstandard(&bomb, &mut Vec::new(), 1 << 16).is_err());
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let good = gzipped(b"stamp");
        let mut inflater = Inflater::default();
        for cut in 0..good.len() {
            assert!(inflater.gzip(&good[..cut], 1000).is_err(), "cut at {cut}");
        }
        let mut wrong = good.clone();
        let last = wrong.len() - 6;
        wrong[last] ^= 1;
        assert!(inflater.gzip(&wrong, 1000).unwrap_err().contains("checksum"));
    }

    #[test]
    fn a_snappy_claim_is_not_believed() {
        let mut output = Vec::new();
        let claim = [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0];
        assert!(snappy(&claim, &mut output, 1 << 30).unwrap_err().contains("claims"));
        assert!(output.capacity() < 1000);
    }

    #[test]
    fn bytes_behind_a_deflate_stream_do_no_harm() {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"stamp").unwrap();
        let mut bytes = encoder.finish().unwrap();
        bytes.extend([1, 2, 3]);
        assert_eq!(Inflater::default().deflate(&bytes, 100).unwrap(), b"stamp");
    }
}
