//! One FITS image of a cutout, read and written: BITPIX -32, NAXIS 2, no extensions. Knows neither gzip nor Avro.
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

/// Reads the image in `bytes`, `[rows = NAXIS2, columns = NAXIS1]`.
///
/// # Errors
/// [`Reason::BadFits`] or [`Reason::TruncatedFits`] with the particulars.
pub fn read(bytes: &[u8]) -> Result<Stamp, Fault> {
    let header = Header::read(bytes)?;
    let (rows, columns) = (header.side(b"NAXIS2")?, header.side(b"NAXIS1")?);
    let wanted = rows * columns * 4;
    let data = bytes.get(header.len..).unwrap_or_default();
    let data = data.get(..wanted).ok_or_else(|| {
        let detail = format!("{rows} x {columns} pixels need {wanted} bytes, {} follow the header", data.len());
        Fault::new(Reason::TruncatedFits, detail)
    })?;
    let pixels = data.as_chunks().0.iter().map(|pixel| f32::from_be_bytes(*pixel)).collect();
    Ok(Stamp { rows, columns, pixels })
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
        if !bytes.starts_with(b"SIMPLE") {
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
        let header = Self { cards, len };
        header.expect(b"BITPIX", -32.0)?;
        header.expect(b"NAXIS", 2.0)?;
        for (keyword, neutral) in [(&b"BSCALE"[..], 1.0), (b"BZERO", 0.0)] {
            if header.value(keyword).is_some() {
                header.expect(keyword, neutral)?;
            }
        }
        Ok(header)
    }

    /// The text between `=` and `/` of the card `keyword`.
    fn value(&self, keyword: &[u8]) -> Option<&'a str> {
        let card = self.cards.iter().find(|card| card[..8].trim_ascii_end() == keyword)?;
        let value = card[8..].trim_ascii_start().strip_prefix(b"=")?;
        let value = value.split(|byte| *byte == b'/').next()?;
        std::str::from_utf8(value.trim_ascii()).ok()
    }

    fn expect(&self, keyword: &[u8], wanted: f64) -> Result<(), Fault> {
        let value = self.value(keyword).unwrap_or("absent");
        if value.parse() == Ok(wanted) {
            return Ok(());
        }
        let detail = format!("{} is {value}, not {wanted}", String::from_utf8_lossy(keyword));
        Err(Fault::new(Reason::BadFits, detail))
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
        assert_eq!(reason(1, "BITPIX  =                   16"), Reason::BadFits);
        assert_eq!(reason(2, "NAXIS   =                    3"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =                   -3"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =                    0"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =           2147483648"), Reason::BadFits);
        assert_eq!(reason(4, "NAXIS2  = -9223372036854775808"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =                  -64"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =           1073741824"), Reason::BadFits);
        assert_eq!(reason(1, "BITPIX  =                  NaN"), Reason::BadFits);
        assert_eq!(reason(2, "NAXIS   =  9999999999999999999"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  = 99999999999999999999"), Reason::BadFits);
        assert_eq!(reason(3, "COMMENT no width"), Reason::BadFits);
        assert_eq!(reason(3, "NAXIS1  =                 4000"), Reason::TruncatedFits);
        assert_eq!(reason(5, "BZERO   =                32768"), Reason::BadFits);
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
}
