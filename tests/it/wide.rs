//! Deep and wide graphs: planned without recursion and in little memory; arms that share a prefix.

use std::process::{Command, Stdio};

use crate::world::{Said, World};
use crate::write::Graph;

/// Plans a graph within a stack of 512 KiB, in which nothing can recurse as deep as the graph is, and within so much
/// memory of its own, which the system sees to.
#[track_caller]
fn plans(graph: Graph, mib: usize) {
    let world = World::new();
    graph.write(&world.path("")).unwrap();
    let limited = format!("ulimit -s 512; ulimit -d {}; exec \"$0\" plan \"$1\"", mib << 10);
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_estampa"), graph.target()]);
    command.current_dir(world.path("")).env("NO_COLOR", "1").stdin(Stdio::null());
    let said = Said::of(command.output().unwrap());
    let last = said.out.lines().last().unwrap_or_default();
    let expected = format!("run 1, wait {}, cached 0", graph.steps() - 1);
    assert_eq!((said.code, last), (Some(0), expected.as_str()), "{}", said.err);
    assert!(!world.path("cache").exists());
}

#[test]
fn a_chain_of_a_thousand() {
    plans(Graph::named("chain", 1_000).unwrap(), 60);
}

#[test]
fn a_chain_of_ten_thousand() {
    plans(Graph::named("chain", 10_000).unwrap(), 200);
}

#[test]
fn a_fan_of_five_thousand() {
    plans(Graph::named("fan", 5_000).unwrap(), 200);
}

#[test]
fn a_thousand_arms_share_a_prefix_of_three() {
    plans(Graph::named("arms", 1_000).unwrap(), 200);
}

#[test]
fn the_limit_of_memory_is_one() {
    let world = World::new();
    Graph::Chain(5_000).write(&world.path("")).unwrap();
    let limited = "ulimit -d 4096; exec \"$0\" plan \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_estampa"), Graph::Chain(5_000).target()]);
    assert!(!command.current_dir(world.path("")).output().unwrap().status.success());
}

#[test]
fn arms_run_their_prefix_once() {
    let world = World::new();
    let graph = Graph::Arms(10);
    graph.write(&world.path("")).unwrap();
    assert_eq!(graph.steps(), 3 + 2 * 10);
    world.run(graph.target(), 23, 0);
    world.run(graph.target(), 0, 23);
}
