//! Alerts as the survey sends them: `alerts.csv` (identity, label, split, every candidate field; where tables or rules give the
//! label also its evidence), `stamps.npy`
//! `[alert, cutout, y, x]` in DN (of several large files `stamps-000.npy` and so on, one after the other), optionally `clean.npy` (the simulator's noise-free stamps), `quality.csv` (what was
//! skipped or odd). Truncated cutouts lie in the low corner, NaN elsewhere; their size is in `rows` and `columns`.

use std::path::{Path, PathBuf};

use super::array::{Array, ArrayWriter, Stack};
use super::table::{RowWriter, Table, number};
use super::{ArtifactError, Result};
use crate::ztf::alert::{Alert, CUTOUTS, FIELDS, SIDE, Stamp};
use crate::ztf::labels::Label;

/// Columns before those of the candidate fields.
const IDENTITY: [&str; 6] = ["candid", "objectId", "label", "split", "rows", "columns"];
/// What files of stamps are called.
const STAMPS: &str = "stamps";
/// Where a label comes from, such as `tns.csv:candid`; stands behind the label. Empty: unlabelled.
const EVIDENCE: &str = "label_evidence";

/// Reads an alerts artifact.
pub struct Alerts {
    /// One row per alert: `candid`, `objectId`, `label`, perhaps `label_evidence`, `split` (empty: not assigned), `rows`, `columns`, then
    /// [`FIELDS`].
    pub table: Table,
    /// `[alert, 3, SIDE, SIDE]`, DN.
    pub stamps: Stack,
    /// The same without noise, when they were simulated.
    pub clean: Option<Array>,
}

