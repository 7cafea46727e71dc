//! `preprocess`: alerts to stamps. The story is in [`Preprocess::run`]; each step of it has a file in `preprocess/`.
//! Knows no network.

pub mod again;
pub mod columns;
pub mod groups;
pub mod light_curves;
pub mod metadata;
pub mod names;
pub mod normalise;
pub mod pixels;
pub mod places;
pub mod rows;
pub mod source;
pub mod split;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::artifacts::split::{ALL, TEST, TRAIN};
use crate::artifacts::table::Table;
use crate::memory;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind};

use metadata::Sentinel;
use names::NO_WORD;
use normalise::Normalise;
use pixels::{Channel, NanPolicy, Recipe};
use places::OnePlace;
use rows::{Detections, LabelFrom, Reading, Row, Rows, ShapePolicy, Sign, Unlabelled, reason};
use source::Source;
use split::{Object, Rule, SplitRule};

crate::keys! {
    /// Keys of `preprocess`. The defaults are the Stamp Classifier's, but for the split, which it gives by number.
    pub struct PreprocessKeys {
        /// Channels of a stamp, in order.
        channels: Vec<Channel> = vec![Channel::Science, Channel::Template, Channel::Difference];
        /// Side of the centre crop; 21 takes rows and columns 21 to 41 of 63.
        crop: usize = 21, range(1, 63), unit("px");
        /// The earliest alert of each object, or all of them; an object whose first alert is dropped is dropped.
        detections: Detections = Detections::First;
        /// Whether a label is the alert's own or the name of its input (to tell inputs apart).
        label_from: LabelFrom = LabelFrom::Label;
        /// Labels that are used, in order of their class numbers; left out: all that occur, in alphabetical order.
        classes: Option<Vec<String>> = None;
        /// Labels put together under a name of their own, such as `{ real = ["AGN", "SN", "VS", "asteroid"] }`; `classes` then names the new ones.
        merge: BTreeMap<String, Vec<String>> = BTreeMap::new(), added_later();
        /// What becomes of alerts without a label.
        unlabelled: Unlabelled = Unlabelled::Keep;
        /// Truncated cutouts: drop, pad on the side of the chip's edge (the source stays central), or pad at the end.
        shape: ShapePolicy = ShapePolicy::Drop;
        /// Missing pixels (NaN, beyond 1e10 DN, padding) in the crop: 0 after scaling, the channel's median, or drop the alert.
        nan: NanPolicy = NanPolicy::Zero;
        /// Sign of the difference: the packet's (source positive) or physical (negative where `isdiffpos` is 0).
        sign: Sign = Sign::Packet;
        /// Scaling of the pixels; a constant channel becomes 0, and sky and sigma are of the uncropped channel.
        normalise: Normalise = Normalise::MinMax;
        /// Pixel value, above the sky, at which `asinh` turns from linear to logarithmic.
        softening: f64 = 1.0, range(0.001, 1000.0), unit("sky sigma");
        /// Metadata columns: any numeric field of a packet, ecl_lat, ecl_long, gal_lat, gal_long, non_detections. With `light_curves` in `load` also, from what the alert and earlier ones of the same input tell of the object: lc_detections and lc_limits (how many), lc_days (since the first detection), lc_since_limit (from the last upper limit before the first detection to it, days), lc_limit_gap (the last upper limit before the first detection, in its filter, minus that detection, mag), lc_peak (brightest magnitude in this filter), lc_from_peak (magnitude minus that), lc_slope (mag a day since the last detection in this filter 0.5 d or more before), lc_colour (g - r of the latest pair within a day), lc_forced_snr (largest flux over its error). Magnitudes are of detections with the alert's `isdiffpos`.
        metadata: Vec<String> = metadata::stamp_classifier();
        /// Lower clips by column, in place of those of the Stamp Classifier.
        clip_low: BTreeMap<String, f64> = BTreeMap::new();
        /// Upper clips by column, in place of those of the Stamp Classifier.
        clip_high: BTreeMap<String, f64> = BTreeMap::new();
        /// Whether -999 is clipped where a lower clip exists (missing elsewhere), or missing everywhere; missing is the mean.
        sentinel: Sentinel = Sentinel::Clip;
        /// How objects are divided into train, validation and test.
        split: SplitRule = SplitRule::Fraction;
        /// Share of validation, for `fraction` (of each class) and `time`.
        validation: f64 = 0.15, range(0, 0.9);
        /// Share of test, likewise.
        test: f64 = 0.15, range(0, 0.9);
        /// Objects of each class in validation, and as many in test, for `count`.
        per_class: usize = 100, range(1, 1_000_000), unit("objects");
        /// Number of parts, for `folds`.
        folds: usize = 5, range(3, 100);
        /// The part that is the test split, counted from 0; the next one is validation.
        fold: usize = 0, range(0, 99);
        /// Whether each replicate draws a split of its own; otherwise all share one.
        resample: bool = false;
        /// Column of the alerts whose values are never divided, such as "rcid" or "field", or "input" for the name of the input: all objects with a value go into one split, and shares and folds count values, whatever their classes; not with `time` and `count`. Left out: objects are divided.
        group_by: Option<String> = None, added_later();
        /// Objects at one place on the sky, one source with two names: into one split, an error when they are in two, or as it comes. Where `split` is a column they are never moved: "together" is an error when they are in two.
        one_place: OnePlace = OnePlace::Together, added_later();
        /// How near two objects are that are at one place; 1.5 arcsec is within what ZTF itself takes for one object.
        place_radius: f64 = 1.5, range(0, 60), unit("arcsec"), added_later();
    }
}

