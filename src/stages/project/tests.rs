use std::path::Path;

use super::super::testing::{Bench, list, text};
use super::*;
use crate::artifacts::features::{FeatureRow, FeaturesFacts};
use crate::artifacts::scores::read_metrics;

/// Two clumps in three features, in all splits; every seventh row is a copy. `change` may spoil values.
fn write(folder: &Path, rows: usize, change: &dyn Fn(usize, &mut [f32; 3])) {
    let names = ["a", "b", "c"].map(String::from).into();
    let facts = FeaturesFacts { names, classes: vec!["SN".into(), "VS".into()], recipe: None };
    let identity = |i: usize| FeatureRow {
        candid: 1000 + i as i64,
        object_id: format!("Z{i}"),
        label: ["SN", "VS", ""][i % 3].into(),
        split: split::ALL[i / 3 % 3].into(),
        copy: i64::from(i % 7 == 6),
    };
    let vector = |i: usize| {
        let mut vector = [0, 1, 2].map(|j| ((i * 7919 + j * 104_729 + i * j * 31) % 509) as f32 / 512.0);
        vector[0] += if i.is_multiple_of(3) { 4.0 } else { 0.0 };
        change(i, &mut vector);
        vector
    };
    let (identities, vectors): (Vec<_>, Vec<_>) = (0..rows).map(|i| (identity(i), vector(i))).unzip();
    Features::write(folder, &facts, identities.iter().zip(vectors.iter().map(<[f32; 3]>::as_slice))).unwrap();
}

