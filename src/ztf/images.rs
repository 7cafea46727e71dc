//! A folder of FITS images, three for each row of a csv, found by their names. Knows no pixels.

use super::alert::CUTOUTS;
use super::described::{Described, Row, TableError, TableOptions};
use super::feed::{Piece, Source};
use super::quality::{Fault, Reason};
use super::record::{Images, Record};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Alerts of one piece.
const TOGETHER: usize = 16;
/// Most bytes of one file: a gzipped image of two thousand pixels square.
const LIMIT: u64 = 16 << 20;

/// How FITS images are called, lower case.
pub(super) const ENDINGS: &[&str] = &[".fits", ".fit", ".fits.gz", ".fit.gz"];

/// Whether a file is a FITS image by its name.
pub(super) fn is_one(source: &Source) -> bool {
    let name = source.path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.iter().any(|end| name.ends_with(end))
}

/// An image, and whether a row asked for it.
struct Image {
    label: String,
    path: PathBuf,
    used: bool,
}

/// The alerts of a table with their images.
pub(super) struct Folder {
    /// By label.
    images: Vec<Image>,
    /// Images by what a pattern may call them.
    names: HashMap<String, Vec<usize>>,
    /// Images of which it is known whether a row asked for them.
    told: usize,
    table: Described,
    pattern: String,
    cutouts: [String; 3],
    /// What is wrong with the row behind those that were read.
    fault: Option<Fault>,
}

impl Folder {
    /// The images among `sources`, by their labels.
    ///
    /// # Errors
    /// The table cannot be read, or the pattern does not say which file is which.
    pub(super) fn open(sources: Vec<Source>, options: &TableOptions) -> Result<Self, TableError> {
        let table = Described::open(options)?;
        let pattern = options.pattern.clone();
        let names = pattern.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
        let names: Vec<&str> = names.collect();
        if let Some(unknown) = names.iter().find(|name| **name != "cutout" && !table.has(name)) {
            return Err(TableError(format!("pattern: the table has no column `{unknown}`")));
        }
        if !names.contains(&"cutout") || names.len() < 2 {
            let what = "pattern: it needs {cutout} and a column of the table, as in {candid}_{cutout}.fits";
            return Err(TableError(what.into()));
        }
        let cutouts = <[String; 3]>::try_from(options.cutouts.clone());
        let cutouts = cutouts.map_err(|_| TableError(format!("cutouts: three words, for {}", CUTOUTS.join(", "))))?;
        // What is found is to depend on labels alone, which a file that was named itself has not.
        if let Some(single) = sources.iter().find(|source| source.label.is_empty()) {
            let what = "is a single image; name the folder of all images, or a glob";
            return Err(TableError(format!("images: {} {what}", single.path.display())));
        }
        let images = sources.into_iter().map(|source| (source.label, source.path));
        // a file that two globs match is one
        let images: BTreeSet<(String, PathBuf)> = images.collect();
        let mut pairs = images.iter().zip(images.iter().skip(1));
        if let Some(((label, one), (_, other))) = pairs.find(|((label, _), (next, _))| label == next) {
            let (one, other) = (one.display(), other.display());
            let what = format!("images: {one} and {other} are both {label}; give their folders different names");
            return Err(TableError(what));
        }
        let image = |(label, path)| Image { label, path, used: false };
        let images: Vec<Image> = images.into_iter().map(image).collect();
        let names = names_of(&images);
        Ok(Self { images, names, told: 0, table, pattern, cutouts, fault: None })
    }

    fn record(&mut self) -> Option<Record> {
        let row = match self.table.next_row()? {
            Ok(row) => row,
            Err(fault) => {
                self.fault = Some(fault);
                return None;
            }
        };
        let images = self.cutouts.clone().map(|cutout| self.image(&row, &cutout));
        Some(Record { number: row.number, told: row.told, images: Images::Files(images) })
    }

    fn image(&mut self, row: &Row, cutout: &str) -> Result<Vec<u8>, Fault> {
        let name = self.table.name(row, &self.pattern, cutout);
        let found = self.names.get(&name).or_else(|| self.names.get(&format!("{name}.gz")));
        let found = found.map(Vec::as_slice).unwrap_or_default();
        for index in found {
            self.images[*index].used = true;
        }
        match found {
            [index] => {
                let image = read(&self.images[*index].path);
                image.map_err(|fault| Fault { detail: format!("{name}: {}", fault.detail), ..fault })
            }
            [] => Err(Fault::new(Reason::MissingCutout, format!("no file {name}"))),
            [one, other, ..] => {
                let [one, other] = [one, other].map(|index| &self.images[*index].label);
                let what = format!("{name} is in two folders ({one}, {other}); `pattern` must tell which");
                Err(Fault::new(Reason::MissingCutout, what))
            }
        }
    }

