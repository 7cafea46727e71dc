//! Tests of arrays with their tables: layouts, archives, claims, damage.

use super::super::npy::tests::file;
use super::*;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const ROWS: [&str; 3] = ["1,ZTFa,1", "2,ZTFb,2", "3,ZTFc,3"];

/// `numpy.arange(n * 2 * 2 * 3, dtype="<f4")` as bytes.
fn counted(n: usize) -> Vec<u8> {
    (0..n * 12).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> Source {
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Source { label: name.into(), path }
}

fn open(folder: &TempDir, sources: Vec<Source>, rows: &[&str]) -> Result<Arrays, TableError> {
    let path = folder.path().join("t.csv");
    std::fs::write(&path, format!("candid,objectId,jd\n{}\n", rows.join("\n"))).unwrap();
    Arrays::open(sources, &TableOptions { path, ..TableOptions::default() })
}

/// Number in the file, candid, first pixels of science and difference of each stamp; details of faults.
fn read(arrays: Arrays) -> (Vec<(u64, i64, f32, f32)>, Vec<String>) {
    let (mut stamps, mut faults) = (Vec::new(), Vec::new());
    for piece in arrays {
        match piece {
            Piece::Records { records, .. } => stamps.extend(records.into_iter().map(|record| {
                let Images::Stamps([science, _, difference]) = record.images else { panic!("files") };
                (record.number, record.told.candid.unwrap(), science.pixels[1], difference.pixels[1])
            })),
            Piece::Fault { fault, .. } => faults.push(fault.detail),
            _ => panic!("no such piece"),
        }
    }
    (stamps, faults)
}

#[test]
fn channels_are_last_or_first_and_arrays_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let last = write(&folder, "a.npy", &file("'<f4'", "(2, 2, 2, 3)", &counted(2)));
    let first = write(&folder, "b.npy", &file("'<f4'", "(1, 3, 2, 2)", &counted(1)));
    let (stamps, faults) = read(open(&folder, vec![last, first], &ROWS).unwrap());
    assert_eq!(stamps, [(0, 1, 3.0, 5.0), (1, 2, 15.0, 17.0), (0, 3, 1.0, 9.0)]);
    assert!(faults.is_empty());
}

#[test]
fn npz_members_are_read_stored_and_deflated() {
    let folder = tempfile::tempdir().unwrap();
    let deflated = {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&file("'<f4'", "(1, 2, 2, 3)", &counted(1))).unwrap();
        encoder.finish().unwrap()
    };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("labels.npy", options).unwrap();
    zip.write_all(&file("'<f4'", "(2,)", &[0; 8])).unwrap();
    zip.start_file("triplets.npy", options).unwrap();
    zip.write_all(&file("'<f4'", "(2, 2, 2, 3)", &counted(2))).unwrap();
    let stored = zip.finish().unwrap().into_inner();
    let stored = write(&folder, "a.npz", &stored);
    let packed = write(&folder, "b.npz", &deflated_zip("x.npy", &deflated, 170));
    let (stamps, faults) = read(open(&folder, vec![stored, packed], &ROWS).unwrap());
    assert_eq!(stamps, [(0, 1, 3.0, 5.0), (1, 2, 15.0, 17.0), (0, 3, 3.0, 5.0)]);
    assert!(faults.is_empty());
}

/// A zip archive of one deflated member, for the `zip` crate is built here without that codec.
fn deflated_zip(name: &str, packed: &[u8], size: u32) -> Vec<u8> {
    let len = (packed.len() as u32).to_le_bytes();
    let fields = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0][..], &[0; 4], &len, &size.to_le_bytes()].concat();
    let fields = [&fields[..], &(name.len() as u16).to_le_bytes(), &[0, 0]].concat();
    let local = [ZIP, &fields, name.as_bytes(), packed].concat();
    let central = [b"PK\x01\x02\x14\x00", &fields[..], &[0; 14], name.as_bytes()].concat();
    let (start, length) = ((local.len() as u32).to_le_bytes(), (central.len() as u32).to_le_bytes());
    let end = [b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00", &length[..], &start, &[0, 0]].concat();
    [local, central, end].concat()
}

#[test]
fn claims_and_tables_of_another_length_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let message = |bytes: &[u8], rows: &[&str]| {
        let source = write(&folder, "a.npy", bytes);
        open(&folder, vec![source], rows).err().unwrap().to_string()
    };
    let two = file("'<f4'", "(2, 2, 2, 3)", &counted(2));
    assert!(message(&two, &ROWS).contains("3 rows and the arrays claim 2 stamps"));
    assert!(message(&two, &ROWS[..1]).contains("1 rows and the arrays claim 2 stamps"));
    let huge = file("'<f4'", "(1152921504606846976, 63, 63, 3)", b"");
    assert!(message(&huge, &ROWS).contains("claim 1152921504606846976 stamps"));
    assert!(message(&file("'<f4'", "(3, 9000000000, 63, 3)", b""), &ROWS).contains("9000000000 x 63 pixels"));
    assert!(message(&file("'<f4'", "(3, 63, 63)", b""), &ROWS).contains("neither [row, y, x, 3]"));
    assert!(message(&file("'|O'", "(3, 2, 2, 3)", b""), &ROWS).contains("pickles"));
    assert!(message(b"PK\x03\x04 and no more", &ROWS).contains("zip"));
}

