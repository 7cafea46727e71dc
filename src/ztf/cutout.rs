//! One cutout of a packet: gzipped (or plain) FITS bytes to a stamp, and what is odd about the stamp. Knows no Avro.

use super::alert::{SIDE, Stamp};
use super::fits;
use super::inflate::{Inflater, gzip_body, gzip_trailer_fits};
use super::lanes::{Inflaters, LANES};
use super::quality::{Fault, Reason};

/// Most bytes that one cutout may inflate to: a float image of 2,048 pixels square.
const LIMIT: usize = 16 << 20;
/// Above this size a pixel is no flux, DN (MODELS 11.2).
pub(super) const HUGE: f32 = 1e10;

/// Of a longer side, so many pixels about the centre are kept, or one more: enough for every way to cut the middle out.
const KEPT: usize = 2 * SIDE + 1;

/// A readable stamp and what is odd about it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The stamp; of an oversized one only the middle, for a block may hold thousands.
    pub stamp: Stamp,
    /// Rows and columns of the whole.
    pub shape: (usize, usize),
    /// Its shape, NaN, garbage.
    pub oddities: Vec<Fault>,
}

impl Judged {
    /// Judges a whole stamp.
    #[must_use]
    pub fn of(stamp: Stamp) -> Self {
        let (oddities, shape) = (oddities(&stamp), (stamp.rows, stamp.columns));
        let beyond = |length: usize| length.saturating_sub(KEPT) / 2;
        let (down, right) = (beyond(stamp.rows), beyond(stamp.columns));
        let stamp = if down + right > 0 { inner(&stamp, down, right) } else { stamp };
        Self { stamp, shape, oddities }
    }

    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        fits::read(bytes).map(Self::of)
    }
}

/// A stamp without so many rows at either end, and so many columns.
fn inner(stamp: &Stamp, down: usize, right: usize) -> Stamp {
    let (rows, columns) = (stamp.rows - 2 * down, stamp.columns - 2 * right);
    let lines = stamp.pixels.chunks_exact(stamp.columns).skip(down).take(rows);
    let pixels = lines.flat_map(|line| line[right..right + columns].iter().copied()).collect();
    Stamp { rows, columns, pixels }
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

/// A stamp of any size in the frame of ZTF's: pixel `n / 2` of a side of `n` comes to the centre, what lies outside is cut
/// off, what is missing is NaN. One that is 63 pixels long one way and shorter the other is ZTF's own, cut by the edge of the
/// detector, and stays as it is.
#[must_use]
pub fn centred(stamp: &Stamp) -> Stamp {
    let cut_by_edge = stamp.rows.max(stamp.columns) == SIDE;
    if cut_by_edge {
        return stamp.clone();
    }
    let mut pixels = vec![f32::NAN; SIDE * SIDE];
    for (y, line) in stamp.pixels.chunks_exact(stamp.columns.max(1)).enumerate() {
        let Some(row) = (y + SIDE / 2).checked_sub(stamp.rows / 2).filter(|row| *row < SIDE) else { continue };
        for (x, pixel) in line.iter().enumerate() {
            if let Some(column) = (x + SIDE / 2).checked_sub(stamp.columns / 2).filter(|column| *column < SIDE) {
                pixels[row * SIDE + column] = *pixel;
            }
        }
    }
    Stamp { rows: SIDE, columns: SIDE, pixels }
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
    fn stamps_of_any_size_keep_their_centre() {
        let stamp = |rows: usize, columns: usize| {
            let pixels = (0..rows * columns).map(|i| i as f32).collect();
            Stamp { rows, columns, pixels }
        };
        for (rows, columns) in [(30, 30), (31, 20), (64, 100), (1, 1), (80, 21)] {
            let whole = stamp(rows, columns);
            let framed = centred(&whole);
            assert_eq!((framed.rows, framed.columns, framed.pixels.len()), (SIDE, SIDE, SIDE * SIDE));
            assert_eq!(
                framed.pixels[31 * SIDE + 31],
                whole.pixels[rows / 2 * columns + columns / 2],
                "{rows} x {columns}"
            );
            let kept = framed.pixels.iter().filter(|pixel| !pixel.is_nan()).count();
            assert_eq!(kept, rows.min(SIDE) * columns.min(SIDE));
        }
        for (rows, columns) in [(63, 63), (48, 63), (63, 1)] {
            assert_eq!(centred(&stamp(rows, columns)), stamp(rows, columns));
        }
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
        let pixel = |i: usize| (i / 600 * 1000 + i % 600) as f32;
        let large = Stamp { rows: 400, columns: 600, pixels: (0..400 * 600).map(pixel).collect() };
        let image = fits::write(&large);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&image).unwrap();
        let judged = reader.read(&encoder.finish().unwrap()).unwrap();
        assert_eq!((judged.shape, judged.stamp.rows, judged.stamp.columns), ((400, 600), 128, 128));
        assert_eq!(judged.stamp.pixels.len(), 128 * 128);
        assert_eq!(centred(&judged.stamp), centred(&large), "the middle is that of the whole");
        assert_eq!(judged.oddities[0].reason, Reason::Oversized);
    }
}
