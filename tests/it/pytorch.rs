//! Trained networks in PyTorch: from exported weights the same outputs, loss, gradient and steps, as
//! `tests/pytorch/check.py` finds them. Where there is no PyTorch they print `SKIPPED`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::world::World;

const TARGET: &str = "pipelines/p.toml";

const DATA: &str = "[pipeline]\nseed = 10\n\
    [stages.alerts]\nkind = \"simulate\"\nobjects = 30\nasteroid = 0.0\nbogus = 0.0\nmin_detections = 1\nmax_detections = 4\n\
    [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\ndetections = \"all\"\ncrop = 9\n\
    channels = [\"science\", \"template\"]\n\
    [stages.sequences]\nkind = \"sequences\"\ninputs = { stamps = \"stamps\" }\nlength = 3\nat_least = 1\n";

/// What moves the weights.
struct Steps {
    name: &'static str,
    optimiser: &'static str,
    /// For a network whose loss is a mean.
    rate: f64,
    steps: usize,
    momentum: f64,
}

/// A gradient, ten steps with momentum and ten of Adam; over the whole split, so that the order of rows is of no account.
/// The rate of the gradient is as high as may be, as weights in single precision hide what is smaller than their last digit.
const STEPS: [Steps; 3] = [
    Steps { name: "gradient", optimiser: "sgd", rate: 1.0, steps: 1, momentum: 0.0 },
    Steps { name: "momentum", optimiser: "sgd", rate: 0.01, steps: 10, momentum: 0.9 },
    Steps { name: "adam", optimiser: "adam", rate: 1e-5, steps: 10, momentum: 0.0 },
];

/// A network: its name here, the kind that trains it, its inputs, its keys.
struct Case {
    name: &'static str,
    kind: &'static str,
    inputs: &'static str,
    keys: &'static str,
}

const STAMPS: &str = "stamps = \"stamps\"";
const SEQUENCES: &str = "sequences = \"sequences\"";
const CODES: &str = "sequences = \"sequences\", autoencoder = \"conv_autoencoder\"";

const fn case(name: &'static str, kind: &'static str, inputs: &'static str, keys: &'static str) -> Case {
    Case { name, kind, inputs, keys }
}

const CASES: [Case; 16] = [
    case("conv_autoencoder", "train_autoencoder", STAMPS, "latent = 3\nmaps = 4\n"),
    case("vae", "train_autoencoder", STAMPS, "model = \"vae\"\nlatent = 3\nmaps = 4\n"),
    case("headless", "train_autoencoder", STAMPS, "model = \"vae\"\nlatent = 3\nmaps = 4\nvariance_head = false\n"),
    case("vade", "train_autoencoder", STAMPS, "model = \"vade\"\nlatent = 3\nmaps = 4\nclusters = 2\npretrain = 1\n"),
    case("stamp_classifier", "train_classifier", STAMPS, ""),
    case("enhanced", "train_classifier", STAMPS, "metadata = false\nkernel = 3\nrotations = 6\ncut = 5\n"),
    case("deep_hits", "train_classifier", STAMPS, "model = \"deep_hits\"\n"),
    case(
        "temporal_lstm",
        "train_classifier",
        SEQUENCES,
        "model = \"temporal_stamp_classifier\"\nwidth = 8\nlayers = 2\nrotations = 3\n",
    ),
    case("temporal_gru", "train_classifier", SEQUENCES, TEMPORAL_GRU),
    case("temporal_conv1d", "train_classifier", SEQUENCES, TEMPORAL_CONV1D),
    case("rcnn", "train_classifier", SEQUENCES, RCNN),
    case("sequence_gru", "train_sequence_autoencoder", SEQUENCES, "hidden = 6\n"),
    case("sequence_lstm", "train_sequence_autoencoder", SEQUENCES, "hidden = 6\ncell = \"lstm\"\n"),
    case("sequence_conv1d", "train_sequence_autoencoder", SEQUENCES, "hidden = 6\ncell = \"conv1d\"\ntaps = 2\n"),
    case("sequence_codes", "train_sequence_autoencoder", CODES, "hidden = 6\n"),
    case("sequence_joint", "train_sequence_autoencoder", CODES, "hidden = 6\nscheme = \"joint\"\n"),
];

const TEMPORAL_GRU: &str =
    "model = \"temporal_stamp_classifier\"\nwidth = 8\nrecurrent = \"gru\"\nrotations = 1\nsees = \"images\"\n";
const TEMPORAL_CONV1D: &str =
    "model = \"temporal_stamp_classifier\"\nwidth = 8\nrecurrent = \"conv1d\"\nsees = \"metadata\"\n";
const RCNN: &str = "model = \"rcnn\"\nwindow = 2\nmaps = 4\ndense = 8\nhidden = 4\nrenorm_steps = 8\n";