/// All keys of the stage and the method: their defaults, but for what is set.
fn params(method: &str, set: &[(&'static str, Value)]) -> Params {
    let mut params = Params::from([(METHOD, text(method))]);
    let keys = Project.keys().into_iter().chain(projection(method).unwrap().keys());
    params.extend(keys.map(|key| (key.name, key.default.unwrap())));
    for (name, value) in set {
        assert!(params.insert(name, value.clone()).is_some(), "no key {name}");
    }
    params
}

fn run(
    rows: usize,
    method: &str,
    set: &[(&'static str, Value)],
    change: &dyn Fn(usize, &mut [f32; 3]),
) -> Result<Bench, StageError> {
    let bench = Bench::new(&["features"], |_, folder| write(folder, rows, change));
    bench.run_with(&Project, &["features"], 3, &params(method, set))
}

fn map(rows: usize, method: &str, set: &[(&'static str, Value)], change: &dyn Fn(usize, &mut [f32; 3])) -> Map {
    Map::open(&run(rows, method, set, change).unwrap().out()).unwrap()
}

fn message(rows: usize, method: &str, set: &[(&'static str, Value)], change: &dyn Fn(usize, &mut [f32; 3])) -> String {
    run(rows, method, set, change).map(|_| ()).unwrap_err().to_string()
}

/// Enough for the tests, and quick.
fn short(method: &str) -> Vec<(&'static str, Value)> {
    match method {
        "umap" => vec![("epochs", Value::Int(100))],
        "tsne" => vec![("steps", Value::Int(500)), ("perplexity", Value::Float(10.0))],
        _ => Vec::new(),
    }
}

#[test]
fn every_method_shows_all_rows_but_copies_and_keeps_clumps_apart() {
    for method in PROJECTIONS {
        let bench = run(140, method.name(), &short(method.name()), &|_, _| ()).unwrap();
        let map = Map::open(&bench.out()).unwrap();
        assert_eq!(map.rows.len(), 120, "{}", method.name());
        assert!(map.rows.iter().all(|row| row.candid % 7 != 5 && row.object_id == format!("Z{}", row.candid - 1000)));
        let is_left = |row: &&MapRow| (row.candid - 1000) % 3 == 0;
        let nearest = |row: &MapRow| {
            let apart = |other: &&MapRow| (0..2).map(|i| (row.place[i] - other.place[i]).powi(2)).sum::<f64>();
            let others = map.rows.iter().filter(|other| other.candid != row.candid);
            others.min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap()
        };
        assert!(map.rows.iter().all(|row| is_left(&nearest(row)) == is_left(&row)), "{} mixes clumps", method.name());
        let found = read_metrics(&bench.out()).unwrap();
        assert_eq!((found[0].metric.as_str(), found[0].value), ("trustworthiness", map.facts.trustworthiness));
        assert_eq!((found[1].metric.as_str(), found[1].n), ("continuity", 120));
        assert!(found[0].value.unwrap() > 0.8, "{found:?}");
    }
}

#[test]
fn the_same_bytes_with_any_number_of_threads_and_others_with_another_seed() {
    for method in PROJECTIONS {
        let set = short(method.name());
        let with = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let bench = Bench::new(&["features"], |_, folder| write(folder, 700, &|_, _| ()));
            let params = params(method.name(), &set);
            pool.install(|| bench.run_with(&Project, &["features"], seed, &params)).unwrap().digest()
        };
        let one = with(1, 3);
        assert_eq!(one, with(2, 3), "{}", method.name());
        assert_eq!(one, with(1, 3), "{}", method.name());
        assert_eq!(one != with(1, 4), method.is_random(), "{}", method.name());
    }
}

#[test]
fn labels_are_not_looked_at() {
    let places = |map: Map| map.rows.into_iter().map(|row| row.place).collect::<Vec<_>>();
    let bench = Bench::new(&["features"], |_, folder| {
        write(folder, 140, &|_, _| ());
        let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
        std::fs::write(folder.join("index.csv"), index.replace(",SN,", ",,").replace(",VS,", ",SN,")).unwrap();
    });
    let other = bench.run_with(&Project, &["features"], 3, &params("umap", &short("umap"))).unwrap();
    assert_eq!(places(Map::open(&other.out()).unwrap()), places(map(140, "umap", &short("umap"), &|_, _| ())));
}

#[test]
fn principal_components_and_z_scores_see_training_rows_alone() {
    let only = |word: &str| [("splits", list(&[word])), ("norm", text("z-score"))];
    let far = |split: usize| {
        move |i: usize, row: &mut [f32; 3]| row[1] *= if i / 3 % 3 == split && i.is_multiple_of(2) { 50.0 } else { 1.0 }
    };
    let (plain, test_is_far) = (map(140, "pca", &only("train"), &|_, _| ()), map(140, "pca", &only("train"), &far(2)));
    assert_eq!(plain.rows, test_is_far.rows);
    assert_ne!(plain.rows, map(140, "pca", &only("train"), &far(0)).rows);
    let shown = map(140, "pca", &only("test"), &|_, _| ());
    assert!(shown.rows.iter().all(|row| row.split == "test"));
    assert_ne!(shown.rows, map(140, "pca", &only("test"), &far(0)).rows, "rows that are not shown are fitted on");
}

#[test]
fn odd_features_are_explained_or_shown() {
    let spoilt = |i: usize, row: &mut [f32; 3]| row[1] = if i == 22 { f32::INFINITY } else { row[1] };
    for method in PROJECTIONS {
        let name = method.name();
        assert!(message(140, name, &[], &spoilt).contains("feature `b` of candid 1022 is not a finite number"));
        assert!(message(0, name, &[], &|_, _| ()).contains("at least 2 rows; there are 0"), "{name}");
        assert!(message(1, name, &[], &|_, _| ()).contains("at least 2 rows; there are 1"), "{name}");
        // Columns without spread, rows that are equal, and both.
        let changes: [&dyn Fn(usize, &mut [f32; 3]); 2] = [&|_, row| row[2] = 7.0, &|_, row| *row = [1.0, 2.0, 3.0]];
        for change in changes {
            let set = [&short(name)[..], &[("norm", text("z-score"))]].concat();
            let map = map(140, name, &set, change);
            assert!(map.rows.iter().flat_map(|row| row.place).all(f64::is_finite), "{name}");
        }
        let twice = map(140, name, &short(name), &|i, row| {
            if i < 40 {
                *row = [9.0, 9.0, i as f32 % 2.0];
            }
        });
        assert!(twice.rows.iter().flat_map(|row| row.place).all(f64::is_finite), "{name}");
    }
}

#[test]
fn numbers_that_are_undefined_are_empty() {
    let few = map(24, "pca", &[], &|_, _| ());
    assert_eq!((few.rows.len(), few.facts.trustworthiness, few.facts.continuity), (21, None, None));
    let equal = map(140, "pca", &[], &|_, row| *row = [1.0, 2.0, 3.0]);
    assert_eq!((equal.facts.trustworthiness, equal.facts.continuity), (None, None));
}

#[test]
fn too_few_rows_and_rows_without_an_angle_are_explained() {
    let few = message(14, "umap", &[], &|_, _| ());
    assert!(few.contains("`n_neighbors` asks for 15 neighbours") && few.contains("only 12 rows"), "{few}");
    assert!(message(14, "tsne", &[], &|_, _| ()).contains("`perplexity` asks for 31"));
    let zero = |i: usize, row: &mut [f32; 3]| {
        if i == 22 {
            *row = [0.0; 3];
        }
    };
    for method in ["umap", "tsne"] {
        let set = [&short(method)[..], &[("metric", text("cosine"))]].concat();
        assert!(message(140, method, &set, &zero).contains("all features of candid 1022 are 0"), "{method}");
        let map = map(140, method, &set, &|_, _| ());
        assert_eq!(map.facts.parameters["metric"], "cosine");
    }
    let faults = Project.check(&params("umap", &[("min_dist", Value::Float(2.0)), ("splits", list(&[]))]));
    assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), ["min_dist", "splits"]);
}

#[test]
fn only_methods_that_draw_have_a_seed() {
    let randomness = |name: &str| Project.randomness(&params(name, &[]));
    assert_eq!(
        ["umap", "tsne", "pca"].map(randomness),
        [Randomness::PerReplicate, Randomness::PerReplicate, Randomness::None]
    );
    assert_eq!(map(140, "pca", &[], &|_, _| ()).facts.seed, None);
    assert_eq!(map(140, "umap", &short("umap"), &|_, _| ()).facts.seed, Some(3));
}
