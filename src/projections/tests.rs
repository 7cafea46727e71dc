use super::*;
use crate::spec::value::Value;
use distances::Distances;
use quality::Quality;

/// Ten clumps on a curved surface in 20 dimensions: the rows of the scripts below.
fn clumps(rows: usize) -> Points {
    let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729 + i * j * 31) % 509) as f64 / 509.0 - 0.5;
    let row = |i: usize| {
        let along = [0, 1, 2].map(|j| ((i % 10) * (3 * j + 1) % 10) as f64 * 0.4 + noise(i, j));
        let value = |j: usize| (along[j % 3] + 0.3 * j as f64).sin() * 3.0 + along[(j + 1) % 3] + 0.4 * noise(i, j + 7);
        (0..20).map(|j| value(j) as f32).collect::<Vec<f32>>()
    };
    Points::new(&(0..rows).map(row).collect::<Vec<_>>())
}

fn embed(method: &str, points: &Points, seed: u64, set: &[(&'static str, Value)]) -> Vec<Place> {
    let method = projection(method).unwrap();
    let mut params: Params = method.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
    params.extend(set.iter().cloned());
    method.embed(&params, &Task { points, training: points, seed, goes_on: &|_, _| true }).unwrap()
}

/// ```python
/// import numpy as np; from sklearn.manifold import trustworthiness
/// noise = lambda i, j: ((i*7919 + j*104729 + i*j*31) % 509) / 509 - 0.5
/// def clumps(n):
///     out = []
///     for i in range(n):
///         a = [((i % 10) * (3*j + 1) % 10) * 0.4 + noise(i, j) for j in range(3)]
///         out.append([np.sin(a[j % 3] + 0.3*j)*3 + a[(j + 1) % 3] + 0.4*noise(i, j + 7) for j in range(20)])
///     return np.array(out, dtype=np.float32)
/// x = clumps(300).astype(float); y = np.array([[v[0] + 0.5*v[4], v[7] - v[11]] for v in x])
/// for k in (5, 12): print(trustworthiness(x, y, n_neighbors=k), trustworthiness(y, x, n_neighbors=k))
/// ```
#[test]
fn quality_equals_scikit_learn() {
    let points = clumps(300);
    let double = |x: f32| f64::from(x);
    let places: Vec<Place> =
        points.iter().map(|v| [double(v[0]) + 0.5 * double(v[4]), double(v[7]) - double(v[11])]).collect();
    for (k, trustworthiness, continuity) in
        [(5, 0.806_972_602_7, 0.968_118_721_5), (12, 0.804_338_859_3, 0.949_229_327_0)]
    {
        let found = Quality::of(&points, &places, k).unwrap();
        assert!((found.trustworthiness - trustworthiness).abs() < 1e-6, "{found:?} {trustworthiness}");
        assert!((found.continuity - continuity).abs() < 1e-6, "{found:?} {continuity}");
    }
    assert_eq!(Quality::of(&points, &places, 150), None);
}

/// With `x = clumps(1000)` of the script above, seeds 0 to 2 of each, 12 neighbours as in `Quality`:
///
/// ```python
/// import umap; from sklearn.manifold import TSNE
/// for s in range(3):
///     for y in (umap.UMAP(random_state=s).fit_transform(x), TSNE(init="pca", random_state=s).fit_transform(x)):
///         print(trustworthiness(x, y, n_neighbors=12), trustworthiness(y, x, n_neighbors=12))
/// ```
#[test]
fn maps_are_as_true_as_those_of_umap_learn_and_scikit_learn() {
    let points = clumps(1000);
    let umap_learn = (0.9976, 0.9962, [0.002, 0.004]);
    let scikit_learn = (0.9987, 0.9972, [0.01, 0.02]);
    for (method, (trustworthiness, continuity, less)) in [("umap", umap_learn), ("tsne", scikit_learn)] {
        for seed in 0..2 {
            let found = Quality::of(&points, &embed(method, &points, seed, &[]), 12).unwrap();
            assert!(found.trustworthiness > trustworthiness - less[0], "{method} {seed} {found:?}");
            assert!(found.continuity > continuity - less[1], "{method} {seed} {found:?}");
        }
    }
}

#[test]
fn a_looser_umap_spreads_its_clumps() {
    let points = clumps(400);
    let nearest = |min_dist: f64| {
        let places = embed("umap", &points, 1, &[("min_dist", Value::Float(min_dist))]);
        let nearest = Distances::between_places(&places).nearest(1);
        nearest.squared.iter().map(|squared| squared.sqrt()).sum::<f64>() / 400.0
    };
    let (tight, loose) = (nearest(0.0), nearest(0.8));
    assert!(loose > 2.0 * tight, "{tight} {loose}");
}

#[test]
fn one_feature_gets_a_map_and_the_end_of_a_run_is_heard() {
    let line = Points::new(&(0..100).map(|i| [i as f32 * i as f32]).collect::<Vec<_>>());
    for method in ["umap", "tsne"] {
        let places = embed(method, &line, 1, &[]);
        let found = Quality::of(&line, &places, 12).unwrap();
        assert!(found.trustworthiness > 0.9, "{method} {found:?}");
        let method = projection(method).unwrap();
        let params: Params = method.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect();
        let task = Task { points: &line, training: &line, seed: 1, goes_on: &|done, _| done < 20 };
        assert_eq!(method.embed(&params, &task), Err(ProjectionError::Interrupted));
    }
}
