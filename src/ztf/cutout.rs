//! One cutout of a packet: gzipped (or plain) FITS bytes to a stamp, and what is odd about the stamp. Knows no Avro.

use super::alert::{SIDE, Stamp};
use super::fits;
use super::inflate::{Inflater, gzip_body, gzip_trailer_fits};
use super::lanes::{Inflaters, LANES};
use super::quality::{Fault, Reason};

/// Most bytes that one cutout may inflate to: a float image of 2,048 pixels square.
const LIMIT: usize = 16 << 20;
/// Above this size a pixel is no flux, DN (MODELS 11.2).
const HUGE: f32 = 1e10;

/// A readable stamp and what is odd about it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The stamp; without its pixels when it is oversized, for then nobody wants them and a block may hold thousands.
    pub stamp: Stamp,
    /// Its shape, NaN, garbage.
    pub oddities: Vec<Fault>,
}

impl Judged {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut stamp = fits::read(bytes)?;
        let oddities = oddities(&stamp);
        if oddities.iter().any(|fault| fault.reason == Reason::Oversized) {
            stamp.pixels = Vec::new();
        }
        Ok(Self { stamp, oddities })
    }
}

/// Reads cutouts one after the other, reusing its buffers.
#[derive(Default)]
pub struct CutoutReader {
    inflater: Inflater,
    inflaters: Inflaters,
}

impl CutoutReader {
    /// Inflates and decodes the `stampData` of many cutouts, with the same results as [`CutoutReader::read`] of each.
    pub fn read_all(&mut self, cutouts: &[&[u8]]) -> Vec<Result<Judged, Fault>> {
        let mut stamps: Vec<Option<Result<Judged, Fault>>> = vec![None; cutouts.len()];
        if cutouts.len() >= LANES {
            let bodies = cutouts.iter().enumerate().filter_map(|(i, bytes)| Some((i, gzip_body(bytes)?)));
            let (numbers, bodies): (Vec<usize>, Vec<(usize, &[u8])>) = bodies.unzip();
            let inputs: Vec<&[u8]> = bodies.iter().map(|(_, body)| *body).collect();
            self.inflaters.inflate(&inputs, LIMIT, |job, out| {
                let (start, cutout) = (bodies[job].0, cutouts[numbers[job]]);
                let sound = |(plain, len): &(&[u8], usize)| gzip_trailer_fits(&cutout[start + len..], plain);
                stamps[numbers[job]] = out.filter(sound).map(|(plain, _)| Judged::read(plain));
            });
        }
        let rest = stamps.into_iter().zip(cutouts);
        rest.map(|(stamp, bytes)| stamp.unwrap_or_else(|| self.read(bytes))).collect()
    }

    /// Inflates and decodes one cutout's `stampData`.
    ///
    /// # Errors
    /// [`Reason::MissingCutout`], [`Reason::NotFits`], [`Reason::BadGzip`], [`Reason::BadFits`] or [`Reason::TruncatedFits`].
    pub fn read(&mut self, bytes: &[u8]) -> Result<Judged, Fault> {
        match bytes {
            [] => Err(Fault::new(Reason::MissingCutout, "no bytes")),
            [0x1f, 0x8b, ..] => {
                let plain = self.inflater.gzip(bytes, LIMIT);
                Judged::read(plain.map_err(|detail| Fault::new(Reason::BadGzip, detail))?)
            }
            [b'S', b'I', b'M', b'P', b'L', b'E', ..] => Judged::read(bytes),
            [0xff, 0xd8, ..] => Err(Fault::new(Reason::NotFits, format!("a JPEG of {} bytes", bytes.len()))),
            _ => Err(Fault::new(Reason::NotFits, format!("{} bytes of unknown form", bytes.len()))),
        }
    }
}

