//! The stage as a whole: small stamps artifacts in, larger ones out.

use std::collections::BTreeMap;

use super::*;
use crate::spec::value::Value;
use crate::stages::preprocess::normalise::Sky;
use crate::stages::testing::{Bench, params};

const SIDE: usize = 7;
const AREA: usize = SIDE * SIDE;

/// Twelve rows, every third for testing, of two channels with values that are all different.
fn write_stamps(folder: &std::path::Path, order: &[usize]) {
    let facts = StampsFacts {
        channels: vec!["science".into(), "difference".into()],
        side: SIDE,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: vec!["SN".into()],
        recipe: std::collections::BTreeMap::new(),
    };
    let mut writer = StampsWriter::create(folder, &facts, true).unwrap();
    for i in order {
        let row = StampRow {
            candid: 100 + *i as i64,
            object_id: format!("ZTF{i:03}"),
            jd: *i as f64,
            fid: 1,
            label: "SN".into(),
            split: if i % 3 == 0 { "test" } else { TRAIN }.into(),
            copy: 0,
        };
        let image: Vec<f32> = (0..2 * AREA).map(|p| ((p * 37 + i * 11) % 101) as f32).collect();
        let clean: Vec<f32> = image.iter().map(|x| x + 0.5).collect();
        writer.push(&row, &image, &[], Some(&clean)).unwrap();
    }
    writer.finish().unwrap();
}

fn run_in_order(order: &[usize], seed: u64, set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    let bench = Bench::new(&["stamps"], |_, folder| write_stamps(folder, order));
    bench.run(&Augment, &["stamps"], seed, set)
}

