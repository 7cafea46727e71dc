//! Light curves of the objects of an alerts artifact, `light_curves.csv`: one row for each measurement, by object and date. Each has
//! the date of the first alert that told of it, so that what was known at a time can be picked. Sorted in bounded memory.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::table::{RowWriter, number};
use super::{ArtifactError, Result};
use crate::ztf::history::{Point, PointKind, VALUES};

/// Name of the file.
pub const FILE: &str = "light_curves.csv";
/// Its first columns; [`VALUES`] follow. `told` is the Julian date of the first alert that has the point.
const IDENTITY: [&str; 7] = ["objectId", "jd", "fid", "kind", "told", "candid", "isdiffpos"];
/// Moments in a day, and how many moments apart two dates are of one exposure: 9 s, the shortest exposure is 30.
const MOMENTS: f64 = 1e7;
const EXPOSURE: i64 = 1_000;
const MOMENT: i64 = 0;
/// Points that are held before they are written to a run: some 28 MB.
const HELD: usize = 250_000;
/// Sorted files that are open at once.
const RUNS: usize = 64;

/// A point of one object.
#[derive(Clone, Debug)]
pub struct LightCurveRow {
    /// The object.
    pub object_id: Arc<str>,
    /// Julian date of the first alert that has it, days; NaN when that has none.
    pub told: f64,
    /// The measurement.
    pub point: Point,
}

impl LightCurveRow {
    fn cells(&self) -> impl Iterator<Item = String> {
        let point = &self.point;
        let sign = point.isdiffpos.map(|positive| u8::from(positive).to_string());
        let identity = [
            self.object_id.to_string(),
            number(point.jd),
            point.fid.to_string(),
            point.kind.name().into(),
            number(self.told),
            point.candid.map(|candid| candid.to_string()).unwrap_or_default(),
            sign.unwrap_or_default(),
        ];
        let value = |value: f32| if value.is_nan() { String::new() } else { value.to_string() };
        identity.into_iter().chain(point.values.map(value))
    }

    fn of(cells: &csv::StringRecord, before: Option<&Arc<str>>) -> Option<Self> {
        let cell = |i: usize| cells.get(i).unwrap_or_default();
        let real = |i: usize| if cell(i).is_empty() { Some(f64::NAN) } else { cell(i).parse().ok() };
        let mut point = Point::new(PointKind::ALL.into_iter().find(|kind| kind.name() == cell(3))?);
        (point.jd, point.fid) = (real(1)?, cell(2).parse().ok()?);
        point.candid = if cell(5).is_empty() { None } else { Some(cell(5).parse().ok()?) };
        point.isdiffpos = if cell(6).is_empty() { None } else { Some(cell(6) == "1") };
        for (i, value) in point.values.iter_mut().enumerate() {
            let cell = cell(IDENTITY.len() + i);
            *value = if cell.is_empty() { f32::NAN } else { cell.parse().ok()? };
        }
        let same = before.filter(|object| ***object == *cell(0));
        Some(Self { object_id: same.map_or_else(|| cell(0).into(), Arc::clone), told: real(4)?, point })
    }
}

impl Ord for LightCurveRow {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.point, &other.point);
        let place = self.object_id.cmp(&other.object_id).then(a.jd.total_cmp(&b.jd));
        let place = place.then((a.fid, a.kind).cmp(&(b.fid, b.kind))).then(self.told.total_cmp(&other.told));
        let values = || a.values.iter().zip(&b.values).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        place
            .then((a.candid, a.isdiffpos).cmp(&(b.candid, b.isdiffpos)))
            .then_with(|| values().unwrap_or(Ordering::Equal))
    }
}

impl PartialOrd for LightCurveRow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for LightCurveRow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for LightCurveRow {}

/// Each measurement of an object once, as the first alert that has it tells it; in order. Those of a kind are one that are not
/// more than `apart` moments apart: of an [`EXPOSURE`], for packets tell several sources near the object, each a `candid`, and a
/// date that was put together anew is a second off. Whether a point is near to one that stays can be told only once all are
/// there; until then those of one [`MOMENT`] go, which changes nothing.
fn each_once(mut rows: Vec<LightCurveRow>, apart: i64) -> Vec<LightCurveRow> {
    rows.sort_unstable_by(|a, b| a.told.total_cmp(&b.told).then_with(|| a.cmp(b)));
    let mut known = BTreeSet::new();
    rows.retain(|LightCurveRow { point: Point { jd, fid, kind, .. }, .. }| {
        let moment = (jd * MOMENTS).round() as i64;
        let near = moment.saturating_sub(apart)..=moment.saturating_add(apart);
        let is_new = known.range((*kind, *fid, *near.start())..=(*kind, *fid, *near.end())).next().is_none();
        is_new && known.insert((*kind, *fid, moment))
    });
    rows.sort_unstable();
    rows
}

