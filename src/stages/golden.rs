//! Golden bytes: what each kind, and each variant of it, writes for small fixed inputs and seed. A change of those bytes
//! without a raised version would leave old results in caches under keys that no longer stand for them.

mod inputs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::testing::{list, text};
use super::{KINDS, kind};
use crate::nn::{Backend, Kernels};
use crate::spec::value::{Params, Value};
use crate::stage::{Device, ExternalFile, Job, Silent, StageError, StageKind};
use crate::store::digest;

// Where bytes hold: what `here` must begin with.

/// Nothing but whole numbers and the operations that IEEE 754 fixes to the last bit.
const EVERYWHERE: &str = "";
/// Exponentials, logarithms and the like are those of this C library, with any processor of this family.
const LIBRARY: &str = "gnu x86_64";
/// Vector loops of `faer`, too: equal with AVX2 and AVX-512, not without.
const VECTOR: &str = "gnu x86_64 AVX";
/// Networks: matrix products of `gemm` differ in their last bits with AVX-512 and without AVX2.
const AVX2: &str = "gnu x86_64 AVX2";

/// The same with AVX-512, whoever made the processor. Lines that have this place alone changed since somebody had a processor
/// without AVX-512, or half an hour for `qemu-x86_64`.
const AVX512: &str = "gnu x86_64 AVX-512";

/// This machine: C library, and what [`Backend::arithmetic`] says.
fn here() -> String {
    let is_gnu = cfg!(all(target_os = "linux", target_env = "gnu"));
    format!("{} {}", if is_gnu { "gnu" } else { "another C library," }, Kernels::arithmetic())
}

/// One line of the table.
pub(super) struct Case {
    kind: &'static str,
    /// Input and the artifact that it gets.
    inputs: Inputs,
    set: Vec<(&'static str, Value)>,
    version: u32,
    /// Where they hold, and digests of the bytes.
    digests: Digests,
}

/// Inputs and the artifacts that they get.
type Inputs = &'static [(&'static str, &'static str)];
/// Where bytes hold, and a digest of them.
type Digests = &'static [(&'static str, &'static str)];

fn case(kind: &'static str, inputs: Inputs, set: &[(&'static str, Value)], version: u32, digests: Digests) -> Case {
    Case { kind, inputs, set: set.to_vec(), version, digests }
}

pub(super) fn table() -> Vec<Case> {
    sources()
        .into_iter()
        .chain(of_classifiers())
        .chain(of_coders())
        .chain(others())
        .chain(of_features())
        .chain(maps())
        .collect()
}

/// Kinds that read features.
fn of_features() -> Vec<Case> {
    const FEATURES: Inputs = &[("features", "features")];
    let int = Value::Int;
    let (method, few) = (|method| ("method", text(method)), ("clusters", int(3)));
    let mixed = |covariance| [method("gaussian_mixture"), few.clone(), ("covariance", text(covariance))];
    let by = |classifier| ("classifier", text(classifier));
    let boosted = [by("gradient_boosting"), ("rounds", int(5)), ("min_rows", int(3)), ("patience", int(2))];
    let few_labels = [by("logistic"), ("labels_per_class", int(4)), ("calibrate", text("temperature"))];
    let (score, normal) = (|score| ("score", text(score)), ("normal", list(&["AGN"])));
    vec![
        case("cluster", FEATURES, &[method("kmeans"), few.clone()], 1, &[(LIBRARY, "3a4227fd84d3dd77")]),
        case("cluster", FEATURES, &mixed("diagonal"), 1, &[(LIBRARY, "940f5d72643a52f1")]),
        case("cluster", FEATURES, &mixed("full"), 1, &[(LIBRARY, "eac99182cdbf3c0c")]),
        case("classify", FEATURES, &[by("logistic")], 3, &[(VECTOR, "81684e33d7bdba93")]),
        case("classify", FEATURES, &[by("knn"), ("k", Value::List(vec![int(5)]))], 3, &[(VECTOR, "41a9475007ed7367")]),
        case("classify", FEATURES, &[by("random_forest"), ("trees", int(5))], 3, &[(EVERYWHERE, "26b07333c75f16cd")]),
        case("classify", FEATURES, &boosted, 3, &[(LIBRARY, "9bfd4040d35e6341")]),
        case("classify", FEATURES, &[by("mlp"), ("epochs", int(3))], 3, &[(AVX512, "5299da1b7f513c8e")]),
        case("classify", FEATURES, &few_labels, 3, &[(VECTOR, "c7c80542e7c873a3")]),
        case(
            "detect_anomalies",
            FEATURES,
            &[score("mahalanobis"), normal.clone()],
            2,
            &[(LIBRARY, "379b4fc669a208b3")],
        ),
        case(
            "detect_anomalies",
            FEATURES,
            &[score("reconstruction"), normal.clone(), ("components", int(2))],
            2,
            &[(VECTOR, "013fa04b43062416")],
        ),
        case("detect_anomalies", FEATURES, &[score("sum"), normal], 2, &[(EVERYWHERE, "9cd24a13b019ca2c")]),
        case("classify", FEATURES, &[by("majority")], 3, &[(EVERYWHERE, "2f7232afcfab2b75")]),
    ]
}

