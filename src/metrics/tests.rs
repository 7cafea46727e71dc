//! Every metric of the list against scikit-learn 1.9, and where each is undefined.

use super::confusion::confusion;
use super::samples::{judged, sample};
use super::{Judged, MEANS_OVER_ROWS, METRICS, metric};

/// The sample is that of [`super::samples`].
/// ```python
/// import numpy as np, scipy.optimize, sklearn.metrics as m
/// y, p = sample(150); h = p.argmax(1); one = np.eye(4)[y]
/// conf = p.max(1); b = np.ceil(conf*15).astype(int)
/// ece = sum(abs(((h == y) - conf)[b == k].sum()) for k in range(1, 16)) / 150
/// print("accuracy", m.accuracy_score(y, h)); print("balanced_accuracy", m.balanced_accuracy_score(y, h))
/// print("macro_f1", m.f1_score(y, h, average="macro")); print("macro_auc", m.roc_auc_score(y, p, multi_class="ovr"))
/// print("top2_accuracy", m.top_k_accuracy_score(y, p, k=2)); print("log_loss", m.log_loss(y, p))
/// print("brier", m.brier_score_loss(y, p, scale_by_half=False), ((p - one)**2).sum(1).mean()); print("ece", ece)
/// print("recall", *m.recall_score(y, h, average=None)); print("precision", *m.precision_score(y, h, average=None))
/// print("f1", *m.f1_score(y, h, average=None)); print("auc", *[m.roc_auc_score(y == c, p[:, c]) for c in range(4)])
/// for c in range(4):
///     fpr, tpr, _ = m.roc_curve(y == c, p[:, c], drop_intermediate=False)
///     print("fnr_at_fpr_1e-2", 1 - tpr[fpr <= 0.01].max())
///     print("equal_error_rate", scipy.optimize.brentq(lambda f: 1 - f - np.interp(f, fpr, tpr), 0, 1, xtol=1e-15))
/// print(m.confusion_matrix(y, h).tolist())
/// ```
const SCIKIT_LEARN: &[(&str, &[f64])] = &[
    ("accuracy", &[0.606_666_666_666_666_7]),
    ("balanced_accuracy", &[0.603_138_528_138_528_1]),
    ("macro_f1", &[0.602_170_539_959_762_6]),
    ("macro_auc", &[0.782_356_783_005_355_9]),
    ("top2_accuracy", &[0.78]),
    ("log_loss", &[1.142_280_069_128_311_3]),
    ("brier", &[0.613_554_008_097_853]),
    ("ece", &[0.204_443_666_935_863_97]),
    ("recall", &[0.636_363_636_363_636_4, 0.5, 0.642_857_142_857_142_9, 0.633_333_333_333_333_3]),
    (
        "precision",
        &[0.622_222_222_222_222_2, 0.607_142_857_142_857_1, 0.613_636_363_636_363_6, 0.575_757_575_757_575_8],
    ),
    ("f1", &[0.629_213_483_146_067_4, 0.548_387_096_774_193_5, 0.627_906_976_744_186, 0.603_174_603_174_603_1]),
    (
        "fnr_at_fpr_1e-2",
        &[0.886_363_636_363_636_4, 0.852_941_176_470_588_2, 0.880_952_380_952_380_9, 0.566_666_666_666_666_7],
    ),
    (
        "equal_error_rate",
        &[0.289_915_966_386_554_6, 0.323_529_411_764_705_9, 0.285_714_285_714_285_7, 0.233_333_333_333_333_3],
    ),
    ("auc", &[0.748_391_938_250_428_8, 0.739_097_363_083_164_3, 0.795_965_608_465_608_5, 0.845_972_222_222_222_2]),
];