/// Reads the file row by row.
pub struct LightCurves {
    path: PathBuf,
    rows: csv::Reader<std::fs::File>,
    cells: csv::StringRecord,
    /// The first row of the next object.
    next: Option<LightCurveRow>,
}

impl LightCurves {
    /// Those of the alerts artifact in `folder`; `None` when it has none.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if path.exists() { Self::of(&path).map(Some) } else { Ok(None) }
    }

    fn of(path: &Path) -> Result<Self> {
        let mut rows = csv::Reader::from_path(path).map_err(|e| ArtifactError::new(path, e))?;
        let header = rows.headers().map_err(|e| ArtifactError::new(path, e))?;
        if !header.iter().eq(IDENTITY.into_iter().chain(VALUES)) {
            return Err(ArtifactError::new(path, format!("odd columns {header:?}")));
        }
        let mut light_curves = Self { path: path.into(), rows, cells: csv::StringRecord::new(), next: None };
        light_curves.next = light_curves.row(None)?;
        Ok(light_curves)
    }

    fn row(&mut self, before: Option<&Arc<str>>) -> Result<Option<LightCurveRow>> {
        if !self.rows.read_record(&mut self.cells).map_err(|e| ArtifactError::new(&self.path, e))? {
            return Ok(None);
        }
        let row = LightCurveRow::of(&self.cells, before);
        row.map(Some).ok_or_else(|| ArtifactError::new(&self.path, format!("odd row {:?}", self.cells)))
    }

    /// The next row.
    fn pop(&mut self) -> Result<Option<LightCurveRow>> {
        let Some(row) = self.next.take() else { return Ok(None) };
        self.next = self.row(Some(&row.object_id))?;
        Ok(Some(row))
    }

    /// All rows of the next object, by date.
    pub fn object(&mut self) -> Result<Option<Vec<LightCurveRow>>> {
        let Some(first) = self.pop()? else { return Ok(None) };
        let mut rows = vec![first];
        while self.next.as_ref().is_some_and(|row| row.object_id == rows[0].object_id) {
            rows.extend(self.pop()?);
        }
        Ok(Some(rows))
    }
}

/// Writes the file of points that come in any order; the same bytes in whichever.
pub struct LightCurvesWriter {
    folder: PathBuf,
    held: Vec<LightCurveRow>,
    most_held: usize,
    /// Sorted files, and whether they are scratch of this writer.
    runs: Vec<(PathBuf, bool)>,
    /// Scratch files so far.
    scratch: usize,
}

impl LightCurvesWriter {
    /// Starts the file in `folder`, where scratch files lie as long as it is written.
    pub fn create(folder: &Path) -> Self {
        Self { folder: folder.into(), held: Vec::new(), most_held: HELD, runs: Vec::new(), scratch: 0 }
    }

    /// Adds points that an alert of this date tells of an object.
    pub fn push(&mut self, object_id: &str, told: f64, points: impl IntoIterator<Item = Point>) -> Result<()> {
        let told = if told.is_finite() { told } else { f64::NAN };
        let object_id: Arc<str> = object_id.into();
        let row = |point| LightCurveRow { object_id: Arc::clone(&object_id), told, point };
        self.held.extend(points.into_iter().map(row));
        if self.held.len() >= self.most_held { self.spill() } else { Ok(()) }
    }

    /// Adds the light curves of a portion in `folder`, which must stay until this one is finished.
    pub fn push_all(&mut self, folder: &Path) -> Result<()> {
        self.add_run(folder.join(FILE), false)
    }

    fn spill(&mut self) -> Result<()> {
        let mut held = std::mem::take(&mut self.held);
        held.sort_unstable_by(|a, b| a.object_id.cmp(&b.object_id));
        let path = self.scratch();
        let mut writer = writer(&path)?;
        for object in held.chunk_by(|a, b| a.object_id == b.object_id) {
            each_once(object.to_vec(), MOMENT).iter().try_for_each(|row| writer.push(row.cells()))?;
        }
        writer.finish()?;
        held.clear();
        self.held = held;
        self.add_run(path, true)
    }

    fn scratch(&mut self) -> PathBuf {
        self.scratch += 1;
        self.folder.join(format!("{FILE}.{}", self.scratch))
    }

