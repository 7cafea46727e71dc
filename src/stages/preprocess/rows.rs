//! Which alerts become stamps: one table of rows over all inputs, and the dropped ones with their reason.
//! Knows no pixels and no split.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::artifacts::ArtifactError;
use crate::artifacts::alerts::Alerts;
use crate::artifacts::table::Table;
use crate::choice;
use crate::stage::{Job, StageError};
use crate::ztf::alert::missing_before;
use crate::ztf::sky::separation;

use super::light_curves;
use super::pixels::Pose;

choice! {
    /// Which alerts of an object are used.
    pub enum Detections {
        /// The earliest one.
        First = "first",
        /// All of them.
        All = "all",
    }
}

choice! {
    /// Where labels come from.
    pub enum LabelFrom {
        /// The alerts' own labels.
        Label = "label",
        /// The name of the input, e.g. to tell simulated from real.
        Input = "input",
    }
}

choice! {
    /// What becomes of alerts without a label.
    pub enum Unlabelled {
        /// They stay, with an empty label: for representations.
        Keep = "keep",
        /// They are dropped.
        Drop = "drop",
    }
}

choice! {
    /// What becomes of cutouts that the edge of a chip truncated.
    pub enum ShapePolicy {
        /// The alert is dropped \[2\].
        Drop = "drop",
        /// Missing pixels are added on the side of the chip's edge (from `xpos`, `ypos`), so the source stays central.
        Pad = "pad",
        /// Missing pixels are added after the last row and column, as braai does: some sources are then off centre.
        PadEnd = "pad_end",
    }
}

choice! {
    /// Sign of the difference cutout.
    pub enum Sign {
        /// The packet's: the source is always positive.
        Packet = "packet",
        /// Science minus template: multiplied by -1 where `isdiffpos` is 0.
        Physical = "physical",
    }
}

/// Why an alert is dropped.
pub mod reason {
    /// The same alert came before, perhaps from another input (unless inputs are told apart).
    pub const DUPLICATE: &str = "duplicate";
    /// Its label is not among `classes`.
    pub const OTHER_CLASS: &str = "other_class";
    /// It has no label and `unlabelled = "drop"`.
    pub const UNLABELLED: &str = "unlabelled";
    /// Its cutouts are truncated and `shape = "drop"`.
    pub const TRUNCATED: &str = "truncated";
    /// It has missing pixels inside the crop and `nan = "drop"`.
    pub const MISSING_PIXELS: &str = "missing_pixels";
    /// Its object has no word in the column `split` and `split = "column"`.
    pub const NO_SPLIT: &str = "no_split";
    /// It is of a time from which objects are tested, but its object is not, and `split = "time"`.
    pub const TEST_PERIOD: &str = "test_period";
}

/// One input.
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its artifact.
    pub folder: PathBuf,
    /// Its alerts.
    pub alerts: Alerts,
}

/// One alert that may become a stamp.
#[derive(Clone, Debug)]
pub struct Row {
    /// Number of its input.
    pub source: usize,
    /// Alerts of one group are one data set; inputs that are told apart are a group each.
    pub group: usize,
    /// Row in that input.
    pub row: usize,
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// Julian date, days; NaN when unknown.
    pub jd: f64,
    /// Filter.
    pub fid: i64,
    /// Class, or empty.
    pub label: String,
    /// Word of the column `split`.
    pub word: String,
    /// What it has in the column of `group_by`, or empty.
    pub value: String,
    /// Right ascension and declination, degrees; NaN when unknown.
    pub place: (f64, f64),
    /// Rows and columns of its cutouts.
    pub size: (usize, usize),
    /// How its cutouts lie.
    pub pose: Pose,
}

/// Rows that stay, by object, date and candid, and those that do not.
#[derive(Default)]
pub struct Rows {
    /// They become stamps.
    pub kept: Vec<Row>,
    /// They do not, for this reason.
    pub dropped: Vec<(Row, &'static str)>,
}

impl Rows {
    /// Drops the rows for which `keep` is false.
    pub fn retain(&mut self, reason: &'static str, mut keep: impl FnMut(&Row) -> bool) {
        self.dropped.extend(self.kept.extract_if(.., |row| !keep(row)).map(|row| (row, reason)));
    }