#[test]
fn an_array_that_ends_early_gives_what_it_has_and_its_neighbour_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let short = write(&folder, "a.npy", &file("'<f4'", "(3, 2, 2, 3)", &counted(1)));
    let whole = write(&folder, "b.npy", &file("'<f4'", "(1, 2, 2, 3)", &counted(1)));
    let (stamps, faults) = read(open(&folder, vec![short, whole], &[&ROWS[..], &["4,ZTFd,4"]].concat()).unwrap());
    assert_eq!(stamps, [(0, 1, 3.0, 5.0), (0, 4, 3.0, 5.0)]);
    assert!(faults.len() == 1 && faults[0].contains("claims 3 stamps and ends"), "{faults:?}");
}

#[test]
fn a_row_that_cannot_be_read_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = |name: &str, n: usize| write(&folder, name, &file("'<f4'", &format!("({n}, 2, 2, 3)"), &counted(n)));
    let sources = vec![source("a.npy", 2), source("b.npy", 1)];
    let path = folder.path().join("t.csv");
    for (row, says) in
        [(&b"1,ZTF\xff,1"[..], "invalid UTF-8 in field 1"), (b"1,ZTFa,1,x", "it has 4 cells, and the header 3")]
    {
        let rows = [b"candid,objectId,jd\n", row, b"\n2,ZTFb,2\n3,ZTFc,3\n"].concat();
        std::fs::write(&path, rows).unwrap();
        let options = TableOptions { path: path.clone(), ..TableOptions::default() };
        let error = Arrays::open(sources.clone(), &options).err().unwrap().to_string();
        assert!(error.starts_with("table, row 1 (line 2): ") && error.contains(says), "{error}");
    }
}

/// It was sound when it was counted.
#[test]
fn a_table_that_changes_meanwhile_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let array = |name: &str, n: usize| write(&folder, name, &file("'<f4'", &format!("({n}, 2, 2, 3)"), &counted(n)));
    let mut arrays = open(&folder, vec![array("a.npy", 2), array("b.npy", 1)], &ROWS).unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, b"candid,objectId,jd\n1,ZTF\xff,1\n2,ZTFb,2\n3,ZTFc,3\n").unwrap();
    arrays.table = Described::open(&TableOptions { path, ..TableOptions::default() }).unwrap();
    let (stamps, faults) = read(arrays);
    assert!(stamps.is_empty() && faults.len() == 1, "{stamps:?} {faults:?}");
    assert!(faults[0].contains("(row 1 (line 2): ") && faults[0].contains("no stamp from here on"), "{faults:?}");
}

#[test]
fn without_a_table_an_array_is_named_and_not_read() {
    use super::super::archive::Archive;
    use super::super::quality::Policies;
    let folder = tempfile::tempdir().unwrap();
    let sources =
        vec![write(&folder, "a", b"PK\x03\x04"), write(&folder, "b", &file("'<f4'", "(1, 2, 2, 3)", &counted(1)))];
    let found = Archive::open(sources, Policies::default()).flat_map(|reading| reading.occurrences);
    assert_eq!(found.map(|found| found.reason).collect::<Vec<_>>(), [Reason::NoTable; 2]);
}

/// Gives what it has, then the error of a disk.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::Error::from_raw_os_error(5)),
            read => Ok(read),
        }
    }
}

#[test]
fn an_error_of_the_disk_is_no_property_of_an_array() {
    let folder = tempfile::tempdir().unwrap();
    let whole = file("'<f4'", "(3, 2, 2, 3)", &counted(3));
    let source = write(&folder, "a.npy", &whole);
    let reasons = |arrays: &mut dyn Iterator<Item = Piece>| {
        let fault = |piece| if let Piece::Fault { fault, .. } = piece { Some(fault.reason) } else { None };
        arrays.filter_map(fault).collect::<Vec<_>>()
    };
    let mut arrays = open(&folder, vec![source.clone()], &ROWS).unwrap();
    let stack = Stack::start(Box::new(Failing(Cursor::new(whole[..whole.len() - 40].to_vec())))).unwrap();
    (arrays.open, arrays.sources) = (Some((source.shown(), stack)), Vec::new().into_iter());
    assert_eq!(reasons(&mut arrays), [Reason::Unreadable]);
    // what could be opened before and cannot now
    let arrays = open(&folder, vec![source.clone()], &ROWS).unwrap();
    std::fs::write(&source.path, &whole[..20]).unwrap();
    assert_eq!(reasons(&mut arrays.into_iter()), [Reason::Unreadable]);
}

/// A folder can be opened and not be read, as a file on a bad disk.
#[test]
fn an_error_of_the_disk_is_no_property_of_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let array = |name: &str| write(&folder, name, &file("'<f4'", "(3, 2, 2, 3)", b""));
    let source = array("a.npy");
    let six = [&ROWS[..], &["4,ZTFd,4", "5,ZTFe,5", "6,ZTFf,6"]].concat();
    for sources in
        [vec![write(&folder, "b.npy", &file("'<f4'", "(6, 2, 2, 3)", &counted(6)))], vec![source, array("c.npy")]]
    {
        let mut arrays = open(&folder, sources, &six).unwrap();
        arrays.table.break_disk(folder.path());
        let first = arrays.find_map(|piece| if let Piece::Fault { fault, .. } = piece { Some(fault) } else { None });
        let first = first.unwrap();
        assert!(first.reason == Reason::Unreadable && first.detail.contains("row 1"), "{first:?}");
    }
}
