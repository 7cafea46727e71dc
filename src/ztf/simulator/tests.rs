//! What holds for simulated objects as a whole.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::*;
use crate::ztf::alert::{FIELDS, SIDE};
use crate::ztf::history::PointKind;

fn survey(recipe: &Recipe, objects: usize) -> Vec<SimulatedObject> {
    (0..objects).into_par_iter().map(|index| simulate_object(recipe, 42, index)).collect()
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let recipe = Recipe { max_detections: 3, ..Recipe::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let parallel = pool.install(|| survey(&recipe, 40));
    for (index, object) in parallel.iter().enumerate().rev() {
        // Debug text, because NaN pixels are not equal to themselves
        assert_eq!(format!("{object:?}"), format!("{:?}", simulate_object(&recipe, 42, index)));
    }
}

#[test]
fn every_class_occurs_and_every_number_is_unique() {
    let recipe = Recipe { max_detections: 4, ..Recipe::default() };
    let objects = survey(&recipe, 200);
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::new();
    for class in Class::ALL {
        let of_class: Vec<_> = objects.iter().filter(|o| o.class == class).collect();
        assert!((38..=42).contains(&of_class.len()), "{class:?}: {}", of_class.len());
        assert!(of_class.iter().all(|o| !o.detections.is_empty()), "{class:?} without alerts");
    }
    for object in &objects {
        names.insert(object.detections[0].alert.object_id.clone());
        for pair in object.detections.windows(2) {
            assert!(pair[0].alert.value("jd") < pair[1].alert.value("jd"));
            assert!(pair[0].alert.value("ndethist") < pair[1].alert.value("ndethist"));
            assert_eq!(pair[0].alert.object_id, pair[1].alert.object_id);
        }
        numbers.extend(object.detections.iter().map(|d| d.alert.candid));
    }
    assert_eq!(numbers.len(), objects.iter().map(|o| o.detections.len()).sum::<usize>());
    assert_eq!(names.len(), objects.len());
}

#[test]
fn sequences_have_the_length_and_gaps_asked_for() {
    let shares = [1.0, 1.0, 1.0, 0.0, 0.0];
    let recipe = Recipe { shares, min_detections: 3, max_detections: 5, min_gap_days: 0.9, ..Recipe::default() };
    for object in survey(&recipe, 60) {
        assert!((3..=5).contains(&object.detections.len()), "{:?}", object.class);
        for pair in object.detections.windows(2) {
            assert!(pair[1].alert.value("jd") - pair[0].alert.value("jd") >= 0.9);
        }
    }
}

#[test]
fn fields_are_filled_and_alerts_are_detections() {
    for object in survey(&Recipe::default(), 150) {
        for detection in &object.detections {
            let alert = &detection.alert;
            assert_eq!(alert.values.len(), FIELDS.len());
            for (name, value) in FIELDS.iter().zip(&alert.values) {
                assert!(value.is_finite(), "{name} of {:?}", object.class);
            }
            assert!(alert.value("sigmapsf") < 1.0857 / 5.0 && alert.value("scorr") >= 4.9999);
            assert!(alert.value("ndethist") >= 1.0 && alert.value("ncovhist") >= alert.value("ndethist"));
            assert_eq!(object.class == Class::Asteroid, alert.value("ssdistnr") >= 0.0);
        }
    }
}

#[test]
fn the_stored_difference_is_positive_at_the_source_and_has_the_sign_of_isdiffpos() {
    let recipe = Recipe { shares: [1.0, 0.0, 2.0, 0.0, 0.0], ..Recipe::default() };
    let mut signs = [0; 2];
    for object in survey(&recipe, 120) {
        let detection = &object.detections[0];
        let [science, template, difference] = &detection.clean;
        if difference.pixels.len() < SIDE * SIDE || detection.alert.value("scorr") < 10.0 {
            continue;
        }
        let positive = detection.alert.value("isdiffpos") == 1.0;
        signs[usize::from(positive)] += 1;
        let near = |stamp: &crate::ztf::alert::Stamp| -> f32 {
            (0..25).map(|i| stamp.pixels[(29 + i / 5) * SIDE + 29 + i % 5]).sum()
        };
        assert!(near(difference) > 0.0, "source is positive at the centre");
        // the sky's level is the same in both, the star's other blur is not: use bright changes only
        let change = near(science) - near(template);
        if near(difference) > 0.3 * (near(template) - 25.0 * template.pixels[0]).abs() {
            assert_eq!(change > 0.0, positive);
        }
    }
    assert!(signs[0] > 10 && signs[1] > 10, "both signs occur: {signs:?}");
}

#[test]
fn measured_magnitudes_are_right_within_their_errors() {
    // asteroids: nothing else at the place, so the clean difference is the truth
    let recipe = Recipe { shares: [0.0, 0.0, 0.0, 1.0, 0.0], ..Recipe::default() };
    let mut pulls = Vec::new();
    for object in survey(&recipe, 150) {
        let detection = &object.detections[0];
        let alert = &detection.alert;
        let clean = &detection.clean[2];
        if clean.pixels.len() < SIDE * SIDE || alert.value("elong") > 1.4 || alert.value("fwhm") > 3.5 {
            continue;
        }
        let flux: f32 = (0..21 * 21).map(|i| clean.pixels[(21 + i / 21) * SIDE + 21 + i % 21]).sum();
        let truth = alert.value("magzpsci") - 2.5 * f64::from(flux).log10();
        pulls.push((alert.value("magpsf") - truth) / alert.value("sigmapsf"));
    }
    pulls.sort_by(f64::total_cmp);
    let n = pulls.len();
    assert!(n > 80);
    assert!(pulls[n / 2].abs() < 0.5, "median {}", pulls[n / 2]);
    assert!(pulls[n / 10] > -2.0 && pulls[9 * n / 10] < 2.0, "{} {}", pulls[n / 10], pulls[9 * n / 10]);
}

#[test]
fn edges_cut_stamps() {
    let recipe = Recipe { edge_fraction: 1.0, ..Recipe::default() };
    for object in survey(&recipe, 40) {
        for detection in &object.detections {
            let stamp = &detection.alert.stamps[0];
            assert!(stamp.rows < SIDE || stamp.columns < SIDE);
            assert_eq!(stamp.pixels.len(), stamp.rows * stamp.columns);
            assert!(detection.alert.value("mindtoedge") < 32.0);
            assert!(detection.clean[0].pixels.iter().all(|p| p.is_finite()));
        }
    }
}

#[test]
fn the_past_is_thirty_days_of_visits_that_agree_with_the_alerts() {
    let recipe = Recipe { max_detections: 4, ..Recipe::default() };
    let (mut limits, mut detections) = ([0; 5], [0; 5]);
    for object in survey(&recipe, 150) {
        let place = Class::ALL.iter().position(|class| *class == object.class).unwrap();
        for (i, found) in object.detections.iter().enumerate() {
            let jd = found.alert.value("jd");
            assert!(found.past.is_sorted_by(|a, b| a.jd <= b.jd));
            assert!(found.past.iter().all(|point| (1e-3..30.0).contains(&(jd - point.jd))), "{:?}", object.class);
            let of = |kind| found.past.iter().filter(move |point| point.kind == kind);
            // forced photometry of each visit, and what the search made of it
            assert_eq!(of(PointKind::Forced).count(), of(PointKind::Limit).count() + of(PointKind::Detection).count());
            limits[place] += of(PointKind::Limit).count();
            detections[place] += of(PointKind::Detection).count();
            // alerts of the month before are among its detections, as they were sent
            for earlier in object.detections[..i].iter().filter(|earlier| jd - earlier.alert.value("jd") < 30.0) {
                let told = of(PointKind::Detection).find(|point| point.candid == Some(earlier.alert.candid)).unwrap();
                assert_eq!(f64::from(told.value("magpsf")), earlier.alert.value("magpsf"));
            }
            for point in of(PointKind::Detection) {
                let error = point.value("sigmapsf");
                assert!(error > 0.0 && error < 0.25 && point.candid.is_some());
            }
        }
    }
    // an asteroid was not there before; what varies was seen on many visits
    let [agn, _, star, asteroid, _] = detections;
    assert!(asteroid == 0 && limits[3] > 50, "{detections:?} {limits:?}");
    assert!(agn > limits[0] / 4 && star > limits[2] / 4, "{detections:?} {limits:?}");
}