    /// Drops the second and later rows of one detection of one object.
    pub fn drop_duplicates(&mut self) {
        let mut seen = OfObject::default();
        self.retain(reason::DUPLICATE, |row| seen.is_new(row, row.candid));
    }

    /// Keeps the earliest row of each object. The others are not a loss and are not listed as dropped.
    pub fn keep_first(&mut self) {
        let mut seen = OfObject::default();
        self.kept.retain(|row| seen.is_new(row, 0));
    }
}

/// What was seen of one object, for rows that are by object: of a night with its many it would fill memory.
#[derive(Default)]
struct OfObject {
    object_id: String,
    seen: BTreeSet<(usize, i64)>,
}

impl OfObject {
    /// Whether `what` is seen the first time of the row's object and group.
    fn is_new(&mut self, row: &Row, what: i64) -> bool {
        if self.object_id != row.object_id {
            self.object_id.clone_from(&row.object_id);
            self.seen.clear();
        }
        self.seen.insert((row.group, what))
    }
}

/// Columns of alerts that rows are made of.
const COLUMNS: [&str; 13] =
    ["candid", "objectId", "label", "split", "rows", "columns", "jd", "fid", "ra", "dec", "xpos", "ypos", "isdiffpos"];

/// Alerts of one object are nearer than this, arcsec: those of ZTF lie within 1.5.
const ONE_OBJECT: f64 = 60.0;
/// An object whose alerts of one input are farther apart than this moves, arcsec.
const MOVED: f64 = 5.0;

/// Fails where inputs that are put together give one name to two objects, such as two `simulate` stages with their own seeds do:
/// they would be taken for one. A body of the solar system may be anywhere. `rows` are by object.
pub fn check_names(rows: &[Row], sources: &[Source]) -> Result<(), StageError> {
    for alerts in rows.chunk_by(|a, b| a.object_id == b.object_id) {
        let Some((a, b)) = two_objects(alerts).filter(|_| !moves(alerts)) else { continue };
        let what = format!(
            "`{}` and `{}` have an object {} each, {:.0} arcsec apart: two objects with one name",
            sources[a.source].name,
            sources[b.source].name,
            a.object_id,
            separation(a.place, b.place)
        );
        let hint = "give each object a name of its own: of simulated alerts make all in one `simulate`, for the names of two are \
                    the same ones, or tell the inputs apart with label_from = \"input\"; if it is one body that moves, read all its \
                    alerts by one `load`";
        return Err(StageError::with_hint(what, hint));
    }
    Ok(())
}

/// The first alert with a place, and one of another input that is too far from it to be of the same object.
fn two_objects(alerts: &[Row]) -> Option<(&Row, &Row)> {
    let first = alerts.iter().find(|row| row.place.0.is_finite() && row.place.1.is_finite())?;
    let conflict = |row: &&Row| {
        row.source != first.source && row.group == first.group && separation(first.place, row.place) > ONE_OBJECT
    };
    Some((first, alerts.iter().find(conflict)?))
}

/// Whether alerts are of a body that moves: one input has it at two places, or its name is a number such as Rubin's `ssObjectId`,
/// which is of one body wherever it is, as its numbers of other objects are of one place.
fn moves(alerts: &[Row]) -> bool {
    let name = &alerts[0].object_id;
    let is_number_of_a_survey = name.len() >= 15 && name.bytes().all(|byte| byte.is_ascii_digit());
    let moved = |row: &Row| {
        let first = alerts.iter().find(|other| other.source == row.source && other.group == row.group);
        first.is_some_and(|first| separation(first.place, row.place) > MOVED)
    };
    is_number_of_a_survey || alerts.iter().any(moved)
}

/// Opens all inputs, in order of their names, with the columns that rows are made of, `others`, and of `metadata` those that come
/// from light curves.
pub fn open_sources(job: &Job, others: &[&str], metadata: &[String]) -> Result<Vec<Source>, StageError> {
    let wanted = |name: &str| COLUMNS.contains(&name) || others.contains(&name);
    let open = |(name, folder): (&String, &PathBuf)| {
        let Alerts { table, stamps, clean } = Alerts::open_columns(folder, wanted)?;
        let table = light_curves::with_columns(table, folder, name, metadata)?;
        let alerts = Alerts { table, stamps, clean };
        Ok(Source { name: name.clone(), folder: folder.clone(), alerts })
    };
    job.inputs.iter().map(open).collect()
}

/// How alerts are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Where labels come from.
    pub label_from: LabelFrom,
    /// Truncated cutouts.
    pub shape: ShapePolicy,
    /// Sign of the difference.
    pub sign: Sign,
    /// Column whose values are not divided, or `input`.
    pub group_by: Option<&'a str>,
}

