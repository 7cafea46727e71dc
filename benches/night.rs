//! Times loading a night of real packets against the least that it needs: inflating the `.tar.gz` and then the stamps in it.
//!
//!     RAYON_NUM_THREADS=2 cargo bench --bench night -- NIGHT.tar.gz
//!
//! `outer`: the tarball inflated to nowhere, as zcat does. `stamps`: every gzip stream in its packets inflated and dropped, by one
//! thread, without the search for them. `limit`: both together. `decode`: [`Archive`], alerts in memory one after the other, by all threads.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use estampa::ztf::archive::Archive;
use estampa::ztf::feed::Source;
use estampa::ztf::quality::Policies;
use flate2::read::MultiGzDecoder;

/// How a stamp in a packet begins: gzip, deflate.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// Largest stamp, bytes: a FITS header and 63 x 63 floats, in blocks of 2880.
const STAMP: usize = 8 * 2880;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(path) = arguments.next() else { return println!("SKIPPED: name a .tar.gz of packets") };
    let (outer, bytes) = timed(|| inflate(&path, |_| ()));
    let (mut stamps, mut inflating) = (0_u64, 0.0);
    let mut inflater = libdeflater::Decompressor::new();
    let mut plain = vec![0; STAMP];
    inflate(&path, |piece| {
        let mut rest = piece;
        while let Some(start) = rest.windows(3).position(|bytes| bytes == GZIP) {
            rest = &rest[start..];
            let (seconds, whole) = timed(|| inflater.gzip_decompress(rest, &mut plain).is_ok());
            if whole {
                (stamps, inflating) = (stamps + 1, inflating + seconds);
            }
            rest = &rest[3..];
        }
    });
    let limit = outer + inflating;
    let (decode, alerts) = timed(|| {
        let sources = vec![Source { label: String::new(), path: path.clone().into() }];
        Archive::open(sources, Policies::default()).filter(|reading| reading.alert.is_some()).count() as u64
    });
    let rate = alerts as f64 / decode;
    println!(
        r#"{{"megabytes": {}, "alerts": {alerts}, "stamps": {stamps}, "outer_s": {outer:.2}, "stamps_s": {inflating:.2}, "limit_s": {limit:.2}, "decode_s": {decode:.2}, "alerts_per_s": {rate:.0}}}"#,
        bytes >> 20
    );
}

fn timed<T>(what: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = what();
    (start.elapsed().as_secs_f64(), result)
}

/// Inflates a file and shows what comes, packet by packet in the eyes of a reader that does not look: pieces of 1 MB, so that a
/// stamp in a thousand is cut and missed.
fn inflate(path: &str, mut show: impl FnMut(&[u8])) -> u64 {
    let Ok(file) = File::open(path) else { return 0 };
    let mut reader = MultiGzDecoder::new(BufReader::with_capacity(1 << 17, file));
    let (mut piece, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        let mut read = 0;
        while read < piece.len() {
            match reader.read(&mut piece[read..]) {
                Ok(more) if more > 0 => read += more,
                _ => break,
            }
        }
        show(&piece[..read]);
        bytes += read as u64;
        if read < piece.len() {
            return bytes;
        }
    }
}