    /// The next file that no row asked for, as a fault of its own.
    fn unused(&mut self) -> Option<Piece> {
        let left = &self.images[self.told..];
        let next = left.iter().position(|image| !image.used);
        self.told += next.map_or(left.len(), |next| next + 1);
        let file = self.images[..self.told].last().filter(|_| next.is_some())?.label.as_str().into();
        Some(Piece::Fault { file, fault: Fault::new(Reason::OtherFile, "no row of the table has this image") })
    }
}

/// Images by label and by the part below the first folder: where `path` is a list, labels begin with that of its entry. Whether it
/// is one, no key tells, so that it must not matter. A label goes before such a part.
fn names_of(images: &[Image]) -> HashMap<String, Vec<usize>> {
    let mut names: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, image) in images.iter().enumerate() {
        names.entry(image.label.clone()).or_default().push(index);
    }
    let mut below: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, image) in images.iter().enumerate() {
        if let Some((_, part)) = image.label.split_once('/') {
            below.entry(part).or_default().push(index);
        }
    }
    for (part, indices) in below {
        names.entry(part.to_owned()).or_insert(indices);
    }
    names
}

impl Iterator for Folder {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.fault.is_none() {
            let records: Vec<Record> = std::iter::from_fn(|| self.record()).take(TOGETHER).collect();
            if !records.is_empty() {
                return Some(Piece::Records { file: Arc::from("table"), records });
            }
        }
        match self.fault.take() {
            Some(fault) => Some(Piece::Fault { file: Arc::from("table"), fault }),
            None => self.unused(),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let unreadable = |e: std::io::Error| Fault::new(Reason::Unreadable, e.to_string());
    let mut bytes = Vec::new();
    File::open(path).map_err(unreadable)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Fault::new(Reason::TooLarge, format!("more than {LIMIT} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::alert::{SIDE, Stamp};
    use super::super::archive::Archive;
    use super::super::fits;
    use super::super::quality::Policies;
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn stamp(side: usize, value: f32) -> Vec<u8> {
        fits::write(&Stamp { rows: side, columns: side, pixels: vec![value; side * side] })
    }

    fn options(folder: &Path, pattern: &str) -> TableOptions {
        let path = folder.join("t.csv");
        std::fs::write(&path, "candid,objectId,jd\n1,ZTFa,5\n2,ZTFa,6\n3,ZTFb,7\n").unwrap();
        let cutouts = ["sci", "ref", "diff"].map(str::to_owned).into();
        TableOptions { path, pattern: pattern.into(), cutouts, ..TableOptions::default() }
    }

    fn sources(folder: &Path, names: &[&str]) -> Vec<Source> {
        names.iter().map(|name| Source { label: (*name).to_owned(), path: folder.join(name) }).collect()
    }

    #[test]
    fn images_are_found_by_name_and_each_absence_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("ZTFa")).unwrap();
        for (name, value) in
            [("ZTFa/1-sci.fits", 1.0), ("ZTFa/1-ref.fits", 2.0), ("ZTFa/2-sci.fits", 4.0), ("extra.fits", 0.0)]
        {
            std::fs::write(at(name), stamp(SIDE, value)).unwrap();
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&stamp(SIDE, 3.0)).unwrap();
        std::fs::write(at("ZTFa/1-diff.fits.gz"), gzip.finish().unwrap()).unwrap();
        std::fs::write(at("ZTFa/2-ref.fits"), stamp(SIDE, 5.0)).unwrap();
        std::fs::write(at("ZTFa/2-diff.fits"), &stamp(SIDE, 6.0)[..5000]).unwrap();
        let names = ["ZTFa/1-sci.fits", "ZTFa/1-ref.fits", "ZTFa/1-diff.fits.gz", "ZTFa/2-sci.fits"];
        let names = [&names[..], &["ZTFa/2-ref.fits", "ZTFa/2-diff.fits", "extra.fits"]].concat();
        let table = options(folder.path(), "{objectId}/{candid}-{cutout}.fits");
        let archive = Archive::with_table(sources(folder.path(), &names), &table, Policies::default()).unwrap();
        let readings: Vec<_> = archive.collect();
        let alert = readings[0].alert.as_ref().unwrap();
        assert_eq!((alert.candid, alert.value("jd")), (1, 5.0));
        assert_eq!(alert.stamps.each_ref().map(|stamp| stamp.pixels[0]), [1.0, 2.0, 3.0]);
        let found = |i: usize| {
            let found = readings[i].occurrences.iter().map(|found| (found.reason, found.detail.as_str()));
            found.collect::<Vec<_>>()
        };
        assert_eq!(found(0), []);
        assert_eq!(found(1)[0].0, Reason::TruncatedFits);
        assert_eq!(found(2)[0], (Reason::MissingCutout, "science: no file ZTFb/3-sci.fits"));
        assert_eq!((found(2).len(), readings[1].alert.is_none(), readings[2].alert.is_none()), (3, true, true));
        assert_eq!((found(3)[0].0, &*readings[3].place.file), (Reason::OtherFile, "extra.fits"));
        assert_eq!(readings.len(), 4);
    }

    /// Images of candids 1 to `count` below `below`, all alike; their labels.
    fn write_images(folder: &Path, below: &str, count: usize) -> Vec<String> {
        std::fs::create_dir_all(folder.join(below)).unwrap();
        let names = (1..=count).flat_map(|i| ["sci", "ref", "diff"].map(|cutout| format!("{below}{i}_{cutout}.fits")));
        let names: Vec<String> = names.collect();
        for name in &names {
            std::fs::write(folder.join(name), stamp(SIDE, 1.0)).unwrap();
        }
        names
    }

    fn read_all(folder: &Path, names: &[String], table: &TableOptions) -> Vec<super::super::decode::Reading> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Archive::with_table(sources(folder, &names), table, Policies::default()).unwrap().collect()
    }

