//! Objects at one place on the sky: a survey may give one source two names, and then a split by name puts it on both sides.
//! Knows positions and names only.

use crate::choice;
use crate::stage::StageError;
use crate::ztf::sky::separation;

use super::names::{NO_WORD, Names};
use super::split::Object;

choice! {
    /// What becomes of objects at one place.
    pub enum OnePlace {
        /// They go into one split, that of the first by name.
        Together = "together",
        /// The stage fails if they are in two splits.
        Refuse = "refuse",
        /// Nobody looks.
        Apart = "apart",
    }
}

/// Two objects nearer than the radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Positions in the list.
    pub objects: (usize, usize),
    /// Distance, arcsec.
    pub distance: f64,
}

/// All pairs within `radius` arcsec, by the position of the first; objects without a position are near nobody.
pub fn pairs(objects: &[Object], radius: f64) -> Vec<Pair> {
    let mut by_declination: Vec<(f64, f64, usize)> = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        if object.place.0.is_finite() && object.place.1.is_finite() {
            by_declination.push((object.place.1, object.place.0, number));
        }
    }
    by_declination.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
    let mut pairs = Vec::new();
    for (position, (dec, ra, number)) in by_declination.iter().enumerate() {
        let near = |other: &&(f64, f64, usize)| (other.0 - dec) * 3600.0 <= radius;
        for (other_dec, other_ra, other) in by_declination[position + 1..].iter().take_while(near) {
            let distance = separation((*ra, *dec), (*other_ra, *other_dec));
            if distance <= radius {
                pairs.push(Pair { objects: ((*number).min(*other), (*number).max(*other)), distance });
            }
        }
    }
    pairs.sort_by_key(|pair| pair.objects);
    pairs
}

/// For each object the first one that it is linked with, perhaps over others, perhaps itself.
pub fn first_of_linked(objects: usize, links: &[(usize, usize)]) -> Vec<usize> {
    let mut first: Vec<usize> = (0..objects).collect();
    let root = |first: &[usize], mut object: usize| {
        while first[object] != object {
            object = first[object];
        }
        object
    };
    for (a, b) in links {
        let (a, b) = (root(&first, *a), root(&first, *b));
        first[a.max(b)] = a.min(b);
    }
    (0..objects).map(|object| root(&first, object)).collect()
}

/// One object for each first one, in order, with the earliest date and the first label of all that are linked with it.
pub fn units(objects: &[Object], first: &[usize]) -> Vec<Object> {
    let mut units: Vec<Object> = Vec::new();
    for (number, (object, first)) in objects.iter().zip(first).enumerate() {
        if *first == number {
            units.push(*object);
            continue;
        }
        let at = position(&units, &objects[*first]);
        let unit = &mut units[at];
        unit.first_jd = unit.first_jd.min(object.first_jd);
        if unit.class == NO_WORD {
            unit.class = object.class;
        }
    }
    units
}

/// The place of an object in a list by name that has it.
pub fn position(objects: &[Object], object: &Object) -> usize {
    objects.partition_point(|other| other.name < object.name)
}

/// Fails when two objects at one place are in different splits.
pub fn check(objects: &[Object], pairs: &[Pair], splits: &[&'static str], names: &Names) -> Result<(), StageError> {
    let mut torn = pairs.iter().filter(|pair| splits[pair.objects.0] != splits[pair.objects.1]);
    let Some(Pair { objects: (a, b), distance }) = torn.next() else { return Ok(()) };
    let what = format!(
        "{} pairs of objects at one place are in two splits: {} in {} and {} in {}, {distance:.2} arcsec apart, for one",
        1 + torn.count(),
        names.object(objects[*a].name),
        splits[*a],
        names.object(objects[*b].name),
        splits[*b]
    );
    let hint = "one source with two names tells the test split what was trained on: put them together, or set `one_place = \
                \"together\"` where the split is drawn";
    Err(StageError::with_hint(what, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(places: &[(f64, f64)]) -> Vec<Object> {
        let object = |(name, place): (u32, &(f64, f64))| Object {
            name,
            class: NO_WORD,
            first_jd: 0.0,
            word: NO_WORD,
            place: *place,
        };
        (0..).zip(places).map(object).collect()
    }

    #[test]
    fn chains_are_one_place_and_nothing_is_near_nothing() {
        let step = 1.0 / 3600.0;
        let all = objects(&[(5.0, 2.0 * step), (5.0, 0.0), (90.0, 0.0), (5.0, step), (f64::NAN, 0.0), (f64::NAN, 0.0)]);
        let found = pairs(&all, 1.5);
        let links: Vec<(usize, usize)> = found.iter().map(|p| p.objects).collect();
        assert_eq!(links, [(0, 3), (1, 3)]);
        assert_eq!(first_of_linked(6, &links), [0, 0, 2, 0, 4, 5]);
        assert!((found[0].distance - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_place_is_as_old_as_its_first_alert() {
        let mut all = objects(&[(5.0, 0.0), (9.0, 0.0), (5.0, 0.0)]);
        (all[0].first_jd, all[2].first_jd, all[2].class) = (7.0, 3.0, 1);
        let units = units(&all, &first_of_linked(3, &[(0, 2)]));
        let shown: Vec<(u32, f64, u32)> = units.iter().map(|u| (u.name, u.first_jd, u.class)).collect();
        assert_eq!(shown, [(0, 3.0, 1), (1, 0.0, NO_WORD)]);
        assert_eq!(position(&units, &all[1]), 1);
    }

    #[test]
    fn torn_pairs_are_named() {
        let all = objects(&[(5.0, 0.0), (5.0, 0.0001)]);
        let mut names = Names::default();
        assert_eq!(["ZTF0", "ZTF1"].map(|name| names.add_object(name)), [0, 1]);
        let found = pairs(&all, 1.5);
        check(&all, &found, &["train", "train"], &names).unwrap();
        let error = check(&all, &found, &["train", "test"], &names).unwrap_err().to_string();
        assert!(error.contains("1 pairs") && error.contains("ZTF0 in train and ZTF1 in test, 0.36 arcsec"), "{error}");
    }
}
