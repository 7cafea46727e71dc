//! Every method on rows that a script can make too: scikit-learn's numbers, seeds, threads, odd rows, errors.

use super::covariance::{Covariance, Diagonal, Full};
use super::gaussian_mixture::{Fit, GaussianMixture};
use super::kmeans::KMeans;
use super::{CLUSTERERS, Clusterer, ClusteringError, Task, largest};
use crate::spec::value::{Params, Value};

/// Three clouds of fixed points in two columns.
fn clouds(rows: usize) -> Vec<Vec<f64>> {
    let wave = |i: usize, phase: f64| (1.3 * i as f64 + phase).sin() + 0.5 * (0.37 * (i * i) as f64 + phase).cos();
    let row = |i: usize| {
        let (x, y) = [(0.0, 0.0), (4.0, 1.0), (1.0, 5.0)][i % 3];
        vec![x + wave(i, 0.0), y + 0.6 * wave(i, 1.0)]
    };
    (0..rows).map(row).collect()
}

fn task(rows: &[Vec<f64>]) -> Task<'_> {
    Task { rows, clusters: 3, restarts: 3, seed: 5, cancelled: &|| false }
}

const FIT: Fit = Fit { floor: 1e-3, steps: 200, tolerance: 1e-6 };

fn defaults(clusterer: &dyn Clusterer) -> Params {
    clusterer.keys().into_iter().map(|key| (key.name, key.default.unwrap())).collect()
}

/// ```python
/// import numpy as np; from sklearn.mixture import GaussianMixture; from sklearn.cluster import KMeans
/// def clouds(n):
///     i = np.arange(n); wave = lambda p: np.sin(1.3*i + p) + 0.5*np.cos(0.37*i*i + p)
///     return np.array([(0, 0), (4, 1), (1, 5)])[i % 3] + np.stack([wave(0.), 0.6*wave(1.)], 1)
/// for t, p in [("diag", np.ones((3, 2))), ("full", np.stack([np.eye(2)]*3))]:
///     g = GaussianMixture(3, covariance_type=t, reg_covar=1e-3, tol=0, max_iter=7, weights_init=[.5, .3, .2],
///         means_init=[(1, 1), (2, 2), (3, 4)], precisions_init=p).fit(clouds(90))
///     print(g.score(clouds(90)), *g.weights_, *g.means_.ravel(), g.covariances_)
/// start = np.array([(0, 0), (1, 1), (2, 2), (3, 4)], float)
/// k = KMeans(4, init=start, n_init=1, tol=0, max_iter=100).fit(clouds(90)); print(k.inertia_, k.cluster_centers_)
/// for k in (3, 5): print(KMeans(k, n_init=50, tol=0, random_state=0).fit(clouds(90)).inertia_)
/// for t in ("diag", "full"):
///     g = GaussianMixture(3, covariance_type=t, reg_covar=1e-6, tol=1e-9, max_iter=5000, n_init=20, random_state=0,
///         init_params="k-means++").fit(clouds(300)); print(g.score(clouds(300)))
/// ```
mod scikit_learn {
    /// Log-likelihood per row.
    pub(super) const DIAGONAL: f64 = -2.956_088_636_757_696_6;
    pub(super) const FULL: f64 = -2.779_098_520_066_028_3;
    /// Shares, means and variances.
    pub(super) const DIAGONAL_VALUES: [f64; 15] = [
        0.333_260_947_800_707_3,
        0.333_405_718_865_974_25,
        0.333_333_333_333_318_44,
        0.020_793_630_089_888_913,
        -0.008_962_699_041_812_09,
        4.126_959_267_703_129,
        1.015_536_615_645_071_8,
        1.033_109_610_477_390_5,
        4.974_863_647_576_068,
        0.630_008_228_033_535_6,
        0.265_883_376_103_418_06,
        0.677_427_801_581_116_5,
        0.252_850_573_258_347_8,
        0.633_849_506_414_287_6,
        0.160_571_257_221_422_51,
    ];
    /// Shares and means.
    pub(super) const FULL_VALUES: [f64; 9] = [
        0.347_506_896_263_535_37,
        0.319_159_770_403_131_3,
        0.333_333_333_333_333_3,
        0.146_054_923_847_423_75,
        0.014_884_148_573_111_457,
        4.173_854_465_737_588,
        1.035_301_075_397_888_2,
        1.033_109_610_477_381_4,
        4.974_863_647_576_039,
    ];
    /// `[variance, covariance, variance]` of the first component.
    pub(super) const FULL_COVARIANCE: [f64; 3] =
        [0.979_358_615_908_966_8, 0.264_287_565_989_571_3, 0.271_544_841_250_532_8];
    pub(super) const INERTIA: f64 = 62.002_944_590_799_14;
    pub(super) const CENTRES: [f64; 8] = [
        -0.561_821_131_317_521_6,
        -0.366_401_140_496_253_05,
        0.683_402_470_844_993_7,
        0.400_242_482_864_224_8,
        4.129_361_362_395_037,
        1.015_430_509_650_180_6,
        1.033_109_610_477_381_8,
        4.974_863_647_576_039,
    ];
    /// Clusters and the smallest inertia of fifty starts.
    pub(super) const BEST_INERTIA: [(usize, f64); 2] = [(3, 77.969_099_099_975_81), (5, 42.206_886_569_185_5)];
    /// Largest log-likelihood per row of twenty starts.
    pub(super) const BEST_DIAGONAL: f64 = -2.957_065_042_685_018_2;
    pub(super) const BEST_FULL: f64 = -2.812_007_342_536_027_5;
}

fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < tolerance), "{ours:?} against {theirs:?}");
}

fn start<C>(covariance: C) -> GaussianMixture<C>
where
    C: Covariance,
{
    let means = vec![vec![1.0, 1.0], vec![2.0, 2.0], vec![3.0, 4.0]];
    GaussianMixture { shares: vec![0.5, 0.3, 0.2], means, covariances: vec![covariance; 3] }
}

/// Unit variances: sums of products over one row of weight 1.
fn unit<C: Covariance>(sums: &[f64]) -> C {
    C::new(sums, 1.0, &[0.0, 0.0], 1e-12)
}

#[test]
fn seven_steps_from_one_start_equal_scikit_learn() {
    let (rows, fit) = (clouds(90), Fit { steps: 7, tolerance: 0.0, ..FIT });
    let (found, _) = start::<Diagonal>(vec![1.0; 2]).improved(&rows, &fit);
    assert_close(&[found.likelihood(&rows)], &[scikit_learn::DIAGONAL], 1e-9);
    let values = [found.shares, found.means.concat(), found.covariances.concat()].concat();
    assert_close(&values, &scikit_learn::DIAGONAL_VALUES, 1e-9);
    let (found, _) = start::<Full>(unit(&[1.0, 0.0, 1.0])).improved(&rows, &fit);
    assert_close(&[found.likelihood(&rows)], &[scikit_learn::FULL], 1e-9);
    assert_close(&[&found.shares[..], &found.means.concat()].concat(), &scikit_learn::FULL_VALUES, 1e-9);
    // by hand: distances of (1, 0) and (0, 1) are entries of the inverse of a 2 x 2 matrix
    let [a, b, c] = scikit_learn::FULL_COVARIANCE;
    let of = |row: [f64; 2]| found.covariances[0].distance(&row, &[0.0, 0.0]);
    let determinant = a * c - b * b;
    assert_close(&[of([1.0, 0.0]), of([0.0, 1.0])], &[c / determinant, a / determinant], 1e-8);
}

#[test]
fn the_best_of_several_starts_is_that_of_scikit_learn() {
    let rows = clouds(90);
    let (found, task) = (|task: &Task| KMeans::fit(task, 300).unwrap(), Task { restarts: 50, ..task(&rows) });
    for (clusters, inertia) in scikit_learn::BEST_INERTIA {
        assert_close(&[found(&Task { clusters, ..task }).inertia], &[inertia], 1e-9);
    }
    let rows = clouds(300);
    let (task, fit) = (Task { restarts: 20, ..self::task(&rows) }, Fit { floor: 1e-6, steps: 5000, tolerance: 1e-12 });
    let diagonal = GaussianMixture::<Diagonal>::fit(&task, &fit).unwrap().likelihood(&rows);
    let full = GaussianMixture::<Full>::fit(&task, &fit).unwrap().likelihood(&rows);
    assert_close(&[diagonal, full], &[scikit_learn::BEST_DIAGONAL, scikit_learn::BEST_FULL], 1e-6);
}

#[test]
fn means_of_one_start_equal_scikit_learn() {
    let starts = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 4.0]].map(Vec::from).into();
    let found = KMeans::settled(&clouds(90), starts, 100);
    assert_close(&[found.inertia], &[scikit_learn::INERTIA], 1e-10);
    assert_close(&found.centres.concat(), &scikit_learn::CENTRES, 1e-12);
}

#[test]
fn a_centre_that_loses_its_rows_gets_the_farthest_one() {
    let rows: Vec<Vec<f64>> = [0.0, 0.1, 0.2, 9.0].map(|x| vec![x]).into();
    let found = KMeans::settled(&rows, vec![vec![1.0], vec![99.0]], 10);
    assert_close(&found.centres.concat(), &[0.1, 9.0], 1e-12);
    // two places cannot fill three clusters
    let rows: Vec<Vec<f64>> = [1.0, 1.0, 2.0, 2.0].map(|x| vec![x]).into();
    assert_eq!(KMeans::fit(&task(&rows), 100).unwrap().inertia, 0.0);
}

