//! The kind on a small made-up artifact.

use std::path::Path;

use super::*;
use crate::artifacts::scores::read_metrics;
use crate::artifacts::sequences::{Detection, SequenceObject, SequencesFacts, SequencesWriter};
use crate::artifacts::stamps::StampsFacts;
use crate::nn::Model;
use crate::spec::value::Value;
use crate::stages::testing::{Bench, list, params, text};

const SIDE: usize = 9;

fn write_sequences(folder: &Path) {
    let stamps = StampsFacts {
        channels: vec!["science".into()],
        side: SIDE,
        normalise: "none".into(),
        metadata: Vec::new(),
        classes: vec!["SN".into()],
        recipe: std::collections::BTreeMap::new(),
    };
    let facts = SequencesFacts { stamps, dynamic: vec!["gap".into(), "magpsf".into()], fixed: Vec::new(), longest: 4 };
    let mut writer = SequencesWriter::create(folder, &facts).unwrap();
    for i in 0..30_usize {
        let split = ["train", "train", "train", "validation", "test"][i % 5];
        let object = SequenceObject { object_id: format!("o{i}"), label: "SN".into(), split: split.into() };
        let length = 2 + i % 3;
        let images: Vec<Vec<f32>> =
            (0..length).map(|t| (0..SIDE * SIDE).map(|p| ((p + i + 3 * t) as f32 * 0.4).sin()).collect()).collect();
        let dynamic: Vec<[f32; 2]> = (0..length).map(|t| [t as f32 - 1.0, (i as f32 + t as f32).sin()]).collect();
        let detections: Vec<Detection> = (0..length)
            .map(|t| Detection {
                candid: (10 * i + t) as i64,
                jd: t as f64,
                fid: 1,
                days: 1.0,
                image: &images[t],
                dynamic: &dynamic[t],
            })
            .collect();
        writer.push(&object, &[], &detections).unwrap();
    }
    writer.finish().unwrap();
}

fn write(name: &str, folder: &Path) {
    if name == "sequences" {
        return write_sequences(folder);
    }
    let settings = serde_json::json!({ "channels": 1, "crop": SIDE, "latent": 3, "maps": 64 });
    let card = ModelCard { model: "conv_autoencoder".into(), settings };
    let model: Model<Kernels> = models::build(card, 4).unwrap();
    model.save(folder).unwrap();
}

fn run(inputs: &[&str]) -> Bench {
    run_with(inputs, "gru")
}

fn run_with(inputs: &[&str], cell: &str) -> Bench {
    run_set(inputs, &[("cell", text(cell))]).unwrap()
}