/// Kinds that read no artifact.
fn sources() -> Vec<Case> {
    let int = Value::Int;
    let weak = [("classes", list(&["SN", "AGN", "bogus"])), ("weak_labels", list(&["drb < 2 -> bogus"]))];
    let tables = [("path", text("night.tar.gz")), ("labels", list(&["labels.csv", "places.csv"]))];
    let tables = [&tables[..], &weak[..], &[("repair", list(&["not_square", "missing_jd"]))]].concat();
    vec![
        case("simulate", &[], &[("objects", int(8)), ("max_detections", int(3))], 2, &[(LIBRARY, "3ab689eeff086f3b")]),
        case(
            "simulate",
            &[],
            &[("objects", int(8)), ("light_curves", Value::Bool(true))],
            2,
            &[(LIBRARY, "2d4d1048fb5f0c09")],
        ),
        case(
            "load",
            &[],
            &[("path", text("night.tar.gz")), ("labels", text("labels.csv"))],
            7,
            &[(EVERYWHERE, "dd0064017ad5c13b")],
        ),
        case(
            "load",
            &[],
            &[("path", text("night.tar.gz")), ("light_curves", Value::Bool(true))],
            7,
            &[(EVERYWHERE, "8904a2c649597561")],
        ),
        case("load", &[], &tables, 7, &[(LIBRARY, "70f0a68bee9b8af9")]),
        case(
            "load",
            &[],
            &[("path", text("stamps.npy")), ("table", text("rows.csv"))],
            7,
            &[(EVERYWHERE, "b25a03d244138802")],
        ),
    ]
}

/// Kinds that train networks which judge, or let one judge.
fn of_classifiers() -> Vec<Case> {
    let int = Value::Int;
    let judge = [("epochs", int(2)), ("batch", int(8)), ("views", text("dihedral"))];
    let cyclic = [&judge[..], &[("model", text("stamp_classifier")), ("jitter", Value::Float(20.0))]].concat();
    let joined = [&judge[..], &[("model", text("deep_hits"))]].concat();
    let temporal = [("model", text("temporal_stamp_classifier")), ("recurrent", text("conv1d")), ("width", int(6))];
    let temporal = [&judge[..], &temporal[..], &[("rotations", int(2)), ("length", int(3))]].concat();
    let rcnn = [("model", text("rcnn")), ("maps", int(8)), ("dense", int(9)), ("hidden", int(6)), ("window", int(2))];
    let rcnn = [&judge[..], &rcnn[..]].concat();
    vec![
        case("train_classifier", &[("stamps", "stamps")], &cyclic, 2, &[(AVX512, "aa75afd73a4961ef")]),
        case("train_classifier", &[("stamps", "stamps")], &joined, 2, &[(AVX512, "89c948c147a1c64a")]),
        case("train_classifier", &[("sequences", "sequences")], &temporal, 2, &[(AVX512, "d4abbf7b43693a0f")]),
        case("train_classifier", &[("sequences", "sequences")], &rcnn, 2, &[(AVX512, "3a89ab3dd0ae1257")]),
        case(
            "predict",
            &[("alerts", "alerts"), ("model", "classifier")],
            &[("rank_by", text("SN"))],
            1,
            &[(AVX512, "eba03b52713a376f")],
        ),
        case(
            "predict",
            &[("alerts", "alerts"), ("model", "fitted")],
            &[("rank_by", text("SN"))],
            1,
            &[(AVX512, "c49aa3619e074765")],
        ),
    ]
}

