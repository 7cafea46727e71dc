//! Training that is killed, terminated or cut off while it writes a checkpoint goes on when it is run again, and ends with
//! the bytes of an undisturbed run. Loops over all kinds that make a model, with each of their networks and inputs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use estampa::spec::keys::Shape;
use estampa::stage::{ArtifactType, Port, StageKind};
use estampa::stages::KINDS;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Said, World};

/// What the trained stages read.
const DATA: &str = "[pipeline]\nname = \"resume\"\nseed = 7\n\
    [stages.alerts]\nkind = \"simulate\"\nobjects = 60\nasteroid = 0.0\nmin_detections = 2\nmax_detections = 3\nclean = false\n\
    [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\ndetections = \"all\"\ncrop = 9\n\
    [stages.sequences]\nkind = \"sequences\"\ninputs = { stamps = \"stamps\" }\nat_least = 2\nmin_gap = 0.0\n\
    [stages.model]\nkind = \"train_autoencoder\"\ninputs = { stamps = \"stamps\" }\nlatent = 2\nmaps = 2\nepochs = 1\n";

/// Bytes that a run can say while nobody listens: the smallest pipe there is.
const PIPE: usize = 4096;

/// Values of keys, for those kinds that have them. Small batches, for many steps: see [`Case::stop_at`].
const SMALL: [(&str, usize); 9] = [
    ("epochs", 10),
    ("pretrain", 10),
    ("frozen_epochs", 5),
    ("batch", 2),
    ("maps", 4),
    ("latent", 3),
    ("hidden", 8),
    ("examples", 2),
    ("clusters", 3),
];

/// What befalls training stamps in each epoch.
const CHANGED: &str = "turns = true\nflips = true\nshift = 1\nnoise = 0.2\nflux = 0.1\n";

/// A stage to train: a kind, one of its networks, some of its inputs.
struct Case {
    world: World,
    name: String,
    /// Of all stages of its training together.
    epochs: usize,
}

/// Where a run is told to be.
#[derive(Clone, Debug)]
struct Line {
    done: usize,
    total: usize,
    note: String,
}

impl Line {
    fn is_resumed(&self) -> bool {
        self.note.contains("goes on from a checkpoint")
    }

    /// Steps of finished epochs, if there are `epochs` in all.
    fn finished(&self, epochs: usize) -> usize {
        let steps = self.total / epochs;
        (self.done - 1) / steps * steps
    }
}

/// Every kind that trains, with each network, with and without what it can do without, by each scheme; on stamps that change
/// from epoch to epoch, where it sees stamps.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.output() == ArtifactType::Model) {
        let variants = kind.variants().map_or_else(Vec::new, |variants| variants.list);
        let networks = variants.iter().map(|variant| Some(variant.name)).chain(variants.is_empty().then_some(None));
        for network in networks {
            // `init` says where training begins and `wide` what stamps are cut from, not how it goes on.
            let all: Vec<&Port> = kind.ports().iter().filter(|port| !["init", "wide"].contains(&port.name)).collect();
            let required: Vec<&Port> = all.iter().copied().filter(|port| port.required).collect();
            cases.push(Case::new(*kind, network, &required, CHANGED));
            let schemes = kind.keys().into_iter().find(|key| key.name == "scheme").map(|key| key.shape);
            if let Some(Shape::Choice(words)) = schemes {
                for word in words {
                    let changed = if word == "frozen" { "" } else { CHANGED };
                    cases.push(Case::new(*kind, network, &all, &format!("scheme = {word:?}\n{changed}")));
                }
            } else {
                assert_eq!(required.len(), all.len(), "{}: what is it with its other inputs?", kind.name());
            }
        }
    }
    cases
}

impl Case {
    fn new(kind: &dyn StageKind, network: Option<&str>, ports: &[&Port], more: &str) -> Self {
        let mut keys = kind.keys();
        let mut text = format!("{DATA}[stages.trained]\nkind = {:?}\n{more}", kind.name());
        if let (Some(variants), Some(network)) = (kind.variants(), network) {
            text += &format!("{} = {network:?}\n", variants.key);
            keys.extend(variants.list.into_iter().filter(|variant| variant.name == network).flat_map(|v| v.keys));
        }
        for (name, value) in SMALL.iter().filter(|(name, _)| keys.iter().any(|key| key.name == *name)) {
            text += &format!("{name} = {value}\n");
        }
        let source = |port: &&Port| match port.accepts {
            [ArtifactType::Stamps, ..] => format!("{} = \"stamps\"", port.name),
            [ArtifactType::Sequences, ..] => format!("{} = \"sequences\"", port.name),
            [ArtifactType::Model, ..] => format!("{} = \"model\"", port.name),
            other => panic!("add to DATA a stage that makes one of {other:?}"),
        };
        text += &format!("inputs = {{ {} }}\n", ports.iter().map(source).collect::<Vec<_>>().join(", "));
        let world = World::new();
        world.write("data.toml", &DATA.replace("resume", "data")).write("p.toml", &text);
        world.say(&["run", "data.toml"]).expect(0, "ran 4, cached 0, failed 0, skipped 0");
        let names: Vec<&str> = ports.iter().map(|port| port.name).collect();
        let name = format!("{} {} of {} {more:?}", kind.name(), network.unwrap_or(""), names.join(", "));
        let epochs = SMALL[..2].iter().filter(|(name, _)| keys.iter().any(|key| key.name == *name));
        Self { world, name, epochs: epochs.map(|(_, value)| value).sum() }
    }

