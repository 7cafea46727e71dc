//! Where two files, or two folders of files, first differ, in the terms of their format: element of an array, cell of a
//! table, value of a tensor, line of a text. Knows no cache and no stage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use walkdir::WalkDir;

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// Where, such as `[3, 0, 12]` or `row 4, column score`.
    pub place: String,
    /// What the first file has there.
    pub left: String,
    /// What the second file has there.
    pub right: String,
}

impl fmt::Display for Contrast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} and {}", self.place, self.left, self.right)
    }
}

impl Contrast {
    fn new(place: impl ToString, left: impl ToString, right: impl ToString) -> Self {
        Self { place: place.to_string(), left: left.to_string(), right: right.to_string() }
    }
}

/// The first file by name that differs between two folders, and where it does; `None` when all bytes agree.
pub fn of_folders(left: &Path, right: &Path) -> io::Result<Option<(String, Contrast)>> {
    let (ours, theirs) = (names(left)?, names(right)?);
    for name in ours.union(&theirs) {
        let is_there = |names: &BTreeSet<String>| if names.contains(name) { "there" } else { "absent" };
        if !(ours.contains(name) && theirs.contains(name)) {
            return Ok(Some((name.clone(), Contrast::new("file", is_there(&ours), is_there(&theirs)))));
        }
        if let Some(contrast) = of_files(&left.join(name), &right.join(name))? {
            return Ok(Some((name.clone(), contrast)));
        }
    }
    Ok(None)
}

fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(io::Error::from)?;
        if !entry.file_type().is_dir() {
            names.insert(entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Where two files first differ; `None` when all bytes agree.
pub fn of_files(left: &Path, right: &Path) -> io::Result<Option<Contrast>> {
    let Some(offset) = first_offset(left, right)? else { return Ok(None) };
    let named = match left.extension().and_then(|e| e.to_str()) {
        Some("npy") => in_arrays(left, right, offset)?,
        Some("safetensors") => in_tensors(left, right, offset)?,
        Some("csv") => in_tables(left, right),
        _ => None,
    };
    match named {
        Some(contrast) => Ok(Some(contrast)),
        None => in_bytes(left, right, offset).map(Some),
    }
}

/// Number of bytes before the first that differs.
fn first_offset(left: &Path, right: &Path) -> io::Result<Option<u64>> {
    let open = |path: &Path| File::open(path).map(|file| BufReader::with_capacity(1 << 20, file));
    let (mut left, mut right, mut offset) = (open(left)?, open(right)?, 0);
    loop {
        let (a, b) = (left.fill_buf()?, right.fill_buf()?);
        let length = a.len().min(b.len());
        if let Some(at) = (0..length).find(|i| a[*i] != b[*i]) {
            return Ok(Some(offset + at as u64));
        }
        if length == 0 {
            return Ok((a.len() != b.len()).then_some(offset));
        }
        left.consume(length);
        right.consume(length);
        offset += length as u64;
    }
}

/// Bytes of a file from `offset`, at most `length`.
fn bytes_at(path: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Values of equal size, one after the other.
#[derive(Debug, PartialEq)]
struct Layout {
    start: u64,
    kind: String,
    shape: Vec<u64>,
}

impl Layout {
    /// Bytes of one value.
    fn size(&self) -> u64 {
        let digits = self.kind.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(1);
        // Tensors count bits, arrays count bytes.
        if self.kind.starts_with(['F', 'I', 'U', 'B']) { u64::max(digits / 8, 1) } else { u64::max(digits, 1) }
    }

    fn index(&self, mut element: u64) -> String {
        let mut index = Vec::new();
        for length in self.shape.iter().rev() {
            index.push((element % (*length).max(1)).to_string());
            element /= (*length).max(1);
        }
        index.reverse();
        format!("[{}]", index.join(", "))
    }

    fn contrast(&self, name: &str, left: &Path, right: &Path, offset: u64) -> io::Result<Contrast> {
        let (size, element) = (self.size(), (offset - self.start) / self.size());
        let value = |path: &Path| bytes_at(path, self.start + element * size, size).map(|b| shown(&self.kind, &b));
        Ok(Contrast::new(format!("{name}{}", self.index(element)), value(left)?, value(right)?))
    }
}

/// A value in words.
fn shown(kind: &str, bytes: &[u8]) -> String {
    let kind = kind.trim_start_matches(['<', '|', '=']);
    macro_rules! number {
        ($type:ty) => {
            bytes.try_into().ok().map(|bytes| <$type>::from_le_bytes(bytes).to_string())
        };
    }
    let text = match kind {
        "f4" | "F32" => number!(f32),
        "f8" | "F64" => number!(f64),
        "i1" | "I8" => number!(i8),
        "i2" | "I16" => number!(i16),
        "i4" | "I32" => number!(i32),
        "i8" | "I64" => number!(i64),
        "u1" | "b1" | "U8" | "BOOL" => number!(u8),
        "u2" | "U16" => number!(u16),
        "u4" | "U32" => number!(u32),
        "u8" | "U64" => number!(u64),
        _ => None,
    };
    text.unwrap_or_else(|| if bytes.is_empty() { "nothing".into() } else { format!("bytes {bytes:02x?}") })
}

fn in_arrays(left: &Path, right: &Path, offset: u64) -> io::Result<Option<Contrast>> {
    let (Some(ours), Some(theirs)) = (array_layout(left)?, array_layout(right)?) else { return Ok(None) };
    if ours != theirs {
        let words = |layout: &Layout| format!("{} {:?}", layout.kind, layout.shape);
        return Ok(Some(Contrast::new("type and shape", words(&ours), words(&theirs))));
    }
    if offset < ours.start { Ok(None) } else { ours.contrast("", left, right, offset).map(Some) }
}

/// From the header of an npy file; `None` for Fortran's order and for what is none.
fn array_layout(path: &Path) -> io::Result<Option<Layout>> {
    let head = bytes_at(path, 0, 12)?;
    if head.len() < 12 || &head[..6] != b"\x93NUMPY" {
        return Ok(None);
    }
    let (start, length) = match head[6] {
        1 => (10, u64::from(u16::from_le_bytes([head[8], head[9]]))),
        _ => (12, u64::from(u32::from_le_bytes([head[8], head[9], head[10], head[11]]))),
    };
    let text = String::from_utf8_lossy(&bytes_at(path, start, length)?).into_owned();
    let between = |from: &str, to: &str| Some(text.split_once(from)?.1.split_once(to)?.0.to_string());
    let (Some(kind), Some(shape)) = (between("'descr': '", "'"), between("'shape': (", ")")) else { return Ok(None) };
    let shape = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    Ok((!text.contains("'fortran_order': True")).then_some(Layout { start: start + length, kind, shape }))
}

/// What the header of a safetensors file says of a tensor.
#[derive(Debug, Deserialize, PartialEq)]
struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

fn in_tensors(left: &Path, right: &Path, offset: u64) -> io::Result<Option<Contrast>> {
    let (Some((start, ours)), Some((_, theirs))) = (tensors(left)?, tensors(right)?) else { return Ok(None) };
    for name in ours.keys().chain(theirs.keys()) {
        if ours.get(name) != theirs.get(name) {
            let words = |t: Option<&Tensor>| t.map_or("absent".into(), |t| format!("{} {:?}", t.dtype, t.shape));
            return Ok(Some(Contrast::new(format!("tensor {name}"), words(ours.get(name)), words(theirs.get(name)))));
        }
    }
    let holds = |t: &&Tensor| (t.data_offsets.0..t.data_offsets.1).contains(&(offset.wrapping_sub(start)));
    let Some((name, tensor)) = ours.iter().find(|(_, t)| holds(t)) else { return Ok(None) };
    let layout =
        Layout { start: start + tensor.data_offsets.0, kind: tensor.dtype.clone(), shape: tensor.shape.clone() };
    layout.contrast(&format!("tensor {name} "), left, right, offset).map(Some)
}

/// Where the data begin, and the tensors by name.
fn tensors(path: &Path) -> io::Result<Option<(u64, BTreeMap<String, Tensor>)>> {
    let Ok(length) = <[u8; 8]>::try_from(bytes_at(path, 0, 8)?) else { return Ok(None) };
    let length = u64::from_le_bytes(length);
    let header = serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&bytes_at(path, 8, length)?);
    let tensor = |(name, value)| Some((name, serde_json::from_value(value).ok()?));
    Ok(header.ok().map(|map| (8 + length, map.into_iter().filter_map(tensor).collect())))
}

/// The first cell that differs; `None` where the cells agree and only their spelling differs.
fn in_tables(left: &Path, right: &Path) -> Option<Contrast> {
    let open = |path| csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path).ok();
    let (mut left, mut right) = (open(left)?.into_records(), open(right)?.into_records());
    let mut header: Option<csv::StringRecord> = None;
    for row in 0.. {
        let (a, b) = (left.next().and_then(Result::ok), right.next().and_then(Result::ok));
        if a != b {
            let (Some(a), Some(b)) = (&a, &b) else {
                let is_there = |row: &Option<_>| if row.is_some() { "there" } else { "absent" };
                return Some(Contrast::new(format!("row {row}"), is_there(&a), is_there(&b)));
            };
            let column = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i))?;
            let name = header.as_ref().and_then(|h| h.get(column)).map_or(column.to_string(), str::to_string);
            let cell = |row: &csv::StringRecord| row.get(column).unwrap_or("nothing").to_string();
            return Some(Contrast::new(format!("row {row}, column {name}"), cell(a), cell(b)));
        }
        header = header.or(Some(a?));
    }
    None
}