    #[test]
    fn an_unreadable_row_is_named_and_shifts_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let names = write_images(folder.path(), "", 18);
        let mut table = options(folder.path(), "{candid}_{cutout}.fits");
        table.label = "label".into();
        // the first row of the second piece
        let row =
            |i: usize| if i == 17 { b"17,ZTF\xff,5,SN\n".to_vec() } else { format!("{i},ZTFa,5,SN\n").into_bytes() };
        let rows = [b"candid,objectId,jd,label\n".to_vec()].into_iter().chain((1..=18).map(row));
        std::fs::write(&table.path, rows.flatten().collect::<Vec<u8>>()).unwrap();
        let readings = read_all(folder.path(), &names, &table);
        let candids: Vec<i64> = readings.iter().filter_map(|reading| Some(reading.alert.as_ref()?.candid)).collect();
        assert_eq!(candids, (1..=16).chain([18]).collect::<Vec<_>>());
        let evidence = readings[17].label.as_ref().map(|label| label.evidence.as_str());
        assert_eq!((evidence, readings[17].place.record), (Some("table, row 18"), Some(17)));
        let bad = &readings[16].occurrences[0];
        assert!(
            bad.reason == Reason::BadRow && bad.detail.starts_with("row 17 (line 18): invalid utf-8"),
            "{}",
            bad.detail
        );
        let unused = readings[18..].iter().map(|reading| &*reading.place.file).collect::<Vec<_>>();
        assert_eq!(unused, ["17_diff.fits", "17_ref.fits", "17_sci.fits"]);
    }

    #[test]
    fn with_a_list_of_folders_names_are_those_below_each() {
        let folder = tempfile::tempdir().unwrap();
        let names = [write_images(folder.path(), "s1/", 2), write_images(folder.path(), "img/", 1)].concat();
        let mut table = options(folder.path(), "{candid}_{cutout}.fits");
        let readings = read_all(folder.path(), &names, &table);
        let found = |i: usize| readings[i].occurrences.first().map(|found| (found.reason, found.detail.as_str()));
        let twice = "science: 1_sci.fits is in two folders (img/1_sci.fits, s1/1_sci.fits); `pattern` must tell which";
        assert_eq!(found(0), Some((Reason::MissingCutout, twice)));
        assert_eq!((readings[1].alert.as_ref().unwrap().candid, found(1)), (2, None));
        assert_eq!((readings.len(), found(2).unwrap().1), (3, "science: no file 3_sci.fits"));
        table.pattern = "s1/{candid}_{cutout}.fits".into();
        let readings = read_all(folder.path(), &names, &table);
        assert!(readings[0].alert.is_some() && readings[1].alert.is_some());
        assert_eq!(readings[3..].len(), 3, "those of img/ belong to no row");
    }

    /// As `path = "data"` and `path = ["data/s1", "data/s2"]` give the same labels.
    #[test]
    fn what_is_found_depends_on_labels_alone() {
        let folder = tempfile::tempdir().unwrap();
        let names = [write_images(folder.path(), "s1/", 1), write_images(folder.path(), "s2/deep/", 3)].concat();
        let names = [names, vec!["1_sci.fits".to_owned()]].concat();
        std::fs::write(folder.path().join("1_sci.fits"), stamp(SIDE, 2.0)).unwrap();
        let readings = read_all(folder.path(), &names, &options(folder.path(), "{candid}_{cutout}.fits"));
        let science = readings[0].alert.as_ref().unwrap().stamps[0].pixels[0];
        assert_eq!(science, 2.0, "the one named so goes before the one in a folder");
        assert_eq!((&*readings[3].place.file, readings[3].alert.is_none()), ("s1/1_sci.fits", true));
        assert_eq!(readings[1].occurrences[0].detail, "science: no file 2_sci.fits", "two folders down");
    }

    #[test]
    fn folders_of_one_name_cannot_be_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ["a", "b"].map(|below| {
            let path = folder.path().join(&write_images(folder.path(), &format!("{below}/s1/"), 1)[0]);
            Source { label: "s1/1_sci.fits".into(), path }
        });
        let table = options(folder.path(), "{candid}_{cutout}.fits");
        let message = |sources: &[Source]| Folder::open(sources.to_vec(), &table).err().map(|e| e.to_string());
        let said = message(&sources).unwrap();
        let paths = sources.each_ref().map(|source| source.path.display().to_string());
        assert!(paths.iter().all(|path| said.contains(path)) && said.contains("different names"), "{said}");
        assert_eq!(message(&[sources[0].clone(), sources[0].clone()]), None, "a file that two globs match");
    }

    #[test]
    fn an_image_without_a_label_is_refused_because_its_name_is_not_to_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(&write_images(folder.path(), "", 1)[0]);
        let opened =
            Folder::open(vec![Source { label: String::new(), path }], &options(folder.path(), "{candid}{cutout}.fits"));
        assert!(
            opened
                .err()
                .unwrap()
                .to_string()
                .ends_with("1_sci.fits is a single image; name the folder of all images, or a glob")
        );
    }

    #[test]
    fn stamps_of_any_size_are_framed() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["1_sci.fits", "1_ref.fits", "1_diff.fits"];
        for (name, side) in names.iter().zip([21, 21, 80]) {
            std::fs::write(folder.path().join(name), stamp(side, side as f32)).unwrap();
        }
        let table = options(folder.path(), "{candid}_{cutout}.fits");
        let mut archive = Archive::with_table(sources(folder.path(), &names), &table, Policies::default()).unwrap();
        let alert = archive.next().unwrap().alert.unwrap();
        assert_eq!(alert.stamps.each_ref().map(|stamp| (stamp.rows, stamp.columns)), [(SIDE, SIDE); 3]);
        assert!(alert.stamps[0].pixels[0].is_nan() && alert.stamps[2].pixels[0] == 80.0);
    }

    #[test]
    fn framed_stamps_beside_one_that_was_cut_differ_in_shape() {
        let folder = tempfile::tempdir().unwrap();
        let names = write_images(folder.path(), "", 1);
        for (name, rows, columns) in [(0, 80, 80), (1, SIDE, 48), (2, 80, 80)].map(|(i, r, c)| (&names[i], r, c)) {
            let image = fits::write(&Stamp { rows, columns, pixels: vec![1.0; rows * columns] });
            std::fs::write(folder.path().join(name), image).unwrap();
        }
        let readings = read_all(folder.path(), &names, &options(folder.path(), "{candid}_{cutout}.fits"));
        let differ = readings[0].occurrences.iter().find(|found| found.reason == Reason::ShapesDiffer).unwrap();
        assert_eq!(differ.detail, "63 x 63, 63 x 48, 63 x 63");
        assert!(readings[0].alert.is_none());
    }

    #[test]
    fn patterns_that_cannot_be_filled_in_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let message = |pattern: &str, names: &[&str]| {
            let sources = sources(folder.path(), names);
            let opened = Archive::with_table(sources, &options(folder.path(), pattern), Policies::default());
            opened.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(message("{name}_{cutout}.fits", &["a.fits"]).contains("no column `name`"));
        assert!(message("{candid}.fits", &["a.fits"]).contains("needs {cutout}"));
        assert!(message("{candid}_{cutout}.fits", &["a.avro"]).contains("no array or FITS image"));
    }
}