impl Reading<'_> {
    /// All alerts of all inputs by object, date and candid; equal ones in order of the inputs.
    pub fn rows(self, sources: &[Source]) -> Result<Vec<Row>, StageError> {
        let mut rows = Vec::with_capacity(sources.iter().map(|source| source.alerts.len()).sum());
        for (number, source) in sources.iter().enumerate() {
            self.push_rows(number, source, &mut rows)?;
        }
        // in place, so equal ones need a place in the order
        rows.sort_unstable_by(|a, b| {
            let dates = a.jd.total_cmp(&b.jd).then(a.candid.cmp(&b.candid));
            a.object_id.cmp(&b.object_id).then(dates).then((a.source, a.row).cmp(&(b.source, b.row)))
        });
        Ok(rows)
    }

    fn push_rows(self, number: usize, source: &Source, rows: &mut Vec<Row>) -> Result<(), StageError> {
        let table = &source.alerts.table;
        let (candids, heights, widths) = (whole(source, "candid")?, whole(source, "rows")?, whole(source, "columns")?);
        let mut labels = table.texts("label");
        let by_input = self.label_from == LabelFrom::Input;
        if by_input {
            labels.fill(source.name.clone());
        }
        let (jd, fid) = (field(table, "jd"), field(table, "fid"));
        let (ra, dec) = (field(table, "ra"), field(table, "dec"));
        let mut values = self.values(source)?.into_iter();
        let texts = table.texts("objectId").into_iter().zip(labels).zip(table.texts("split"));
        let poses = self.poses(source)?;
        let row = |(row, ((object_id, label), word)): (usize, ((String, String), String))| Row {
            source: number,
            group: if by_input { number } else { 0 },
            row,
            candid: candids[row],
            object_id,
            jd: jd[row],
            fid: fid[row] as i64,
            label,
            word,
            value: values.next().unwrap_or_default(),
            place: (ra[row], dec[row]),
            size: (heights[row] as usize, widths[row] as usize),
            pose: poses[row],
        };
        rows.extend(texts.enumerate().map(row));
        Ok(())
    }

    /// What each alert has in the column of `group_by`; nothing without one.
    fn values(self, source: &Source) -> Result<Vec<String>, StageError> {
        let table = &source.alerts.table;
        match self.group_by {
            None => Ok(Vec::new()),
            Some("input") => Ok(vec![source.name.clone(); table.rows()]),
            Some(column) if table.column(column).is_some() => Ok(table.texts(column)),
            Some(column) => {
                let what = format!("group_by: the alerts of input `{}` have no column `{column}`", source.name);
                let names = Table::names_in(source.folder.join("alerts.csv"))?;
                let hint = format!("they have {}", names.join(", "));
                Err(StageError::with_hint(what, hint))
            }
        }
    }

    /// How each alert's cutouts lie.
    fn poses(self, source: &Source) -> Result<Vec<Pose>, StageError> {
        let table = &source.alerts.table;
        let (heights, widths) = (whole(source, "rows")?, whole(source, "columns")?);
        let (x, y, positive) = (field(table, "xpos"), field(table, "ypos"), field(table, "isdiffpos"));
        let pose = |row: usize| Pose {
            down: shift(self.shape, heights[row], y[row]),
            right: shift(self.shape, widths[row], x[row]),
            negate: self.sign == Sign::Physical && positive[row] == 0.0,
        };
        Ok((0..heights.len()).map(pose).collect())
    }
}

/// The column `name`, NaN when there is none.
fn field(alerts: &Table, name: &str) -> Vec<f64> {
    alerts.numbers(name).unwrap_or_else(|| vec![f64::NAN; alerts.rows()])
}

