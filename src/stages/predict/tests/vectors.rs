//! Classifiers of codes behind those that make what they need: what they say of a night, and what is refused.

use super::*;
use crate::artifacts::fitted::FittedFacts;
use crate::classifiers::{CLASSIFIERS, Classifier};

fn autoencoder(stamps: &Bench, latent: i64) -> Bench {
    let set = [("model", text("conv_autoencoder")), ("latent", Value::Int(latent)), ("maps", Value::Int(4))];
    let set = [&set[..], &[("epochs", Value::Int(1)), ("batch", Value::Int(16))]].concat();
    stage("train_autoencoder", &[("stamps", stamps)], &set).unwrap()
}

fn features(stamps: &Bench, model: &Bench, columns: &[&str], set: &[(&'static str, Value)]) -> Bench {
    let set = [&[("columns", list(columns)), ("components", Value::Int(3))][..], set].concat();
    stage("extract_features", &[("stamps", stamps), ("model", model)], &set).unwrap()
}

fn classified(features: &Bench, classifier: &'static str, set: &[(&'static str, Value)]) -> Bench {
    let small = match classifier {
        "knn" => vec![("k", Value::List(vec![Value::Int(3)]))],
        "random_forest" => vec![("trees", Value::Int(20))],
        "gradient_boosting" => vec![("rounds", Value::Int(5)), ("min_rows", Value::Int(3))],
        "mlp" => vec![("epochs", Value::Int(3))],
        _ => Vec::new(),
    };
    let set = [&[("classifier", text(classifier))][..], &small, set].concat();
    stage("classify", &[("features", features)], &set).unwrap()
}

fn judged(bench: &Bench, file: &str, classes: &[String]) -> BTreeMap<i64, Vec<f64>> {
    probabilities(&table(bench, file), classes)
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// What `classify` says of its own test rows is what is said of them here, whichever other alerts are there: by every
/// classifier, on stamps none of whose settings is the default.
#[test]
fn a_night_is_judged_as_by_classify_whatever_else_is_in_it() {
    let (night, part) = (simulated(40), simulated(7));
    let stamps = stamps_of(&night, 9);
    let model = autoencoder(&stamps, 4);
    let reversed = ("metadata", list(&["gal_lat", "magpsf"]));
    let features = features(&stamps, &model, &["metadata", "latent"], &[reversed, ("views", text("dihedral"))]);
    for classifier in CLASSIFIERS {
        let name = classifier.name();
        let model = classified(&features, name, &[("calibrate", text("temperature"))]);
        let classes = Predictions::open(&model.out()).unwrap().facts.classes;
        let expected = judged(&model, "predictions.csv", &classes);
        let whole = judged(&predict(&night, &model, &[]).unwrap(), "candidates.csv", &classes);
        let alone = judged(&predict(&part, &model, &[]).unwrap(), "candidates.csv", &classes);
        assert!(expected.len() > 5 && whole.len() > expected.len() && alone.len() >= 7);
        for (candid, expected) in &expected {
            assert!(apart(expected, &whole[candid]) < 1e-5, "{name} of {candid}: {expected:?}, {:?}", whole[candid]);
        }
        // `mlp` adds up in f32, otherwise in batches of other sizes
        for (candid, found) in &alone {
            assert!(apart(found, &whole[candid]) < 1e-6, "{name} of {candid}: {found:?}, {:?}", whole[candid]);
        }
    }
}

/// A forest shows every bit of its features: none depends on how many alerts there are.
#[test]
fn all_that_vectors_are_put_together_from_is_made_again() {
    let night = simulated(40);
    let stamps = stamps_of(&night, 11);
    let cropped =
        stage("augment", &[("stamps", &stamps)], &[("copies", Value::Int(1)), ("crop", Value::Int(9))]).unwrap();
    let variational =
        [("model", text("vae")), ("latent", Value::Int(3)), ("maps", Value::Int(4)), ("epochs", Value::Int(1))];
    let vae = stage("train_autoencoder", &[("stamps", &stamps)], &variational).unwrap();
    let (conv, small) = (autoencoder(&stamps, 4), autoencoder(&cropped, 3));
    for (stamps, model, columns) in [
        (&stamps, &conv, &["error", "latent", "pixels"][..]),
        (&stamps, &vae, &["latent"]),
        (&cropped, &small, &["latent", "metadata"]),
    ] {
        let forest = classified(&features(stamps, model, columns, &[]), "random_forest", &[]);
        let classes = Predictions::open(&forest.out()).unwrap().facts.classes;
        let expected = judged(&forest, "predictions.csv", &classes);
        let found = judged(&predict(&night, &forest, &[]).unwrap(), "candidates.csv", &classes);
        for (candid, expected) in expected {
            assert!(
                apart(&expected, &found[&candid]) < 1e-12,
                "{columns:?} of {candid}: {expected:?}, {:?}",
                found[&candid]
            );
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let night = simulated(20);
    let stamps = stamps_of(&night, 9);
    let model = autoencoder(&stamps, 4);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let features = features(&stamps, &model, &["latent"], &[]);
            let of = |classifier: &&dyn Classifier| {
                let model = classified(&features, classifier.name(), &[]);
                [model.bytes(), predict(&night, &model, &[]).unwrap().bytes()]
            };
            CLASSIFIERS.iter().map(of).collect::<Vec<_>>()
        })
    };
    assert!(with(1) == with(2));
}

