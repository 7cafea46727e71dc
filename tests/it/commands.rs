//! What a program of the user leaves behind: others that it started, and links.

use std::time::{Duration, Instant};

use crate::world::{Said, World};

fn stage(name: &str, inputs: &[&str], run: &str) -> String {
    let inputs: Vec<String> = inputs.iter().map(|input| format!("{input} = \"{input}\"")).collect();
    format!("[stages.{name}]\nkind = \"command\"\ninputs = {{ {} }}\nrun = '''{run}'''\n", inputs.join(", "))
}

fn world(stages: &[String]) -> World {
    let world = World::new();
    world.write("pipelines/p.toml", &stages.concat());
    world
}

fn run(world: &World) -> Said {
    world.say(&["run", "pipelines/p.toml"])
}

/// The only artifact file of this name.
fn artifact(world: &World, name: &str) -> String {
    let found = world.artifacts(name);
    assert_eq!(found.len(), 1, "{found:?}");
    std::fs::read_to_string(&found[0]).unwrap()
}

#[test]
fn a_program_that_goes_on_writing_into_the_artifact_fails_its_stage() {
    let late = "exec 3>{out}/x; echo 1 >&3; (sleep 60; echo 2 >&3) &";
    let world = world(&[stage("a", &[], late)]);
    run(&world).expect(1, "was writing x").expect(1, "(`wait`)");
    assert!(world.artifacts("x").is_empty());
    world.edit("pipelines/p.toml", "sleep 60", "sleep 0.3").edit("pipelines/p.toml", ") &", ") & wait");
    run(&world).expect(0, "ran 1");
    assert_eq!(artifact(&world, "x"), "1\n2\n");
}

#[test]
fn a_program_that_is_left_running_ends_with_its_stage() {
    let server = "sleep 60 & echo $! > {out}/id; echo 1 > {out}/x; cd {out}; (sleep 1; echo late > more.txt) &";
    let world = world(&[stage("a", &[], server), stage("b", &["a"], "sleep 1.5; cat {inputs.a}/* > {out}/y")]);
    let begun = Instant::now();
    run(&world).expect(0, "ran 2").expect(0, "ended what the command had left running: ").expect(0, "sleep");
    assert!(begun.elapsed() < Duration::from_secs(50));
    let id = artifact(&world, "id");
    // A zombie that nobody waits for has ended, too.
    let state = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
    assert_eq!(artifact(&world, "y"), format!("{id}1\n"));
    world.say(&["cache", "verify"]).expect(0, "2 entries, 0 damaged");
    world.run("pipelines/p.toml", 0, 2);
}

#[test]
fn what_is_left_of_a_failed_command_ends_too() {
    let world = world(&[stage("a", &[], "sleep 60 & echo $! > ../id; exit 3")]);
    run(&world).expect(1, "exit code 3");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", world.read("id").trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

/// It has left the group of the command, so that nobody can end it.
#[test]
fn what_is_added_to_an_input_while_it_is_read_is_noticed() {
    let daemon = "top=$PWD; cd {out}; echo 1 > x; [ -e $top/../wrote ] || setsid sh -c \
        \"until [ -e $top/../reading ]; do sleep 0.01; done; echo late > late; touch $top/../wrote\" > /dev/null 2>&1 &";
    let reader = "touch ../reading; until [ -e ../wrote ]; do sleep 0.01; done; cat {inputs.a}/* > {out}/y";
    let world = world(&[stage("a", &[], daemon), stage("b", &["a"], reader)]);
    run(&world).expect(1, "the result of `a` was changed or replaced while the stage was reading it");
    world.say(&["plan", "pipelines/p.toml"]).expect(0, "run 1, wait 1, cached 0");
    run(&world).expect(0, "ran 2");
    assert_eq!(artifact(&world, "y"), "1\n");
    world.say(&["cache", "verify"]).expect(0, "2 entries, 0 damaged");
}

#[test]
fn a_broken_link_is_none_though_an_input_has_a_file_of_its_name() {
    let broken = "mkdir {out}/d; ln -s result.txt {out}/d/best.txt";
    let world = world(&[stage("a", &[], "echo 1 > {out}/result.txt"), stage("b", &["a"], broken)]);
    run(&world).expect(1, "best.txt: cannot be kept: it links to result.txt, which is no file");
}

#[test]
fn gc_keeps_what_a_whole_path_leads_to() {
    let stages = [
        stage("a", &[], "echo hi > {out}/x # v1"),
        stage("b", &["a"], "mkdir {out}/d; ln -s {inputs.a}/x {out}/d/y; echo b > {out}/z"),
        stage("c", &["b"], "cat {inputs.b}/d/y > {out}/read"),
    ];
    let world = world(&stages);
    run(&world).expect(0, "ran 3");
    // The same bytes come out, so that the link stays as it is.
    world.edit("pipelines/p.toml", "# v1", "# v2");
    run(&world).expect(0, "ran 1, cached 2");
    world.say(&["cache", "gc"]).expect(0, "0 entries");
    world.say(&["plan", "pipelines/p.toml"]).expect(0, "run 0, wait 0, cached 3");
    // Elsewhere, too.
    let moved = World::new();
    for folder in ["cache", "pipelines"] {
        let _ = std::fs::remove_dir(moved.path(folder));
        std::fs::rename(world.path(folder), moved.path(folder)).unwrap();
    }
    moved.run("pipelines/p.toml", 0, 3);
    assert_eq!(artifact(&moved, "read"), "hi\n");
}

#[test]
fn a_file_of_the_user_that_is_linked_hard_stays_as_it_is() {
    let world = world(&[stage("a", &[], "ln ../mine.txt {out}/x")]);
    world.write("mine.txt", "1\n");
    run(&world).expect(0, "ran 1");
    assert!(!std::fs::metadata(world.path("mine.txt")).unwrap().permissions().readonly());
    world.write("mine.txt", "2\n");
    assert_eq!(artifact(&world, "x"), "1\n");
    world.run("pipelines/p.toml", 0, 1);
}