/// Kinds that train networks which make codes, or use one.
fn of_coders() -> Vec<Case> {
    let int = Value::Int;
    let conv = [("model", text("conv_autoencoder")), ("maps", int(16)), ("latent", int(3))];
    let conv = [&conv[..], &[("epochs", int(2)), ("batch", int(8)), ("examples", int(2))]].concat();
    let sizes = [("maps", int(4)), ("latent", int(3)), ("epochs", int(2)), ("batch", int(8)), ("examples", int(2))];
    let vae = [&sizes[..], &[("model", text("vae")), ("kl_warm_up", int(1))]].concat();
    let vade = [&sizes[..], &[("model", text("vade")), ("clusters", int(3)), ("pretrain", int(2))]].concat();
    let gru = [("model", text("sequence_autoencoder")), ("hidden", int(6)), ("epochs", int(2)), ("batch", int(4))];
    let [lstm, conv1d] = ["lstm", "conv1d"].map(|cell| [&gru[..], &[("cell", text(cell))]].concat());
    let staged = [&gru[..], &anew(), &[("scheme", text("staged")), ("frozen_epochs", int(1))]].concat();
    let all = [("columns", list(&["latent", "metadata", "pixels", "pca"])), ("components", int(3))];
    let codes = &[("sequences", "sequences"), ("autoencoder", "model")];
    vec![
        case(
            "health",
            &[("model", "model"), ("stamps", "stamps")],
            &[],
            3,
            &[(AVX2, "dbf82d4dcafea17a"), (AVX512, "72732461c198ba52")],
        ),
        case(
            "train_autoencoder",
            &[("stamps", "stamps")],
            &conv,
            5,
            &[(AVX2, "303ba207d45e2612"), (AVX512, "4e6028520c9e4d9c")],
        ),
        case(
            "train_autoencoder",
            &[("stamps", "stamps")],
            &[&conv[..], &anew()].concat(),
            5,
            &[(AVX2, "96595dc9005860ed"), (AVX512, "bafef092994555f9")],
        ),
        case(
            "train_autoencoder",
            &[("stamps", "stamps")],
            &vae,
            5,
            &[(AVX2, "706a2b5efbc108e7"), (AVX512, "68b174b52acd7d52")],
        ),
        case(
            "train_autoencoder",
            &[("stamps", "stamps")],
            &vade,
            5,
            &[(AVX2, "53b289ec0f141c45"), (AVX512, "22eded5905297bfe")],
        ),
        case(
            "train_sequence_autoencoder",
            &[("sequences", "sequences")],
            &gru,
            5,
            &[(AVX2, "5dbdc33c58dca430"), (AVX512, "048e9424b1a1f165")],
        ),
        case("train_sequence_autoencoder", codes, &gru, 5, &[(AVX2, "d55b7ddb547ce240"), (AVX512, "3d0034ebaf1b6682")]),
        case(
            "train_sequence_autoencoder",
            codes,
            &staged,
            5,
            &[(AVX2, "37f28c34352d933b"), (AVX512, "c1db5bf0293f0f8d")],
        ),
        case(
            "train_sequence_autoencoder",
            &[("sequences", "sequences")],
            &lstm,
            5,
            &[(AVX2, "a230768020b87a84"), (AVX512, "ca22fb864109f7b7")],
        ),
        case(
            "train_sequence_autoencoder",
            &[("sequences", "sequences")],
            &conv1d,
            5,
            &[(AVX2, "89f6c145e7332031"), (AVX512, "c102230004a74db1")],
        ),
        case("extract_features", &[("stamps", "stamps"), ("model", "model")], &all, 4, &[(AVX512, "5e854becd6f31b18")]),
        case(
            "extract_features",
            &[("sequences", "sequences"), ("model", "model")],
            &[],
            4,
            &[(AVX512, "f1bab76d26a8c44b")],
        ),
        case(
            "extract_features",
            &[("stamps", "stamps"), ("model", "model")],
            &[("views", text("dihedral"))],
            4,
            &[(AVX512, "b8cbfb32503c9493")],
        ),
    ]
}

