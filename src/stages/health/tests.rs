//! The stage as a whole, on stamps that a network has or has not learned.

use std::path::Path;

use super::*;
use crate::artifacts::array::Array;
use crate::artifacts::features::Features;
use crate::artifacts::scores::{Metric, read_metrics};
use crate::artifacts::stamps::{StampRow, StampsFacts, StampsWriter};
use crate::artifacts::table::Table;
use crate::models;
use crate::nn::Kernels;
use crate::nn::ModelCard;
use crate::stages::extract_features::ExtractFeatures;
use crate::stages::testing::{Bench, list};

const SIDE: usize = 15;

/// Twenty stamps of a source that is brighter in some than in others.
fn stamps(folder: &Path) {
    let facts = StampsFacts {
        channels: vec!["science".into(), "difference".into()],
        side: SIDE,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: vec!["SN".into()],
        recipe: std::collections::BTreeMap::new(),
    };
    let mut writer = StampsWriter::create(folder, &facts, false).unwrap();
    for i in 0..20_i64 {
        let pixel = |p: usize| {
            let (y, x) = ((p / SIDE) as f32 - 7.0, (p % SIDE) as f32 - 7.0);
            (0.2 + 0.04 * i as f32) * (-(x * x + y * y) / 6.0).exp() + 0.01 * (((p as i64) * (i + 3)) % 7) as f32
        };
        let image: Vec<f32> = (0..SIDE * SIDE).chain(0..SIDE * SIDE).map(pixel).collect();
        let split = ["train", "train", "validation", "test"][(i % 4) as usize].into();
        let (object_id, label) = (format!("Z{i}"), "SN".into());
        writer
            .push(&StampRow { candid: i, object_id, jd: 0.0, fid: 1, label, split, copy: 0 }, &image, &[], None)
            .unwrap();
    }
    writer.finish().unwrap();
}

fn model(folder: &Path, name: &str) {
    let mut settings = (models::entry::<Kernels>(name).unwrap().defaults)();
    for (key, value) in [("channels", 2), ("crop", SIDE), ("maps", 4), ("latent", 3)] {
        if settings.get(key).is_some() {
            settings[key] = value.into();
        }
    }
    models::build::<Kernels>(ModelCard { model: name.into(), settings }, 3).unwrap().save(folder).unwrap();
}

fn run(name: &str) -> Result<Bench, StageError> {
    let fill = |input: &str, folder: &Path| if input == "model" { model(folder, name) } else { stamps(folder) };
    Bench::new(&["model", "stamps"], fill).run(&Health, &["model", "stamps"], 0, &[])
}

#[test]
fn every_number_is_there_and_possible() {
    let bench = run("conv_autoencoder").unwrap();
    let metrics = read_metrics(&bench.out()).unwrap();
    let of = |name: &str, class: &str, series: &str| {
        let found = metrics.iter().find(|m| {
            (m.metric.as_str(), m.class.as_str(), m.split.as_str()) == (name, class, "test") && m.series == series
        });
        found.unwrap_or_else(|| panic!("no {name} of {class}")).clone()
    };
    for channel in ["science", "difference"] {
        let ssim = of("ssim", channel, "conv_autoencoder").value.unwrap();
        assert!((-1.0..1.0).contains(&ssim));
        assert!(of("psnr", channel, "conv_autoencoder").value.unwrap() > 0.0);
        let flux = of("flux_residual", channel, "conv_autoencoder");
        assert!(flux.value.unwrap() > 0.0 && flux.n == 5, "{flux:?}");
        assert_eq!(of("reconstruction_error", channel, "conv_autoencoder").n, 5);
    }
    assert!(of("variance_explained", "", "conv_autoencoder").value.unwrap() < 1.0);
    for name in ["view_similarity", "shift_similarity", "view_agreement", "shift_agreement"] {
        for series in ["conv_autoencoder", "another object"] {
            assert!((-1.0..=1.0 + 1e-9).contains(&of(name, "", series).value.unwrap()), "{name} of {series}");
        }
    }
    assert!((1.0..=3.0 + 1e-9).contains(&of("effective_dimensions", "", "conv_autoencoder").value.unwrap()));
}