#[test]
fn every_method_finds_the_clouds_from_any_seed_with_any_threads() {
    let rows = clouds(1800);
    for clusterer in CLUSTERERS {
        let with = |seed: u64, threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| clusterer.fit(&defaults(*clusterer), &Task { seed, ..task(&rows) })).unwrap();
            (rows.iter().map(|row| found.memberships(row)).collect::<Vec<_>>(), found.facts())
        };
        let (found, facts) = with(5, 1);
        assert_eq!(with(5, 3), (found.clone(), facts.clone()), "{}", clusterer.name());
        let clusters: Vec<usize> = found.iter().map(|gamma| largest(gamma)).collect();
        let same = (0..rows.len()).filter(|i| clusters[*i] == clusters[*i % 3]).count();
        assert!(same > 1740 && clusters[0] != clusters[1] && clusters[1] != clusters[2], "{same}");
        assert!(found.iter().all(|gamma| (gamma.iter().sum::<f64>() - 1.0).abs() < 1e-12));
        let (_, other) = with(6, 1);
        assert!((other[0].1 / facts[0].1 - 1.0).abs() < 1e-3, "{other:?} against {facts:?}");
    }
}

#[test]
fn more_steps_and_more_starts_never_lose() {
    let rows = clouds(300);
    let of = |steps, restarts| {
        // without the floor, which is no part of the likelihood
        let fit = Fit { steps, tolerance: 0.0, floor: 1e-12 };
        let task = Task { restarts, ..task(&rows) };
        let full = GaussianMixture::<Full>::fit(&task, &fit).unwrap().likelihood(&rows);
        [GaussianMixture::<Diagonal>::fit(&task, &fit).unwrap().likelihood(&rows), full]
    };
    let by_steps = [1, 2, 5, 20].map(|steps| of(steps, 1));
    assert!(by_steps.windows(2).all(|pair| (0..2).all(|i| pair[1][i] >= pair[0][i] - 1e-9)), "{by_steps:?}");
    assert!(of(20, 8)[0] >= of(20, 1)[0] - 1e-6);
    let inertia = |steps, restarts| KMeans::fit(&Task { restarts, ..task(&rows) }, steps).unwrap().inertia;
    assert!(inertia(1, 1) >= inertia(2, 1) && inertia(2, 1) >= inertia(50, 1) && inertia(50, 1) >= inertia(50, 9));
}

#[test]
fn equal_rows_keep_the_floor() {
    let rows = vec![vec![1.0, 2.0]; 4];
    let task = Task { clusters: 2, ..task(&rows) };
    let found = GaussianMixture::<Diagonal>::fit(&task, &FIT).unwrap();
    assert!(found.covariances.iter().flatten().all(|variance| *variance >= 1e-3), "{found:?}");
    assert!(found.likelihood(&rows).is_finite());
    assert!(GaussianMixture::<Full>::fit(&task, &FIT).unwrap().likelihood(&rows).is_finite());
    assert_eq!(KMeans::fit(&task, 10).unwrap().inertia, 0.0);
}

#[test]
fn columns_that_follow_each_other_have_a_covariance_with_a_floor() {
    let rows: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i) * 1e6, f64::from(i) * 2e6, 7.0]).collect();
    let fit = Fit { floor: 1e-6, ..FIT };
    let found = GaussianMixture::<Full>::fit(&Task { clusters: 1, ..task(&rows) }, &fit).unwrap();
    assert!(found.likelihood(&rows).is_finite());
    assert!(found.covariances[0].distance(&[0.0, 0.0, 8.0], &[0.0, 0.0, 7.0]) > 1e5);
}

#[test]
fn impossible_requests_are_errors_of_every_method() {
    for clusterer in CLUSTERERS {
        let fault = |task: &Task| clusterer.fit(&defaults(*clusterer), task).map(|_| ()).unwrap_err();
        let rows = vec![vec![1.0, 2.0]; 4];
        let few = ClusteringError::TooFew { clusters: 5, rows: 4 };
        assert_eq!(fault(&Task { clusters: 5, ..task(&rows) }), few);
        assert_eq!(fault(&task(&[])), ClusteringError::TooFew { clusters: 3, rows: 0 });
        assert_eq!(fault(&Task { clusters: 0, ..task(&rows) }), ClusteringError::NoClusters);
        let odd = [vec![0.0], vec![f64::NAN]];
        assert_eq!(fault(&Task { clusters: 1, ..task(&odd) }), ClusteringError::NotFinite { row: 1 });
        assert_eq!(fault(&Task { cancelled: &|| true, ..task(&rows) }), ClusteringError::Interrupted);
        assert_eq!(
            clusterer.fit(&Params::from([("steps", Value::Nothing)]), &task(&rows)).err(),
            Some(ClusteringError::Parameters)
        );
    }
}