/// A key and what is wrong with it.
type Fault = (&'static str, String);

impl PreprocessKeys {
    fn recipe(&self) -> Recipe {
        Recipe {
            channels: self.channels.clone(),
            crop: self.crop,
            nan: self.nan,
            normalise: self.normalise,
            softening: self.softening,
        }
    }

    fn rule(&self) -> Rule {
        Rule {
            rule: self.split,
            validation: self.validation,
            test: self.test,
            per_class: self.per_class,
            folds: self.folds,
            fold: self.fold,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.faults_of_names();
        faults.extend(self.faults_of_clips());
        if self.channels.is_empty() {
            faults.push(("channels", "a stamp needs at least one channel".into()));
        }
        let shares = matches!(self.split, SplitRule::Fraction | SplitRule::Time);
        if shares && self.validation + self.test >= 1.0 {
            let what = format!("validation {} and test {} leave nothing to train on", self.validation, self.test);
            faults.push(("test", what));
        }
        if self.split == SplitRule::Folds && self.fold >= self.folds {
            let what = format!("{} folds are numbered 0 to {}, not {}", self.folds, self.folds - 1, self.fold);
            faults.push(("fold", what));
        }
        if self.split == SplitRule::Time && self.group_by.is_some() {
            let what = "values are seen again and again, so split = \"time\" would put old ones with all their new objects into \
                        train, and test on what came before; leave `group_by` out, or use \"fraction\"";
            faults.push(("group_by", what.into()));
        }
        if self.split == SplitRule::Count && self.group_by.is_some() {
            faults.push((
                "group_by",
                "a value has no class, so split = \"count\" cannot count them; use \"fraction\"".into(),
            ));
        }
        faults
    }

    fn faults_of_names(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let channels: Vec<&str> = self.channels.iter().map(|c| c.word()).collect();
        let classes: Vec<&str> = self.classes.iter().flatten().map(String::as_str).collect();
        let columns: Vec<&str> = self.metadata.iter().map(String::as_str).collect();
        for (key, names) in [("channels", &channels), ("classes", &classes), ("metadata", &columns)] {
            faults.extend(repeated(names).map(|name| (key, format!("`{name}` is listed twice"))));
        }
        let merged: Vec<&str> = self.merge.values().flatten().map(String::as_str).collect();
        faults.extend(repeated(&merged).map(|name| ("merge", format!("`{name}` is put into two classes"))));
        let unknown = |name: &&&str| !metadata::is_known(name);
        faults.extend(columns.iter().filter(unknown).map(|name| ("metadata", metadata::unknown(name))));
        faults
    }

    fn faults_of_clips(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        for (key, clips) in [("clip_low", &self.clip_low), ("clip_high", &self.clip_high)] {
            for name in clips.keys() {
                if !metadata::is_known(name) {
                    faults.push((key, metadata::unknown(name)));
                } else if !self.metadata.contains(name) {
                    faults.push((key, format!("`{name}` is not among the columns of `metadata`")));
                }
            }
        }
        for column in metadata::columns(&self.metadata, &self.clip_low, &self.clip_high) {
            if let (Some(low), Some(high)) = (column.low, column.high)
                && low >= high
            {
                let what = format!("`{}` is clipped to {low} from below but {high} from above", column.name);
                faults.push(("clip_low", what));
            }
        }
        faults
    }
}

fn repeated<'a>(names: &[&'a str]) -> Option<&'a str> {
    names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| *name)
}