    /// Another cache, as `from` is now.
    fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|name| self.world.path(name));
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    }

    fn start(&self, cache: &str, more: &[&str]) -> Training {
        let arguments = [&["run", "p.toml", "--format", "json", "--cache", cache], more].concat();
        Training::of(self.world.spawn(&arguments))
    }

    /// Runs until `stop` says so, and sends a signal. That must come so early that the pipe, which nobody reads meanwhile,
    /// is full before training ends: however late the signal is sent, training waits for it.
    fn stop_at(&self, cache: &str, signal: Signal, stop: impl Fn(&Line) -> bool) -> Stopped {
        let mut training = self.start(cache, &[]);
        let first = training.next().unwrap();
        let mut line = first.clone();
        while !stop(&line) {
            line = training.next().unwrap_or_else(|| panic!("{}: ended before {line:?}", self.name));
        }
        assert!((line.total - line.done) * 100 > PIPE, "{}: so near the end that it might end: {line:?}", self.name);
        kill_process(Pid::from_child(&training.child), signal).unwrap();
        let last = training.by_ref().last().unwrap_or(line);
        Stopped { first, last, code: training.child.wait().unwrap().code() }
    }

    /// Runs to the end; where it began.
    fn finish(&self, cache: &str) -> Line {
        let mut training = self.start(cache, &[]);
        let first = training.next().unwrap();
        let last = training.by_ref().last().unwrap();
        assert_eq!((last.done, training.child.wait().unwrap().code()), (last.total, Some(0)), "{}", self.name);
        first
    }

    /// The files that the trained stage made.
    fn made(&self, cache: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let metas = glob::glob(&self.world.path(cache).join("entries/*/*/meta.json").to_string_lossy()).unwrap();
        let is_trained = |meta: &PathBuf| {
            let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(meta).unwrap()).unwrap();
            meta["stage"] == "trained"
        };
        let found: Vec<PathBuf> = metas.flatten().filter(is_trained).collect();
        assert_eq!(found.len(), 1, "{}", self.name);
        let out = found[0].with_file_name("out");
        let files = walkdir::WalkDir::new(&out).into_iter().map(|file| file.unwrap().into_path());
        let read = |file: PathBuf| (file.strip_prefix(&out).unwrap().to_path_buf(), std::fs::read(file).unwrap());
        files.filter(|file| file.is_file()).map(read).collect()
    }

    /// The folder of the newest checkpoint: each stage of a training has one.
    fn checkpoints(&self, cache: &str) -> PathBuf {
        let pattern = self.world.path(cache).join("unfinished/*/checkpoint/**/latest");
        let found = glob::glob(&pattern.to_string_lossy()).unwrap().flatten();
        let newest = found.max_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
        newest.unwrap_or_else(|| panic!("{}: no checkpoint", self.name)).with_file_name("")
    }

    /// Runs where no file may be as large as a checkpoint, so that writing one is cut off in the middle.
    fn run_into_a_torn_checkpoint(&self, cache: &str) {
        let size = std::fs::metadata(self.checkpoints(cache).join("latest")).unwrap().len();
        let script = format!("ulimit -c 0; ulimit -f {}; exec \"$@\"", size * 3 / 4 / 512);
        let output = Command::new("sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_estampa"), "run", "p.toml", "--cache", cache])
            .current_dir(self.world.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        // Killed by the signal, or where that is ignored a failure of the stage that says why.
        let said = Said::of(output);
        assert!(said.code.is_none() || (said.code == Some(1) && said.err.contains("File too large")), "{said:?}");
        let torn = std::fs::metadata(self.checkpoints(cache).join("next.partial")).map_or(0, |meta| meta.len());
        assert!(torn > 0 && torn < size, "{}: {torn} of {size} bytes", self.name);
    }
}

/// How a run ended that did not come to its end.
#[derive(Debug)]
struct Stopped {
    first: Line,
    last: Line,
    code: Option<i32>,
}

