//! Which object is in which split. Objects, never alerts, are divided, so an object is in one split only.
//! Knows no pixels; draws by ranking hashes of (seed, object), so that one more object does not reshuffle the others: of its class
//! at most one moves over each border between splits or folds.

use std::collections::BTreeMap;

use crate::artifacts::split::{ALL, TEST, TRAIN, VALIDATION};
use crate::choice;
use crate::stage::StageError;

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

/// What a rule needs to know of an object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Name.
    pub id: String,
    /// Class of its first alert, empty when unlabelled.
    pub class: String,
    /// Julian date of its first alert, days.
    pub first_jd: f64,
    /// The word in the alerts' `split` column.
    pub word: String,
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

    /// The split of every object by name. `objects` has each name once.
    pub fn assign(&self, objects: &[Object], seed: u64) -> Result<BTreeMap<String, &'static str>, StageError> {
        match self.rule {
            SplitRule::Column => objects.iter().map(from_column).collect(),
            SplitRule::Time => self.by_time(objects),
            _ => self.by_class(objects, seed),
        }
    }

    fn by_time(&self, objects: &[Object]) -> Result<BTreeMap<String, &'static str>, StageError> {
        let undated = objects.iter().filter(|object| object.first_jd.is_nan()).count();
        if undated > 0 {
            let what = format!("split = \"time\": {undated} of {} objects have no `jd`", objects.len());
            return Err(StageError::with_hint(what, "choose another `split`, or give the alerts their dates"));
        }
        let mut newest: Vec<&Object> = objects.iter().collect();
        newest.sort_by(|a, b| b.first_jd.total_cmp(&a.first_jd).then_with(|| a.id.cmp(&b.id)));
        let sizes = self.shares(newest.len());
        Ok(dealt(&newest, sizes))
    }

    fn by_class(&self, objects: &[Object], seed: u64) -> Result<BTreeMap<String, &'static str>, StageError> {
        let mut classes: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
        for object in objects {
            classes.entry(&object.class).or_default().push(object);
        }
        let mut splits = BTreeMap::new();
        for (class, mut members) in classes {
            members.sort_by_cached_key(|object| (rank(seed, &object.id), object.id.clone()));
            splits.extend(match self.rule {
                SplitRule::Count => dealt(&members, self.counts(class, members.len())?),
                SplitRule::Folds => self.folded(&members),
                _ => dealt(&members, self.shares(members.len())),
            });
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

    /// Neighbours in the order are one part, so that a new object pushes at most one over each border.
    fn folded(&self, ordered: &[&Object]) -> BTreeMap<String, &'static str> {
        let split = |i: usize| match i * self.folds / ordered.len() {
            part if part == self.fold => TEST,
            part if part == (self.fold + 1) % self.folds => VALIDATION,
            _ => TRAIN,
        };
        ordered.iter().enumerate().map(|(i, object)| (object.id.clone(), split(i))).collect()
    }
}

fn from_column(object: &Object) -> Result<(String, &'static str), StageError> {
    let split = read_word(&object.word).ok_or_else(|| {
        let what = format!("object {}: `{}` in the column `split` is no split", object.id, object.word);
        StageError::with_hint(what, format!("write one of {}", ALL.join(", ")))
    })?;
    Ok((object.id.clone(), split))
}