/// The kind `preprocess`.
pub struct Preprocess;

impl StageKind for Preprocess {
    fn name(&self) -> &'static str {
        "preprocess"
    }
    fn summary(&self) -> &'static str {
        "Turns alerts into stamps for a network: channels, crop, scaling, metadata, and a split by object."
    }
    fn source(&self) -> &'static str {
        "Carrasco-Davis et al. 2021 (arXiv:2008.03309), ztf_preprocessor.py"
    }
    fn version(&self) -> u32 {
        5
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] = &[Port {
            name: "*",
            accepts: &[ArtifactType::Alerts],
            required: true,
            help: "Alerts; several inputs are put together.",
        }];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Stamps
    }
    fn keys(&self) -> Vec<Key> {
        PreprocessKeys::keys()
    }
    fn randomness(&self, params: &Params) -> Randomness {
        match PreprocessKeys::read(params) {
            Some(keys) if !keys.rule().draws() => Randomness::None,
            Some(keys) if keys.resample => Randomness::PerReplicate,
            _ => Randomness::Shared,
        }
    }
    fn scale(&self, params: &Params) -> Vec<(&'static str, String)> {
        let asinh = params.get("normalise").is_some_and(|word| word.plain() == Normalise::Asinh.word());
        let keys = ["channels", "crop", "normalise"].into_iter().chain(asinh.then_some("softening"));
        keys.filter_map(|key| Some((key, params.get(key)?.plain()))).collect()
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        PreprocessKeys::read(params).map(|keys| keys.faults()).unwrap_or_default()
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: PreprocessKeys = job.keys()?;
        let (sources, tables): (Vec<Source>, Vec<Table>) =
            source::open_all(job, keys.group_by.as_deref())?.into_iter().unzip();
        let mut rows = select(&sources, tables, &keys)?;
        let classes = classes(&rows, &keys)?;
        let splits = splits(&rows, &keys, job.seed)?;
        memory::give_back(); // the tables that rows are made of, and the objects
        if keys.split == SplitRule::Time {
            drop_test_period(&mut rows, &splits);
        }
        let data = write::Data { sources: &sources, rows: &rows, splits: &splits, classes: &classes };
        if !rows.kept.iter().any(|row| data.split(row) == TRAIN) {
            let what = format!("no training rows among {} alerts", rows.kept.len());
            return Err(StageError::with_hint(what, "give the split `train` some objects"));
        }
        write::stamps(job, &keys, &data)?;
        write::tables(job, &data)?;
        job.pulse.told(&closing(&data));
        Ok(())
    }
}

