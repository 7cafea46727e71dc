//! The header of a `.npy` file and its numbers, whatever their type; what it claims is believed only as far as bytes follow.
//! Knows nothing of what the numbers mean. Objects (pickles) are never read.
//!
//! Format: numpy.lib.format, versions 1.0 to 3.0.

use std::io::Read;

/// Longest header that is read, bytes; one of plain numbers has 128.
const LONGEST_HEADER: usize = 1 << 16;
/// Most dimensions.
const MOST_DIMENSIONS: usize = 32;

/// The first bytes of every file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// How the numbers of an array are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// Bytes of one.
    pub(super) size: usize,
    big: bool,
    read: fn([u8; 8]) -> f32,
}

impl Number {
    /// The type that numpy calls `name`, e.g. `<f4`.
    fn parse(name: &str) -> Option<Self> {
        let (order, kind) = name.split_at_checked(1)?;
        let (size, read): (usize, fn([u8; 8]) -> f32) = match kind {
            "f4" => (4, |b| f32::from_bits(u64::from_le_bytes(b) as u32)),
            "f8" => (8, |b| f64::from_le_bytes(b) as f32),
            "u1" => (1, |b| b[0].into()),
            "i1" => (1, |b| (b[0] as i8).into()),
            "u2" => (2, |b| (u64::from_le_bytes(b) as u16).into()),
            "i2" => (2, |b| (u64::from_le_bytes(b) as i16).into()),
            "u4" => (4, |b| u64::from_le_bytes(b) as u32 as f32),
            "i4" => (4, |b| u64::from_le_bytes(b) as i32 as f32),
            "i8" => (8, |b| i64::from_le_bytes(b) as f32),
            _ => return None,
        };
        matches!(order, "<" | ">" | "|" | "=").then_some(Self { size, big: order == ">", read })
    }

    /// The number in so many bytes.
    pub(super) fn value(self, stored: &[u8]) -> f32 {
        let mut bytes = [0; 8];
        for (i, byte) in stored.iter().take(self.size).enumerate() {
            bytes[if self.big { self.size - 1 - i } else { i }] = *byte;
        }
        (self.read)(bytes)
    }
}

/// What a file says of its array.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) number: Number,
    pub(super) shape: Vec<u64>,
}

impl Header {
    /// Reads the header; what follows in `reader` are the numbers, the last dimension varying fastest.
    ///
    /// # Errors
    /// A lower-case fragment: it is damaged, ends early, or the array is of a kind that is not read.
    pub(super) fn read(reader: &mut impl Read) -> Result<Self, String> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(|_| "ends inside its header")?;
        if !start.starts_with(MAGIC) {
            return Err("no numpy array: it does not start with \\x93NUMPY".into());
        }
        let mut length = [0; 4];
        let wide = start[6] > 1;
        reader.read_exact(&mut length[..if wide { 4 } else { 2 }]).map_err(|_| "ends inside its header")?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST_HEADER {
            return Err(format!("its header claims {length} bytes"));
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(|_| "ends inside its header")?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let after = |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start());
        let kind = after("'descr':").ok_or("its header has no descr")?;
        let Some((kind, _)) = kind.strip_prefix('\'').and_then(|kind| kind.split_once('\'')) else {
            return Err("an array of records, not of plain numbers".into());
        };
        if kind.ends_with('O') {
            return Err("an array of objects (pickles), which is never read; save plain numbers".into());
        }
        let number =
            Number::parse(kind).ok_or_else(|| format!("numbers of type {kind:?}; save it `.astype(\"f4\")`"))?;
        if !after("'fortran_order':").is_some_and(|order| order.starts_with("False")) {
            return Err("stored in Fortran order; save `numpy.ascontiguousarray(array)`".into());
        }
        let shape = after("'shape':").and_then(|shape| shape.strip_prefix('(')?.split_once(')'));
        let sides = shape.map(|(sides, _)| sides.split(',').map(str::trim).filter(|side| !side.is_empty()));
        let sides = sides.and_then(|sides| sides.map(|side| side.parse().ok()).collect::<Option<Vec<u64>>>());
        let shape = sides.filter(|shape| shape.len() <= MOST_DIMENSIONS).ok_or("its header has no sound shape")?;
        Ok(Self { number, shape })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file with this header text and data.
    pub(crate) fn file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes()].concat();
        bytes.extend(text.as_bytes());
        bytes.extend(data);
        bytes
    }

    /// `numpy.array([-2, 100]).astype(TYPE).tobytes()` for every type.
    #[test]
    fn numbers_of_every_type_are_read() {
        let cases: [(&str, &[u8]); 8] = [
            ("<f4", b"\x00\x00\x00\xc0\x00\x00\xc8B"),
            (">f4", b"\xc0\x00\x00\x00B\xc8\x00\x00"),
            ("<f8", b"\x00\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00Y@"),
            ("|i1", b"\xfed"),
            (">i2", b"\xff\xfe\x00d"),
            ("<i4", b"\xfe\xff\xff\xffd\x00\x00\x00"),
            ("<i8", b"\xfe\xff\xff\xff\xff\xff\xff\xffd\x00\x00\x00\x00\x00\x00\x00"),
            (">f8", b"\xc0\x00\x00\x00\x00\x00\x00\x00@Y\x00\x00\x00\x00\x00\x00"),
        ];
        for (kind, stored) in cases {
            let number = Number::parse(kind).unwrap();
            let values: Vec<f32> = stored.chunks(number.size).map(|bytes| number.value(bytes)).collect();
            assert_eq!(values, [-2.0, 100.0], "{kind}");
        }
        let unsigned = Number::parse("<u2").unwrap();
        assert_eq!(unsigned.value(b"\xfe\xff"), 65534.0);
    }

    #[test]
    fn what_is_no_array_of_numbers_is_named() {
        let fault = |bytes: &[u8]| Header::read(&mut &bytes[..]).unwrap_err();
        assert!(fault(&file("'|O'", "(3,)", b"")).contains("pickles"));
        assert!(fault(&file("[('a', '<f4')]", "(3,)", b"")).contains("records"));
        assert!(fault(&file("'<c8'", "(3,)", b"")).contains("<c8"));
        assert!(fault(&file("'<f4'", "(3,-1)", b"")).contains("shape"));
        assert!(fault(&file("'<f4'", "(99999999999999999999999,)", b"")).contains("shape"));
        assert!(fault(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("claims 4294967295"));
        assert!(fault(b"PK\x03\x04 is a zip").contains("no numpy array"));
        let good = file("'<f4'", "(1152921504606846976, 63, 63, 3)", b"");
        assert_eq!(Header::read(&mut &good[..]).unwrap().shape, [1 << 60, 63, 63, 3]);
        for cut in 0..good.len() {
            assert!(Header::read(&mut &good[..cut]).is_err(), "cut at {cut}");
        }
        let fortran = String::from_utf8_lossy(&good[10..]).replace("False", "True");
        assert!(Header::parse(&fortran).unwrap_err().contains("Fortran"));
    }
}