/// The first of the ordered objects to test, the next to validation, the rest to training.
fn dealt(ordered: &[&Object], (test, validation): (usize, usize)) -> BTreeMap<String, &'static str> {
    let split = |i: usize| {
        if i < test {
            TEST
        } else if i < test + validation {
            VALIDATION
        } else {
            TRAIN
        }
    };
    ordered.iter().enumerate().map(|(i, object)| (object.id.clone(), split(i))).collect()
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

    use super::*;

    fn rule(rule: SplitRule) -> Rule {
        Rule { rule, validation: 0.2, test: 0.1, per_class: 2, folds: 5, fold: 1 }
    }

    fn object(i: usize, class: &str) -> Object {
        let place = (f64::NAN, f64::NAN);
        Object { id: format!("ZTF{i:04}"), class: class.into(), first_jd: i as f64, word: String::new(), place }
    }

    fn objects(classes: &[(&str, usize)]) -> Vec<Object> {
        let names = classes.iter().flat_map(|(class, n)| std::iter::repeat_n(*class, *n));
        names.enumerate().map(|(i, class)| object(i, class)).collect()
    }

    /// Objects in test, validation and training.
    fn sizes(splits: &BTreeMap<String, &str>) -> [usize; 3] {
        [TEST, VALIDATION, TRAIN].map(|name| splits.values().filter(|s| **s == name).count())
    }

    #[test]
    fn shares_are_of_each_class() {
        let all = objects(&[("SN", 10), ("AGN", 100), ("VS", 3), ("bogus", 1)]);
        let splits = rule(SplitRule::Fraction).assign(&all, 1).unwrap();
        let of = |class: &str| {
            let ids = all.iter().filter(|o| o.class == class).map(|o| (o.id.clone(), splits[&o.id]));
            sizes(&ids.collect())
        };
        assert_eq!(["SN", "AGN", "VS", "bogus"].map(of), [[1, 2, 7], [10, 20, 70], [1, 1, 1], [0, 0, 1]]);
    }

    #[test]
    fn counts_are_of_each_class_and_unlabelled_objects_train() {
        let splits = rule(SplitRule::Count).assign(&objects(&[("SN", 5), ("AGN", 9), ("", 4)]), 1).unwrap();
        assert_eq!(sizes(&splits), [4, 4, 10]);
        let error = rule(SplitRule::Count).assign(&objects(&[("SN", 4)]), 1).unwrap_err().to_string();
        assert!(error.contains("class `SN` has 4 objects"), "{error}");
    }

    #[test]
    fn newest_objects_are_the_test_split() {
        let splits = rule(SplitRule::Time).assign(&objects(&[("SN", 10)]), 1).unwrap();
        assert_eq!(splits["ZTF0009"], TEST);
        assert_eq!([splits["ZTF0008"], splits["ZTF0007"]], [VALIDATION; 2]);
        assert_eq!(sizes(&splits), [1, 2, 7]);
        let mut undated = objects(&[("SN", 3)]);
        undated[1].first_jd = f64::NAN;
        assert!(rule(SplitRule::Time).assign(&undated, 1).is_err());
    }

    #[test]
    fn every_object_is_tested_in_exactly_one_fold() {
        let all = objects(&[("SN", 11), ("AGN", 7)]);
        let mut tested: Vec<String> = (0..5)
            .flat_map(|fold| {
                let splits = Rule { fold, ..rule(SplitRule::Folds) }.assign(&all, 3).unwrap();
                splits.into_iter().filter(|(_, s)| *s == TEST).map(|(id, _)| id)
            })
            .collect();
        tested.sort();
        assert_eq!(tested, all.iter().map(|o| o.id.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn words_of_the_column_are_read_and_others_refused() {
        let with = |word: &str| vec![Object { word: word.into(), ..object(0, "SN") }];
        let split = |word: &str| rule(SplitRule::Column).assign(&with(word), 0).map(|s| s["ZTF0000"]);
        assert_eq!([split("val").unwrap(), split("test").unwrap(), split("train").unwrap()], [VALIDATION, TEST, TRAIN]);
        assert!(split("testing").unwrap_err().to_string().contains("`testing`"));
    }

    #[test]
    fn another_object_does_not_reshuffle_the_others() {
        let order = |n: usize| {
            let mut ids: Vec<String> = (0..n).map(|i| object(i, "").id).collect();
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
            let mut parts = BTreeMap::new();
            for fold in 0..5 {
                let splits = Rule { fold, ..rule(SplitRule::Folds) }.assign(&objects(&[("SN", n)]), 3).unwrap();
                let tested = splits.into_iter().filter(|(_, split)| *split == TEST);
                parts.extend(tested.map(|(id, _)| (id, fold)));
            }
            parts
        };
        let (before, after) = (part_of(40), part_of(41));
        let moved = before.iter().filter(|(id, part)| after[*id] != **part).count();
        assert!(moved <= 4, "{moved} of 40 objects moved");
        let sizes =
            |parts: &BTreeMap<String, usize>| [0, 1, 2, 3, 4].map(|f| parts.values().filter(|p| **p == f).count());
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
            let all = objects(&classes);
            let reversed: Vec<Object> = all.iter().rev().cloned().collect();
            for kind in [SplitRule::Fraction, SplitRule::Count, SplitRule::Folds, SplitRule::Time] {
                let rule = Rule { validation, test, ..rule(kind) };
                let splits = rule.assign(&all, seed).unwrap();
                prop_assert_eq!(splits.len(), all.len());
                prop_assert!(sizes(&splits)[2] > 0, "nothing to train on");
                prop_assert_eq!(&rule.assign(&reversed, seed).unwrap(), &splits);
            }
        }
    }
}