/// What a reader of the run should know of the result.
fn closing(data: &write::Data) -> String {
    let rows = data.rows;
    let labelled = rows.kept.iter().filter(|row| row.label != NO_WORD).count();
    let of = |split: &&str| format!("{split} {}", rows.kept.iter().filter(|row| data.split(row) == *split).count());
    let splits = ALL.iter().map(of).collect::<Vec<_>>().join(", ");
    let dropped = match rows.dropped.len() {
        0 => String::new(),
        dropped => format!("; {dropped} left out: see {{out}}/dropped.csv"),
    };
    format!("{} stamps, {labelled} labelled: {splits}{dropped}", rows.kept.len())
}

/// The rows that become stamps; what an alert lacks is asked in the order of [`reason`].
fn select(sources: &[Source], tables: Vec<Table>, keys: &PreprocessKeys) -> Result<Rows, StageError> {
    let group_by = keys.group_by.as_deref();
    let reading = Reading { label_from: keys.label_from, shape: keys.shape, sign: keys.sign, group_by };
    let mut rows = reading.rows(sources, tables)?;
    let total = rows.kept.len();
    if total == 0 {
        return Err(StageError::with_hint(
            "the inputs hold no alerts",
            "look at what the stage before wrote or dropped",
        ));
    }
    rows::check_names(&rows, sources)?;
    merge(&mut rows, &keys.merge)?;
    rows.drop_duplicates();
    if keys.detections == Detections::First {
        rows.keep_first();
    }
    if let Some(classes) = &keys.classes {
        let used = rows.names.choose(|label| label.is_empty() || classes.iter().any(|class| class == label));
        rows.retain(reason::OTHER_CLASS, |row| used[row.label as usize]);
    }
    if keys.unlabelled == Unlabelled::Drop {
        rows.retain(reason::UNLABELLED, |row| row.label != NO_WORD);
    }
    if keys.split == SplitRule::Column {
        let there = rows.names.choose(|word| !word.trim().is_empty());
        rows.retain(reason::NO_SPLIT, |row| there[row.word as usize]);
    }
    if keys.shape == ShapePolicy::Drop {
        rows.retain(reason::TRUNCATED, |row| row.complete);
    }
    if keys.nan == NanPolicy::Drop {
        let missing = write::missing_pixels(sources, &rows.kept, &keys.recipe());
        let mut missing = missing.into_iter();
        rows.retain(reason::MISSING_PIXELS, |_| missing.next() == Some(false));
    }
    if rows.kept.is_empty() { Err(nothing_left(total, &rows)) } else { Ok(rows) }
}

/// Gives merged labels their new name.
fn merge(rows: &mut Rows, merge: &BTreeMap<String, Vec<String>>) -> Result<(), StageError> {
    for (name, label) in merge.iter().flat_map(|(name, labels)| labels.iter().map(move |label| (name, label))) {
        let [new, old] = [name, label].map(|word| rows.names.add_word(word));
        let mut renamed = rows.kept.iter_mut().filter(|row| row.label == old).peekable();
        if renamed.peek().is_none() {
            let what = format!("`merge` puts `{label}` into `{name}`, but no alert has that label");
            return Err(StageError::with_hint(what, "correct `merge` or the label table"));
        }
        renamed.for_each(|row| row.label = new);
    }
    Ok(())
}

fn nothing_left(total: usize, rows: &Rows) -> StageError {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    rows.dropped.iter().for_each(|(_, reason)| *counts.entry(reason).or_default() += 1);
    let counts: Vec<String> = counts.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    let what = format!("none of {total} alerts is left: {}", counts.join(", "));
    StageError::with_hint(what, "loosen `classes`, `unlabelled`, `shape`, `nan` or `split`")
}