/// The line of a text, else the byte.
fn in_bytes(left: &Path, right: &Path, offset: u64) -> io::Result<Contrast> {
    const LONGEST: u64 = 1 << 24;
    if offset < LONGEST
        && let (Ok(a), Ok(b)) = (text(left, LONGEST)?, text(right, LONGEST)?)
    {
        let line = a.bytes().take(offset as usize).filter(|byte| *byte == b'\n').count();
        let shown = |text: &str| text.lines().nth(line).map_or("nothing".into(), cut);
        return Ok(Contrast::new(format!("line {}", line + 1), shown(&a), shown(&b)));
    }
    let byte = |path: &Path| bytes_at(path, offset, 1).map(|b| shown("u1", &b));
    Ok(Contrast::new(format!("byte {offset}"), byte(left)?, byte(right)?))
}

fn text(path: &Path, most: u64) -> io::Result<Result<String, std::string::FromUtf8Error>> {
    bytes_at(path, 0, most).map(String::from_utf8)
}

fn cut(line: &str) -> String {
    let short: String = line.chars().take(80).collect();
    format!("`{short}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::array::ArrayWriter;

    fn contrast(name: &str, left: &[u8], right: &[u8]) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        for (side, bytes) in [("a", left), ("b", right)] {
            std::fs::create_dir(root.path().join(side)).unwrap();
            std::fs::write(root.path().join(side).join(name), bytes).unwrap();
        }
        let found = of_folders(&root.path().join("a"), &root.path().join("b")).unwrap();
        found.map(|(file, contrast)| format!("{file} {contrast}"))
    }

    fn array(rows: &[[f32; 4]]) -> Vec<u8> {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.npy");
        let mut writer = ArrayWriter::create(&path, &[2, 2]).unwrap();
        for row in rows {
            writer.push(row).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn arrays_name_the_element_and_both_values() {
        let (a, b) = (array(&[[0.0; 4], [1.0, 2.0, 3.0, 4.0]]), array(&[[0.0; 4], [1.0, 2.0, 3.5, 4.0]]));
        assert_eq!(contrast("x.npy", &a, &b).unwrap(), "x.npy [1, 1, 0]: 3 and 3.5");
        assert_eq!(contrast("x.npy", &a, &a), None);
        let short = array(&[[0.0; 4]]);
        assert_eq!(contrast("x.npy", &a, &short).unwrap(), "x.npy type and shape: <f4 [2, 2, 2] and <f4 [1, 2, 2]");
    }

    #[test]
    fn tables_name_row_and_column() {
        let (a, b) = (b"id,score\n1,0.5\n2,0.25\n", b"id,score\n1,0.5\n2,0.75\n");
        assert_eq!(contrast("x.csv", a, b).unwrap(), "x.csv row 2, column score: 0.25 and 0.75");
        assert_eq!(contrast("x.csv", a, &a[..15]).unwrap(), "x.csv row 2: there and absent");
        assert_eq!(contrast("x.csv", b"a\n\"1\"\n", b"a\n1\n").unwrap(), "x.csv line 2: `\"1\"` and `1`");
    }

    #[test]
    fn tensors_name_tensor_and_index() {
        let file = |last: f32| {
            let data: Vec<u8> = [1.0_f32, 2.0, 3.0, last].iter().flat_map(|v| v.to_le_bytes()).collect();
            let view = |data| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 2], data).unwrap();
            safetensors::serialize([("a", view(&data[..8])), ("b", view(&data[8..]))], None).unwrap()
        };
        let name = "x.safetensors";
        assert_eq!(contrast(name, &file(4.0), &file(5.0)).unwrap(), "x.safetensors tensor b [0, 1]: 4 and 5");
    }

    #[test]
    fn other_files_name_a_line_or_a_byte() {
        assert_eq!(contrast("x.txt", b"a\nb\n", b"a\nc\n").unwrap(), "x.txt line 2: `b` and `c`");
        assert_eq!(contrast("x.bin", &[0, 255, 7], &[0, 255, 9]).unwrap(), "x.bin byte 2: 7 and 9");
        assert_eq!(contrast("x.bin", &[255], &[255, 1]).unwrap(), "x.bin byte 1: nothing and 1");
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("empty")).unwrap();
        std::fs::write(root.path().join("x"), "").unwrap();
        let (file, contrast) = of_folders(&root.path().join("empty"), root.path()).unwrap().unwrap();
        assert_eq!((file.as_str(), contrast.left.as_str()), ("x", "absent"));
    }
}
