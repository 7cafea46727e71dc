//! Experiments as a whole: frozen once they run, resumed after any kill, the same bytes however they are run.

use std::collections::BTreeMap;

use crate::watch::{files, kill, output, ran, start, traces, wait_for, write_sweep};
use crate::world::{Said, World, chain};

const TARGET: &str = "pipelines/p.toml";
/// A stage that waits for the test.
const HOLD: &str = "echo > ../begun; while [ ! -e ../go ]; do sleep 0.01; done; ";

/// Starts a run, and edits once a stage holds it; then lets it end.
fn edit_while_running(world: &World, edit: impl FnOnce()) -> Said {
    let child = start(world, &["run", TARGET]);
    wait_for("the stage that holds", || world.path("begun").exists());
    edit();
    world.write("go", "");
    Said::of(child.wait_with_output().unwrap())
}

#[test]
fn an_edit_of_the_files_during_a_run_changes_none_of_its_jobs() {
    let world = World::new();
    let text = chain(4).replace("echo 1 >>", &format!("{HOLD}echo 1 >>"));
    world.write(TARGET, &text);
    let edit = || {
        world.edit(TARGET, "echo 2 >>", "echo two >>").edit(TARGET, "echo 3 >>", "exit 1; echo 3 >>");
    };
    edit_while_running(&world, edit).expect(0, "ran 4, cached 0, failed 0, skipped 0");
    world.write(TARGET, &text).run(TARGET, 0, 4);
    assert_eq!(output(&world, TARGET, "s3"), "0\n1\n2\n3\n");
    world.edit(TARGET, "echo 2 >>", "echo two >>").run(TARGET, 2, 2);
    assert_eq!(output(&world, TARGET, "s3"), "0\n1\ntwo\n3\n");
}

#[test]
fn a_source_that_changes_while_its_stage_reads_it_is_named_and_not_cached() {
    let world = World::new();
    let stage = format!(
        "[stages.a]\nkind = \"command\"\nfiles = [\"../data.txt\"]\nrun = \"cat ../data.txt > {{out}}/x.txt; {HOLD}\"\n"
    );
    world.write(TARGET, &stage).write("data.txt", "old");
    let said = edit_while_running(&world, || {
        world.write("data.txt", "new");
    });
    said.expect(1, "data.txt changed while").expect(1, "failed 1");
    world.run(TARGET, 1, 0);
    assert_eq!(output(&world, TARGET, "a"), "new");
    world.write("data.txt", "old").run(TARGET, 1, 0);
    assert_eq!(output(&world, TARGET, "a"), "old");
}

#[test]
fn a_source_that_changes_before_its_stage_begins_is_named() {
    let world = World::new();
    let first = format!("[stages.a]\nkind = \"command\"\nrun = \"{HOLD}echo > {{out}}/x.txt\"\n");
    let second = "[stages.b]\nkind = \"command\"\ninputs = { a = \"a\" }\nfiles = [\"../data.txt\"]\nrun = \"cp ../data.txt {out}/x.txt\"\n";
    world.write(TARGET, &(first + second)).write("data.txt", "old");
    let said = edit_while_running(&world, || {
        world.write("data.txt", "new");
    });
    let named = said.err.lines().any(|line| line.contains("data.txt") && line.contains("changed"));
    assert!(named, "{said:?}");
    // Whatever became of that run, the next one is right.
    world.say(&["run", TARGET]).expect(0, "failed 0, skipped 0");
    assert_eq!(output(&world, TARGET, "b"), "new");
}

/// Tables and figures of the experiment.
fn tables(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(&world.path("results/e"));
    all.retain(|name, _| name.starts_with("tables/") || name.starts_with("figures/"));
    assert!(all.len() >= 6, "{:?}", all.keys());
    all
}

fn sweep() -> World {
    let world = World::new();
    write_sweep(&world);
    world
}

#[test]
fn a_sweep_that_is_killed_anywhere_ends_with_the_same_tables() {
    let undisturbed = sweep();
    undisturbed.run("experiments/e", 8, 0);
    let world = sweep();
    world.edit(TARGET, "echo model", "sleep 0.02; echo model").edit(TARGET, "echo score", "sleep 0.02; echo score");
    for kills in 1..=6 {
        let mut child = start(&world, &["run", "experiments/e"]);
        wait_for("a stage", || traces(&world).len() >= kills || child.try_wait().unwrap().is_some());
        kill(child);
    }
    world.say(&["run", "experiments/e"]).expect(0, "failed 0, skipped 0");
    assert!(tables(&world) == tables(&undisturbed));
    ran(&world);
    world.run("experiments/e", 0, 8);
    assert!(ran(&world).is_empty());
}

#[test]
fn jobs_and_repetition_change_no_byte_of_the_results() {
    let one = sweep();
    one.say(&["run", "experiments/e", "--jobs", "1"]).expect(0, "ran 8");
    let right = tables(&one);
    one.run("experiments/e", 0, 8);
    assert!(tables(&one) == right, "a second run");
    std::fs::remove_dir_all(one.path("results")).unwrap();
    one.run("experiments/e", 0, 8);
    assert!(tables(&one) == right, "results written again");
    let eight = sweep();
    eight.say(&["run", "experiments/e", "--jobs", "8"]).expect(0, "ran 8");
    assert!(tables(&eight) == right, "eight at a time");
}
