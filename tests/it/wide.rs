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

/// Stages s0 to s4, of which `set` and the like may change the last two.
fn five_stages(world: &World, arms: &str) {
    Graph::Arms(1).write(&world.path("")).unwrap();
    let head = "[experiment]\nname = \"graph\"\npipeline = \"../../pipelines/graph.toml\"\n";
    world.write("experiments/graph/experiment.toml", &format!("{head}{arms}"));
}

/// Names of the arms, in their order.
fn arms(world: &World) -> Vec<String> {
    let said = world.say(&["plan", "experiments/graph", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let mut names: Vec<String> =
        list.as_array().unwrap().iter().map(|step| step["arm"].as_str().unwrap().to_string()).collect();
    names.dedup();
    names
}

const VALUE: &str = "\"s3.environment.VALUE\"";

#[test]
fn what_is_zipped_varies_together_and_is_crossed_with_axes() {
    let world = World::new();
    let zip = format!("[zip]\n{VALUE} = [\"1\", \"2\", \"3\"]\n\"s4.environment.MORE\" = [\"a\", \"b\", \"c\"]\n");
    five_stages(&world, &zip);
    assert_eq!(arms(&world), ["VALUE=1,MORE=a", "VALUE=2,MORE=b", "VALUE=3,MORE=c"]);
    world.run("experiments/graph", 3 + 2 * 3, 0);
    let both = format!("[axes]\n\"s4.environment.OTHER\" = [\"x\", \"y\"]\n{zip}");
    five_stages(&world, &both);
    assert_eq!(arms(&world).len(), 6);
    assert_eq!(arms(&world)[1], "OTHER=x,VALUE=2,MORE=b");
    world.run("experiments/graph", 6, 3 + 3);
    let two = "[[zip]]\n\"s4.environment.A\" = [\"1\", \"2\"]\n[[zip]]\n\"s4.environment.B\" = [\"1\", \"2\"]\n";
    five_stages(&world, &format!("[set]\n{VALUE} = \"1\"\n{two}"));
    assert_eq!(arms(&world), ["A=1,B=1", "A=1,B=2", "A=2,B=1", "A=2,B=2"]);
}

#[test]
fn each_setting_of_a_full_set_is_left_out_in_turn() {
    let world = World::new();
    let group =
        |name: &str| format!("{name} = {{ \"s3.environment.{name}\" = \"1\", \"s4.environment.{name}\" = \"1\" }}\n");
    let (one, two) = (group("one"), group("two"));
    five_stages(&world, &format!("[set]\n{VALUE} = \"0\"\n[leave_one_out]\n{VALUE} = \"1\"\n{one}{two}"));
    assert_eq!(arms(&world), ["all", "without VALUE", "without one", "without two"]);
    world.run("experiments/graph", 3 + 2 * 4, 0);
    let plan = world.say(&["plan", "experiments/graph", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let key = |arm: &str| {
        let steps = list.as_array().unwrap();
        let step = steps.iter().find(|step| step["arm"] == arm && step["stage"] == "s3").unwrap();
        step["key"].as_str().unwrap().to_string()
    };
    let set = format!("{VALUE} = \"1\", \"s3.environment.one\" = \"1\", \"s4.environment.one\" = \"1\"");
    let by_hand = World::new();
    five_stages(&by_hand, &format!("[[arms]]\nname = \"by hand\"\nset = {{ {set} }}\n"));
    by_hand.run("experiments/graph", 5, 0);
    let said = by_hand.say(&["plan", "experiments/graph", "--format", "json"]);
    assert!(said.out.contains(&key("without two")), "a group is left out as a whole");
    assert!(!said.out.contains(&key("without one")) && !said.out.contains(&key("all")));
}

#[test]
fn faults_of_arms_are_named_with_their_place() {
    let world = World::new();
    let cases = [
        (
            "[zip]\n\"s3.environment.A\" = [\"1\", \"2\"]\n\"s4.environment.B\" = [\"1\"]\n",
            "experiment.toml:6:1",
            "2 values and",
        ),
        ("[zip]\n\"s3.environment.A\" = \"1\"\n", "experiment.toml:5:22", "must be a list of values"),
        ("[zip]\n\"s3.environment.A\" = []\n", "experiment.toml:5:22", "has no values"),
        ("[axes]\n\"s3.cpu\" = [1, 2]\n[zip]\n\"s3.cpu\" = [1, 2]\n", "experiment.toml:7:1", "`s3.cpu` varies twice"),
        ("[zip]\n\"s9.cpu\" = [1, 2]\n", "experiment.toml:5:1", "the pipeline has no stage `s9`"),
        ("[leave_one_out]\ns3 = { cpu = 1 }\n", "experiment.toml:5:8", "write \"stage.key\""),
        ("[leave_one_out]\n\"s3.cpus\" = 1\n", "experiment.toml:5:1", "did you mean `cpu`?"),
        ("[leave_one_uot]\n", "experiment.toml:4:2", "did you mean `leave_one_out`?"),
        (
            "[[arms]]\nname = \"all\"\n[leave_one_out]\n\"s3.cpu\" = 1\n",
            "experiment.toml:5:8",
            "two arms are called `all`",
        ),
    ];
    for (text, place, what) in cases {
        five_stages(&world, text);
        world.say(&["check", "experiments/graph"]).expect(2, place).expect(2, what);
    }
}
