//! Published figures that reports print beside ours. Each was measured on its authors' data: the same task, not the same
//! alerts, so a difference from ours says nothing about which method is better.

/// What a report says next to every published figure.
pub const CAVEAT: &str = "not the same data";

/// One published figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Word of the metric in [`super::METRICS`] or [`super::clusters::CLUSTER_METRICS`].
    pub metric: &'static str,
    /// The class that it is about; empty: all.
    pub class: &'static str,
    /// What was measured.
    pub model: &'static str,
    /// The value.
    pub value: f64,
    /// Standard deviation over the runs, where it was given.
    pub std: Option<f64>,
    /// Number of runs, where it was given.
    pub runs: Option<usize>,
    /// Paper or code that prints it.
    pub source: &'static str,
    /// The test set that it was measured on.
    pub test_set: &'static str,
}

const CARRASCO_DAVIS: &str = "Carrasco-Davis et al. 2021, AJ 162, 231 (arXiv:2008.03309)";
const NOTEBOOK: &str = "official notebooks of Carrasco-Davis et al. 2021";
const NEIRA: &str = "Neira, Estévez, Förster 2024 (arXiv:2405.15073)";
const BALANCED_500: &str =
    "500 first alerts of ZTF, 100 for each of AGN, SN, VS, asteroid, bogus; random split by object";
const TEMPORAL_600: &str = "600 objects of ZTF, 200 for each of AGN, SN, VS, with as many detections";
const HITS: &str = "candidates of HiTS 2013 (DECam), half of them artefacts";
const CABRERA_VIVES: &str = "Cabrera-Vives et al. 2017, ApJ 836, 97";
const RECOMPUTED: &str = "recomputed from Cabrera-Vives et al. 2017, ApJ 836, 97, which prints 2e-3 and 1e-2";
const DUEV: &str = "Duev et al. 2019 (arXiv:1907.11259)";
const BRAAI: &str = "alerts of ZTF, real and bogus, labelled by people";
const RTF: &str = "README of RTF (AppleCiDEr), 2026";
const RTF_2737: &str = "2,737 of 18,245 objects of ZTF in five classes of its own";
const THIRD_PARTY: &str = "third party, not published";
const NEWEST: &str = "the newest 15 % of 11,826 objects of ZTF by first alert: SN, AGN, VS";
const BALANCED_250: &str = "250 first alerts of ZTF, 50 for each of AGN, SN, VS, asteroid, bogus; older set";

/// Figures, and the classes that they are about.
pub type List = (&'static [&'static str], &'static [Published]);

/// Every list. A new one is one line here.
pub const LISTS: &[List] = &[
    (&["AGN", "SN", "VS", "asteroid", "bogus"], FIRST_ALERT),
    (&["AGN", "SN", "VS"], SEVERAL_DETECTIONS),
    (&["AGN", "SN", "VS"], NEWEST_OBJECTS),
    (&["real", "bogus"], REAL_BOGUS),
    (&["real", "bogus"], CLUSTERS),
];

/// Five-class classification of single ZTF alerts.
pub const FIRST_ALERT: &[Published] = &[
    published(
        "Stamp Classifier, as the paper states it",
        0.94,
        None,
        None,
        CARRASCO_DAVIS,
        "balanced test set of ZTF alerts",
    ),
    published(
        "Stamp Classifier, images and 26 metadata features",
        0.944,
        Some(0.0075),
        Some(5),
        NOTEBOOK,
        BALANCED_500,
    ),
    published(
        "Stamp Classifier, images and 33 metadata features",
        0.9416,
        Some(0.0046),
        Some(5),
        NOTEBOOK,
        BALANCED_500,
    ),
    published("Stamp Classifier, run again by others", 0.9127, Some(0.0069), Some(20), NEIRA, BALANCED_500),
    published(
        "the same with six rotations, random angles and a wider cut",
        0.9274,
        Some(0.0056),
        Some(20),
        NEIRA,
        BALANCED_500,
    ),
    published("random forest of 100 trees, 33 metadata features only", 0.912, None, None, NOTEBOOK, BALANCED_500),
    published("Stamp Classifier, images only", 0.901, None, Some(10), NOTEBOOK, BALANCED_250),
    published("linear probe of an autoencoder, codes of 64 values", 0.865, None, None, RTF, RTF_2737),
    published("linear probe of a VAE, codes of 64 values", 0.843, None, None, RTF, RTF_2737),
    published("linear probe of a VQ-VAE, codes of 64 values", 0.787, None, None, RTF, RTF_2737),
];

