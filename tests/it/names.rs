//! Targets of one name: results, runs and pins of their own, or a clear word before anything runs.

use crate::world::World;

const EXPERIMENT: &str = "[experiment]\nname = \"x\"\npipeline = \"../../pipelines/x.toml\"\n";

fn pipeline(name: &str, value: &str) -> String {
    format!(
        "[pipeline]\nname = \"{name}\"\n[stages.c]\nkind = \"command\"\nenvironment = {{ V = \"{value}\" }}\n\
         run = \"echo metric,value,split > {{out}}/metrics.csv; echo accuracy,0.$V,test >> {{out}}/metrics.csv\"\n"
    )
}

/// A pipeline `x` with 0.5 and the experiment `x` on it with an arm for each value.
fn project(values: &str) -> World {
    let world = World::new();
    let axes = format!("{EXPERIMENT}[axes]\n\"c.environment.V\" = [{values}]\n");
    world.write("pipelines/x.toml", &pipeline("x", "5")).write("experiments/x/experiment.toml", &axes);
    world
}

#[test]
fn pins_and_runs_of_a_pipeline_and_the_experiment_of_its_name_are_two() {
    let world = project("\"1\", \"2\"");
    for (target, results) in [("experiments/x", "2 results"), ("pipelines/x.toml", "1 results")] {
        world.say(&["run", target]).expect(0, "failed 0");
        world.say(&["cache", "pin", target]).expect(0, results);
    }
    world.edit("experiments/x/experiment.toml", "\"1\", \"2\"", "\"7\"").run("experiments/x", 1, 0);
    world.say(&["run", "pipelines/x.toml"]).expect(0, "cached 1");
    world.say(&["diff", "experiments/x", "experiments/x@1"]).expect(0, "");
    world.say(&["cache", "gc"]).expect(0, "0 entries");
    assert_eq!(world.artifacts("metrics.csv").len(), 4);
    world.say(&["cache", "runs"]).expect(0, "x-pipeline@1").expect(0, "x@2");
    world.say(&["cache", "unpin", "pipelines/x.toml"]).expect(0, "unpinned x-pipeline");
    world.say(&["cache", "unpin", "experiments/x"]).expect(0, "unpinned x");
    world.say(&["cache", "gc"]).expect(0, "2 entries");
}

#[test]
fn a_pin_of_another_file_of_the_same_name_is_not_lost() {
    let world = World::new();
    world.write("pipelines/a.toml", &pipeline("x", "1")).write("pipelines/b.toml", &pipeline("x", "2"));
    world.say(&["run", "pipelines/a.toml"]).expect(0, "ran 1");
    world.say(&["run", "pipelines/b.toml", "--results", "elsewhere"]).expect(0, "ran 1");
    world.say(&["cache", "pin", "pipelines/a.toml"]).expect(0, "pinned");
    world.say(&["cache", "pin", "pipelines/b.toml"]).expect(2, "pinned already, as pipelines/a.toml has it");
    world.say(&["cache", "pin", "pipelines/a.toml"]).expect(0, "pinned");
    std::fs::remove_file(world.path("pipelines/a.toml")).unwrap();
    world.say(&["cache", "pin", "pipelines/b.toml"]).expect(0, "pinned");
}

#[test]
fn plan_and_check_refuse_what_run_refuses() {
    let world = World::new();
    world.write("pipelines/a.toml", &pipeline("x", "1")).write("pipelines/b.toml", &pipeline("x", "2"));
    world.run("pipelines/a.toml", 1, 0);
    for command in ["check", "plan", "run"] {
        world.say(&[command, "pipelines/b.toml"]).expect(2, "results/x holds the results of pipelines/a.toml");
    }
    // The other file has another name by now.
    world.edit("pipelines/a.toml", "\"x\"", "\"y\"");
    for command in ["check", "plan", "run"] {
        world.say(&[command, "pipelines/b.toml"]).expect(0, "");
    }
}

#[test]
fn a_copied_experiment_that_kept_its_name_is_refused_and_no_pipeline() {
    let world = project("\"1\"");
    world.write("experiments/x2/experiment.toml", &world.read("experiments/x/experiment.toml"));
    world.run("experiments/x", 1, 0);
    world.say(&["run", "experiments/x2"]).expect(2, "holds the results of experiments/x/experiment.toml");
    assert!(!world.path("results/x-pipeline").exists());
    world.run("pipelines/x.toml", 1, 0);
}

#[test]
fn results_that_two_projects_share_are_not_overwritten() {
    let (one, two, shared) = (World::new(), World::new(), World::new());
    one.write("pipelines/q.toml", &pipeline("q", "1"));
    two.write("pipelines/q.toml", &pipeline("q", "2"));
    let results = shared.path("results").to_string_lossy().into_owned();
    let run = |world: &World| world.say(&["run", "pipelines/q.toml", "--results", &results]);
    run(&one).expect(0, "ran 1");
    run(&one).expect(0, "cached 1");
    run(&two).expect(2, "holds the results of").expect(2, &one.path("pipelines/q.toml").to_string_lossy());
    one.edit("pipelines/q.toml", "name = \"q\"", "name = \"other\"");
    run(&two).expect(0, "ran 1");
}

#[test]
fn compare_tells_targets_of_one_name_apart() {
    let world = project("\"8\", \"9\"");
    world.say(&["run", "pipelines/x.toml"]).expect(0, "ran 1");
    world.say(&["run", "experiments/x"]).expect(0, "ran 2");
    let csv = |arguments: &[&str]| {
        let said =
            world.say(&[&["compare", "pipelines/x.toml", "experiments/x", "--format", "csv"], arguments].concat());
        said.expect(0, "accuracy");
        said.out
    };
    let mean = |out: &str, arm: &str| {
        let mut lines = out.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let column = |name: &str| head.iter().position(|cell| *cell == name).unwrap();
        let rows: Vec<_> = lines.filter(|line| line[column("arm")].contains(arm)).collect();
        assert_eq!(rows.len(), 1, "{arm} in {out}");
        (rows[0][column("mean")].parse::<f64>().unwrap(), rows[0][column("n")].to_string())
    };
    let out = csv(&[]);
    assert_eq!(mean(&out, "x (pipelines/x.toml)/default"), (0.5, "1".into()));
    for (arm, value) in [("V=8", 0.8), ("V=9", 0.9)] {
        assert_eq!(mean(&out, &format!("x (experiments/x/experiment.toml)/{arm}")), (value, "1".into()));
    }
    assert_eq!(csv(&["--baseline", "x (pipelines/x.toml)/default"]).lines().count(), 4);
    world.say(&["compare", "pipelines/x.toml", "experiments/x", "--baseline", "V=7"]).expect(2, "no arm `V=7`");
    // A target that is named twice is one.
    let twice = world.say(&["compare", "experiments/x", "experiments/x", "--format", "csv"]);
    assert_eq!((twice.out.lines().count(), twice.out.contains("x (")), (3, false), "{}", twice.out);
}