impl Alerts {
    /// Opens the artifact in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::open_columns(folder, |_| true)
    }

    /// As [`Alerts::open`], with only the wanted columns in the table.
    pub fn open_columns(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let table = Table::read_columns(folder.join("alerts.csv"), wanted)?;
        let stamps = Stack::open(folder, STAMPS)?;
        if stamps.rows() != table.rows() {
            let what = format!("{} rows of stamps for {} alerts", stamps.rows(), table.rows());
            return Err(ArtifactError::new(folder, what));
        }
        let clean = folder.join("clean.npy");
        let clean = if clean.exists() { Some(Array::open(clean)?) } else { None };
        Ok(Self { table, stamps, clean })
    }

    /// Number of alerts.
    pub fn len(&self) -> usize {
        self.table.rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes an alerts artifact, one alert at a time.
pub struct AlertsWriter {
    table: RowWriter,
    /// The file of stamps that is being written.
    stamps: Option<ArrayWriter>,
    /// Files of stamps so far, with the artifact that has each, if it is another.
    pieces: Vec<Option<PathBuf>>,
    clean: Option<ArrayWriter>,
    evidence: bool,
    folder: PathBuf,
    rows: usize,
    labelled: usize,
}

/// Alerts, cutouts, pixels.
const SHAPE: [usize; 3] = [CUTOUTS.len(), SIDE, SIDE];

impl AlertsWriter {
    /// Starts an artifact in `folder`; `clean`: noise-free stamps come with every alert.
    pub fn create(folder: &Path, clean: bool) -> Result<Self> {
        Self::start(folder, clean, false)
    }

    /// Starts an artifact that tells of each label where it comes from.
    pub fn labelled(folder: &Path) -> Result<Self> {
        Self::start(folder, false, true)
    }

    fn start(folder: &Path, clean: bool, evidence: bool) -> Result<Self> {
        let mut header: Vec<&str> = IDENTITY.iter().chain(FIELDS).copied().collect();
        if evidence {
            header.insert(3, EVIDENCE);
        }
        Ok(Self {
            table: RowWriter::create(folder.join("alerts.csv"), &header)?,
            stamps: None,
            pieces: Vec::new(),
            clean: if clean { Some(ArrayWriter::create(folder.join("clean.npy"), &SHAPE)?) } else { None },
            evidence,
            folder: folder.to_path_buf(),
            rows: 0,
            labelled: 0,
        })
    }

    /// Appends an alert with its label and split (empty when unknown). The three cutouts must be of one size, at most
    /// [`SIDE`] each way.
    pub fn push(&mut self, alert: &Alert, label: &str, split: &str, clean: Option<&[Stamp; 3]>) -> Result<()> {
        self.write(alert, [label, "", split])?;
        match (&mut self.clean, clean) {
            (Some(writer), Some(stamps)) => writer.push(&pack(stamps).unwrap_or_default()),
            (None, None) => Ok(()),
            _ => Err(ArtifactError::new(&self.folder, "noise-free stamps must come with all alerts or with none")),
        }
    }

    /// Appends an alert without noise-free stamps; the evidence of its label is told if the artifact has it.
    pub fn push_labelled(&mut self, alert: &Alert, label: &Label) -> Result<()> {
        self.write(alert, [&label.label, &label.evidence, &label.split])
    }

    fn write(&mut self, alert: &Alert, [label, evidence, split]: [&str; 3]) -> Result<()> {
        let (rows, columns) = (alert.stamps[0].rows.to_string(), alert.stamps[0].columns.to_string());
        let evidence = self.evidence.then(|| evidence.to_owned());
        let identity = [alert.candid.to_string(), alert.object_id.clone(), label.into()].into_iter().chain(evidence);
        let fields = alert.values.iter().map(|v| number(*v));
        self.table.push(identity.chain([split.into(), rows, columns]).chain(fields))?;
        let packed = self.pack(&alert.stamps)?;
        self.rows += 1;
        self.labelled += usize::from(!label.is_empty());
        if self.stamps.is_none() {
            let name = Stack::name(STAMPS, self.pieces.len(), 2);
            self.stamps = Some(ArrayWriter::create(self.folder.join(name), &SHAPE)?);
            self.pieces.push(None);
        }
        self.stamps.as_mut().map_or(Ok(()), |stamps| stamps.push(&packed))
    }

    /// Appends all alerts, so many, of another artifact of the same columns, whose stamps are in one file.
    pub fn push_all(&mut self, folder: &Path, rows: usize) -> Result<()> {
        self.stamps.take().map_or(Ok(()), ArrayWriter::finish)?;
        let table = folder.join("alerts.csv");
        self.table.push_all(&table)?;
        self.rows += rows;
        let labels = Table::read_columns(table, |name| name == "label")?;
        self.labelled += labels.packed("label").iter().filter(|label| !label.is_empty()).count();
        self.pieces.push(Some(folder.to_path_buf()));
        Ok(())
    }

    /// Number of alerts so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Number of those that have a label.
    pub fn with_label(&self) -> usize {
        self.labelled
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Completes the files of an artifact of its own stamps.
    pub fn finish(self) -> Result<()> {
        self.finish_with(|folder, _, _| Err(ArtifactError::new(folder, "nobody shares its stamps (a bug)")))
    }

    /// Completes the files; `share` has a file of another artifact's folder appear in this one under a name of its own.
    pub fn finish_with<E: From<ArtifactError>>(
        mut self,
        share: impl Fn(&Path, &str, &str) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.table.finish()?;
        if self.pieces.is_empty() {
            self.stamps = Some(ArrayWriter::create(self.folder.join(Stack::name(STAMPS, 0, 2)), &SHAPE)?);
            self.pieces.push(None);
        }
        self.stamps.map_or(Ok(()), ArrayWriter::finish)?;
        self.clean.map_or(Ok(()), ArrayWriter::finish)?;
        let (alone, files) = (Stack::name(STAMPS, 0, 1), self.pieces.len());
        for (i, piece) in self.pieces.iter().enumerate() {
            let name = Stack::name(STAMPS, i, files);
            match piece {
                Some(folder) => share(folder, &alone, &name)?,
                None if files > 1 => {}
                None => {
                    let path = self.folder.join(Stack::name(STAMPS, i, 2));
                    let renamed = std::fs::rename(&path, self.folder.join(name));
                    renamed.map_err(|e| ArtifactError::new(&path, e))?;
                }
            }
        }
        Ok(())
    }

    fn pack(&self, stamps: &[Stamp; 3]) -> Result<Vec<f32>> {
        pack(stamps).ok_or_else(|| {
            let sizes: Vec<String> = stamps.iter().map(|s| format!("{}x{}", s.rows, s.columns)).collect();
            ArtifactError::new(&self.folder, format!("cutouts of {} do not fit into {SIDE}x{SIDE}", sizes.join(", ")))
        })
    }
}

/// Three cutouts of one size as `[3, SIDE, SIDE]`, NaN beyond their edge.
fn pack(stamps: &[Stamp; 3]) -> Option<Vec<f32>> {
    let (rows, columns) = (stamps[0].rows, stamps[0].columns);
    let fits = |s: &Stamp| s.rows == rows && s.columns == columns && rows <= SIDE && columns <= SIDE;
    if !stamps.iter().all(fits) {
        return None;
    }
    let mut packed = vec![f32::NAN; stamps.len() * SIDE * SIDE];
    for (stamp, plane) in stamps.iter().zip(packed.chunks_exact_mut(SIDE * SIDE)) {
        for y in 0..rows {
            plane[y * SIDE..y * SIDE + columns].copy_from_slice(&stamp.pixels[y * columns..(y + 1) * columns]);
        }
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(rows: usize, columns: usize) -> Alert {
        let stamp = Stamp { rows, columns, pixels: (0..rows * columns).map(|i| i as f32).collect() };
        let mut values = vec![f64::NAN; FIELDS.len()];
        values[0] = 2_458_881.674_605_5;
        Alert { candid: 7, object_id: "ZTF20a".into(), values, stamps: [stamp.clone(), stamp.clone(), stamp] }
    }

    #[test]
    fn alerts_come_back_with_truncated_stamps_padded() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = AlertsWriter::create(folder.path(), false).unwrap();
        writer.push(&alert(63, 63), "SN", "train", None).unwrap();
        writer.push(&alert(48, 63), "", "", None).unwrap();
        writer.finish().unwrap();
        let alerts = Alerts::open(folder.path()).unwrap();
        assert_eq!(alerts.table.texts("label"), ["SN", ""]);
        assert_eq!(alerts.table.numbers("jd").unwrap()[0], 2_458_881.674_605_5);
        assert_eq!(alerts.table.ints("rows"), Some(&[63, 48][..]));
        assert_eq!(alerts.stamps.row(1)[47 * 63 + 62], (48 * 63 - 1) as f32);
        assert!(alerts.stamps.row(1)[48 * 63].is_nan());
    }

    #[test]
    fn evidence_stands_beside_the_label() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = AlertsWriter::labelled(folder.path()).unwrap();
        let label = Label { label: "SN".into(), split: "train".into(), evidence: "a.csv:position 0.31\"".into() };
        writer.push_labelled(&alert(63, 63), &label).unwrap();
        writer.push_labelled(&alert(63, 63), &Label::default()).unwrap();
        writer.finish().unwrap();
        let table = Alerts::open(folder.path()).unwrap().table;
        assert_eq!(table.texts("label_evidence"), ["a.csv:position 0.31\"", ""]);
        assert_eq!(
            (table.texts("split"), table.ints("rows")),
            (vec!["train".into(), String::new()], Some(&[63, 63][..]))
        );
        assert_eq!(table.numbers("jd").unwrap()[1], 2_458_881.674_605_5);
    }

    #[test]
    fn alerts_of_other_artifacts_come_between() {
        let (night, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let numbered = |candid| Alert { candid, ..alert(63, 63) };
        let mut writer = AlertsWriter::create(night.path(), false).unwrap();
        for candid in [2, 3] {
            writer.push(&numbered(candid), "SN", "", None).unwrap();
        }
        writer.finish().unwrap();
        let mut writer = AlertsWriter::create(folder.path(), false).unwrap();
        writer.push(&numbered(1), "", "", None).unwrap();
        writer.push_all(night.path(), 2).unwrap();
        writer.push(&Alert { candid: 4, ..alert(48, 63) }, "", "", None).unwrap();
        assert_eq!(writer.len(), 4);
        let copy = |from: &Path, name: &str, here: &str| {
            let copied = std::fs::copy(from.join(name), folder.path().join(here));
            copied.map(drop).map_err(|e| ArtifactError::new(from, e))
        };
        writer.finish_with(copy).unwrap();
        let alerts = Alerts::open(folder.path()).unwrap();
        assert_eq!(alerts.table.ints("candid"), Some(&[1, 2, 3, 4][..]));
        assert!(
            (0..3).all(|row| alerts.stamps.row(row)[48 * 63].is_finite()) && alerts.stamps.row(3)[48 * 63].is_nan()
        );
        let files = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = files.collect();
        files.sort();
        assert_eq!(files, ["alerts.csv", "stamps-000.npy", "stamps-001.npy", "stamps-002.npy"]);
    }

    #[test]
    fn unequal_cutouts_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = AlertsWriter::create(folder.path(), false).unwrap();
        let mut odd = alert(63, 63);
        odd.stamps[2] = Stamp { rows: 1, columns: 1, pixels: vec![0.0] };
        assert!(writer.push(&odd, "", "", None).is_err());
    }
}