/// Three classes from several detections.
pub const SEVERAL_DETECTIONS: &[Published] = &[
    published("Temporal Stamp Classifier, 2 detections", 0.9847, Some(0.001), None, NEIRA, TEMPORAL_600),
    published("Temporal Stamp Classifier, 3 detections", 0.9833, Some(0.007), None, NEIRA, TEMPORAL_600),
    published("Temporal Stamp Classifier, 4 detections", 0.9787, Some(0.002), None, NEIRA, TEMPORAL_600),
    published("Temporal Stamp Classifier, 5 detections", 0.9843, Some(0.003), None, NEIRA, TEMPORAL_600),
    published("images and time gaps only, 2 detections", 0.913, Some(0.004), None, NEIRA, TEMPORAL_600),
];

/// Three classes, tested on objects that are newer than all training objects: figures fall.
pub const NEWEST_OBJECTS: &[Published] = &[
    macro_f1("EfficientNet-B0, split by time", 0.768),
    macro_f1("ResNet-18, split by time", 0.751),
    macro_f1("network like the Stamp Classifier, stamps of 63 px, split by time", 0.661),
];

/// Real against bogus.
pub const REAL_BOGUS: &[Published] = &[
    published("Deep-HiTS", 0.9945, Some(0.0003), None, CABRERA_VIVES, HITS),
    published("random forest on features of the stamps", 0.9896, None, None, CABRERA_VIVES, HITS),
    of_real("fnr_at_fpr_1e-2", "Deep-HiTS", 2.06e-3, RECOMPUTED, HITS),
    of_real("fnr_at_fpr_1e-2", "random forest on features of the stamps", 1.06e-2, RECOMPUTED, HITS),
    of_real("equal_error_rate", "braai, threshold 0.66", 0.017, DUEV, BRAAI),
];

/// Clusters of stamps against real and bogus, ten clusters and codes of 21 values where nothing else is said.
pub const CLUSTERS: &[Published] = &[
    purity("VaDE with variance head", 0.9533, Some(0.0011), Some(5)),
    purity("VAE, then a mixture of Gaussians", 0.8706, Some(0.0069), Some(5)),
    purity("incremental principal components, then a mixture of Gaussians", 0.9343, Some(0.0125), Some(5)),
    purity("online dictionary learning, then a mixture of Gaussians", 0.9079, Some(0.0022), Some(5)),
    purity("VaDE, 2 clusters", 0.9232, None, None),
    purity("VaDE, 6 clusters", 0.9030, None, None),
    purity("VaDE, 20 clusters", 0.9502, None, None),
    purity("VaDE, codes of 2 values", 0.8869, None, None),
    purity("VaDE, codes of 5 values", 0.9187, None, None),
    purity("VaDE, codes of 10 values", 0.9473, None, None),
];

/// Recall of AGN, SN, VS, asteroid, bogus of the random forest on metadata only (`NOTEBOOK`, `BALANCED_500`).
pub const FOREST_RECALL: [(&str, f64); 5] =
    [("AGN", 0.94), ("SN", 0.67), ("VS", 0.98), ("asteroid", 0.98), ("bogus", 0.99)];

const fn published(
    model: &'static str,
    value: f64,
    std: Option<f64>,
    runs: Option<usize>,
    source: &'static str,
    test_set: &'static str,
) -> Published {
    Published { metric: "accuracy", class: "", model, value, std, runs, source, test_set }
}

const fn macro_f1(model: &'static str, value: f64) -> Published {
    let (std, runs) = (None, None);
    Published { metric: "macro_f1", class: "", model, value, std, runs, source: THIRD_PARTY, test_set: NEWEST }
}

const fn of_real(
    metric: &'static str,
    model: &'static str,
    value: f64,
    source: &'static str,
    test_set: &'static str,
) -> Published {
    Published { metric, class: "real", model, value, std: None, runs: None, source, test_set }
}

const fn purity(model: &'static str, value: f64, std: Option<f64>, runs: Option<usize>) -> Published {
    let source = "Astorga et al. 2018 (IJCNN), there called accuracy";
    let test_set = "100,000 candidates of HiTS 2013 (DECam), half of them artefacts";
    Published { metric: "purity", class: "", model, value, std, runs, source, test_set }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_known_metrics_and_possible() {
        let of_clusters = crate::metrics::clusters::CLUSTER_METRICS;
        for figure in LISTS.iter().flat_map(|list| list.1) {
            let of_cluster = of_clusters.iter().any(|metric| metric.name == figure.metric);
            assert!(of_cluster || crate::metrics::metric(figure.metric).is_some());
            assert!((0.0..=1.0).contains(&figure.value) && !figure.test_set.is_empty());
        }
        let mean = FOREST_RECALL.iter().map(|(_, recall)| recall).sum::<f64>() / 5.0;
        assert!((mean - 0.912).abs() < 0.002, "on a balanced test set accuracy is the mean recall");
    }
}
