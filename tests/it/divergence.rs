//! Training whose loss leaves the numbers is a clear failure, the same one when it is run again, and nothing of it is cached.
//! Needs the largest rate that the keys allow and pixels as they are; codes of a frozen autoencoder are standardised and do
//! not diverge even so, which `stages::training` shows beyond the limits of the keys.

use crate::world::World;

const DATA: &str = "[stages.alerts]\nkind = \"simulate\"\nobjects = 60\nasteroid = 0.0\nmin_detections = 2\n\
    max_detections = 3\nclean = false\n\
    [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\ndetections = \"all\"\ncrop = 9\n\
    normalise = \"none\"\n\
    [stages.sequences]\nkind = \"sequences\"\ninputs = { stamps = \"stamps\" }\nmin_gap = 0.0\n\
    [stages.trained]\nrate = 1.0\ndecay = \"constant\"\nepochs = 20\n";

#[test]
fn a_loss_that_is_no_number_is_a_failure_and_is_not_cached() {
    let trainings = [
        "kind = \"train_autoencoder\"\ninputs = { stamps = \"stamps\" }\nbatch = 100\n",
        "kind = \"train_sequence_autoencoder\"\ninputs = { sequences = \"sequences\" }\nbatch = 1\nhidden = 8\n",
    ];
    for training in trainings {
        let world = World::new();
        world.write("p.toml", &format!("{DATA}{training}"));
        let mut messages = Vec::new();
        for _ in 0..2 {
            let said = world.say(&["run", "p.toml", "--until", "trained"]);
            said.expect(1, "failed 1, skipped 0").expect(1, "help: lower `rate`, for example to 0.1");
            let message = said.err.lines().find(|line| line.starts_with("trained: failed: the loss is"));
            messages.push(message.unwrap_or_else(|| panic!("{said:?}")).to_string());
        }
        assert!(messages[0].contains("in epoch") && messages[0].contains("at learning rate 1:"), "{messages:?}");
        assert_eq!(messages[0], messages[1]);
        assert!(world.artifacts("weights.safetensors").is_empty() && world.artifacts("history.csv").is_empty());
    }
}