/// All other kinds.
fn others() -> Vec<Case> {
    let (int, float, columns) = (Value::Int, Value::Float, list(&["magpsf", "sgscore1"]));
    let preprocess = [("detections", text("all")), ("metadata", columns), ("crop", int(9))];
    let asinh = [&preprocess[..], &[("normalise", text("asinh")), ("nan", text("median")), ("sign", text("physical"))]];
    let curves = list(&["lc_detections", "lc_days", "lc_peak", "lc_slope", "lc_colour"]);
    let curves = [("detections", text("all")), ("metadata", curves), ("crop", int(9))];
    let exact = [("crop", int(5)), ("shift", int(1)), ("flux", float(0.25))];
    let blurred = [("rotation", float(20.0)), ("noise", float(0.5)), ("colour", float(0.1))];
    let sequences = [("dynamic", list(&["magpsf"])), ("static", list(&["ra"])), ("min_gap", float(0.0))];
    let both = &[("one", "predictions"), ("two", "other predictions")];
    let command = [("run", text("cat {inputs.a}/predictions.csv > {out}/copy.csv; echo {seed} > {out}/seed.txt"))];
    vec![
        case("preprocess", &[("alerts", "alerts")], &preprocess, 5, &[(EVERYWHERE, "88bae13383e5c466")]),
        case("preprocess", &[("alerts", "alerts with light curves")], &curves, 5, &[(EVERYWHERE, "d6808157e6ec8d72")]),
        case("preprocess", &[("alerts", "alerts")], &asinh.concat(), 5, &[(LIBRARY, "ed61151b9fc4ae12")]),
        case("augment", &[("stamps", "stamps")], &exact, 1, &[(EVERYWHERE, "ed6a4e7fd411b2ed")]),
        case("augment", &[("stamps", "stamps")], &blurred, 1, &[(LIBRARY, "ed63a8a8bb9c1ab9")]),
        case("sequences", &[("stamps", "stamps")], &sequences, 1, &[(LIBRARY, "77f4ab06cb5100aa")]),
        case("compare", both, &[("draws", int(200))], 5, &[(LIBRARY, "d8b19b421db035f6")]),
        case("command", &[("a", "predictions")], &command, 2, &[(EVERYWHERE, "207ab187b756502e")]),
    ]
}

/// Maps by each method.
fn maps() -> [Case; 3] {
    let (by, int, float) = (|method| ("method", text(method)), Value::Int, Value::Float);
    let umap = vec![by("umap"), ("n_neighbors", int(9)), ("epochs", int(20)), ("norm", text("l2"))];
    let tsne = vec![by("tsne"), ("perplexity", float(9.0)), ("steps", int(20)), ("metric", text("cosine"))];
    let pca = vec![by("pca"), ("norm", text("z-score"))];
    let case = |set, digests| Case { kind: "project", inputs: &[("features", "features")], set, version: 2, digests };
    [
        case(umap, &[(VECTOR, "7ebfcdf29f6ed185")]),
        case(tsne, &[(VECTOR, "cf266e59c262da3f")]),
        case(pca, &[(VECTOR, "601cd6bc59265ecc")]),
    ]
}

/// What befalls training stamps in each epoch.
fn anew() -> Vec<(&'static str, Value)> {
    let on = Value::Bool(true);
    let amounts = [("rotation", 9.0), ("noise", 0.5), ("flux", 0.25)].map(|(key, value)| (key, Value::Float(value)));
    [&[("turns", on.clone()), ("flips", on), ("shift", Value::Int(1))][..], &amounts].concat()
}