/// A running `estampa`; gives what it says of the trained stage.
struct Training {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Training {
    fn of(mut child: Child) -> Self {
        let pipe = child.stdout.take().unwrap();
        fcntl_setpipe_size(&pipe, PIPE).unwrap();
        Self { child, lines: BufReader::with_capacity(64, pipe).lines() }
    }
}

impl Iterator for Training {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        for line in self.lines.by_ref() {
            // The last line of a killed process may be cut.
            let Ok(event) = serde_json::from_str::<serde_json::Value>(&line.unwrap()) else { continue };
            if event["event"] == "progress" && event["stage"] == "trained" {
                let number = |name: &str| event[name].as_u64().unwrap() as usize;
                let note = event["note"].as_str().unwrap().to_string();
                return Some(Line { done: number("done"), total: number("total"), note });
            }
        }
        None
    }
}

fn damage(path: &Path, how: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    how(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn training_that_is_killed_goes_on_and_ends_with_the_same_bytes() {
    for case in cases() {
        let (name, epochs) = (&case.name, case.epochs);
        case.copy("cache", "whole");
        case.copy("cache", "late");
        assert_eq!(case.finish("whole").done, 1, "{name}");
        let whole = case.made("whole");
        assert!(whole.contains_key(Path::new("weights.safetensors")), "{name}");

        // Killed in the first epoch: at most a later epoch can be taken up.
        let killed = case.stop_at("cache", Signal::KILL, |line| line.done == 3);
        assert_eq!((killed.first.done, killed.code), (1, None), "{name}");
        // Killed later: what follows goes on from the last finished epoch or later.
        let killed = case.stop_at("cache", Signal::KILL, |line| line.done > 4 * line.total / epochs + 2);
        // Terminated inside an epoch: ends cleanly, and what follows goes on at the very next step.
        let stopped = case.stop_at("cache", Signal::TERM, |line| !line.is_resumed());
        assert!(stopped.first.is_resumed(), "{name}: {stopped:?}");
        assert!(stopped.first.done >= killed.last.finished(epochs), "{name}: {killed:?} then {stopped:?}");
        assert_eq!(stopped.code, Some(130), "{name}");
        let again = case.stop_at("cache", Signal::KILL, |_| true);
        assert!(
            again.first.is_resumed() && again.first.done == stopped.last.done,
            "{name}: {stopped:?} then {again:?}"
        );

        // Killed late, in the second stage where there are two.
        let late = case.stop_at("late", Signal::KILL, |line| line.done > 6 * line.total / 10 + 2);
        let first = case.finish("late");
        assert!(first.is_resumed() && first.done >= late.last.finished(epochs), "{name}: {late:?} then {first:?}");
        assert!(case.made("late") == whole, "{name}: other bytes in late");

        case.run_into_a_torn_checkpoint("cache");
        case.copy("cache", "damaged");
        case.copy("cache", "lost");
        damage(&case.checkpoints("damaged").join("latest"), |bytes| bytes.truncate(bytes.len() - 100));
        damage(&case.checkpoints("lost").join("latest"), Vec::clear);
        damage(&case.checkpoints("lost").join("earlier"), |bytes| bytes[1000] ^= 1);
        let [first, earlier, scratch] = ["cache", "damaged", "lost"].map(|cache| case.finish(cache));
        assert!(first.is_resumed() && first.done >= stopped.last.done, "{name}: {first:?}");
        assert!(earlier.is_resumed() && earlier.done < first.done, "{name}: {earlier:?} before {first:?}");
        assert_eq!((scratch.is_resumed(), scratch.done), (false, 1), "{name}");
        for cache in ["cache", "damaged", "lost"] {
            assert!(case.made(cache) == whole, "{name}: other bytes in {cache}");
            let left = case.world.path(cache).join("unfinished").read_dir().unwrap().count();
            assert_eq!(left, 0, "{name}: checkpoints stay in {cache}");
        }
    }
}

#[test]
fn a_checkpoint_serves_only_the_values_and_inputs_that_it_was_made_with() {
    for case in cases() {
        let name = &case.name;
        let killed = case.stop_at("cache", Signal::KILL, |line| line.done > 2 * line.total / case.epochs + 2);
        assert_eq!(killed.first.done, 1, "{name}");
        for change in
            ["trained.rate=0.002", "trained.epochs=11", "alerts.objects=61", "stamps.crop=10", "trained.seed=8"]
        {
            let mut training = case.start("cache", &["--set", change]);
            let first = training.next().unwrap();
            training.child.kill().unwrap();
            training.child.wait().unwrap();
            assert_eq!((first.done, first.is_resumed()), (1, false), "{name}: {change}");
        }
        let back = case.stop_at("cache", Signal::KILL, |_| true);
        assert!(back.first.is_resumed() && back.first.done > 1, "{name}: {back:?}");
    }
}