/// A fitted classifier whose file says something else.
struct Changed(Bench);

impl Changed {
    fn of(model: &Bench) -> Self {
        let bench = Bench::new(&[], |_, _| ());
        copy(&model.out(), &bench.out());
        Self(bench)
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.0.out().join(file), bytes).unwrap();
    }

    fn refused(&self, night: &Bench) -> String {
        predict(night, &self.0, &[]).err().map_or_else(|| panic!("it judges"), |fault| fault.to_string())
    }
}

#[test]
fn a_classifier_of_codes_of_another_network_is_refused() {
    let night = simulated(30);
    let stamps = stamps_of(&night, 9);
    let of = |latent| {
        let features = features(&stamps, &autoencoder(&stamps, latent), &["latent"], &[]);
        classified(&features, "random_forest", &[])
    };
    let (one, other) = (of(4), of(3));
    let changed = Changed::of(&one);
    copy(&other.out().join("encoder"), &changed.0.out().join("encoder"));
    assert!(changed.refused(&night).contains("is not the one that made the codes"), "{}", changed.refused(&night));
    let changed = Changed::of(&one);
    changed.write("fitted.json", &std::fs::read(other.out().join("fitted.json")).unwrap());
    assert!(changed.refused(&night).contains("is not the one that made the codes"));
    std::fs::remove_dir_all(changed.0.out().join("encoder")).unwrap();
    assert!(changed.refused(&night).contains("encoder/model.json"), "{}", changed.refused(&night));
}

#[test]
fn a_fitted_file_that_was_damaged_is_an_error_that_names_it() {
    let night = simulated(30);
    let stamps = stamps_of(&night, 9);
    let features = features(&stamps, &autoencoder(&stamps, 3), &["latent"], &[]);
    let model = classified(&features, "random_forest", &[]);
    let changed = Changed::of(&model);
    let whole = std::fs::read(model.out().join("fitted.json")).unwrap();
    for part in 0..8 {
        changed.write("fitted.json", &whole[..whole.len() * part / 8]);
        assert!(changed.refused(&night).contains("fitted.json"));
    }
    changed.write("fitted.json", "[".repeat(100_000).as_bytes());
    assert!(changed.refused(&night).contains("fitted.json"));
    let text = String::from_utf8(whole.clone()).unwrap();
    let says = |from: &str, to: &str, what: &str| {
        assert!(text.contains(from), "{from}");
        changed.write("fitted.json", text.replacen(from, to, 1).as_bytes());
        let fault = changed.refused(&night);
        assert!(fault.contains(what), "{fault}");
    };
    says("\"random_forest\"", "\"forest\"", "a classifier `forest`, which this program does not know");
    says("\"sequences\":false", "\"sequences\":true", "judges vectors of an object's detections");
    says("[\"latent\"]", "[\"latent\",\"latent\"]", "fitted to 3 numbers, its recipe makes 6");
    says("[\"latent\"]", "[\"wavelets\"]", "was fitted to \"wavelets\"");
    says("\"views\":\"one\"", "\"views\":\"all\"", "views `all`");
    says("\"crop\":\"9\"", "\"crop\":\"4000000000\"", "no stamps have");
    says("\"AGN\"", "\"QSO\"", "a class `QSO`");
    says("\"classes\":5}", "\"classes\":4}", "it tells 4 classes");
    says("\"nodes\":[[", "\"nodes\":[[4,", "cannot be read");
}

#[test]
fn what_nobody_can_make_again_is_refused_by_name() {
    let night = simulated(30);
    let stamps = stamps_of(&night, 9);
    let components = features(&stamps, &autoencoder(&stamps, 3), &["pca"], &[]);
    let pca = classified(&components, "logistic", &[]);
    let supervised = classified(&features(&stamps, &trained(&stamps, &[]), &["latent"], &[]), "logistic", &[]);
    let refused = predict(&night, &supervised, &[]).err().unwrap().to_string();
    assert!(refused.contains("the network behind the codes sees metadata"), "{refused}");
    let refused = predict(&night, &pca, &[]).err().unwrap().to_string();
    assert!(refused.contains("principal components (\"pca\"), which are not kept"), "{refused}");
    let fitted = FittedFacts::open(&pca.out()).unwrap();
    FittedFacts { recipe: None, ..fitted }.write(&pca.out()).unwrap();
    assert!(predict(&night, &pca, &[]).err().unwrap().to_string().contains("do not say how they were made"));
    std::fs::remove_file(pca.out().join("fitted.json")).unwrap();
    assert!(predict(&night, &pca, &[]).err().unwrap().to_string().contains("holds class probabilities alone"));
}