fn set_of(set: &[(&'static str, Value)]) -> Params {
    let mut all = params(&TrainSequenceAutoencoder, &[("epochs", Value::Int(2)), ("batch", Value::Int(8))]);
    all.insert("model", Value::Text("sequence_autoencoder".into()));
    all.insert("hidden", Value::Int(6));
    all.insert("cell", text("gru"));
    all.insert("taps", Value::Int(3));
    all.extend(set.iter().cloned());
    all
}

fn run_set(inputs: &[&str], set: &[(&'static str, Value)]) -> Result<Bench, StageError> {
    Bench::new(inputs, write).run_with(&TrainSequenceAutoencoder, inputs, 1, &set_of(set))
}

const BOTH: [&str; 2] = ["sequences", "autoencoder"];

fn by(scheme: &str, set: &[(&'static str, Value)]) -> Bench {
    let first = [("scheme", text(scheme)), ("frozen_epochs", Value::Int(1))];
    run_set(&BOTH, &[&first, set].concat()).unwrap()
}

/// The error of a series on a split.
fn error_of(bench: &Bench, series: &str, split: &str) -> f64 {
    let metrics = read_metrics(&bench.out()).unwrap();
    let found = metrics.iter().find(|m| (&*m.series, &*m.split, &*m.metric) == (series, split, "masked_mse"));
    found.unwrap().value.unwrap()
}

fn weights(bench: &Bench) -> Model<Kernels> {
    models::load(&bench.out()).unwrap()
}

#[test]
fn it_measures_the_network_beside_its_baselines() {
    for inputs in [&["sequences", "autoencoder"][..], &["sequences"][..]] {
        let bench = run(inputs);
        let metrics = read_metrics(&bench.out()).unwrap();
        let value = |series: &str, metric: &str| {
            metrics
                .iter()
                .find(|m| m.series == series && m.split == "test" && m.metric == metric)
                .unwrap()
                .value
                .unwrap()
        };
        assert!(value("sequence_autoencoder", "masked_mse") > 0.0);
        assert!(value("repeat last detection", "masked_mse") < value("repeat last detection", "masked_mse_earlier"));
        let sequences = Sequences::open(&bench.path("sequences")).unwrap();
        let codes = encode(&bench.out(), &sequences, View::ALL[0]).unwrap();
        assert_eq!(codes.len(), 30 * 6);
        assert!(codes.iter().all(|code| code.is_finite()));
    }
}

#[test]
fn equal_seeds_give_equal_bytes() {
    assert_eq!(run(&["sequences", "autoencoder"]).digest(), run(&["sequences", "autoencoder"]).digest());
}

#[test]
fn every_cell_trains_and_encodes() {
    let mut digests = Vec::new();
    for cell in ["gru", "lstm", "conv1d"] {
        let bench = run_with(&["sequences"], cell);
        let sequences = Sequences::open(&bench.path("sequences")).unwrap();
        let codes = encode(&bench.out(), &sequences, View::ALL[0]).unwrap();
        assert!(codes.len() == 30 * 6 && codes.iter().all(|code| code.is_finite()), "{cell}");
        digests.push(bench.digest());
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 3);
}

#[test]
fn all_schemes_have_one_target_and_so_one_yardstick() {
    let schemes = ["frozen", "joint", "staged"].map(|scheme| by(scheme, &[]));
    for baseline in ["repeat last detection", "training mean"] {
        for split in ["train", "validation", "test"] {
            let [frozen, joint, staged] = [0, 1, 2].map(|i| error_of(&schemes[i], baseline, split));
            assert!(frozen == joint && frozen == staged, "{baseline} {split}: {frozen}, {joint}, {staged}");
        }
    }
    let errors: Vec<f64> = schemes.iter().map(|bench| error_of(bench, "sequence_autoencoder", "train")).collect();
    assert!(errors[0] != errors[1] && errors[1] != errors[2] && errors[0] != errors[2], "{errors:?}");
}

/// However long the encoder trains, what it is compared with stays; an embedding of the network's own shrinks.
#[test]
fn an_encoder_that_trains_cannot_shrink_what_it_is_compared_with() {
    let long = [("epochs", Value::Int(30)), ("rate", Value::Float(0.01))];
    let [short, trained] = [by("joint", &[]), by("joint", &long)];
    let spread = |bench: &Bench| error_of(bench, "training mean", "train");
    assert_eq!(spread(&short).to_bits(), spread(&trained).to_bits());
    let error = |bench: &Bench| error_of(bench, "sequence_autoencoder", "train");
    assert!(
        error(&trained) < 0.9 * spread(&trained) && error(&trained) > 0.0,
        "{} of {}",
        error(&trained),
        spread(&trained)
    );
    let [short, trained] = [&[][..], &long].map(|set| run_set(&["sequences"], set).unwrap());
    assert!(spread(&short) != spread(&trained), "the embedding of the network's own is a target that moves");
}

/// Untrained, the network with an encoder says what the one says that is given codes.
#[test]
fn an_encoder_begins_with_the_codes_that_it_is_compared_with() {
    let frozen = [("frozen", list(&["autoencoder"])), ("epochs", Value::Int(3))];
    let inside = by("joint", &frozen);
    let mut given: Model<Kernels> = {
        let mut card = Model::<Kernels>::card(&inside.out()).unwrap();
        card.settings.as_object_mut().unwrap().remove("maps");
        models::build(card, 0).unwrap()
    };
    let whole = weights(&inside);
    given.weights.adopt(&whole.weights).unwrap();
    let sequences = Sequences::open(&inside.path("sequences")).unwrap();
    let codes = Codes::new(&inside.path("autoencoder"), &sequences, View::ALL[0], None).unwrap();
    let said = |model: &Model<Kernels>| {
        let rows = SequenceRows::new(&sequences, Some(&codes), &model.network.columns(), (0..30).collect());
        let mut said = Vec::new();
        model.compare(&rows, 8, |_, made, target| said.extend([made, target].concat())).unwrap();
        said
    };
    let (inside, given) = (said(&whole), said(&given));
    assert_eq!(inside.len(), given.len());
    assert!(inside.iter().zip(&given).all(|(a, b)| (a - b).abs() < 1e-4), "the encoder makes other codes");
}

#[test]
fn joint_training_moves_the_encoder_and_a_frozen_one_stays() {
    let mu = |bench: &Bench| weights(bench).weights.named("autoencoder.mu.weight").unwrap();
    let kept = [("frozen", list(&["autoencoder"]))];
    let start = mu(&by("joint", &kept));
    assert_eq!(mu(&by("staged", &kept)), start);
    assert_ne!(mu(&by("joint", &[])), start);
    let slow = [("group", list(&["autoencoder"])), ("group_rate", Value::Float(0.0))];
    assert_eq!(mu(&by("joint", &slow)), start, "a rate of its own");
}

#[test]
fn staged_training_tells_its_stages_and_keeps_the_best_of_both() {
    // a step of the second stage throws the encoder far off
    let wild = [("group", list(&["autoencoder"])), ("group_rate", Value::Float(900.0)), ("epochs", Value::Int(5))];
    for (set, frozen) in [(&wild[..], 3), (&wild[2..], 3)] {
        let bench = by("staged", &[set, &[("frozen_epochs", Value::Int(frozen))]].concat());
        let history = crate::artifacts::table::Table::read(bench.out().join("history.csv")).unwrap();
        assert_eq!(history.texts("stage"), ["frozen", "frozen", "frozen", "joint", "joint"]);
        assert_eq!(history.ints("epoch").unwrap(), [1, 2, 3, 4, 5]);
        let losses = history.numbers("validation_loss").unwrap();
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let found = error_of(&bench, "sequence_autoencoder", "validation");
        assert!((found - best).abs() < 1e-5 * best, "{found}, best of {losses:?}");
        if set.len() > 1 {
            assert!(losses[3..].iter().all(|loss| *loss > losses[2]), "not as wild as it should be: {losses:?}");
        }
    }
}

#[test]
fn schemes_give_the_same_bytes_with_any_threads() {
    for scheme in ["joint", "staged"] {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let changed = [("turns", Value::Bool(true)), ("flips", Value::Bool(true)), ("noise", Value::Float(0.3))];
            pool.install(|| by(scheme, &changed).bytes())
        };
        assert!(with(1) == with(2), "{scheme}");
    }
}

#[test]
fn the_codes_of_every_scheme_can_be_extracted_in_every_view() {
    for scheme in ["frozen", "joint", "staged"] {
        let bench = by(scheme, &[]);
        let sequences = Sequences::open(&bench.path("sequences")).unwrap();
        let codes = View::ALL.map(|view| encode(&bench.out(), &sequences, view).unwrap());
        assert!(codes.iter().flatten().all(|code| code.is_finite()));
        assert!((1..8).all(|i| codes[i] != codes[0]), "{scheme}: the view changes nothing");
    }
}

#[test]
fn stamps_that_change_in_each_epoch_change_training_alone() {
    // weights stay, so that the history tells of the data alone, all of them in one batch
    let still = [("rate", Value::Float(0.0)), ("batch", Value::Int(64))];
    let history = |set: &[(&'static str, Value)]| {
        let bench = run_set(&["sequences"], &[set, &still].concat()).unwrap();
        let table = crate::artifacts::table::Table::read(bench.out().join("history.csv")).unwrap();
        let column = |name: &str| table.numbers(name).unwrap().clone();
        (column("train_loss"), column("validation_loss"))
    };
    let (plain, changed) = (history(&[]), history(&[("turns", Value::Bool(true)), ("flux", Value::Float(0.3))]));
    assert_eq!(plain.1, changed.1, "validation rows changed");
    let apart = |losses: &[f64]| (losses[0] - losses[1]).abs() / losses[0];
    assert!(apart(&plain.0) < 1e-6, "only the order differs: {:?}", plain.0);
    assert!(apart(&changed.0) > 1e-4, "both epochs saw the same: {:?}", changed.0);
    assert!((plain.0[0] - changed.0[0]).abs() > 1e-4 * plain.0[0]);
}

#[test]
fn schemes_that_cannot_be_are_refused() {
    let message = |inputs: &[&str], set: &[(&'static str, Value)]| run_set(inputs, set).err().unwrap().to_string();
    assert!(message(&["sequences"], &[("scheme", text("joint"))]).contains("none is connected"));
    let codes = message(&BOTH, &[("flips", Value::Bool(true))]);
    assert!(codes.contains("the network reads none"), "{codes}");
    let faults = |set: &[(&'static str, Value)]| TrainSequenceAutoencoder.check(&set_of(set));
    let staged = ("scheme", text("staged"));
    assert_eq!(faults(&[staged.clone(), ("frozen_epochs", Value::Int(2))])[0].0, "frozen_epochs");
    assert_eq!(faults(&[staged.clone(), ("frozen_epochs", Value::Int(1))]), []);
    assert_eq!(faults(&[staged, ("frozen_epochs", Value::Int(2)), ("steps", Value::Int(4))]), []);
    assert_eq!(faults(&[("frozen_epochs", Value::Int(2))]), [], "of no account");
    let other = |name: &str, folder: &Path| match name {
        "autoencoder" => {
            let settings = (models::entry::<Kernels>("deep_hits").unwrap().defaults)();
            let model: Model<Kernels> = models::build(ModelCard { model: "deep_hits".into(), settings }, 4).unwrap();
            model.save(folder).unwrap();
        }
        name => write(name, folder),
    };
    let joint = set_of(&[("scheme", text("joint"))]);
    let refused = Bench::new(&BOTH, other).run_with(&TrainSequenceAutoencoder, &BOTH, 1, &joint);
    assert!(refused.err().unwrap().to_string().contains("`deep_hits`"));
}
