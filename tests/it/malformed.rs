//! Broken files, one fault each: exit 2, file with line and column, what is wrong or the nearest valid name, nothing run.

use crate::world::World;

/// A pipeline without faults, to which one is added.
const GOOD: &str = "[stages.a]\nkind = \"command\"\nrun = \"echo > {out}/x; echo ran >> ../ran.txt\"\n";
/// An experiment on it without faults.
const HEAD: &str = "[experiment]\npipeline = \"../../pipelines/p.toml\"\n";
/// Alerts, and a stage that is to take them.
const ALERTS: &str = "[stages.alerts]\nkind = \"simulate\"\n";
const AUGMENT: &str = "[stages.alerts]\nkind = \"simulate\"\n[stages.more]\nkind = \"augment\"\n";

/// Line and column, and a text that must be said; `+` stands for what comes before the fault.
type Case = (&'static str, &'static str, &'static str);

/// Behind [`GOOD`], whose three lines come first.
const BEHIND_A_STAGE: [Case; 10] = [
    ("filess = []\n", "4:1", "did you mean `files`?"),
    ("run = \"again\"\n", "4:1", "duplicate key"),
    ("files = [\"nowhere.csv\"]\n", "4:9", "no such file, folder or match: pipelines/nowhere.csv"),
    ("files = [\"../[.csv\"]\n", "4:9", "is not a valid glob"),
    ("files = [1]\n", "4:10", "`files` must be a path of a file, a folder or a glob, not 1"),
    ("inputs = \"a\"\n", "4:10", "`inputs` must be a table"),
    ("environment = { A = 1 }\n", "4:21", "`environment` must be text, not 1"),
    ("seed = -1\n", "4:8", "`seed` must be a whole number"),
    (
        "[stages.b]\nkind = \"command\"\nrun = \"true\"\ninputs = { x = 3 }\n",
        "7:16",
        "input `x` must be the name of a stage",
    ),
    ("[stage.b]\nkind = \"command\"\n", "4:2", "did you mean `stages`?"),
];

/// Whole pipelines.
const PIPELINES: [Case; 17] = [
    ("[stages.a]\nkind = \"command\"\nrun = 3\n", "3:7", "`run` must be text, not 3"),
    ("[stages.a]\nkind = \"comand\"\n", "2:8", "did you mean `command`?"),
    ("[stages.a]\nknd = \"command\"\n", "1:9", "is `knd` meant to be `kind`?"),
    ("[stages.a]\nkind = \"command\"\n", "1:9", "stage `a` needs the key `run`"),
    ("[stages.a]\nkind = \"command\"\nrun = \" \"\n", "3:7", "the command is empty"),
    ("[stages.a\n", "1:10", "expected `]`"),
    ("[stages.a]\nkind = \"command\n", "2:16", "invalid basic string"),
    ("stages = 3\n", "1:10", "`stages` must be a table"),
    ("[stages]\na = 3\n", "2:5", "stage `a` must be a table"),
    ("[pipeline]\nname = \"p\"\n", "1:1", "has no `[stages.NAME]`"),
    ("[pipeline]\nsed = 1\n[stages.a]\nkind = \"simulate\"\n", "2:1", "did you mean `seed`?"),
    ("[pipeline]\nseed = \"1\"\n[stages.a]\nkind = \"simulate\"\n", "2:8", "`seed` must be a whole number"),
    ("[pipeline]\nname = 3\n[stages.a]\nkind = \"simulate\"\n", "2:8", "`name` must be text"),
    ("[stages.a]\nkind = \"simulate\"\nobjects = 0\n", "3:11", "`objects` must be a whole number from 1"),
    ("[stages.a]\nkind = \"simulate\"\npackets = \"foldr\"\n", "3:11", "did you mean `folder`?"),
    ("[stages.a]\nkind = \"simulate\"\ntime = 1979-05-27\n", "3:1", "known names: `"),
    ("[stages.a]\nkind = \"preprocess\"\n", "1:9", "needs an input of type alerts"),
];

/// Behind a stage `alerts` that makes alerts, whose two lines come first, and perhaps `more` with two more.
const EDGES: [Case; 2] = [
    ("[stages.cut]\nkind = \"preprocess\"\ninputs = { a = \"alert\" }\n", "5:16", "did you mean `alerts`?"),
    (
        "[stages.cut]\nkind = \"preprocess\"\ninputs = { a = \"cut\" }\n",
        "5:16",
        "input `a` takes alerts, but `cut` (`preprocess`) makes stamps",
    ),
];
const EDGES_OF_MORE: [Case; 3] = [
    ("inputs = { stamp = \"alerts\" }\n", "5:12", "did you mean `stamps`?"),
    (
        "inputs = { stamps = \"alerts\" }\n",
        "5:21",
        "input `stamps` takes stamps, but `alerts` (`simulate`) makes alerts",
    ),
    ("inputs = { stamps = \"more\" }\n", "3:9", "the stages form a cycle: more -> more"),
];

/// Behind [`HEAD`], whose two lines come first.
const EXPERIMENTS: [Case; 15] = [
    ("[axes]\n\"a.rum\" = [\"true\"]\n", "4:1", "did you mean `run`?"),
    ("[axes]\n\"model.run\" = [\"true\"]\n", "4:1", "the pipeline has no stage `model`"),
    ("[axes]\n\"a.run\" = \"true\"\n", "4:11", "axis `a.run` must be a list of values"),
    ("[axes]\nrun = [\"true\"]\n", "4:1", "write \"stage.key\""),
    ("[axes]\n\"a.run\" = [1]\n", "4:12", "`run` must be text, not 1"),
    ("[set]\n\"a.rum\" = 1\n", "4:1", "did you mean `run`?"),
    ("[[arms]]\nset = { \"a.run\" = \"true\" }\n", "3:1", "an arm needs a `name`"),
    ("[[arms]]\nname = \"x\"\nset = { \"a.rum\" = \"true\" }\n", "5:9", "did you mean `run`?"),
    ("[[arms]]\nname = \"x\"\nsett = { \"a.run\" = \"true\" }\n", "5:1", "did you mean `set`?"),
    ("[[arms]]\nname = \"x\"\nset = 3\n", "5:7", "`set` must be a table"),
    ("[arm]\nname = \"x\"\n", "3:2", "did you mean `arms`?"),
    ("baseline = \"frist\"\n[[arms]]\nname = \"first\"\n", "3:12", "did you mean `first`?"),
    ("replicate = 3\n", "3:1", "did you mean `replicates`?"),
    ("axes = 3\n", "3:1", "`[experiment]` has no key `axes`"),
    ("name = 3\n", "3:8", "`name` must be text"),
];

/// Checks one broken target with every command that reads it.
#[track_caller]
fn refused(world: &World, target: &str, file: &str, (text, place, said): Case) {
    for command in ["check", "plan", "run", "graph"] {
        let answer = world.say(&[command, target]);
        answer.expect(2, said);
        let position = format!("{file}:{place}\n");
        assert!(answer.err.contains(&position), "{command} of {text:?} should say {position:?}:\n{}", answer.err);
    }
    let traces = ["cache", "results", "ran.txt"].map(|name| world.path(name).exists());
    assert_eq!(traces, [false; 3], "something was run or written");
}

fn pipeline(before: &str, case: Case) {
    let world = World::new();
    world.write("pipelines/p.toml", &format!("{before}{}", case.0));
    refused(&world, "pipelines/p.toml", "pipelines/p.toml", case);
}

fn experiment(before: &str, case: Case) {
    let world = World::new();
    world.write("pipelines/p.toml", GOOD).write("experiments/e/experiment.toml", &format!("{before}{}", case.0));
    refused(&world, "experiments/e", "experiments/e/experiment.toml", case);
}

#[test]
fn broken_pipelines() {
    for case in BEHIND_A_STAGE {
        pipeline(GOOD, case);
    }
    for case in PIPELINES {
        pipeline("", case);
    }
    for case in EDGES {
        pipeline(ALERTS, case);
    }
    for case in EDGES_OF_MORE {
        pipeline(AUGMENT, case);
    }
}

#[test]
fn broken_experiments() {
    for case in EXPERIMENTS {
        experiment(HEAD, case);
    }
    experiment("", ("[experiment]\nname = \"e\"\n", "1:1", "`[experiment]` needs the key `pipeline`"));
}

#[test]
fn a_file_that_is_not_there_has_the_place_of_its_name() {
    pipeline("", ("[pipeline]\ninclude = \"nowhere.toml\"\n", "2:11", "nowhere.toml"));
    pipeline("", ("[pipeline]\ninclude = \"p.toml\"\n", "2:11", "includes itself"));
    experiment("", ("[experiment]\npipeline = \"nowhere.toml\"\n", "2:12", "nowhere.toml"));
}

#[test]
fn a_wrong_name_has_a_place() {
    pipeline(
        "[pipeline]\nname = \"a/b\"\n[stages.a]\nkind = \"simulate\"\n",
        ("", "2:8", "cannot be that of a folder"),
    );
    experiment(HEAD, ("name = \"a/b\"\n", "3:8", "cannot be that of a folder"));
    experiment(HEAD, ("[[arms]]\nname = \"x\"\n[[arms]]\nname = \"x\"\n", "6:8", "two arms are called `x`"));
}

#[test]
fn a_wrong_number_has_the_place_of_the_number() {
    experiment(HEAD, ("replicates = 0\n", "3:14", "`replicates` must be at least 1"));
    experiment(HEAD, ("[axes]\n\"a.run\" = []\n", "4:11", "has no values"));
}