#[test]
fn the_same_bytes_with_any_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run("conv_autoencoder").unwrap().bytes())
    };
    assert_eq!(with(1), with(2));
}

#[test]
fn a_classifier_is_refused() {
    let error = run("deep_hits").err().unwrap().to_string();
    assert!(error.contains("`deep_hits` does not reconstruct single stamps"), "{error}");
}

#[test]
fn errors_are_those_that_features_of_the_same_network_have() {
    let bench = run("conv_autoencoder").unwrap();
    let metrics = read_metrics(&bench.out()).unwrap();
    let fill = |input: &str, folder: &Path| {
        if input == "model" { model(folder, "conv_autoencoder") } else { stamps(folder) }
    };
    let features = Bench::new(&["model", "stamps"], fill)
        .run(&ExtractFeatures, &["model", "stamps"], 0, &[("columns", list(&["error"]))])
        .unwrap();
    let features = Features::open(&features.out()).unwrap();
    assert_eq!(features.facts.names, ["error_science", "error_difference"]);
    let splits = features.index.texts("split");
    let rows: Vec<usize> = (0..20).filter(|row| splits[*row] == "test").collect();
    for (channel, name) in ["science", "difference"].into_iter().enumerate() {
        let sum: f64 = rows.iter().map(|row| f64::from(features.values.row(*row)[channel])).sum();
        let of_channel = |m: &&Metric| m.metric == "reconstruction_error" && m.class == name && m.split == "test";
        let theirs = metrics.iter().find(of_channel).unwrap().value.unwrap();
        assert!((sum / rows.len() as f64 / theirs - 1.0).abs() < 1e-6, "{sum} against {theirs}");
    }
}

#[test]
fn the_nearest_are_other_training_objects_in_order() {
    let bench = run("conv_autoencoder").unwrap();
    let (table, images) = (
        Table::read(bench.out().join("neighbours.csv")).unwrap(),
        Array::open(bench.out().join("neighbours.npy")).unwrap(),
    );
    assert_eq!(images.shape(), [5, 6, 2, SIDE, SIDE], "all five test stamps, fewer than the ten asked for");
    let stamps = Stamps::open(&bench.path("stamps")).unwrap();
    let (candids, cosines) = (table.ints("candid").unwrap(), table.numbers("cosine").unwrap());
    let (splits, pixels) = (stamps.index.texts("split"), 2 * SIDE * SIDE);
    for query in 0..5 {
        for place in 0..6 {
            let row = candids[query * 6 + place] as usize;
            assert_eq!(splits[row], if place == 0 { "test" } else { "train" });
            assert_eq!(images.row(query)[place * pixels..][..pixels], *stamps.images.row(row));
        }
        let cosines = &cosines[query * 6..][..6];
        assert!(cosines.windows(2).all(|pair| pair[0] >= pair[1]), "{cosines:?}");
    }
}

#[test]
fn traversals_move_one_value_about_the_same_middle() {
    let bench = run("conv_autoencoder").unwrap();
    let images = Array::open(bench.out().join("traversals.npy")).unwrap();
    assert_eq!(images.shape(), [3, 7, 2, SIDE, SIDE], "a code of three values");
    let pixels = 2 * SIDE * SIDE;
    let step = |value: usize, step: usize| images.row(value)[step * pixels..][..pixels].to_vec();
    assert_eq!(step(0, 3), step(2, 3));
    assert_ne!(step(0, 6), step(2, 6));
    assert_ne!(step(0, 0), step(0, 6));
    let table = Table::read(bench.out().join("traversals.csv")).unwrap();
    let std = table.numbers("std").unwrap();
    assert!(std[0] >= std[1] && std[1] >= std[2], "{std:?}");
}
