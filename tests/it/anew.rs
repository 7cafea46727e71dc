//! Training stamps that are changed anew in each epoch, in pipelines.

use crate::world::World;

const TARGET: &str = "pipelines/p.toml";

/// Stamps cut from larger ones, and the sequences of both.
const DATA: &str = "[pipeline]\nseed = 7\n\
    [stages.alerts]\nkind = \"simulate\"\nobjects = 60\nasteroid = 0.0\nmin_detections = 2\nmax_detections = 3\nclean = false\n\
    [stages.wide]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\ndetections = \"all\"\ncrop = 13\n\
    [stages.stamps]\nkind = \"augment\"\ninputs = { stamps = \"wide\" }\ncopies = 0\ncrop = 9\n\
    [stages.wide_sequences]\nkind = \"sequences\"\ninputs = { stamps = \"wide\" }\nat_least = 2\nmin_gap = 0.0\n\
    [stages.sequences]\nkind = \"sequences\"\ninputs = { stamps = \"stamps\" }\nat_least = 2\nmin_gap = 0.0\n";

const CHANGED: &str = "turns = true\nflips = true\nshift = 2\nrotation = 10.0\nnoise = 0.2\nflux = 0.1\n";

fn autoencoder(inputs: &str, more: &str) -> String {
    let sizes = "latent = 2\nmaps = 4\nepochs = 2\nbatch = 16\n";
    format!("[stages.autoencoder]\nkind = \"train_autoencoder\"\ninputs = {{ {inputs} }}\n{sizes}{more}")
}

#[test]
fn every_network_trains_on_stamps_that_change_and_are_cut_from_larger_ones() {
    let world = World::new();
    let stage = |name: &str, kind: &str, inputs: &str, more: &str| {
        format!("[stages.{name}]\nkind = {kind:?}\ninputs = {{ {inputs} }}\nepochs = 1\nbatch = 16\n{more}{CHANGED}")
    };
    let (stamps, sequences) =
        ("stamps = \"stamps\", wide = \"wide\"", "sequences = \"sequences\", wide = \"wide_sequences\"");
    let with_codes = format!("{sequences}, autoencoder = \"autoencoder\"");
    let small = "maps = 4\ndense = 8\nhidden = 4\n";
    let stages = [
        autoencoder(stamps, CHANGED),
        stage("vae", "train_autoencoder", stamps, "model = \"vae\"\nlatent = 2\nmaps = 4\n"),
        stage(
            "vade",
            "train_autoencoder",
            stamps,
            "model = \"vade\"\nlatent = 2\nmaps = 4\nclusters = 2\npretrain = 1\n",
        ),
        stage("embedding", "train_sequence_autoencoder", sequences, "hidden = 4\n"),
        stage("joint", "train_sequence_autoencoder", &with_codes, "scheme = \"joint\"\nhidden = 4\n"),
        stage("stamp_classifier", "train_classifier", stamps, ""),
        stage("deep_hits", "train_classifier", stamps, "model = \"deep_hits\"\nbalance = \"oversample\"\n"),
        stage("temporal", "train_classifier", sequences, "model = \"temporal_stamp_classifier\"\nlength = 2\n"),
        stage("rcnn", "train_classifier", sequences, &format!("model = \"rcnn\"\n{small}")),
    ];
    world.write(TARGET, &format!("{DATA}{}", stages.concat())).run(TARGET, 14, 0);
    world.run(TARGET, 0, 14);
}

#[test]
fn results_from_before_there_were_changes_stay_valid() {
    let world = World::new();
    world.write(TARGET, &format!("{DATA}{}", autoencoder("stamps = \"stamps\"", ""))).run(TARGET, 6, 0);
    let off = "turns = false\nflips = false\nshift = 0\nrotation = 0.0\nnoise = 0.0\nflux = 0.0\n";
    world.write(TARGET, &format!("{DATA}{}", autoencoder("stamps = \"stamps\"", off))).run(TARGET, 0, 6);
    world.edit(TARGET, "flips = false", "flips = true").run(TARGET, 1, 5);
}

#[test]
fn larger_stamps_of_another_scaling_and_shifts_out_of_the_stamp_are_refused() {
    let world = World::new();
    let another =
        "[stages.another]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\ndetections = \"all\"\ncrop = 15\n";
    let wrong = autoencoder("stamps = \"stamps\", wide = \"another\"", CHANGED);
    world.write(TARGET, &format!("{DATA}{another}{wrong}"));
    world.say(&["run", TARGET]).expect(1, "the middle of training row 0 of `wide` is not the stamp that is learned");
    world.write(TARGET, &format!("{DATA}{}", autoencoder("stamps = \"stamps\"", "shift = 5\n")));
    world.say(&["run", TARGET]).expect(1, "shift = 5 moves the source out of stamps of 9 x 9 pixels");
    let sequences = autoencoder("stamps = \"stamps\", wide = \"sequences\"", CHANGED);
    world.write(TARGET, &format!("{DATA}{sequences}"));
    world.say(&["run", TARGET]).expect(2, "wide");
}