impl Case {
    pub(super) fn kind(&self) -> &'static dyn StageKind {
        kind(self.kind).unwrap_or_else(|| panic!("the table names a kind `{}` that there is not", self.kind))
    }

    /// Kind, and variant if there is a choice.
    pub(super) fn name(&self) -> String {
        let params = self.params();
        let variant = self
            .kind()
            .variants()
            .map(|variants| params.get(variants.key).map(ToString::to_string).unwrap_or_default());
        variant.map_or_else(|| self.kind.into(), |variant| format!("{} {}", self.kind, variant.trim_matches('"')))
    }

    /// All keys of the kind and of the chosen variant: their defaults, but for what is set.
    pub(super) fn params(&self) -> Params {
        let set: BTreeMap<&str, Value> = self.set.iter().cloned().collect();
        let mut keys = self.kind().keys();
        let mut params = Params::new();
        if let Some(variants) = self.kind().variants() {
            params.insert(variants.key, set[variants.key].clone());
            let is_chosen = |variant: &crate::stage::Variant| set[variants.key] == text(variant.name);
            keys.extend(variants.list.into_iter().filter(is_chosen).flat_map(|variant| variant.keys));
        }
        for key in keys {
            let value = set.get(key.name).cloned().or(key.default);
            params.insert(key.name, value.unwrap_or_else(|| panic!("{} needs `{}`", self.kind, key.name)));
        }
        assert!(set.keys().all(|name| params.get(name).is_some()), "{}: unknown key in {:?}", self.kind, self.set);
        params
    }

    /// Runs the kind with `params` and these inputs below `home`; what it wrote is in the folder `out` there.
    pub(super) fn run(&self, home: &Path, params: &Params) -> Result<(), StageError> {
        let folder = |name: &str| {
            let folder = home.join(name);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let mut folders = BTreeMap::new();
        for (input, artifact) in self.inputs {
            folders.insert((*input).to_string(), folder(&format!("input {input}")));
            inputs::write(artifact, &folders[*input]);
        }
        inputs::packets(home);
        let file = |name: &String| ExternalFile { label: name.clone(), path: home.join(name), is_listed: false };
        let given = |key: &str| {
            let names = match params.get(key)? {
                Value::Text(name) => std::slice::from_ref(name).iter().map(file).collect(),
                Value::List(names) => names
                    .iter()
                    .filter_map(|name| if let Value::Text(name) = name { Some(file(name)) } else { None })
                    .collect(),
                _ => Vec::new(),
            };
            Some((key.to_owned(), names)).filter(|(_, files)| !files.is_empty())
        };
        self.kind().run(&Job {
            params,
            seed: 5,
            inputs: folders,
            files: ["path", "labels", "table"].into_iter().filter_map(given).collect(),
            home,
            out: &folder("out"),
            checkpoint: &folder("checkpoint"),
            device: Device::Cpu,
            gpus: &[],
            threads: 1,
            pulse: &Silent,
            shelf: &Silent,
        })
    }

    /// Version of the code, and the first digits of a digest of all that it writes.
    fn found(&self) -> (u32, String) {
        let (home, params) = (tempfile::tempdir().unwrap(), self.params());
        assert_eq!(self.kind().check(&params), [], "{}", self.name());
        self.run(home.path(), &params).unwrap_or_else(|fault| panic!("{}: {fault}", self.name()));
        (self.kind().version(), digest_of(&home.path().join("out")))
    }
}

fn digest_of(out: &Path) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in digest::files_below(out).unwrap() {
        hasher.update(file.strip_prefix(out).unwrap().as_os_str().as_encoded_bytes());
        hasher.update(&std::fs::read(file).unwrap());
    }
    hasher.finalize().to_hex()[..16].to_string()
}

const ADVICE: &str = "If a kind was meant to write other bytes: raise its `version()`, put version and digests into `table` in \
    src/stages/golden.rs and a line into CHANGELOG.md, all in one commit. Where a line has digests for several processors, \
    the others are what this test says there, or here under `qemu-x86_64 -cpu Haswell` (AVX2). If none of a kind's code \
    changed, look for what did: an artifact's format or a dependency (raise the version of all kinds that write or use it), \
    or the C library's mathematical functions.";

#[test]
fn every_kind_writes_its_golden_bytes() {
    let (here, mut faults, mut skipped) = (here(), String::new(), Vec::new());
    for case in table() {
        let Some((_, digest)) = case.digests.iter().find(|(place, _)| here.starts_with(place)) else {
            skipped.push(case.name());
            continue;
        };
        let (expected, found) = ((case.version, *digest), case.found());
        if expected != (found.0, found.1.as_str()) {
            let (name, inputs) = (case.name(), case.inputs);
            faults += &format!("\n{name} of {inputs:?}: version and digest are {found:?}, the table says {expected:?}");
        }
    }
    if !skipped.is_empty() {
        #[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
        {
            eprintln!("SKIPPED: there are no golden bytes of {skipped:?} for this machine ({here})");
        }
    }
    assert!(faults.is_empty(), "{faults}\nThis machine: {here}. {ADVICE}");
}

#[test]
fn every_kind_and_variant_has_a_line() {
    let lines: BTreeSet<String> = table().iter().map(Case::name).collect();
    let names = |kind: &&dyn StageKind| {
        let variants = kind.variants().map_or_else(Vec::new, |variants| variants.list);
        let with = variants.iter().map(|variant| format!("{} {}", kind.name(), variant.name)).collect::<Vec<_>>();
        if with.is_empty() { vec![kind.name().to_string()] } else { with }
    };
    let known: BTreeSet<String> = KINDS.iter().flat_map(names).collect();
    let missing: Vec<&String> = known.difference(&lines).collect();
    assert!(missing.is_empty(), "no golden bytes of {missing:?}: give each a line in `table` in src/stages/golden.rs");
}
