//! Arrays on disk as `.npy` (f32, C order): written row by row, read through a memory map, so that memory does not grow
//! with the number of rows. Knows nothing of what the rows mean.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{Mmap, UncheckedAdvice};

use super::{ArtifactError, Result};

/// Length of the header that we write: padded, so that the number of rows can be put in at the end.
const HEADER: usize = 128;

/// Writes an array `[rows, ..row_shape]` of f32 one row at a time.
pub struct ArrayWriter {
    path: PathBuf,
    file: BufWriter<File>,
    row_shape: Vec<usize>,
    rows: usize,
}

impl ArrayWriter {
    /// Starts the file.
    pub fn create(path: impl AsRef<Path>, row_shape: &[usize]) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = File::create(&path).map_err(|e| ArtifactError::new(&path, e))?;
        let mut writer =
            Self { path, file: BufWriter::with_capacity(1 << 20, file), row_shape: row_shape.to_vec(), rows: 0 };
        writer.write(&[b' '; HEADER])?;
        Ok(writer)
    }

    /// Appends one row.
    pub fn push(&mut self, row: &[f32]) -> Result<()> {
        let length: usize = self.row_shape.iter().product();
        if row.len() != length {
            return Err(ArtifactError::new(&self.path, format!("{} values in a row of {length}", row.len())));
        }
        self.rows += 1;
        let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.write(&bytes)
    }

    /// Number of rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Writes the header; without it the file is not an array.
    pub fn finish(mut self) -> Result<()> {
        let shape: Vec<String> =
            std::iter::once(self.rows).chain(self.row_shape.iter().copied()).map(|n| n.to_string()).collect();
        let comma = if shape.len() == 1 { "," } else { "" };
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", shape.join(", "));
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend_from_slice(&((HEADER - 10) as u16).to_le_bytes());
        header.extend_from_slice(text.as_bytes());
        header.resize(HEADER - 1, b' ');
        header.push(b'\n');
        let failed = |e: std::io::Error| ArtifactError::new(&self.path, e);
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.file.write_all(&header).map_err(failed)?;
        self.file.flush().map_err(failed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| ArtifactError::new(&self.path, e))
    }
}

/// What rows of a mapped file may keep in memory, bytes, and what the system maps around each that it reads (230 kB for rows of
/// 48 kB at random places, Linux 6.18, ext4).
const HELD: usize = 64 << 20;
const AROUND: usize = 192 << 10;

/// An array `[rows, ..row_shape]` of f32, mapped from its file. What was read of it goes out of this process again, row by row
/// as it is asked for: pages that stay mapped count as its memory, and an array may be larger than the machine.
#[derive(Debug)]
pub struct Array {
    map: Mmap,
    offset: usize,
    shape: Vec<usize>,
    /// Bytes that rows have mapped since all were let go.
    held: AtomicUsize,
}

impl Array {
    /// Maps the file; also reads arrays that numpy wrote (`<f4`, C order).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| ArtifactError::new(path, e))?;
        #[expect(unsafe_code, reason = "files of the cache are complete before they get their name, and never change")]
        let map = unsafe { Mmap::map(&file) }.map_err(|e| ArtifactError::new(path, e))?;
        let (offset, shape) = header(&map).ok_or_else(|| ArtifactError::new(path, "not an array of f32 in C order"))?;
        // a row too, though there be none: its length is multiplied elsewhere
        let bytes = |shape: &[usize]| shape.iter().try_fold(4_usize, |n, d| n.checked_mul(*d));
        let row = shape.get(1..).and_then(bytes);
        let expected = row.and(bytes(&shape)).and_then(|n| n.checked_add(offset));
        if expected != Some(map.len()) {
            return Err(ArtifactError::new(path, format!("{} bytes do not hold an array of {shape:?}", map.len())));
        }
        Ok(Self { map, offset, shape, held: AtomicUsize::new(0) })
    }

    /// The whole shape, rows first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Number of values in a row.
    pub fn row_len(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f32] {
        let bytes = &self.map[self.offset..];
        #[expect(
            unsafe_code,
            clippy::cast_ptr_alignment,
            reason = "aligned (checked by `header`: offset is a multiple of 16), any bits are an f32"
        )]
        unsafe {
            std::slice::from_raw_parts(bytes.as_ptr().cast::<f32>(), bytes.len() / 4)
        }
    }

    /// The values of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        self.span(row, 1)
    }

    /// The values of so many rows from `first` on.
    pub fn span(&self, first: usize, rows: usize) -> &[f32] {
        let n = self.row_len();
        if is_full(&self.held, 4 * n * rows) {
            self.let_go();
        }
        &self.values()[first * n..(first + rows) * n]
    }

    /// Has the system take away the pages of this map; who reads one again gets it from the file.
    fn let_go(&self) {
        #[expect(
            unsafe_code,
            reason = "the map is of a file and read-only, so each page that is taken away comes back with the same bytes"
        )]
        // That it is refused costs memory, nothing else.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}