/// What is odd about one readable stamp: its shape, NaN, garbage.
#[must_use]
pub fn oddities(stamp: &Stamp) -> Vec<Fault> {
    // sums of 0 and 1 in 32 bits, which the compiler turns into vector instructions
    let count = |pixels: &[f32]| {
        let odd = |(nan, huge), x: &f32| (nan + u32::from(x.is_nan()), huge + u32::from(x.abs() > HUGE));
        pixels.iter().fold((0, 0), odd)
    };
    let (nan, huge) = count(&stamp.pixels);
    let (nan, huge) = (nan as usize, huge as usize);
    let oversized = stamp.rows > SIDE || stamp.columns > SIDE;
    let cut = !oversized && (stamp.rows, stamp.columns) != (SIDE, SIDE);
    let shape = format!("{} x {} pixels", stamp.rows, stamp.columns);
    let all_nan = nan == stamp.pixels.len();
    let of = |n: usize| format!("{n} of {} pixels", stamp.pixels.len());
    [
        (all_nan, Reason::AllNan, of(nan)),
        (oversized, Reason::Oversized, shape.clone()),
        (cut, Reason::NotSquare, shape),
        (nan > 0 && !all_nan, Reason::NanPixels, of(nan)),
        (huge > 0, Reason::HugePixels, of(huge)),
    ]
    .into_iter()
    .filter(|(found, ..)| *found)
    .map(|(_, reason, detail)| Fault::new(reason, detail))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(stamp: &Stamp) -> Vec<Reason> {
        oddities(stamp).iter().map(|fault| fault.reason).collect()
    }

    #[test]
    fn oddities_are_named_once_each() {
        let mut stamp = Stamp { rows: SIDE, columns: SIDE, pixels: vec![1.0; SIDE * SIDE] };
        assert!(reasons(&stamp).is_empty());
        stamp.pixels[5] = f32::NAN;
        stamp.pixels[6] = -f32::MAX;
        assert_eq!(reasons(&stamp), [Reason::NanPixels, Reason::HugePixels]);
        stamp.pixels.fill(f32::NAN);
        assert_eq!(reasons(&stamp), [Reason::AllNan]);
        let small = Stamp { rows: 1, columns: 2, pixels: vec![0.0; 2] };
        assert_eq!(reasons(&small), [Reason::NotSquare]);
    }

    #[test]
    fn bytes_that_are_no_cutout_have_their_reason() {
        let mut reader = CutoutReader::default();
        let mut reason = |bytes: &[u8]| reader.read(bytes).unwrap_err().reason;
        assert_eq!(reason(b""), Reason::MissingCutout);
        assert_eq!(reason(b"\xff\xd8\xff\xe0"), Reason::NotFits);
        assert_eq!(reason(b"hello"), Reason::NotFits);
        assert_eq!(reason(b"\x1f\x8b\x08"), Reason::BadGzip);
        assert_eq!(reason(b"SIMPLE"), Reason::TruncatedFits);
    }

    /// A gigabyte of zeros in two thousandths of that: a piece that ends on a byte, again and again.
    #[test]
    fn a_bomb_is_refused_and_an_oversized_image_not_held() {
        use flate2::{Compress, Compression, FlushCompress};
        use std::io::Write;
        let (zeros, mut piece) = (vec![0; 1 << 20], Vec::with_capacity(1 << 16));
        Compress::new(Compression::best(), false).compress_vec(&zeros, &mut piece, FlushCompress::Full).unwrap();
        let bomb = [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &piece.repeat(1024), &[3, 0], &[0; 8]].concat();
        let mut reader = CutoutReader::default();
        for read in reader.read_all(&[bomb.as_slice(); 4]) {
            let fault = read.unwrap_err();
            assert!(fault.reason == Reason::BadGzip && fault.detail.contains("limit"), "{}", fault.detail);
        }
        let image = fits::write(&Stamp { rows: 64, columns: 64, pixels: vec![0.0; 64 * 64] });
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&image).unwrap();
        let judged = reader.read(&encoder.finish().unwrap()).unwrap();
        assert_eq!((judged.stamp.rows, judged.stamp.pixels.capacity()), (64, 0));
        assert_eq!(judged.oddities[0].reason, Reason::Oversized);
    }
}
