//! Which alerts become stamps: one table of rows over all inputs, and the dropped ones with their reason.
//! Knows no pixels and no split.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::artifacts::ArtifactError;
use crate::artifacts::table::Table;
use crate::artifacts::texts::Texts;
use crate::choice;
use crate::stage::StageError;
use crate::ztf::alert::{SIDE, missing_before};
use crate::ztf::sky::separation;

use super::metadata::field;
use super::names::{Names, number};
use super::pixels::Pose;
use super::source::Source;

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

/// One alert that may become a stamp; its texts are in [`Names`]. There is one for each alert of a night: it is kept small.
#[derive(Clone, Debug)]
pub struct Row {
    /// Row in its input.
    pub row: usize,
    /// Detection.
    pub candid: i64,
    /// Julian date, days; NaN when unknown.
    pub jd: f64,
    /// Filter.
    pub fid: i64,
    /// Right ascension and declination, degrees; NaN when unknown.
    pub place: (f64, f64),
    /// Number of its input.
    pub source: u32,
    /// Alerts of one group are one data set; inputs that are told apart are a group each.
    pub group: u32,
    /// Object, a name.
    pub object: u32,
    /// Class, a word, or none.
    pub label: u32,
    /// Word of the column `split`.
    pub word: u32,
    /// What it has in the column of `group_by`, a word, or none.
    pub value: u32,
    /// Whether its cutouts are complete.
    pub complete: bool,
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
    /// Their objects, labels and other words.
    pub names: Names,
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
        self.kept.shrink_to_fit();
    }

    /// Positions of the kept rows of an object.
    pub fn of_object(&self, name: &str) -> Range<usize> {
        let Some(object) = self.names.find_object(name) else { return 0..0 };
        let before = |limit: u32| self.kept.partition_point(|row| row.object < limit);
        before(object)..before(object + 1)
    }
}

/// What was seen of one object, for rows that are by object: of a night with its many it would fill memory.
#[derive(Default)]
struct OfObject {
    object: u32,
    seen: BTreeSet<(u32, i64)>,
}

impl OfObject {
    /// Whether `what` is seen the first time of the row's object and group.
    fn is_new(&mut self, row: &Row, what: i64) -> bool {
        if self.object != row.object {
            self.object = row.object;
            self.seen.clear();
        }
        self.seen.insert((row.group, what))
    }
}

/// Alerts of one object are nearer than this, arcsec: those of ZTF lie within 1.5.
const ONE_OBJECT: f64 = 60.0;
/// An object whose alerts of one input are farther apart than this moves, arcsec.
const MOVED: f64 = 5.0;

