//! Which object is in which split. Objects, never alerts, are divided, so an object is in one split only.
//! Knows no pixels; draws by ranking hashes of (seed, object), so that one more object does not reshuffle the others: of its class
//! at most one moves over each border between splits or folds.

use std::collections::BTreeMap;

use crate::artifacts::split::{ALL, TEST, TRAIN, VALIDATION};
use crate::choice;
use crate::stage::StageError;

use super::names::Names;

choice! {
    /// How objects are divided.
    pub enum SplitRule {
        /// Shares of each class, at random.
        Fraction = "fraction",
        /// So many of each class to validation and as many to test, at random \[2\].
        Count = "count",
        /// The newest objects by their first alert to test, those before them to validation; of these and of the others alerts
        /// after the first of the test objects are dropped, for nobody had them when the test began.
        Time = "time",
        /// As the alerts say (`split` of the label table).
        Column = "column",
        /// One of `folds` equal parts of each class to test, the next one to validation, at random.
        Folds = "folds",
    }
}

/// A rule with its numbers.
#[derive(Clone, Debug)]
pub struct Rule {
    /// How objects are divided.
    pub rule: SplitRule,
    /// Share of validation.
    pub validation: f64,
    /// Share of test.
    pub test: f64,
    /// Objects of each class in validation, and as many in test.
    pub per_class: usize,
    /// Number of parts.
    pub folds: usize,
    /// The part that is the test split.
    pub fold: usize,
}

/// What a rule needs to know of an object; its texts are in [`Names`].
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Its name.
    pub name: u32,
    /// Class of its first alert, none when unlabelled.
    pub class: u32,
    /// The word in the alerts' `split` column.
    pub word: u32,
    /// Julian date of its first alert, days.
    pub first_jd: f64,
    /// Right ascension and declination of its first alert, degrees; NaN when unknown.
    pub place: (f64, f64),
}

/// Reads a word of the `split` column; `None`: it is no split.
pub fn read_word(word: &str) -> Option<&'static str> {
    match word.trim() {
        "val" | "valid" => Some(VALIDATION),
        "training" => Some(TRAIN),
        word => ALL.into_iter().find(|name| *name == word),
    }
}

impl Rule {
    /// Whether it draws random numbers.
    pub fn draws(&self) -> bool {
        !matches!(self.rule, SplitRule::Time | SplitRule::Column)
    }

    /// The split of each object. `objects` has each name once.
    pub fn assign(&self, objects: &[Object], names: &Names, seed: u64) -> Result<Vec<&'static str>, StageError> {
        match self.rule {
            SplitRule::Column => objects.iter().map(|object| from_column(object, names)).collect(),
            SplitRule::Time => self.by_time(objects),
            _ => self.by_class(objects, names, seed),
        }
    }

    fn by_time(&self, objects: &[Object]) -> Result<Vec<&'static str>, StageError> {
        let undated = objects.iter().filter(|object| object.first_jd.is_nan()).count();
        if undated > 0 {
            let what = format!("split = \"time\": {undated} of {} objects have no `jd`", objects.len());
            return Err(StageError::with_hint(what, "choose another `split`, or give the alerts their dates"));
        }
        let mut newest: Vec<usize> = (0..objects.len()).collect();
        newest.sort_unstable_by(|a, b| {
            let (a, b) = (&objects[*a], &objects[*b]);
            b.first_jd.total_cmp(&a.first_jd).then(a.name.cmp(&b.name))
        });
        let (mut splits, sizes) = (vec![TRAIN; objects.len()], self.shares(objects.len()));
        newest.iter().enumerate().for_each(|(i, object)| splits[*object] = dealt(i, sizes));
        Ok(splits)
    }

    fn by_class(&self, objects: &[Object], names: &Names, seed: u64) -> Result<Vec<&'static str>, StageError> {
        let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, object) in objects.iter().enumerate() {
            classes.entry(names.word(object.class)).or_default().push(number);
        }
        let mut splits = vec![TRAIN; objects.len()];
        for (class, members) in classes {
            let n = members.len();
            let sizes = if self.rule == SplitRule::Count { self.counts(class, n)? } else { self.shares(n) };
            let ranked = |object: usize| (rank(seed, names.object(objects[object].name)), object);
            let mut members: Vec<([u8; 32], usize)> = members.into_iter().map(ranked).collect();
            members.sort_unstable();
            for (i, (_, object)) in members.into_iter().enumerate() {
                splits[object] = if self.rule == SplitRule::Folds { self.folded(i, n) } else { dealt(i, sizes) };
            }
        }
        Ok(splits)
    }

    /// Objects of test and validation out of `n`: rounded, at least one where the share is not 0, one left for training.
    fn shares(&self, n: usize) -> (usize, usize) {
        let share = |fraction: f64| if fraction > 0.0 { ((n as f64 * fraction).round() as usize).max(1) } else { 0 };
        let test = share(self.test).min(n.saturating_sub(1));
        (test, share(self.validation).min(n.saturating_sub(1 + test)))
    }

    /// The same by number; unlabelled objects have no class to take a number of, and are all for training.
    fn counts(&self, class: &str, n: usize) -> Result<(usize, usize), StageError> {
        let k = if class.is_empty() { 0 } else { self.per_class };
        if n > 2 * k {
            return Ok((k, k));
        }
        let what =
            format!("split = \"count\": class `{class}` has {n} objects, too few for {k} + {k} and one to train on");
        Err(StageError::with_hint(what, format!("set `per_class` to at most {}", n.saturating_sub(1) / 2)))
    }

    /// The split of the `i`-th of `n`: neighbours are one part, so that a new object pushes at most one over each border.
    fn folded(&self, i: usize, n: usize) -> &'static str {
        match i * self.folds / n {
            part if part == self.fold => TEST,
            part if part == (self.fold + 1) % self.folds => VALIDATION,
            _ => TRAIN,
        }
    }
}