fn values(name: &str, rows: &[Judged], classes: usize) -> Vec<Option<f64>> {
    metric(name).unwrap().values(rows, classes).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn every_metric_equals_scikit_learn() {
    let (labels, probabilities) = sample(150);
    let rows = judged(&labels, &probabilities);
    for metric in METRICS {
        if metric.name == "fnr_at_fpr_1e-3" {
            assert_eq!(values(metric.name, &rows, 4), [None; 4], "150 rows have no thousand others");
            continue;
        }
        let (_, theirs) = SCIKIT_LEARN.iter().find(|(name, _)| *name == metric.name).expect("a golden number");
        let ours: Vec<f64> = values(metric.name, &rows, 4).into_iter().map(Option::unwrap).collect();
        assert_eq!(ours.len(), theirs.len());
        let close = ours.iter().zip(*theirs).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close, "{}: {ours:?} against {theirs:?}", metric.name);
    }
    assert_eq!(confusion(&rows, 4), [vec![28, 6, 6, 4], vec![6, 17, 4, 7], vec![9, 3, 27, 3], vec![2, 2, 7, 19]]);
}

#[test]
fn without_rows_nothing_is_defined() {
    for metric in METRICS {
        assert!(metric.values(&[], 3).iter().all(|(_, value)| value.is_none()), "{}", metric.name);
    }
}

#[test]
fn a_class_that_does_not_occur_is_left_out() {
    let probabilities = [vec![0.9, 0.1, 0.0], vec![0.2, 0.8, 0.0], vec![0.6, 0.4, 0.0]];
    let rows = judged(&[0, 1, 1], &probabilities);
    assert_eq!(values("recall", &rows, 3), [Some(1.0), Some(0.5), None]);
    assert_eq!(values("precision", &rows, 3), [Some(0.5), Some(1.0), None]);
    assert_eq!(values("f1", &rows, 3)[2], None);
    assert_eq!(values("auc", &rows, 3), [Some(1.0), Some(1.0), None]);
    assert_eq!(values("balanced_accuracy", &rows, 3), [Some(0.75)]);
    assert_eq!(values("macro_f1", &rows, 3), [Some(f64::midpoint(2.0 / 3.0, 2.0 / 3.0))]);
}

#[test]
fn one_class_alone_has_no_area() {
    let probabilities = [vec![0.9, 0.1], vec![0.2, 0.8]];
    let rows = judged(&[0, 0], &probabilities);
    assert_eq!(values("auc", &rows, 2), [None, None]);
    assert_eq!(values("macro_auc", &rows, 2), [None]);
}

/// All equal: every pair is a tie.
#[test]
fn equal_probabilities_give_an_area_of_one_half() {
    let probabilities = vec![vec![0.7, 0.3]; 5];
    let rows = judged(&[0, 1, 1, 0, 1], &probabilities);
    assert_eq!(values("auc", &rows, 2), [Some(0.5), Some(0.5)]);
    assert_eq!(rows[0].predicted, 0);
}

/// scikit-learn does the same: `log_loss([1], [[1, 0]], labels=[0, 1])` is 36.04365338911715.
#[test]
fn a_probability_of_zero_costs_the_log_of_epsilon() {
    let probabilities = [vec![1.0, 0.0]];
    let loss = values("log_loss", &judged(&[1], &probabilities), 2)[0].unwrap();
    assert!((loss - 36.043_653_389_117_15).abs() < 1e-12, "{loss}");
}

#[test]
fn names_differ_and_every_metric_is_described() {
    for (i, metric) in METRICS.iter().enumerate() {
        assert!(METRICS[..i].iter().all(|other| other.name != metric.name));
        let texts = [metric.summary, metric.formula, metric.source];
        assert!(texts.iter().all(|text| !text.is_empty()), "{}", metric.name);
    }
}

#[test]
fn means_over_rows_are_means_over_rows() {
    let (labels, probabilities) = sample(60);
    let rows = judged(&labels, &probabilities);
    for metric in MEANS_OVER_ROWS {
        let mean = rows.iter().map(|row| metric.whole(&[*row], 4).unwrap()).sum::<f64>() / 60.0;
        assert!((mean - metric.whole(&rows, 4).unwrap()).abs() < 1e-12, "{}", metric.name);
    }
}