/// Class labels in order.
fn classes(rows: &Rows, keys: &PreprocessKeys) -> Result<Vec<String>, StageError> {
    let numbers: BTreeSet<u32> = rows.kept.iter().map(|row| row.label).filter(|label| *label != NO_WORD).collect();
    let mut present: Vec<String> = numbers.into_iter().map(|label| rows.names.word(label).to_owned()).collect();
    present.sort();
    if keys.label_from == LabelFrom::Input && present.len() < 2 {
        let what = format!("label_from = \"input\" makes one class of one input: `{}`", present.join(""));
        return Err(StageError::with_hint(what, "connect a second input with alerts"));
    }
    if keys.split == SplitRule::Count && present.is_empty() {
        return Err(StageError::with_hint("split = \"count\", but no alert has a label", "use split = \"fraction\""));
    }
    let wanted = keys.classes.clone().unwrap_or_else(|| present.clone());
    match wanted.iter().find(|class| !present.contains(class)) {
        None => Ok(wanted),
        Some(class) => {
            let what = format!("class `{class}` has no alerts; labels are {}", present.join(", "));
            Err(StageError::with_hint(what, "correct `classes` or the label table"))
        }
    }
}

/// Drops what is not tested of the time from the first test alert on: who trains before the test has seen none of it.
fn drop_test_period(rows: &mut Rows, splits: &[&'static str]) {
    let is_tested = |row: &Row| splits[row.object as usize] == TEST;
    let begin = rows.kept.iter().filter(|row| is_tested(row)).map(|row| row.jd).fold(f64::INFINITY, f64::min);
    rows.retain(reason::TEST_PERIOD, |row| is_tested(row) || row.jd <= begin);
}

/// The split of every object by its number; empty when no alert of it is kept.
fn splits(rows: &Rows, keys: &PreprocessKeys, seed: u64) -> Result<Vec<&'static str>, StageError> {
    let objects = objects(rows, keys.split)?;
    let look = keys.one_place != OnePlace::Apart;
    let pairs = if look { places::pairs(&objects, keys.place_radius) } else { Vec::new() };
    let groups = groups::links(&rows.kept, &objects);
    let mut together = Vec::new();
    if keys.split != SplitRule::Column {
        together.clone_from(&groups);
        if keys.one_place == OnePlace::Together {
            together.extend(pairs.iter().map(|pair| pair.objects));
        }
    }
    let first = places::first_of_linked(objects.len(), &together);
    let mut units = places::units(&objects, &first);
    if keys.group_by.is_some() {
        for unit in &mut units {
            unit.class = NO_WORD;
        }
    }
    let of_units = keys.rule().assign(&units, &rows.names, seed)?;
    let of_first = |first: usize| of_units[places::position(&units, &objects[first])];
    let splits: Vec<&'static str> = first.into_iter().map(of_first).collect();
    places::check(&objects, &pairs, &splits, &rows.names)?;
    groups::check(keys.group_by.as_deref().unwrap_or_default(), &objects, &groups, &splits, &rows.names)?;
    let mut by_number = vec![""; rows.names.objects()];
    objects.iter().zip(splits).for_each(|(object, split)| by_number[object.name as usize] = split);
    Ok(by_number)
}

/// The objects of the rows; where the split is a column, an object's alerts must agree on it.
fn objects(rows: &Rows, rule: SplitRule) -> Result<Vec<Object>, StageError> {
    let by_object = || rows.kept.chunk_by(|a, b| a.object == b.object);
    let mut objects = Vec::with_capacity(by_object().count());
    for alerts in by_object() {
        let first = &alerts[0];
        let split = |row: &Row| split::read_word(rows.names.word(row.word));
        if rule == SplitRule::Column
            && let Some(other) = alerts.iter().find(|row| split(row) != split(first))
        {
            let [object, one, two] =
                [rows.names.object(first.object), rows.names.word(first.word), rows.names.word(other.word)];
            let what = format!("object {object} is in two splits, `{one}` and `{two}`");
            return Err(StageError::with_hint(what, "put all alerts of an object into one split"));
        }
        objects.push(Object {
            name: first.object,
            class: alerts.iter().map(|row| row.label).find(|label| *label != NO_WORD).unwrap_or(NO_WORD),
            word: first.word,
            first_jd: first.jd,
            place: first.place,
        });
    }
    Ok(objects)
}

#[cfg(test)]
mod tests;