fn from_column(object: &Object, names: &Names) -> Result<&'static str, StageError> {
    let word = names.word(object.word);
    read_word(word).ok_or_else(|| {
        let what = format!("object {}: `{word}` in the column `split` is no split", names.object(object.name));
        StageError::with_hint(what, format!("write one of {}", ALL.join(", ")))
    })
}

/// The split of the `i`-th: the first to test, the next to validation, the rest to training.
fn dealt(i: usize, (test, validation): (usize, usize)) -> &'static str {
    if i < test {
        TEST
    } else if i < test + validation {
        VALIDATION
    } else {
        TRAIN
    }
}

/// A random number that belongs to the object alone.
fn rank(seed: u64, id: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(id.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::names::NO_WORD;
    use super::*;

    fn rule(rule: SplitRule) -> Rule {
        Rule { rule, validation: 0.2, test: 0.1, per_class: 2, folds: 5, fold: 1 }
    }

    fn object(i: usize, class: &str, names: &mut Names) -> Object {
        let (name, class) = (names.add_object(&format!("ZTF{i:04}")), names.add_word(class));
        Object { name, class, word: NO_WORD, first_jd: i as f64, place: (f64::NAN, f64::NAN) }
    }

    fn objects(classes: &[(&str, usize)]) -> (Vec<Object>, Names) {
        let mut names = Names::default();
        let of_each = classes.iter().flat_map(|(class, n)| std::iter::repeat_n(*class, *n));
        (of_each.enumerate().map(|(i, class)| object(i, class, &mut names)).collect(), names)
    }

    /// Objects in test, validation and training.
    fn sizes(splits: &[&str]) -> [usize; 3] {
        [TEST, VALIDATION, TRAIN].map(|name| splits.iter().filter(|s| **s == name).count())
    }

    #[test]
    fn shares_are_of_each_class() {
        let (all, names) = objects(&[("SN", 10), ("AGN", 100), ("VS", 3), ("bogus", 1)]);
        let splits = rule(SplitRule::Fraction).assign(&all, &names, 1).unwrap();
        let of = |class: &str| {
            let splits = all.iter().zip(&splits).filter(|(object, _)| names.word(object.class) == class);
            sizes(&splits.map(|(_, split)| *split).collect::<Vec<_>>())
        };
        assert_eq!(["SN", "AGN", "VS", "bogus"].map(of), [[1, 2, 7], [10, 20, 70], [1, 1, 1], [0, 0, 1]]);
    }

    #[test]
    fn counts_are_of_each_class_and_unlabelled_objects_train() {
        let (all, names) = objects(&[("SN", 5), ("AGN", 9), ("", 4)]);
        let splits = rule(SplitRule::Count).assign(&all, &names, 1).unwrap();
        assert_eq!((sizes(&splits), sizes(&splits[14..])), ([4, 4, 10], [0, 0, 4]));
        let (few, names) = objects(&[("SN", 4)]);
        let error = rule(SplitRule::Count).assign(&few, &names, 1).unwrap_err().to_string();
        assert!(error.contains("class `SN` has 4 objects"), "{error}");
    }

    #[test]
    fn newest_objects_are_the_test_split() {
        let (mut all, names) = objects(&[("SN", 10)]);
        let splits = rule(SplitRule::Time).assign(&all, &names, 1).unwrap();
        assert_eq!(splits[7..], [VALIDATION, VALIDATION, TEST]);
        assert_eq!(sizes(&splits), [1, 2, 7]);
        all[1].first_jd = f64::NAN;
        assert!(rule(SplitRule::Time).assign(&all, &names, 1).is_err());
    }

    #[test]
    fn every_object_is_tested_in_exactly_one_fold() {
        let (all, names) = objects(&[("SN", 11), ("AGN", 7)]);
        let mut tested = [0; 18];
        for fold in 0..5 {
            let splits = Rule { fold, ..rule(SplitRule::Folds) }.assign(&all, &names, 3).unwrap();
            splits.iter().zip(&mut tested).for_each(|(split, times)| *times += usize::from(*split == TEST));
        }
        assert_eq!(tested, [1; 18]);
    }

    #[test]
    fn words_of_the_column_are_read_and_others_refused() {
        let split = |word: &str| {
            let (mut all, mut names) = objects(&[("SN", 1)]);
            all[0].word = names.add_word(word);
            rule(SplitRule::Column).assign(&all, &names, 0).map(|splits| splits[0])
        };
        assert_eq!([split("val").unwrap(), split("test").unwrap(), split("train").unwrap()], [VALIDATION, TEST, TRAIN]);
        assert!(split("testing").unwrap_err().to_string().contains("`testing`"));
    }

    #[test]
    fn another_object_does_not_reshuffle_the_others() {
        let order = |n: usize| {
            let mut ids: Vec<String> = (0..n).map(|i| format!("ZTF{i:04}")).collect();
            ids.sort_by_cached_key(|id| rank(7, id));
            ids.retain(|id| *id != "ZTF0020");
            ids
        };
        assert_eq!(order(20), order(21));
        assert_ne!(rank(7, "a"), rank(8, "a"));
    }

    /// One more object of 41 moves at most one other over each of the four borders, and the parts stay equal.
    #[test]
    fn another_object_does_not_reshuffle_the_folds() {
        let part_of = |n: usize| {
            let (all, names) = objects(&[("SN", n)]);
            let mut parts = vec![5; n];
            for fold in 0..5 {
                let splits = Rule { fold, ..rule(SplitRule::Folds) }.assign(&all, &names, 3).unwrap();
                splits.iter().zip(&mut parts).filter(|(split, _)| **split == TEST).for_each(|(_, part)| *part = fold);
            }
            parts
        };
        let (before, after) = (part_of(40), part_of(41));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(moved <= 4, "{moved} of 40 objects moved");
        let sizes = |parts: &[usize]| [0, 1, 2, 3, 4].map(|fold| parts.iter().filter(|part| **part == fold).count());
        assert_eq!(sizes(&before), [8; 5]);
        assert!(sizes(&after).iter().all(|n| (8..=9).contains(n)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn random_rules_divide_all_objects_whatever_their_order(
            sizes_of in prop::collection::vec(5_usize..40, 1..5), seed: u64, validation in 0.0..0.45_f64, test in 0.0..0.45_f64,
        ) {
            let names = ["AGN", "SN", "VS", "asteroid"];
            let classes: Vec<(&str, usize)> = names.into_iter().zip(sizes_of).collect();
            let (all, words) = objects(&classes);
            let reversed: Vec<Object> = all.iter().rev().copied().collect();
            for kind in [SplitRule::Fraction, SplitRule::Count, SplitRule::Folds, SplitRule::Time] {
                let rule = Rule { validation, test, ..rule(kind) };
                let splits = rule.assign(&all, &words, seed).unwrap();
                prop_assert_eq!(splits.len(), all.len());
                prop_assert!(sizes(&splits)[2] > 0, "nothing to train on");
                let of_reversed = rule.assign(&reversed, &words, seed).unwrap();
                prop_assert!(of_reversed.iter().rev().eq(&splits));
            }
        }
    }
}
