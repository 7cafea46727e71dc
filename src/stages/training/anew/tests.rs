//! Rows of made-up stamps as training comes upon them.

use proptest::prelude::*;

use super::*;
use crate::nn::Batch;
use crate::spec::keys::Keys;
use crate::spec::value::{Params, Value};
use crate::stages::views::View;

const CHANNELS: usize = 2;
/// Side of the learned stamps, and of the larger ones.
const SIDES: (usize, usize) = (5, 9);
const DETECTIONS: usize = 3;

/// Objects with as many detections, all showing the same, but for every fifth, which has one less; the column of stamps is the
/// second. In the middle of the larger stamps lie the smaller ones.
struct Objects {
    count: usize,
    side: usize,
}

impl Rows for Objects {
    fn len(&self) -> usize {
        self.count
    }
    fn columns(&self) -> Vec<Column> {
        let width = DETECTIONS * CHANNELS * self.side * self.side;
        vec![Column { name: "length", width: 1 }, Column { name: STAMPS, width }]
    }
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        if column == 0 {
            return into.fill(row as f32);
        }
        let (border, area) = ((SIDES.1 - self.side) / 2, self.side * self.side);
        let real = (DETECTIONS - usize::from(row % 5 == 4)) * CHANNELS * area;
        for (i, value) in into[..real].iter_mut().enumerate() {
            let (channel, y, x) = (i / area % CHANNELS, i % area / self.side + border, i % self.side + border);
            *value = (1000 * row + 100 * channel + SIDES.1 * y + x) as f32;
        }
    }
}

/// The same, but for one row.
struct Brighter(Objects);
impl Rows for Brighter {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        self.0.copy_row(row, column, into);
        for value in into {
            *value *= if row == 17 { 1.5 } else { 1.0 };
        }
    }
}

fn facts(side: usize) -> StampsFacts {
    StampsFacts {
        channels: vec!["science".into(), "template".into()],
        side,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: Vec::new(),
        recipe: std::collections::BTreeMap::new(),
    }
}

