//! The FITS image of a cutout, read from the first unit that has one and written as ZTF does. Knows neither gzip nor Avro.
//!
//! FITS standard 4.0 (Pence et al. 2010, A&A 524, A42), with the one liberty that every ZTF cutout needs: its first card is
//! `SIMPLE  =  T`, the value in column 12 instead of 30, so a value is whatever stands between `=` and `/`.

use super::alert::Stamp;
use super::quality::{Fault, Reason};

const BLOCK: usize = 2880;
const CARD: usize = 80;
/// Cards searched for `END`: ten blocks; a cutout has six.
const MOST_CARDS: usize = 10 * BLOCK / CARD;
/// Longest side that is believed, pixels.
const LONGEST_SIDE: usize = 4096;

/// Header and data units that are looked at for the image.
const MOST_UNITS: usize = 16;

/// Reads the first image in `bytes`, `[rows = NAXIS2, columns = NAXIS1]`: that of the primary unit, or, where this holds no
/// data, of the first extension that is an image (Rubin cutouts have masks, variances and a PSF behind it).
///
/// # Errors
/// [`Reason::BadFits`] or [`Reason::TruncatedFits`] with the particulars.
pub fn read(bytes: &[u8]) -> Result<Stamp, Fault> {
    let mut rest = bytes;
    for _ in 0..MOST_UNITS {
        let header = Header::read(rest)?;
        if header.holds_image()? {
            return header.image(rest);
        }
        rest = rest.get(header.end()?..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
    }
    Err(Fault::new(Reason::BadFits, "no unit holds a two-dimensional image"))
}

/// Writes `stamp` as ZTF does: six cards, `BUNIT = 'DN'`, padded to whole blocks of 2,880 bytes.
#[must_use]
pub fn write(stamp: &Stamp) -> Vec<u8> {
    let cards = [
        "SIMPLE  =  T".to_owned(),
        format!("BITPIX  = {:>20}", -32),
        format!("NAXIS   = {:>20}", 2),
        format!("NAXIS1  = {:>20}", stamp.columns),
        format!("NAXIS2  = {:>20}", stamp.rows),
        "BUNIT   = 'DN      '".to_owned(),
        "END".to_owned(),
    ];
    let mut bytes: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    bytes.resize(BLOCK, b' ');
    bytes.extend(stamp.pixels.iter().flat_map(|pixel| pixel.to_be_bytes()));
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// The cards before `END`, and where the data start.
struct Header<'a> {
    cards: Vec<&'a [u8]>,
    len: usize,
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        if !bytes.starts_with(b"SIMPLE") && !bytes.starts_with(b"XTENSION") {
            return Err(Fault::new(Reason::BadFits, "does not start with SIMPLE"));
        }
        let is_end = |card: &&[u8]| card.trim_ascii_end() == b"END";
        let cards: Vec<&[u8]> = bytes.chunks_exact(CARD).take(MOST_CARDS).take_while(|card| !is_end(card)).collect();
        let len = ((cards.len() + 1) * CARD).next_multiple_of(BLOCK);
        if !bytes.chunks_exact(CARD).nth(cards.len()).is_some_and(|card| is_end(&card)) {
            let detail = format!("no END among the first {} cards", cards.len());
            let reason = if cards.len() == MOST_CARDS { Reason::BadFits } else { Reason::TruncatedFits };
            return Err(Fault::new(reason, detail));
        }
        Ok(Self { cards, len })
    }

    /// Whether the image is here; false where it has to be looked for in what follows.
    fn holds_image(&self) -> Result<bool, Fault> {
        let axes = self.value(b"NAXIS").unwrap_or("absent");
        let kind = self.value(b"XTENSION").map(|kind| kind.trim_matches(['\'', ' ']));
        match (kind, axes) {
            (Some("BINTABLE"), _) if self.value(b"ZIMAGE").is_some() => {
                let detail = "a tile-compressed image (.fits.fz), which is not read; unpack it with `funpack`";
                Err(Fault::new(Reason::BadFits, detail))
            }
            (None, "0") => Ok(false),
            (Some(kind), _) if kind != "IMAGE" => Ok(false),
            (_, "2") => Ok(true),
            _ => Err(Fault::new(Reason::BadFits, format!("NAXIS is {axes}, not 2"))),
        }
    }

    /// Where the next unit starts.
    fn end(&self) -> Result<usize, Fault> {
        let too_much = || Fault::new(Reason::BadFits, "a unit before the image claims an impossible size");
        let count = |keyword: &[u8], absent: usize| match self.value(keyword) {
            None => Ok(absent),
            Some(value) => value.parse::<usize>().map_err(|_| too_much()),
        };
        let axes = count(b"NAXIS", 0)?;
        if axes == 0 {
            return Ok(self.len);
        }
        let mut values = 1_usize;
        for axis in 1..=axes.min(1000) {
            values = values.checked_mul(count(format!("NAXIS{axis}").as_bytes(), 0)?).ok_or_else(too_much)?;
        }
        let bytes = self.value(b"BITPIX").and_then(|bits| bits.parse::<i8>().ok()).ok_or_else(too_much)?;
        let values = values.checked_add(count(b"PCOUNT", 0)?).and_then(|n| n.checked_mul(count(b"GCOUNT", 1).ok()?));
        let size = values.and_then(|n| n.checked_mul(bytes.unsigned_abs() as usize / 8));
        let end =
            size.and_then(|size| size.checked_next_multiple_of(BLOCK)).and_then(|size| size.checked_add(self.len));
        end.ok_or_else(too_much)
    }

    /// The pixels behind this header at the start of `bytes`.
    fn image(&self, bytes: &[u8]) -> Result<Stamp, Fault> {
        let (rows, columns) = (self.side(b"NAXIS2")?, self.side(b"NAXIS1")?);
        let value: fn(&[u8]) -> f64 = match self.value(b"BITPIX") {
            Some("-32") => |b| f32::from_be_bytes(b.try_into().unwrap_or_default()).into(),
            Some("-64") => |b| f64::from_be_bytes(b.try_into().unwrap_or_default()),
            Some("8") => |b| b.first().copied().unwrap_or_default().into(),
            Some("16") => |b| i16::from_be_bytes(b.try_into().unwrap_or_default()).into(),
            Some("32") => |b| i32::from_be_bytes(b.try_into().unwrap_or_default()).into(),
            other => {
                let other = other.unwrap_or("absent");
                return Err(Fault::new(Reason::BadFits, format!("BITPIX is {other}, not -64, -32, 8, 16 or 32")));
            }
        };
        let bits = self.number(b"BITPIX", 0.0)?;
        let size = bits.abs() as usize / 8;
        let wanted = rows * columns * size;
        let data = bytes.get(self.len..).unwrap_or_default();
        let data = data.get(..wanted).ok_or_else(|| {
            let detail = format!("{rows} x {columns} pixels need {wanted} bytes, {} follow the header", data.len());
            Fault::new(Reason::TruncatedFits, detail)
        })?;
        let (scale, zero) = (self.number(b"BSCALE", 1.0)?, self.number(b"BZERO", 0.0)?);
        let blank = if bits > 0.0 { self.number(b"BLANK", f64::NAN)? } else { f64::NAN };
        let physical = |stored: f64| if stored == blank { f32::NAN } else { (zero + scale * stored) as f32 };
        let pixels = if (bits, scale, zero) == (-32.0, 1.0, 0.0) {
            data.as_chunks().0.iter().map(|pixel| f32::from_be_bytes(*pixel)).collect()
        } else {
            data.chunks_exact(size).map(|pixel| physical(value(pixel))).collect()
        };
        Ok(Stamp { rows, columns, pixels })
    }

    /// The text between `=` and `/` of the card `keyword`.
    fn value(&self, keyword: &[u8]) -> Option<&'a str> {
        let card = self.cards.iter().find(|card| card[..8].trim_ascii_end() == keyword)?;
        let value = card[8..].trim_ascii_start().strip_prefix(b"=")?;
        let value = value.split(|byte| *byte == b'/').next()?;
        std::str::from_utf8(value.trim_ascii()).ok()
    }

    /// The number of the card `keyword`, `absent` without one.
    fn number(&self, keyword: &[u8], absent: f64) -> Result<f64, Fault> {
        let Some(value) = self.value(keyword) else { return Ok(absent) };
        let number = value.replace(['D', 'd'], "E").parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let keyword = String::from_utf8_lossy(keyword);
            Fault::new(Reason::BadFits, format!("{keyword} is {value}, no number"))
        })
    }

    fn side(&self, keyword: &[u8]) -> Result<usize, Fault> {
        let value = self.value(keyword).unwrap_or("absent");
        value.parse().ok().filter(|side| (1..=LONGEST_SIDE).contains(side)).ok_or_else(|| {
            let keyword = String::from_utf8_lossy(keyword);
            Fault::new(Reason::BadFits, format!("{keyword} is {value}, not 1 to {LONGEST_SIDE}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        let pixels = vec![1.5, f32::NAN, -3.4e38, 0.0, f32::INFINITY, 1e-40];
        Stamp { rows: 2, columns: 3, pixels }
    }

    #[test]
    fn what_is_written_is_read_back_bit_for_bit() {
        let bytes = write(&stamp());
        assert_eq!(bytes.len(), 2 * BLOCK);
        let back = read(&bytes).unwrap();
        assert_eq!((back.rows, back.columns), (2, 3));
        let bits = |stamp: &Stamp| stamp.pixels.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&stamp()));
        assert_eq!(&bytes[..14], b"SIMPLE  =  T  ");
    }

    /// The file with card `index` replaced.
    fn with_card(index: usize, card: &str) -> Vec<u8> {
        let mut bytes = write(&stamp());
        bytes[index * CARD..(index + 1) * CARD].copy_from_slice(format!("{card:<80}").as_bytes());
        bytes
    }

    #[test]
    fn standard_headers_and_comments_are_read_too() {
        assert!(read(&with_card(0, "SIMPLE  =                    T / conforms")).is_ok());
        assert!(read(&with_card(1, "BITPIX  =                  -32 / IEEE floats")).is_ok());
        assert!(read(&with_card(5, "BSCALE  =                  1.0")).is_ok());
    }

    #[test]
    fn every_fault_has_its_reason() {
        let reason = |index, card| read(&with_card(index, card)).unwrap_err().reason;
        assert_eq!(reason(0, "SAMPLE  =  T"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =                   17"), Reason::BadFits);
        assert_eq!(reason(2, "NAXIS   =                    3"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =                   -3"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =                    0"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =           2147483648"), Reason::BadFits);
        assert_eq!(reason(4, "NAXIS2  = -9223372036854775808"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =                   64"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =           1073741824"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =                  NaN"), Reason::BadFits);
        assert_eq!(reason(2, "NAXIS   =  9999999999999999999"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  = 99999999999999999999"), Reason::BadFits);
        assert_eq!(reason(3, "COMMENT no width"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =                 4000"), Reason::TruncatedFits);
        assert_eq!(reason(3, "NAXIS1  =           2147483648"), Reason::BadFits);
        assert_eq!(reason(5, "BZERO   =                  one"), Reason::BadFits);
        assert_eq!(reason(2, "NAXIS   =                    0"), Reason::BadFits);
        assert_eq!(reason(6, "and"), Reason::TruncatedFits);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let good = write(&stamp());
        for cut in 0..BLOCK + 24 {
            assert!(read(&good[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read(&good[..BLOCK + 24]).is_ok(), "padding may be absent");
    }

    /// Numbers of astropy 8:
    ///
    /// ```text
    /// import io, numpy as np
    /// from astropy.io import fits
    /// for dtype in ("u1", "i2", "i4", "f8"):
    ///     hdu = fits.ImageHDU(np.array([[1, 2, 3], [4, 5, 100]], dtype))
    ///     if dtype[0] != "f":
    ///         hdu.header["BLANK"] = 100
    ///     hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 7.0
    ///     raw = io.BytesIO()
    ///     fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(raw)
    ///     print(dtype, fits.open(io.BytesIO(raw.getvalue()))[1].data.astype("f4").tolist())
    /// ```
    #[test]
    fn the_image_may_be_an_extension_of_any_number_type_scaled_and_blank() {
        let card = |text: &str| format!("{text:<80}").into_bytes();
        let unit = |cards: &[String], data: Vec<u8>| {
            let mut bytes: Vec<u8> = cards.iter().flat_map(|text| card(text)).chain(card("END")).collect();
            bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
            bytes.extend(data);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
            bytes
        };
        let stored = [1_i16, 2, 3, 4, 5, 100];
        let cases: [(i32, Vec<u8>); 4] = [
            (8, stored.iter().map(|x| *x as u8).collect()),
            (16, stored.iter().flat_map(|x| x.to_be_bytes()).collect()),
            (32, stored.iter().flat_map(|x| i32::from(*x).to_be_bytes()).collect()),
            (-64, stored.iter().flat_map(|x| f64::from(*x).to_be_bytes()).collect()),
        ];
        let primary = unit(&["SIMPLE  = T".into(), "BITPIX  = 8".into(), "NAXIS   = 0".into()], Vec::new());
        for (bits, data) in cases {
            let axes =
                ["NAXIS   = 2", "NAXIS1  = 3", "NAXIS2  = 2", "BSCALE  = 5.0D-1", "BZERO   = 7.0", "BLANK   = 100"];
            let cards: Vec<String> = ["XTENSION= 'IMAGE   '".to_owned(), format!("BITPIX  = {bits}")]
                .into_iter()
                .chain(axes.map(str::to_owned))
                .collect();
            let table =
                ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 4", "NAXIS2  = 1", "PCOUNT  = 2877"];
            let table = unit(&table.map(str::to_owned), vec![1; 2881]);
            let stamp = read(&[&primary[..], &table, &unit(&cards, data)].concat()).unwrap();
            assert_eq!((stamp.rows, stamp.columns), (2, 3));
            assert_eq!(stamp.pixels[..5], [7.5, 8.0, 8.5, 9.0, 9.5], "{bits}");
            assert!(if bits > 0 { stamp.pixels[5].is_nan() } else { stamp.pixels[5] == 57.0 }, "{bits}");
        }
        let packed =
            ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 9", "ZIMAGE  = T"];
        let fault = read(&[&primary[..], &unit(&packed.map(str::to_owned), Vec::new())].concat()).unwrap_err();
        assert!(fault.detail.contains("funpack"), "{fault:?}");
        let huge =
            ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 9223372036854775807", "NAXIS2  = 9"];
        let fault = read(&[&primary[..], &unit(&huge.map(str::to_owned), Vec::new())].concat()).unwrap_err();
        assert_eq!(fault.reason, Reason::BadFits);
    }
}