    fn add_run(&mut self, path: PathBuf, is_scratch: bool) -> Result<()> {
        self.runs.push((path, is_scratch));
        if self.runs.len() < RUNS {
            return Ok(());
        }
        let path = self.scratch();
        self.merge(&path, MOMENT)?;
        self.runs.push((path, true));
        Ok(())
    }

    /// Writes the rows of all runs into one file, each once of those not more than `apart`, and removes those of scratch.
    fn merge(&mut self, path: &Path, apart: i64) -> Result<()> {
        let runs: Vec<(PathBuf, bool)> = std::mem::take(&mut self.runs);
        let mut open = runs.iter().map(|(path, _)| LightCurves::of(path)).collect::<Result<Vec<_>>>()?;
        let mut heads = BinaryHeap::new();
        for (run, rows) in open.iter_mut().enumerate() {
            heads.extend(rows.pop()?.map(|row| Reverse((row, run))));
        }
        let mut writer = writer(path)?;
        let mut object: Vec<LightCurveRow> = Vec::new();
        let mut write =
            |object: Vec<LightCurveRow>| each_once(object, apart).iter().try_for_each(|row| writer.push(row.cells()));
        while let Some(Reverse((row, run))) = heads.pop() {
            heads.extend(open[run].pop()?.map(|row| Reverse((row, run))));
            if object.last().is_some_and(|last| last.object_id != row.object_id) {
                write(std::mem::take(&mut object))?;
            }
            object.push(row);
        }
        write(object)?;
        writer.finish()?;
        let mut scratch = runs.iter().filter(|(_, is_scratch)| *is_scratch);
        scratch.try_for_each(|(path, _)| std::fs::remove_file(path).map_err(|e| ArtifactError::new(path, e)))
    }

    /// Completes the file.
    pub fn finish(self) -> Result<()> {
        self.complete(EXPOSURE)
    }

    /// Completes a file that is only for [`Self::push_all`].
    pub fn finish_portion(self) -> Result<()> {
        self.complete(MOMENT)
    }

    fn complete(mut self, apart: i64) -> Result<()> {
        self.spill()?;
        let path = self.folder.join(FILE);
        self.merge(&path, apart)
    }
}