/// Counts so many bytes more as mapped; whether all shall be let go, which is as if none were.
fn is_full(held: &AtomicUsize, bytes: usize) -> bool {
    let more = bytes + AROUND;
    let is_full = held.fetch_add(more, Ordering::Relaxed) + more >= HELD;
    if is_full {
        held.store(0, Ordering::Relaxed);
    }
    is_full
}

/// An array whose rows may be in several files, one after the other: `NAME.npy`, or `NAME-000.npy`, `NAME-001.npy` and so on.
#[derive(Debug)]
pub struct Stack {
    arrays: Vec<Array>,
    /// Rows before each of them.
    starts: Vec<usize>,
    /// Bytes that rows of all of them have mapped since all were let go.
    held: AtomicUsize,
}

impl Stack {
    /// Name of the `i`-th of `files` files.
    pub fn name(name: &str, i: usize, files: usize) -> String {
        if files == 1 { format!("{name}.npy") } else { format!("{name}-{i:03}.npy") }
    }

    /// Maps the files called so in `folder`.
    pub fn open(folder: &Path, name: &str) -> Result<Self> {
        let part = |i: usize| folder.join(Self::name(name, i, 2));
        let (one, parts) = (folder.join(Self::name(name, 0, 1)), (0..).map(part).take_while(|path| path.exists()));
        let mut paths: Vec<PathBuf> = parts.collect();
        if paths.is_empty() || one.exists() {
            paths = vec![one];
        }
        let (mut arrays, mut starts, mut rows) = (Vec::<Array>::new(), Vec::new(), 0);
        for path in &paths {
            let array = Array::open(path)?;
            if arrays.first().is_some_and(|first| first.shape()[1..] != array.shape()[1..]) {
                return Err(ArtifactError::new(path, "its rows have another shape than those before"));
            }
            starts.push(rows);
            rows += array.rows();
            arrays.push(array);
        }
        Ok(Self { arrays, starts, held: AtomicUsize::new(0) })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.arrays.iter().map(Array::rows).sum()
    }

    /// The values of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        let at = self.starts.partition_point(|start| *start <= row) - 1;
        let (array, row) = (&self.arrays[at], row - self.starts[at]);
        let n = array.row_len();
        if is_full(&self.held, 4 * n) {
            self.arrays.iter().for_each(Array::let_go);
        }
        &array.values()[row * n..(row + 1) * n]
    }
}

