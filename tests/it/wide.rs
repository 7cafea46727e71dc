//! Deep and wide graphs: planned without recursion and in little memory. Nothing is run.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::time::{Sample, run};
use crate::world::World;
use crate::write::Graph;

/// Plans a graph with a stack of 512 KiB, in which nothing can recurse as deep as the graph is.
fn plan(graph: Graph) -> (World, Sample) {
    let world = World::new();
    graph.write(&world.path("")).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -s 512; exec \"$0\" plan \"$1\"", env!("CARGO_BIN_EXE_estampa"), graph.target()]);
    command.current_dir(world.path("")).env("NO_COLOR", "1");
    let sample = run(&mut command, &world.path("said"), Duration::from_mins(10)).unwrap();
    let said = std::fs::read_to_string(world.path("said")).unwrap();
    assert!(sample.status.success(), "{}: {}", sample.status, last(&said));
    (world, sample)
}

fn last(said: &str) -> &str {
    said.lines().last().unwrap_or_default()
}

#[track_caller]
fn plans(graph: Graph, mib: f64) {
    let (world, sample) = plan(graph);
    let expected = format!("run 1, wait {}, cached 0", graph.steps() - 1);
    assert_eq!(last(&world.read("said")), expected);
    assert!(sample.mib < mib, "{graph:?} took {} MiB", sample.mib);
    assert!(!Path::new(&world.path("cache")).exists());
}

#[test]
fn a_chain_of_a_thousand() {
    plans(Graph::named("chain", 1_000).unwrap(), 60.0);
}

#[test]
fn a_chain_of_ten_thousand() {
    plans(Graph::named("chain", 10_000).unwrap(), 200.0);
}

#[test]
fn a_fan_of_five_thousand() {
    plans(Graph::named("fan", 5_000).unwrap(), 200.0);
}

#[test]
fn a_thousand_arms_share_a_prefix_of_three() {
    plans(Graph::named("arms", 1_000).unwrap(), 200.0);
}
