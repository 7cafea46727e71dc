//! `cache gc`: it names what it then removes, never removes what a kept file needs, and ends at the size that was asked.

use std::collections::BTreeSet;

use crate::world::{Said, World};

/// A pipeline of three stages with a kilobyte each, told apart by a word.
fn pipeline(word: &str) -> String {
    let stage = |name: &str, inputs: &str| {
        let run = format!("printf '%01000d' 0 > {{out}}/x.txt; echo {name} {word} >> {{out}}/x.txt");
        format!("[stages.{name}]\nkind = \"command\"\ninputs = {{ {inputs} }}\nrun = \"{run}\"\n")
    };
    stage("a", "") + &stage("b", "a = \"a\"") + &stage("c", "b = \"b\"")
}

/// Three pipelines that have run, of which the second is no longer what it was: three of nine entries have no user.
fn world() -> World {
    let world = World::new();
    for (name, word) in [("one", "1"), ("two", "old"), ("three", "3")] {
        let target = format!("pipelines/{name}.toml");
        world.write(&target, &pipeline(word)).run(&target, 3, 0);
    }
    world.write("pipelines/two.toml", &pipeline("1"));
    world
}

/// What lines with this word name; their age changes from one second to the next.
fn named(said: &Said, word: &str) -> BTreeSet<String> {
    let lines = said.out.lines().filter_map(|line| line.trim().strip_prefix(word));
    lines.map(|line| line.split(", not used").next().unwrap_or(line).trim().to_string()).collect()
}

fn entries(world: &World) -> usize {
    world.artifacts("x.txt").len()
}

#[test]
fn what_is_named_is_what_goes_and_what_has_a_user_stays() {
    let world = world();
    let before = world.say(&["cache", "gc", "--keep-last", "0", "--dry-run"]);
    let would = named(&before, "would remove");
    assert_eq!((would.len(), entries(&world)), (3, 9), "{before:?}");
    let after = world.say(&["cache", "gc", "--keep-last", "0"]);
    assert_eq!(named(&after, "removed"), would);
    assert_eq!(entries(&world), 6);
    for name in ["one", "two", "three"] {
        world.run(&format!("pipelines/{name}.toml"), 0, 3);
    }
    world.say(&["cache", "verify"]).expect(0, "6 entries, 0 damaged");
}

#[test]
fn it_stops_at_the_size_that_was_asked() {
    let world = world();
    world.say(&["cache", "gc", "--keep-last", "0", "--max-size", "1G"]).expect(0, "");
    assert_eq!(entries(&world), 9);
    // Nine of about two kilobytes, and lists: at most 8 are left, and none goes without need.
    world.say(&["cache", "gc", "--keep-last", "0", "--max-size", "20K"]).expect(0, "1 entries");
    assert_eq!(entries(&world), 8);
    // What has a user stays, however little is asked for.
    world.say(&["cache", "gc", "--keep-last", "0", "--max-size", "1"]).expect(1, "cannot be made smaller");
    assert_eq!(entries(&world), 6);
}

#[test]
fn young_entries_stay_where_age_is_asked() {
    let world = world();
    world.say(&["cache", "gc", "--keep-last", "0", "--older-than", "1h"]).expect(0, "");
    assert_eq!(entries(&world), 9);
}

#[test]
fn a_file_with_faults_costs_no_entry() {
    let world = world();
    // What it needs is not known while it cannot be read.
    world.write("pipelines/three.toml", &format!("{}kindd = 1\n", pipeline("3")));
    world.say(&["cache", "gc", "--keep-last", "0"]);
    world.write("pipelines/three.toml", &pipeline("3")).run("pipelines/three.toml", 0, 3);
}