/// Fails where inputs that are put together give one name to two objects, such as two `simulate` stages with their own seeds do:
/// they would be taken for one. A body of the solar system may be anywhere.
pub fn check_names(rows: &Rows, sources: &[Source]) -> Result<(), StageError> {
    for alerts in rows.kept.chunk_by(|a, b| a.object == b.object) {
        let name = rows.names.object(alerts[0].object);
        let Some((a, b)) = two_objects(alerts).filter(|_| !moves(name, alerts)) else { continue };
        let what = format!(
            "`{}` and `{}` have an object {} each, {:.0} arcsec apart: two objects with one name",
            sources[a.source as usize].name,
            sources[b.source as usize].name,
            name,
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
fn moves(name: &str, alerts: &[Row]) -> bool {
    let is_number_of_a_survey = name.len() >= 15 && name.bytes().all(|byte| byte.is_ascii_digit());
    let moved = |row: &Row| {
        let first = alerts.iter().find(|other| other.source == row.source && other.group == row.group);
        first.is_some_and(|first| separation(first.place, row.place) > MOVED)
    };
    is_number_of_a_survey || alerts.iter().any(moved)
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
    /// All alerts of all inputs by object, date and candid; equal ones in order of the inputs. The tables go.
    pub fn rows(self, sources: &[Source], tables: Vec<Table>) -> Result<Rows, StageError> {
        let mut rows = Rows::default();
        rows.kept.reserve_exact(tables.iter().map(Table::rows).sum());
        for (at, (source, table)) in sources.iter().zip(&tables).enumerate() {
            self.push_rows(number(at), source, table, &mut rows)?;
        }
        let ids: Vec<Cow<Texts>> = tables.iter().map(|table| table.packed("objectId")).collect();
        let id = |row: &Row| &ids[row.source as usize][row.row];
        // in place, so equal ones need a place in the order
        rows.kept.sort_unstable_by(|a, b| {
            let dates = a.jd.total_cmp(&b.jd).then(a.candid.cmp(&b.candid));
            id(a).cmp(id(b)).then(dates).then((a.source, a.row).cmp(&(b.source, b.row)))
        });
        for row in &mut rows.kept {
            row.object = rows.names.add_object(id(row));
        }
        Ok(rows)
    }

    fn push_rows(self, source: u32, from: &Source, table: &Table, rows: &mut Rows) -> Result<(), StageError> {
        let candids = whole(from, table, "candid")?;
        let (heights, widths) = (whole(from, table, "rows")?, whole(from, table, "columns")?);
        let by_input = self.label_from == LabelFrom::Input;
        let (labels, words, values) = (table.packed("label"), table.packed("split"), self.values(from, table)?);
        let [jd, fid, ra, dec] = ["jd", "fid", "ra", "dec"].map(|name| field(table, name));
        let [x, y, positive] = ["xpos", "ypos", "isdiffpos"].map(|name| field(table, name));
        let names = &mut rows.names;
        let row = |row: usize| Row {
            row,
            candid: candids[row],
            jd: jd(row),
            fid: fid(row) as i64,
            place: (ra(row), dec(row)),
            source,
            group: if by_input { source } else { 0 },
            object: 0,
            label: names.add_word(if by_input { &from.name } else { &labels[row] }),
            word: names.add_word(&words[row]),
            value: names.add_word(values.get(row)),
            complete: [heights[row], widths[row]] == [SIDE as i64; 2],
            pose: Pose {
                down: shift(self.shape, heights[row], y(row)),
                right: shift(self.shape, widths[row], x(row)),
                negate: self.sign == Sign::Physical && positive(row) == 0.0,
            },
        };
        rows.kept.extend((0..table.rows()).map(row));
        Ok(())
    }

    /// What each alert has in the column of `group_by`.
    fn values<'a>(self, source: &'a Source, table: &'a Table) -> Result<Values<'a>, StageError> {
        match self.group_by {
            None => Ok(Values::Same("")),
            Some("input") => Ok(Values::Same(&source.name)),
            Some(column) if table.column(column).is_some() => Ok(Values::Own(table.packed(column))),
            Some(column) => {
                let what = format!("group_by: the alerts of input `{}` have no column `{column}`", source.name);
                let hint = format!("they have {}", Table::names_in(source.table())?.join(", "));
                Err(StageError::with_hint(what, hint))
            }
        }
    }
}

/// What alerts have in the column of `group_by`.
enum Values<'a> {
    /// All of them.
    Same(&'a str),
    /// Each of them.
    Own(Cow<'a, Texts>),
}

impl Values<'_> {
    fn get(&self, row: usize) -> &str {
        match self {
            Self::Same(value) => value,
            Self::Own(values) => &values[row],
        }
    }
}

fn whole<'a>(source: &Source, table: &'a Table, name: &str) -> Result<&'a [i64], StageError> {
    match table.ints(name) {
        Some(column) => Ok(column),
        None if table.rows() == 0 => Ok(&[]),
        None => {
            let what = format!("column `{name}` is missing or not of whole numbers");
            Err(ArtifactError::new(format!("alerts.csv of input `{}`", source.name), what).into())
        }
    }
}

/// Pixels by which a cutout that was cut moves up: by those that are missing before it. At the high edge nothing moves.
fn shift(shape: ShapePolicy, length: i64, position: f64) -> u8 {
    let missing = if shape == ShapePolicy::Pad { missing_before(length as usize, position) } else { 0 };
    missing.min(SIDE) as u8
}

#[cfg(test)]
mod tests {
    use super::super::names::NO_WORD;
    use super::*;

    fn row(object: u32, candid: i64, jd: f64) -> Row {
        Row {
            row: 0,
            candid,
            jd,
            fid: 1,
            place: (f64::NAN, f64::NAN),
            source: 0,
            group: 0,
            object,
            label: NO_WORD,
            word: NO_WORD,
            value: NO_WORD,
            complete: true,
            pose: Pose::default(),
        }
    }

    /// What a night of a million alerts takes is this times a million.
    #[test]
    fn a_row_takes_no_more_than_80_bytes() {
        assert!(size_of::<Row>() <= 80, "{} bytes", size_of::<Row>());
    }

    #[test]
    fn duplicates_are_named_and_later_detections_leave_quietly() {
        let kept = vec![row(0, 1, 1.0), row(0, 1, 1.0), row(0, 2, 3.0), row(1, 1, 2.0)];
        let mut rows = Rows { kept, ..Rows::default() };
        rows.drop_duplicates();
        assert_eq!((rows.kept.len(), rows.dropped.len(), rows.dropped[0].1), (3, 1, reason::DUPLICATE));
        rows.keep_first();
        let left: Vec<(u32, i64)> = rows.kept.iter().map(|r| (r.object, r.candid)).collect();
        assert_eq!((left, rows.dropped.len()), (vec![(0, 1), (1, 1)], 1));
    }

    /// Alerts of one object: number of the input, and place.
    fn placed(places: &[(u32, (f64, f64))]) -> Vec<Row> {
        let at = |(source, place): &(u32, (f64, f64))| Row { source: *source, place: *place, ..row(0, 1, 1.0) };
        places.iter().map(at).collect()
    }

    #[test]
    fn one_name_at_two_places_is_of_two_objects_unless_it_moves() {
        let (here, there, nowhere) = ((10.0, 20.0), (10.2, 20.0), (f64::NAN, f64::NAN));
        let refused = |name: &str, rows: &[Row]| two_objects(rows).is_some() && !moves(name, rows);
        assert!(refused("ZTF18a", &placed(&[(0, here), (1, there)])));
        assert!(!refused("ZTF18a", &placed(&[(0, here), (1, here)])));
        assert!(!refused("ZTF18a", &placed(&[(0, here), (0, there)])));
        // An input without places between them hides nothing, nor does one before them.
        assert!(refused("ZTF18a", &placed(&[(0, here), (1, nowhere), (2, there)])));
        assert!(refused("ZTF18a", &placed(&[(0, nowhere), (1, here), (2, there)])));
        // Numbers of rows are no names of a survey's.
        assert!(refused("17", &placed(&[(0, here), (1, there)])));
        assert!(!refused("21163620217073748", &placed(&[(0, here), (1, there)])), "Rubin's ssObjectId");
        // 15 arcsec in half an hour, then another night.
        assert!(!refused("2010 TK7", &placed(&[(0, here), (0, (10.0, 20.004)), (1, there)])));
        let mut apart = placed(&[(0, here), (1, there)]);
        apart[1].group = 1;
        assert!(!refused("ZTF18a", &apart), "inputs that are told apart");
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
