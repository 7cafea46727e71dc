use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::world::{Said, World, chain};

#[test]
fn a_killed_run_leaves_nothing_to_clear() {
    let world = World::new();
    let slow = chain(6).replace("echo 3 >>", "sleep 5; echo 3 >>");
    world.write("pipelines/p.toml", &slow);
    let mut child = world.spawn(&["run", "pipelines/p.toml"]);
    while world.artifacts("x.txt").len() < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    world.write("pipelines/p.toml", &chain(6));
    world.run("pipelines/p.toml", 3, 3);
    assert_eq!(world.artifacts("x.txt").len(), 6);
}

#[test]
fn two_processes_share_the_work() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(10).replace("echo s", "sleep 0.05; echo s"));
    let children: Vec<_> = (0..2).map(|_| world.spawn(&["run", "pipelines/p.toml"])).collect();
    for child in children {
        let said = Said::of(child.wait_with_output().unwrap());
        said.expect(0, "failed 0, skipped 0");
    }
    assert_eq!(world.read("ran.txt").lines().count(), 10);
}

#[test]
fn an_edited_entry_is_reported_and_computed_again() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(3));
    world.run("pipelines/p.toml", 3, 0);
    let victim =
        world.artifacts("x.txt").into_iter().find(|p| std::fs::read_to_string(p).unwrap() == "0\n1\n").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&victim, "0\n9\n").unwrap();
    let said = world.say(&["run", "pipelines/p.toml"]);
    said.expect(0, "ran 1, cached 2").expect(0, "were changed or removed");
    world.run("pipelines/p.toml", 0, 3);
    world.say(&["cache", "verify"]).expect(0, "3 entries, 0 damaged");
}

#[test]
fn verify_finds_a_flipped_bit_that_kept_size_and_time() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2));
    world.run("pipelines/p.toml", 2, 0);
    let victim = &world.artifacts("x.txt")[0];
    let time = std::fs::metadata(victim).unwrap().modified().unwrap();
    std::fs::set_permissions(victim, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = std::fs::read_to_string(victim).unwrap();
    std::fs::write(victim, text.replace('0', "8")).unwrap();
    std::fs::File::options().write(true).open(victim).unwrap().set_modified(time).unwrap();
    world.say(&["cache", "verify"]).expect(1, "2 entries, 1 damaged");
    world.run("pipelines/p.toml", 1, 1);
}

#[test]
fn an_unwritable_cache_is_a_clear_error() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(1)).write("not_a_folder", "");
    let said = world.say(&["run", "pipelines/p.toml", "--cache", "not_a_folder"]);
    said.expect(1, "cannot make the folder").expect(1, "--cache DIR");
}

#[test]
fn an_interrupted_training_says_that_it_goes_on() {
    let world = World::new();
    let text = "[stages.alerts]\nkind = \"simulate\"\nobjects = 60\n\
        [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\n\
        [stages.autoencoder]\nkind = \"train_autoencoder\"\ninputs = { stamps = \"stamps\" }\nepochs = 5000\nmaps = 4\n";
    world.write("pipelines/p.toml", text);
    let child = world.spawn(&["run", "pipelines/p.toml", "--events", "events.jsonl"]);
    crate::watch::wait_for("an epoch", || {
        std::fs::read_to_string(world.path("events.jsonl")).is_ok_and(|text| text.contains("epoch 3/5000"))
    });
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    let said = Said::of(child.wait_with_output().unwrap());
    said.expect(130, "autoencoder: stopped; what it has done so far is kept: run again to go on");
    assert!(!said.err.contains("autoencoder: not run"), "{}", said.err);
}

#[test]
fn an_interrupted_run_says_so() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2).replace("echo 1 >>", "sleep 20; echo 1 >>"));
    let child = world.spawn(&["run", "pipelines/p.toml"]);
    while !world.read_or_empty("ran.txt").contains("s0") {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    Said::of(child.wait_with_output().unwrap()).expect(130, "ran 1, cached 0, failed 0, skipped 1");
}

impl World {
    fn read_or_empty(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}