/// Offset of the data and shape, from the header of an npy file (versions 1 to 3).
fn header(bytes: &[u8]) -> Option<(usize, Vec<usize>)> {
    if bytes.get(..6)? != b"\x93NUMPY" {
        return None;
    }
    let (start, length) = match bytes.get(6)? {
        1 => (10, u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?) as usize),
        _ => (12, u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize),
    };
    let text = std::str::from_utf8(bytes.get(start..start + length)?).ok()?;
    if !text.contains("'<f4'") || !text.contains("'fortran_order': False") || !(start + length).is_multiple_of(16) {
        return None;
    }
    let inside = text.split_once("'shape': (")?.1.split_once(')')?.0;
    let shape: Option<Vec<usize>> =
        inside.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect();
    Some((start + length, shape?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut writer = ArrayWriter::create(&path, &[2, 2]).unwrap();
        writer.push(&[1.0, 2.0, 3.0, f32::NAN]).unwrap();
        assert!(writer.push(&[1.0]).is_err());
        writer.push(&[5.0, 6.0, 7.0, 8.0]).unwrap();
        writer.finish().unwrap();
        let array = Array::open(&path).unwrap();
        assert_eq!(array.shape(), [2, 2, 2]);
        assert_eq!(array.row(1), [5.0, 6.0, 7.0, 8.0]);
        assert!(array.row(0)[3].is_nan());
    }

    #[test]
    fn rows_of_several_files_are_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: String, rows: &[f32], length: usize| {
            let mut writer = ArrayWriter::create(folder.path().join(name), &[length]).unwrap();
            rows.chunks(length).for_each(|row| writer.push(row).unwrap());
            writer.finish().unwrap();
        };
        for (i, rows) in [&[1.0][..], &[], &[2.0, 3.0]].iter().enumerate() {
            write(Stack::name("a", i, 3), rows, 1);
        }
        let stack = Stack::open(folder.path(), "a").unwrap();
        assert_eq!((0..stack.rows()).map(|row| stack.row(row)[0]).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        write(Stack::name("a", 3, 4), &[4.0, 5.0], 2);
        assert!(Stack::open(folder.path(), "a").unwrap_err().to_string().contains("another shape"));
        write(Stack::name("a", 0, 1), &[7.0], 1);
        assert_eq!(Stack::open(folder.path(), "a").unwrap().rows(), 1, "one file of that name is all");
        assert!(Stack::open(folder.path(), "b").unwrap_err().to_string().contains("b.npy"));
    }

    #[test]
    fn other_readers_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut writer = ArrayWriter::create(&path, &[3]).unwrap();
        writer.push(&[1.0, 2.0, 3.0]).unwrap();
        writer.finish().unwrap();
        let read: ndarray::Array2<f32> = ndarray_npy::read_npy(&path).unwrap();
        assert_eq!(read, ndarray::arr2(&[[1.0, 2.0, 3.0]]));
    }

    /// Bytes of files that are mapped into this process and in memory.
    #[cfg(target_os = "linux")]
    fn mapped(path: &Path) -> usize {
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = text.lines().skip_while(|line| !line.ends_with(&*path.to_string_lossy()));
        let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        resident.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn rows_that_were_read_leave_memory_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let (rows, length) = (3000, 1 << 14);
        let mut writer = ArrayWriter::create(&path, &[length]).unwrap();
        (0..rows).for_each(|row| writer.push(&vec![row as f32; length]).unwrap());
        writer.finish().unwrap();
        let array = Array::open(&path).unwrap();
        let first = array.row(0);
        for row in 0..rows {
            assert!(array.row(row).iter().all(|value| *value == row as f32));
            if row % 100 == 0 {
                let held = mapped(&path);
                assert!(held <= HELD + (2 << 20), "{held} bytes after row {row}");
            }
        }
        assert!(first.iter().all(|value| *value == 0.0), "what somebody holds is read again");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn many_files_hold_no_more_than_one() {
        let folder = tempfile::tempdir().unwrap();
        let (files, rows, length) = (24, 128, 1 << 14);
        let path = |file: usize| folder.path().join(Stack::name("a", file, files));
        for file in 0..files {
            let mut writer = ArrayWriter::create(path(file), &[length]).unwrap();
            (0..rows).for_each(|row| writer.push(&vec![(file * rows + row) as f32; length]).unwrap());
            writer.finish().unwrap();
        }
        let stack = Stack::open(folder.path(), "a").unwrap();
        for row in 0..files * rows {
            assert!(stack.row(row).iter().all(|value| *value == row as f32));
        }
        let held: usize = (0..files).map(|file| mapped(&path(file))).sum();
        assert!(held <= HELD + (2 << 20), "{held} bytes of {}", 4 * files * rows * length);
    }

    #[test]
    fn damaged_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let mut writer = ArrayWriter::create(&path, &[3]).unwrap();
        writer.push(&[1.0, 2.0, 3.0]).unwrap();
        writer.finish().unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [1, 10, 127, 128, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Array::open(&path).is_err(), "{length} bytes were accepted");
        }
    }

    /// The file that numpy would write, with this header and no data.
    fn claim(descr: &str, shape: &str, data: usize) -> Result<Array> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let mut bytes = [&b"\x93NUMPY\x01\x00\x76\x00"[..], format!("{text:<117}\n").as_bytes()].concat();
        bytes.resize(bytes.len() + data, 0);
        std::fs::write(&path, bytes).unwrap();
        Array::open(&path)
    }

    #[test]
    fn claims_beyond_the_file_are_refused() {
        assert_eq!(claim("<f4", "(2, 1)", 8).unwrap().shape(), [2, 1]);
        assert_eq!(claim("<f4", "(0, 3)", 0).unwrap().row_len(), 3);
        for (descr, shape) in [
            ("<f4", "(1152921504606846976,)"),
            ("<f4", "(4294967296, 4294967296)"),
            ("<f4", "(18446744073709551616,)"),
            ("<f4", "(0, 4294967296, 4294967296)"),
            ("<f4", "(-1, 2)"),
            ("<f4", "()"),
            ("|O", "(2,)"),
            ("<f8", "(1,)"),
        ] {
            assert!(claim(descr, shape, 8).is_err() && claim(descr, shape, 0).is_err(), "{descr} {shape}");
        }
    }
}