fn writer(path: &Path) -> Result<RowWriter> {
    let header: Vec<&str> = IDENTITY.into_iter().chain(VALUES).collect();
    RowWriter::create(path, &header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(jd: f64, kind: PointKind, magpsf: f32) -> Point {
        let mut point = Point { jd, fid: 1, ..Point::new(kind) };
        point.values[0] = magpsf;
        point
    }

    /// Points of three objects that come in no order, many of them twice and told by alerts of different dates.
    fn write(folder: &Path, most_held: usize) -> String {
        let mut writer = LightCurvesWriter { most_held, ..LightCurvesWriter::create(folder) };
        for i in 0_i32..400 {
            let (jd, kind) = (f64::from(i * 7919 % 101) / 7.0, PointKind::ALL[i as usize % 3]);
            let magpsf = if i % 5 == 0 { f32::NAN } else { i as f32 * 0.1 };
            writer.push(&format!("ZTF,{}", i % 3), f64::from(i % 11), [point(jd, kind, magpsf)]).unwrap();
        }
        writer.finish().unwrap();
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, [FILE]);
        std::fs::read_to_string(folder.join(FILE)).unwrap()
    }

    #[test]
    fn the_same_bytes_with_any_memory_and_each_point_once() {
        let folder = tempfile::tempdir().unwrap();
        let whole = write(folder.path(), HELD);
        for most_held in [1, 7, 399] {
            assert!(write(folder.path(), most_held) == whole, "{most_held}");
        }
        let mut light_curves = LightCurves::open(folder.path()).unwrap().unwrap();
        let (mut objects, mut rows) = (Vec::new(), Vec::new());
        while let Some(object) = light_curves.object().unwrap() {
            objects.push(object[0].object_id.to_string());
            rows.extend(object);
        }
        assert_eq!(objects, ["ZTF,0", "ZTF,1", "ZTF,2"]);
        assert!(rows.is_sorted());
        assert_eq!(rows.len(), 303, "3 objects, 101 dates, one kind each");
    }

    #[test]
    fn a_point_is_as_the_first_alert_tells_it() {
        let [night, folder] = [1, 2].map(|_| tempfile::tempdir().unwrap());
        let mut writer = LightCurvesWriter::create(night.path());
        let detection = |magpsf| [Point { isdiffpos: Some(false), ..point(2.5, PointKind::Detection, magpsf) }];
        writer.push("a", 3.0, detection(18.0)).unwrap();
        writer.push("a", 3.0, detection(19.0).map(|point| Point { fid: 2, ..point })).unwrap();
        writer.finish().unwrap();
        let mut writer = LightCurvesWriter::create(folder.path());
        writer.push("a", 4.0, detection(17.0)).unwrap();
        writer.push_all(night.path()).unwrap();
        writer.push("a", f64::NAN, detection(16.0)).unwrap();
        writer.finish().unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows, ["a,2.5,1,detection,3,,0,18,,,,,", "a,2.5,2,detection,3,,0,19,,,,,"]);
        assert!(LightCurves::open(night.path()).unwrap().is_some());
    }

    #[test]
    fn an_exposure_gives_one_detection_whatever_its_date_and_candid() {
        let folder = tempfile::tempdir().unwrap();
        for most_held in [1, HELD] {
            let mut writer = LightCurvesWriter { most_held, ..LightCurvesWriter::create(folder.path()) };
            let detection = |jd, candid| [Point { candid: Some(candid), ..point(jd, PointKind::Detection, 18.0) }];
            writer.push("a", 3.0, detection(2.500_007, 5)).unwrap();
            writer.push("a", 2.6, detection(2.5, 7)).unwrap();
            writer.push("a", 2.6, detection(2.5, 6)).unwrap();
            writer.push("a", 4.0, [point(2.500_003, PointKind::Forced, 17.0)]).unwrap();
            writer.push("a", 4.0, [Point { fid: 2, ..detection(2.5, 8)[0].clone() }]).unwrap();
            writer.push("a", 4.0, detection(2.500_35, 9)).unwrap();
            writer.push("b", 4.0, detection(2.500_007, 5)).unwrap();
            writer.finish().unwrap();
            let (mut light_curves, mut found) = (LightCurves::open(folder.path()).unwrap().unwrap(), Vec::new());
            while let Some(rows) = light_curves.object().unwrap() {
                found.extend(rows.iter().map(|row| (row.point.jd, row.point.candid)));
            }
            let expected = [(2.5, 6), (2.5, 8), (2.500_35, 9), (2.500_007, 5)].map(|(jd, candid)| (jd, Some(candid)));
            let expected = [&expected[..2], &[(2.500_003, None)], &expected[2..]].concat();
            assert_eq!(found, expected, "{most_held}");
        }
    }

    /// Each is near the next, and the first is far from the last: what is dropped decides what else is.
    #[test]
    fn what_is_near_to_what_was_dropped_stays_however_points_are_grouped() {
        let detection = |jd| [point(jd, PointKind::Detection, 18.0)];
        let points = [(2.5, 3.0), (2.500_08, 4.0), (2.500_16, 5.0)];
        let written = |most_held: usize, order: [usize; 3]| {
            let folder = tempfile::tempdir().unwrap();
            let mut writer = LightCurvesWriter { most_held, ..LightCurvesWriter::create(folder.path()) };
            for (jd, told) in order.map(|i| points[i]) {
                writer.push("a", told, detection(jd)).unwrap();
            }
            writer.finish().unwrap();
            let rows = LightCurves::open(folder.path()).unwrap().unwrap().object().unwrap().unwrap();
            rows.iter().map(|row| row.point.jd).collect::<Vec<_>>()
        };
        for most_held in [1, 2, HELD] {
            for order in [[0, 1, 2], [1, 2, 0], [2, 0, 1]] {
                assert_eq!(written(most_held, order), [2.5, 2.500_16], "{most_held} {order:?}");
            }
        }
        let [night, folder] = [1, 2].map(|_| tempfile::tempdir().unwrap());
        let mut writer = LightCurvesWriter::create(night.path());
        points[1..].iter().for_each(|(jd, told)| writer.push("a", *told, detection(*jd)).unwrap());
        writer.finish_portion().unwrap();
        let mut writer = LightCurvesWriter::create(folder.path());
        writer.push("a", 3.0, detection(2.5)).unwrap();
        writer.push_all(night.path()).unwrap();
        writer.finish().unwrap();
        assert_eq!(LightCurves::open(folder.path()).unwrap().unwrap().object().unwrap().unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_light_curve_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(LightCurves::open(folder.path()).unwrap().is_none());
        let header: Vec<&str> = IDENTITY.into_iter().chain(VALUES).collect();
        std::fs::write(folder.path().join(FILE), "a,b\n").unwrap();
        assert!(LightCurves::open(folder.path()).err().unwrap().to_string().contains("odd columns"));
        std::fs::write(folder.path().join(FILE), format!("{}\na,x{}\n", header.join(","), ",".repeat(11))).unwrap();
        assert!(LightCurves::open(folder.path()).err().unwrap().to_string().contains("odd row"));
    }
}
