//! One alert as a source tells it before its images are decoded. Knows no file format.

use super::alert::Stamp;
use super::history::Point;
use super::labels::Label;
use super::quality::Fault;

/// What a source tells of an alert, its images aside.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) candid: Option<i64>,
    pub(super) object_id: Option<String>,
    /// Values of [`super::alert::FIELDS`].
    pub(super) values: Vec<f64>,
    /// What is missing or odd.
    pub(super) faults: Vec<Fault>,
    /// `isdiffpos` as it stands, where it is none of the known words.
    pub(super) odd_isdiffpos: Option<String>,
    /// Whether its images may have any size; those of ZTF packets are 63 pixels square or cut by the detector's edge.
    pub(super) any_size: bool,
    /// Its label, where the source gives one.
    pub(super) label: Option<Label>,
    /// Its object at other times, where that was asked for.
    pub(super) history: Vec<Point>,
}

/// The images of an alert: science, template, difference.
pub(super) enum Images {
    /// FITS files, gzipped or not, or why there is none.
    Files([Result<Vec<u8>, Fault>; 3]),
    /// Pixels.
    Stamps([Stamp; 3]),
}

/// An alert of a source that is no Avro container.
pub(super) struct Record {
    /// Its number in its file or table.
    pub(super) number: u64,
    pub(super) told: Told,
    pub(super) images: Images,
}

impl Record {
    /// Bytes held in memory.
    pub(super) fn len(&self) -> usize {
        match &self.images {
            Images::Files(files) => files.iter().flatten().map(Vec::len).sum(),
            Images::Stamps(stamps) => stamps.iter().map(|stamp| stamp.pixels.len() * size_of::<f32>()).sum(),
        }
    }
}