impl Case {
    fn is_classifier(&self) -> bool {
        self.kind == "train_classifier"
    }

    /// Whether training draws codes, which no other program draws alike.
    fn draws(&self) -> bool {
        ["vae", "headless", "vade"].contains(&self.name)
    }

    /// Rate of `moved`, less where the loss is a sum over pixels, not a mean.
    fn rate(&self, moved: &Steps) -> f64 {
        let sums_over_pixels = self.kind == "train_autoencoder" || self.name == "sequence_joint";
        if sums_over_pixels && moved.optimiser == "sgd" { moved.rate / 100.0 } else { moved.rate }
    }

    /// The steps that the weights of this network take.
    fn moved(&self) -> impl Iterator<Item = &'static Steps> {
        STEPS.iter().filter(|_| !self.draws())
    }

    fn stages(&self) -> String {
        let Self { name, kind, inputs, keys } = self;
        let stage = |name: &str, inputs: &str, more: &str| {
            format!("[stages.{name}]\nkind = {kind:?}\ninputs = {{ {inputs} }}\n{keys}{more}")
        };
        let jitter = if keys.contains("temporal") { "jitter = 0.0\n" } else { "" };
        let mut text = stage(name, inputs, &format!("epochs = 1\nbatch = 16\n{jitter}"));
        if !self.is_classifier() {
            let columns = if *kind == "train_autoencoder" { "\"latent\", \"error\"" } else { "\"latent\"" };
            let data = inputs.split(',').next().unwrap();
            let inputs = format!("model = \"{name}\", {data}");
            text += &format!("[stages.{name}_features]\nkind = \"extract_features\"\ninputs = {{ {inputs} }}\n");
            text += &format!("columns = [{columns}]\n");
        }
        for moved in self.moved() {
            let dropout = if self.is_classifier() { "dropout = 0.0\n" } else { "" };
            let Steps { name: what, optimiser, steps, momentum, .. } = moved;
            let rate = self.rate(moved);
            let momentum = if *momentum > 0.0 { format!("momentum = {momentum}\n") } else { String::new() };
            let schedule =
                format!("optimiser = {optimiser:?}\nrate = {rate}\nsteps = {steps}\nvalidate_every = {steps}\n");
            let more = format!("batch = 1000\ndecay = \"constant\"\n{schedule}{momentum}{dropout}{jitter}");
            text += &stage(&format!("{name}_{what}"), &format!("{inputs}, init = \"{name}\""), &more);
        }
        text
    }
}

/// An interpreter with PyTorch: the one that `ESTAMPA_PYTHON` names, or `python3`.
fn python() -> Option<String> {
    let python = std::env::var("ESTAMPA_PYTHON").unwrap_or_else(|_| "python3".into());
    let tried = Command::new(&python).args(["-c", "import numpy, safetensors.torch"]).output();
    tried.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn trained_networks_are_the_same_in_pytorch() {
    let Some(python) = python() else {
        return eprintln!("SKIPPED: no Python with torch, numpy and safetensors; name one in ESTAMPA_PYTHON");
    };
    let world = World::new();
    let text = CASES.iter().map(Case::stages).collect::<String>();
    world.write(TARGET, &format!("{DATA}{text}")).say(&["run", TARGET]).expect(0, "failed 0, skipped 0");
    let planned: Vec<BTreeMap<String, serde_json::Value>> =
        serde_json::from_str(&world.say(&["plan", TARGET, "--format", "json"]).out).unwrap();
    let path = |stage: &str| {
        let row = planned.iter().find(|row| row["stage"] == stage).unwrap();
        let entry = format!("cache/entries/{}/{}/out", row["kind"].as_str().unwrap(), row["key"].as_str().unwrap());
        world.path(&entry).display().to_string()
    };
    let mut checks: Vec<Vec<String>> = Vec::new();
    for case in &CASES {
        let data = path(if case.inputs == STAMPS { "stamps" } else { "sequences" });
        checks.push(vec![path(case.name), data.clone()]);
        if !case.is_classifier() {
            let features = ["--features".into(), path(&format!("{}_features", case.name))];
            checks.last_mut().unwrap().extend(features);
        }
        for moved in case.moved() {
            let told = ["--before", &path(case.name), "--optimiser", moved.optimiser].map(String::from);
            let (rate, steps, momentum) = (case.rate(moved), moved.steps, moved.momentum);
            let numbers = format!("--rate {rate} --steps {steps} --momentum {momentum}");
            let model = path(&format!("{}_{}", case.name, moved.name));
            let numbers = numbers.split(' ').map(String::from).collect();
            checks.push([vec![model, data.clone()], told.into(), numbers].concat());
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch/check.py");
    let mut command = Command::new(&python);
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(&script).args(checks.join(&"+".to_string()));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("== ").count(), checks.len(), "{said}");
}
