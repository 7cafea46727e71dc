//! Decompression with a limit on what may come out: raw deflate, gzip, snappy, zstandard.
//! Knows nothing of containers or images; buffers grow with what is really there, never by a claimed size.

use flate2::{Decompress, FlushDecompress, Status};

/// First guess of an inflated size, bytes: a 63 x 63 FITS cutout has 20,160.
const FIRST_GUESS: usize = 24 * 1024;

/// A reusable deflate decoder: its tables cost more to set up than a cutout takes to inflate.
pub struct Inflater {
    decoder: Decompress,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { decoder: Decompress::new(false) }
    }
}

impl Inflater {
    /// Inflates a raw deflate stream at the start of `input` into `output` (cleared first), at most `limit` bytes.
    /// Returns how many bytes of `input` the stream took.
    ///
    /// # Errors
    /// A lower-case fragment: the stream is damaged, ends early, or inflates beyond `limit`.
    pub fn deflate(&mut self, input: &[u8], output: &mut Vec<u8>, limit: usize) -> Result<usize, String> {
        self.decoder.reset(false);
        output.clear();
        output.reserve(FIRST_GUESS.min(limit));
        loop {
            let taken = self.decoder.total_in() as usize;
            let status = self.decoder.decompress_vec(&input[taken..], output, FlushDecompress::Finish);
            let status = status.map_err(|e| format!("deflate data damaged after {} bytes: {e}", output.len()))?;
            if output.len() > limit {
                return Err(format!("inflates to more than the limit of {limit} bytes"));
            }
            let full = output.len() == output.capacity();
            match status {
                Status::StreamEnd => return Ok(self.decoder.total_in() as usize),
                _ if full => output.reserve(output.len().max(FIRST_GUESS)),
                _ => return Err(format!("deflate data ends after {} inflated bytes", output.len())),
            }
        }
    }

    /// Inflates one gzip member (RFC 1952) into `output` (cleared first), checking its checksum and length.
    ///
    /// # Errors
    /// A lower-case fragment, as [`Inflater::deflate`].
    pub fn gzip(&mut self, input: &[u8], output: &mut Vec<u8>, limit: usize) -> Result<(), String> {
        let start = gzip_header_len(input).ok_or("gzip header damaged")?;
        let end = start + self.deflate(&input[start..], output, limit)?;
        let trailer = input.get(end..end + 8).ok_or("gzip trailer missing")?;
        let (crc, len) = (little_u32(&trailer[..4]), little_u32(&trailer[4..]));
        if crc != crc32fast::hash(output) {
            return Err(format!("gzip checksum wrong over {} bytes", output.len()));
        }
        if len != output.len() as u32 {
            return Err(format!("gzip trailer says {len} bytes, {} came out", output.len()));
        }
        Ok(())
    }
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
    let decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(|e| format!("zstandard data damaged: {e}"))?;
    let read = decoder.take(limit as u64 + 1).read_to_end(output).map_err(|e| format!("zstandard data damaged: {e}"))?;
    if read > limit {
        return Err(format!("inflates to more than the limit of {limit} bytes"));
    }
    Ok(())
}

/// Length of the gzip header at the start of `input`; none when it is damaged.
fn gzip_header_len(input: &[u8]) -> Option<usize> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let [0x1f, 0x8b, 8, flags, ..] = *input else { return None };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let size = input.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([size[0], size[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += 1 + input.get(at..)?.iter().position(|byte| *byte == 0)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        at += 2;
    }
    (at <= input.len()).then_some(at)
}

fn little_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
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
        let plain: Vec<u8> = (0..100_000_u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        let mut output = Vec::new();
        let mut inflater = Inflater::default();
        for _ in 0..2 {
            inflater.gzip(&gzipped(&plain), &mut output, plain.len()).unwrap();
            assert_eq!(output, plain);
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzipped(&vec![0; 4 << 20]);
        let mut output = Vec::new();
        let error = Inflater::default().gzip(&bomb, &mut output, 1 << 16).unwrap_err();
        assert!(error.contains("65536"), "{error}");
        assert!(output.capacity() < 1 << 19);
        let bomb = zstd::encode_all(&vec![0; 4 << 20][..], 1).unwrap();
        assert!(zstandard(&bomb, &mut output, 1 << 16).is_err());
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let good = gzipped(b"stamp");
        let mut output = Vec::new();
        for cut in 0..good.len() {
            assert!(Inflater::default().gzip(&good[..cut], &mut output, 1000).is_err(), "cut at {cut}");
        }
        let mut wrong = good.clone();
        let last = wrong.len() - 6;
        wrong[last] ^= 1;
        assert!(Inflater::default().gzip(&wrong, &mut output, 1000).unwrap_err().contains("checksum"));
    }

    #[test]
    fn a_snappy_claim_is_not_believed() {
        let mut output = Vec::new();
        let claim = [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0];
        assert!(snappy(&claim, &mut output, 1 << 30).unwrap_err().contains("claims"));
        assert!(output.capacity() < 1000);
    }

    #[test]
    fn deflate_tells_what_it_took() {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"stamp").unwrap();
        let mut bytes = encoder.finish().unwrap();
        let len = bytes.len();
        bytes.extend([1, 2, 3]);
        let mut output = Vec::new();
        assert_eq!(Inflater::default().deflate(&bytes, &mut output, 100), Ok(len));
        assert_eq!(output, b"stamp");
    }
}