fn keys(set: &[(&'static str, Value)]) -> ChangeKeys {
    let mut params: Params = ChangeKeys::keys_off().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
    params.extend(set.iter().cloned());
    ChangeKeys::read(&params).unwrap()
}

fn changed(seed: u64, wide: bool, set: &[(&'static str, Value)]) -> Anew<'static> {
    let rows = |side| Box::new(Objects { count: 20, side }) as Box<dyn Rows>;
    let from = if wide { SIDES.1 } else { SIDES.0 };
    let recipe = Recipe { keys: keys(set), sides: (from, SIDES.0), colours: None };
    let anew = Anew { rows: rows(SIDES.0), wide: wide.then(|| rows(SIDES.1)), at: 1, channels: CHANNELS, recipe, seed };
    anew.check().unwrap();
    anew
}

fn all() -> Vec<(&'static str, Value)> {
    let on = Value::Bool(true);
    let numbers = [("rotation", 20.0), ("noise", 0.5), ("flux", 0.2)].map(|(name, value)| (name, Value::Float(value)));
    [vec![("turns", on.clone()), ("flips", on), ("shift", Value::Int(2))], numbers.to_vec()].concat()
}

fn stamps(rows: &dyn Rows, visit: Visit) -> Vec<f32> {
    let mut into = vec![0.0; rows.columns()[1].width];
    rows.copy_visit(visit, 1, &mut into);
    into
}

fn visit(row: usize, epoch: usize) -> Visit {
    Visit { row, epoch, again: 0 }
}

#[test]
fn a_row_looks_the_same_at_one_visit_and_differs_between_visits_rows_and_seeds() {
    let anew = changed(7, false, &all());
    let first = stamps(&anew, visit(3, 0));
    assert_eq!(first, stamps(&anew, visit(3, 0)));
    assert_ne!(first, stamps(&anew, visit(3, 1)), "another epoch");
    assert_ne!(first, stamps(&anew, Visit { again: 1, ..visit(3, 0) }), "once more in the epoch");
    assert_ne!(first, stamps(&changed(8, false, &all()), visit(3, 0)), "another seed");
    let moved = |row: usize| stamps(&anew, visit(row, 0)).iter().map(|x| x - 1000.0 * row as f32).collect::<Vec<_>>();
    assert_ne!(moved(2), moved(3), "another row");
}

#[test]
fn what_happens_to_a_row_does_not_depend_on_the_rows_beside_it() {
    let anew = changed(7, false, &all());
    let width = anew.columns()[1].width;
    let [forth, back] = [[1, 5, 9], [9, 5, 1]].map(|rows| {
        let visits = rows.map(|row| visit(row, 2));
        let batch = Batch::visit(&anew, &visits);
        assert_eq!(batch.column("length"), rows.map(|row| row as f32));
        batch.column(STAMPS).chunks_exact(width).map(<[f32]>::to_vec).collect::<Vec<_>>()
    });
    assert_eq!(forth, back.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn rows_that_are_not_visited_are_as_they_are() {
    let (anew, plain) = (changed(7, false, &all()), Objects { count: 20, side: SIDES.0 });
    let rows: Vec<usize> = (0..20).collect();
    for column in ["length", STAMPS] {
        assert_eq!(Batch::gather(&anew, &rows).column(column), Batch::gather(&plain, &rows).column(column));
    }
}

#[test]
fn detections_of_an_object_change_alike_but_for_the_noise() {
    let image = CHANNELS * SIDES.0 * SIDES.0;
    let mut quiet = all();
    quiet.retain(|(name, _)| *name != "noise");
    let seen = stamps(&changed(7, false, &quiet), visit(3, 1));
    assert_eq!(seen[..image], seen[image..2 * image]);
    assert_eq!(seen[..image], seen[2 * image..]);
    let noisy = stamps(&changed(7, false, &all()), visit(3, 1));
    for wide in [false, true] {
        let padded = stamps(&changed(7, wide, &all()), visit(4, 1));
        assert!(padded[2 * image..].iter().all(|pixel| *pixel == 0.0), "padding stays empty");
        assert!(padded[..2 * image].iter().any(|pixel| *pixel != 0.0));
    }
    assert_ne!(noisy[..image], noisy[image..2 * image]);
    // noise of half the sky's deviation about the same stamp: 1.4826 MAD of a 5 x 5 ramp of 9 counts per row is some 16
    let rms = (noisy.iter().zip(&seen).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / noisy.len() as f32).sqrt();
    assert!((4.0..16.0).contains(&rms), "noise of {rms}");
}

proptest! {
    #[test]
    fn turns_and_mirrors_are_exactly_one_of_the_eight_views(seed: u64, row in 0_usize..20, epoch in 0_usize..1000) {
        let anew = changed(seed, false, &all()[..2]);
        let mut plain = vec![0.0; anew.columns()[1].width];
        anew.copy_row(row, 1, &mut plain);
        let seen = stamps(&anew, visit(row, epoch));
        let views = View::ALL.map(|view| {
            let mut into = vec![0.0; plain.len()];
            view.copy(&plain, SIDES.0, &mut into);
            into
        });
        prop_assert!(views.contains(&seen));
    }
}

#[test]
fn all_eight_views_come_about_equally_often() {
    let anew = changed(7, false, &all()[..2]);
    let mut counts = std::collections::BTreeMap::<Vec<u32>, usize>::new();
    for epoch in 0..800 {
        let seen = stamps(&anew, visit(3, epoch));
        *counts.entry(seen.iter().map(|x| x.to_bits()).collect()).or_default() += 1;
    }
    assert_eq!(counts.len(), 8);
    assert!(counts.values().all(|n| (60..=140).contains(n)), "{:?}", counts.values());
}

#[test]
fn shifted_stamps_are_cut_from_the_larger_ones() {
    let shift = [("shift", Value::Int(2))];
    let (wide, narrow) = (changed(7, true, &shift), changed(7, false, &shift));
    let mut repeated = 0;
    for epoch in 0..50 {
        let seen = stamps(&wide, visit(0, epoch));
        let corner = seen[0]; // a ramp: the whole stamp follows from its corner
        assert!((0..25).all(|i| seen[i] == corner + (i / 5 * SIDES.1 + i % 5) as f32), "{:?}", &seen[..25]);
        let cut = stamps(&narrow, visit(0, epoch));
        assert_eq!(cut[12], seen[12], "the middle is the same");
        repeated += usize::from(cut[..25] != seen[..25]);
    }
    assert!(repeated > 30, "{repeated} of 50 shifts reach beyond the border");
}

#[test]
fn larger_stamps_that_show_something_else_are_refused() {
    let rows = |count, side| Box::new(Objects { count, side }) as Box<dyn Rows>;
    let message = |wide: Box<dyn Rows>, from| {
        let recipe = Recipe { keys: keys(&all()), sides: (from, SIDES.0), colours: None };
        let rows = rows(20, SIDES.0);
        let anew = Anew { rows, wide: Some(wide), at: 1, channels: CHANNELS, recipe, seed: 0 };
        anew.check().unwrap_err().to_string()
    };
    assert!(message(rows(19, 9), 9).contains("19 training rows"));
    assert!(message(rows(20, 8), 8).contains("both even or both odd"));
    assert!(message(rows(20, 3), 3).contains("3 x 3"));

    let brighter = Brighter(Objects { count: 20, side: SIDES.1 });
    assert!(message(Box::new(brighter), SIDES.1).contains("the middle of training row 17"));
}

#[test]
fn keys_of_training_change_nothing_by_default_and_leave_old_keys_valid() {
    assert!(!keys(&[]).change_anything());
    assert!(ChangeKeys::keys_off().iter().all(|key| key.added_later));
    for (name, value) in all() {
        assert!(keys(&[(name, value)]).change_anything(), "{name}");
    }
    assert!(ChangeKeys::keys().iter().all(|key| !key.added_later), "of `augment` they are in its first keys");
}

#[test]
fn what_cannot_work_is_refused() {
    let refused = |reads: &[&'static str], set: &[(&'static str, Value)]| {
        let mut params: Params =
            ChangeKeys::keys_off().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
        params.extend(set.iter().cloned());
        let home = std::path::Path::new("");
        let job = Job {
            params: &params,
            seed: 0,
            inputs: [].into(),
            files: [].into(),
            home,
            out: home,
            checkpoint: home,
            device: crate::stage::Device::Cpu,
            gpus: &[],
            threads: 1,
            pulse: &crate::stage::Silent,
            shelf: &crate::stage::Silent,
        };
        let facts = facts(SIDES.0);
        let shown = Shown { rows: Box::new(Objects { count: 2, side: SIDES.0 }), facts: &facts };
        let reads: Vec<Column> = reads.iter().map(|name| Column { name, width: 1 }).collect();
        anew(&job, 0, &reads, shown, None).err().map(|fault| fault.to_string())
    };
    assert_eq!(refused(&["codes"], &[]), None);
    assert_eq!(refused(&[STAMPS], &[("shift", Value::Int(2))]), None);
    assert!(refused(&[STAMPS], &[("shift", Value::Int(3))]).unwrap().contains("shift = 3 moves the source out"));
    assert!(refused(&["codes"], &[("flips", Value::Bool(true))]).unwrap().contains("the network reads none"));
}
