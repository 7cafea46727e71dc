//! Training that starts from other weights, through the binary: what is frozen stays, what is fresh is new, what does not
//! fit is named.

use safetensors::SafeTensors;

use crate::world::World;

const PIPELINE: &str = r#"
[stages.alerts]
kind = "simulate"
objects = 60
clean = false

[stages.stamps]
kind = "preprocess"
inputs = { alerts = "alerts" }
crop = 9

[stages.first]
kind = "train_classifier"
inputs = { stamps = "stamps" }
kernel = 3
epochs = 1

[stages.second]
kind = "train_classifier"
inputs = { stamps = "stamps", init = "first" }
kernel = 3
frozen = ["trunk"]
fresh = ["logits"]
epochs = 2

[stages.wrong]
kind = "train_classifier"
inputs = { stamps = "stamps", init = "first" }
kernel = 5
epochs = 1

[stages.mistyped]
kind = "train_classifier"
inputs = { stamps = "stamps", init = "first" }
kernel = 3
frozen = ["trunkk"]
epochs = 1
"#;

/// The bytes of an array in a file of weights.
fn array(weights: &[u8], name: &str) -> Vec<u8> {
    SafeTensors::deserialize(weights).unwrap().tensor(name).unwrap().data().to_vec()
}

#[test]
fn frozen_parts_stay_and_fresh_parts_are_new() {
    let world = World::new();
    world.write("p.toml", PIPELINE);
    world.say(&["run", "p.toml", "--until", "second"]).expect(0, "ran 4,");
    let weights = world.artifacts("weights.safetensors");
    assert_eq!(weights.len(), 2);
    let [one, two] = [0, 1].map(|at| std::fs::read(&weights[at]).unwrap());
    for name in ["trunk.conv1.weight", "trunk.conv5.bias"] {
        assert_eq!(array(&one, name), array(&two, name), "{name}");
    }
    for name in ["dense1.weight", "logits.weight", "norm.running_mean"] {
        assert_ne!(array(&one, name), array(&two, name), "{name}");
    }
    world.say(&["run", "p.toml", "--until", "second"]).expect(0, "ran 0,");
}

#[test]
fn weights_that_do_not_fit_and_parts_that_are_not_there_are_named() {
    let world = World::new();
    world.write("p.toml", PIPELINE);
    let said = world.say(&["run", "p.toml", "--keep-going"]);
    said.expect(1, "failed 2, skipped 0");
    said.expect(1, "trunk.conv2.weight: the file has f32 [32, 32, 3, 3], the network wants [32, 32, 5, 5]");
    said.expect(1, "fresh = [\"trunk.conv2\", \"trunk.conv3\", \"trunk.conv4\", \"trunk.conv5\"]");
    said.expect(1, "the network has no part `trunkk`").expect(1, "did you mean `trunk`?");
}