fn run(set: &[(&'static str, Value)]) -> Stamps {
    let order: Vec<usize> = (0..12).collect();
    open(&run_in_order(&order, 5, set).unwrap())
}

fn open(bench: &Bench) -> Stamps {
    Stamps::open(&bench.out()).unwrap()
}

fn sorted(pixels: &[f32]) -> Vec<f32> {
    let mut pixels = pixels.to_vec();
    pixels.sort_by(f32::total_cmp);
    pixels
}

#[test]
fn no_copies_give_the_same_bytes() {
    let order: Vec<usize> = (0..12).collect();
    let bench = run_in_order(&order, 5, &[("copies", Value::Int(0))]).unwrap();
    for file in ["stamps.npy", "clean.npy", "metadata.npy", "index.csv", "stamps.json"] {
        let read = |folder: std::path::PathBuf| std::fs::read(folder.join(file)).unwrap();
        assert!(read(bench.path("stamps")) == read(bench.out()), "{file} differs");
    }
}

#[test]
fn copies_follow_their_training_rows_and_rearrange_pixels() {
    let stamps = run(&[]);
    assert_eq!(stamps.images.rows(), 12 + 8 * 3);
    assert_eq!(stamps.index.ints("copy").unwrap()[..6], [0, 0, 1, 2, 3, 0]);
    assert_eq!(stamps.rows_of("test").len(), 4);
    let mut moved = 0;
    for copy in 2..5 {
        for channel in [0..AREA, AREA..2 * AREA] {
            let (image, original) = (&stamps.images.row(copy)[channel.clone()], &stamps.images.row(1)[channel]);
            assert_eq!(sorted(image), sorted(original));
            moved += usize::from(image != original);
        }
    }
    assert!(moved >= 4, "{moved} of 6 channels moved");
}

#[test]
fn noise_free_images_move_along_without_noise() {
    let all = [
        ("noise", Value::Float(0.5)),
        ("shift", Value::Int(2)),
        ("rotation", Value::Float(30.0)),
        ("flux", Value::Float(0.3)),
    ];
    let stamps = run(&all);
    let clean = stamps.clean.as_ref().unwrap();
    let noise = |row: usize| -> Vec<f64> {
        stamps.images.row(row).iter().zip(clean.row(row)).map(|(x, c)| f64::from(x - c)).collect()
    };
    assert!(noise(0).iter().all(|d| *d == -0.5));
    // Sky sigma is 1.4826 * MAD, about 37 for values spread evenly over 0..100; half of it is added.
    let drawn: Vec<f64> = (2..5).flat_map(noise).collect();
    let deviation = (drawn.iter().map(|d| d * d).sum::<f64>() / drawn.len() as f64).sqrt();
    assert!((12.0..26.0).contains(&deviation), "noise of {deviation}");
    let silent = run(&all[1..]);
    let clean = silent.clean.as_ref().unwrap();
    let offset = |row: usize| clean.row(row)[0] - silent.images.row(row)[0];
    assert!((2..5).all(|row| (0.34..0.66).contains(&offset(row))), "clean images did not move along");
}

#[test]
fn switching_noise_on_leaves_the_geometry() {
    let (plain, noisy) = (run(&[]), run(&[("noise", Value::Float(0.5))]));
    assert_eq!(plain.clean.unwrap().values(), noisy.clean.unwrap().values());
}

#[test]
fn a_crop_is_central_for_all_rows() {
    let stamps = run(&[("crop", Value::Int(3)), ("shift", Value::Int(1))]);
    assert_eq!((stamps.facts.side, stamps.images.shape()[2]), (3, 3));
    let original = run(&[("copies", Value::Int(0))]);
    assert_eq!(stamps.images.row(0)[4], original.images.row(0)[3 * SIDE + 3]);
    let order: Vec<usize> = (0..12).collect();
    for crop in [4, 9] {
        let result = run_in_order(&order, 5, &[("crop", Value::Int(crop))]);
        assert!(result.err().unwrap().to_string().contains(&format!("crop = {crop}")));
    }
}

#[test]
fn brightness_changes_about_the_sky_by_one_factor() {
    let quiet = [("turns", Value::Bool(false)), ("flips", Value::Bool(false)), ("flux", Value::Float(0.3))];
    let stamps = run(&quiet);
    let (original, copy) = (stamps.images.row(1), stamps.images.row(2));
    let mut factors = Vec::new();
    for channel in [0..AREA, AREA..2 * AREA] {
        let level = Sky::of(&original[channel.clone()]).level;
        let bright = channel.clone().find(|p| original[*p] > level + 20.0).unwrap();
        factors.push((copy[bright] - level) / (original[bright] - level));
    }
    assert!((factors[0] - factors[1]).abs() < 1e-4 && (factors[0] - 1.0).abs() < 0.3 && factors[0] != 1.0);
}

#[test]
fn colour_shifts_each_channel_by_one_number() {
    let quiet = [("turns", Value::Bool(false)), ("flips", Value::Bool(false)), ("colour", Value::Float(0.1))];
    let stamps = run(&quiet);
    let difference: Vec<f32> = stamps.images.row(2).iter().zip(stamps.images.row(1)).map(|(a, b)| a - b).collect();
    for channel in difference.chunks_exact(AREA) {
        assert!(channel.iter().all(|d| (d - channel[0]).abs() < 1e-3) && channel[0] != 0.0);
    }
}

#[test]
fn copies_depend_on_seed_and_identity_but_not_on_order_or_threads() {
    let set = [("noise", Value::Float(0.5)), ("colour", Value::Float(0.1))];
    let by_candid = |order: &[usize], seed: u64, threads: usize| -> BTreeMap<(i64, i64), Vec<f32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let stamps = open(&pool.install(|| run_in_order(order, seed, &set)).unwrap());
        let identity = stamps.index.ints("candid").unwrap().iter().zip(stamps.index.ints("copy").unwrap());
        identity.enumerate().map(|(row, (c, k))| ((*c, *k), stamps.images.row(row).to_vec())).collect()
    };
    let order: Vec<usize> = (0..12).collect();
    let first = by_candid(&order, 5, 1);
    assert!(first == by_candid(&order, 5, 4), "output depends on the number of threads");
    assert!(first != by_candid(&order, 6, 1), "output does not depend on the seed");
    let plain = |order: &[usize], set: &[(&'static str, Value)]| {
        let stamps = open(&run_in_order(order, 5, set).unwrap());
        let candid = stamps.index.ints("candid").unwrap().to_vec();
        candid.iter().enumerate().map(|(row, c)| (*c, sorted(stamps.images.row(row)))).collect::<BTreeMap<_, _>>()
    };
    let reversed: Vec<usize> = order.iter().rev().copied().collect();
    assert!(plain(&order, &set[..1]) == plain(&reversed, &set[..1]), "output depends on the order of the rows");
}

#[test]
fn without_copies_there_is_no_seed() {
    assert_eq!(Augment.randomness(&params(&Augment, &[("copies", Value::Int(0))])), Randomness::None);
    assert_eq!(Augment.randomness(&params(&Augment, &[])), Randomness::PerReplicate);
}

/// What errors in pixels depend on: all that changes the pixels that there are, nothing that changes which rows there are.
#[test]
fn kinds_say_what_errors_in_pixels_depend_on() {
    let scale = |kind: &str, changes: &[(&'static str, Value)]| {
        let kind = crate::stages::kind(kind).unwrap();
        let mut params: Params = kind.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
        params.extend(changes.iter().cloned());
        kind.scale(&params)
    };
    let text = |word: &str| Value::Text(word.into());
    let of = |changes: &[(&'static str, Value)]| scale("preprocess", changes);
    let plain = of(&[]);
    assert_eq!(
        of(&[("softening", Value::Float(3.0)), ("split", text("time"))]),
        plain,
        "of other scalings it is no matter"
    );
    let asinh = |softening| of(&[("normalise", text("asinh")), ("softening", Value::Float(softening))]);
    let others = [
        of(&[("normalise", text("l2"))]),
        of(&[("crop", Value::Int(11))]),
        of(&[("channels", Value::List(vec![text("template")]))]),
        asinh(1.0),
        asinh(3.0),
    ];
    for (i, other) in others.iter().enumerate() {
        assert!(*other != plain && others[..i].iter().all(|before| before != other), "{other:?}");
    }
    assert_eq!(scale("augment", &[("copies", Value::Int(0))]), []);
    assert_eq!(scale("augment", &[("crop", Value::Int(21))]), [("crop", "21".to_string())]);
}