fn whole<'a>(source: &'a Source, name: &str) -> Result<&'a [i64], StageError> {
    match source.alerts.table.ints(name) {
        Some(column) => Ok(column),
        None if source.alerts.is_empty() => Ok(&[]),
        None => {
            let what = format!("column `{name}` is missing or not of whole numbers");
            Err(ArtifactError::new(format!("alerts.csv of input `{}`", source.name), what).into())
        }
    }
}

/// Pixels by which a cutout that was cut moves up: by those that are missing before it. At the high edge nothing moves.
fn shift(shape: ShapePolicy, length: i64, position: f64) -> usize {
    if shape == ShapePolicy::Pad { missing_before(length as usize, position) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::alert::SIDE;

    fn row(object_id: &str, candid: i64, jd: f64) -> Row {
        Row {
            source: 0,
            group: 0,
            row: 0,
            candid,
            object_id: object_id.into(),
            jd,
            fid: 1,
            label: String::new(),
            word: String::new(),
            value: String::new(),
            place: (f64::NAN, f64::NAN),
            size: (SIDE, SIDE),
            pose: Pose::default(),
        }
    }

    #[test]
    fn duplicates_are_named_and_later_detections_leave_quietly() {
        let kept = vec![row("a", 1, 1.0), row("a", 1, 1.0), row("a", 2, 3.0), row("b", 1, 2.0)];
        let mut rows = Rows { kept, dropped: Vec::new() };
        rows.drop_duplicates();
        assert_eq!((rows.kept.len(), rows.dropped.len(), rows.dropped[0].1), (3, 1, reason::DUPLICATE));
        rows.keep_first();
        let left: Vec<(&str, i64)> = rows.kept.iter().map(|r| (r.object_id.as_str(), r.candid)).collect();
        assert_eq!((left, rows.dropped.len()), (vec![("a", 1), ("b", 1)], 1));
    }

    /// Alerts of one name: number of the input, and place.
    fn named(name: &str, places: &[(usize, (f64, f64))]) -> Vec<Row> {
        let at = |(source, place): &(usize, (f64, f64))| Row { source: *source, place: *place, ..row(name, 1, 1.0) };
        places.iter().map(at).collect()
    }

    #[test]
    fn one_name_at_two_places_is_of_two_objects_unless_it_moves() {
        let (here, there, nowhere) = ((10.0, 20.0), (10.2, 20.0), (f64::NAN, f64::NAN));
        let refused = |rows: &[Row]| two_objects(rows).is_some() && !moves(rows);
        assert!(refused(&named("ZTF18a", &[(0, here), (1, there)])));
        assert!(
            !refused(&named("ZTF18a", &[(0, here), (1, here)])) && !refused(&named("ZTF18a", &[(0, here), (0, there)]))
        );
        // An input without places between them hides nothing, nor does one before them.
        assert!(refused(&named("ZTF18a", &[(0, here), (1, nowhere), (2, there)])));
        assert!(refused(&named("ZTF18a", &[(0, nowhere), (1, here), (2, there)])));
        // Numbers of rows are no names of a survey's.
        assert!(refused(&named("17", &[(0, here), (1, there)])));
        assert!(!refused(&named("21163620217073748", &[(0, here), (1, there)])), "Rubin's ssObjectId");
        // 15 arcsec in half an hour, then another night.
        assert!(!refused(&named("2010 TK7", &[(0, here), (0, (10.0, 20.004)), (1, there)])));
        let mut apart = named("ZTF18a", &[(0, here), (1, there)]);
        apart[1].group = 1;
        assert!(!refused(&apart), "inputs that are told apart");
    }

    /// Real packets: 55 rows at `ypos` 24.45 have their peak in row 23 (31 - 8); 53 rows at 3058.56 in row 30.
    #[test]
    fn truncated_cutouts_move_at_the_low_edge_of_the_chip_only() {
        assert_eq!(shift(ShapePolicy::Pad, 55, 24.45), 8);
        assert_eq!(shift(ShapePolicy::Pad, 53, 3058.56), 0);
        assert_eq!(shift(ShapePolicy::Pad, 63, 10.0), 0);
        assert_eq!(shift(ShapePolicy::Pad, 48, f64::NAN), 0);
        assert_eq!(shift(ShapePolicy::PadEnd, 55, 24.45), 0);
    }
}
