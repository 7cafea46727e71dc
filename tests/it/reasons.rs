use crate::world::{World, chain};

/// `plan --format json` as (stage, state, reason).
fn plan(world: &World, target: &str) -> Vec<(String, String, String)> {
    let said = world.say(&["plan", target, "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_string();
    rows.iter().map(|r| (text(r, "stage"), text(r, "state"), text(r, "reason"))).collect()
}

fn states(world: &World, target: &str) -> String {
    plan(world, target).iter().map(|(_, state, _)| state.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn plan_tells_before_and_explain_after() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(4));
    assert_eq!(states(&world, "pipelines/p.toml"), "run wait wait wait");
    world.run("pipelines/p.toml", 4, 0);
    assert_eq!(states(&world, "pipelines/p.toml"), "cached cached cached cached");
    world.edit("pipelines/p.toml", "echo 2 >>", "echo two >>");
    assert_eq!(states(&world, "pipelines/p.toml"), "cached cached run wait");
    let (_, _, reason) = &plan(&world, "pipelines/p.toml")[2];
    assert!(
        reason.starts_with("run: ")
            && reason.contains("echo 2")
            && reason.contains("-> ")
            && reason.contains("echo two"),
        "{reason}"
    );
    world.say(&["explain", "pipelines/p.toml", "s3"]).expect(0, "input `before` comes from `s2`: run");
    world.run("pipelines/p.toml", 2, 2);
    world.say(&["explain", "pipelines/p.toml", "s2"]).expect(0, "echo two");
}

#[test]
fn planning_changes_nothing_on_disk() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2));
    plan(&world, "pipelines/p.toml");
    assert!(!world.path("cache").exists() && !world.path("results").exists());
}

#[test]
fn a_changed_file_is_named() {
    let world = World::new();
    world.write("data.csv", "1");
    world.write(
        "pipelines/p.toml",
        "[stages.a]\nkind = \"command\"\nfiles = [\"../data.csv\"]\nrun = \"cp ../data.csv {out}\"\n",
    );
    world.run("pipelines/p.toml", 1, 0);
    world.write("data.csv", "2");
    let (_, state, reason) = &plan(&world, "pipelines/p.toml")[0];
    assert_eq!(state, "run");
    assert!(reason.starts_with("file files: "), "{reason}");
}

/// A pipeline of `n` stages; stage `i` reads those whose bit is set in `edges[i]`, writes `values[i]`, and has a remark that
/// changes its key but not what it writes.
fn random_pipeline(edges: &[u32], values: &[u32], remarks: &[u32]) -> String {
    let stage = |i: usize| {
        let sources: Vec<usize> = (0..i).filter(|j| edges[i] >> j & 1 == 1).collect();
        let inputs: Vec<String> = sources.iter().map(|j| format!("i{j} = \"s{j}\"")).collect();
        let files: Vec<String> = sources.iter().map(|j| format!("{{inputs.i{j}}}/x")).collect();
        let run = format!(
            "cat /dev/null {} > {{out}}/x; echo {i}:{} >> {{out}}/x # {}",
            files.join(" "),
            values[i],
            remarks[i]
        );
        format!("[stages.s{i}]\nkind = \"command\"\ninputs = {{ {} }}\nrun = \"{run}\"\n", inputs.join(", "))
    };
    (0..edges.len()).map(stage).collect()
}

/// Names of the stages in these states.
fn planned(world: &World, states: &[&str]) -> std::collections::BTreeSet<String> {
    let rows = plan(world, "pipelines/p.toml");
    rows.into_iter().filter(|(_, state, _)| states.contains(&state.as_str())).map(|(stage, ..)| stage).collect()
}

/// What runs lies between what a plan says must run and what may: it is all that may where no output stays as it was.
#[test]
fn plan_and_execution_agree_on_random_graphs_and_changes() {
    use proptest::prelude::*;
    let graph = proptest::collection::vec(any::<u32>(), 7);
    let edits = proptest::collection::vec((0..7_usize, 0..3_u32, any::<bool>()), 1..6);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let holds = |(edges, edits): (Vec<u32>, Vec<(usize, u32, bool)>)| {
        let world = World::new();
        let (mut values, mut remarks) = (vec![0; edges.len()], vec![0; edges.len()]);
        for (stage, number, is_remark) in [(0, 0, false)].into_iter().chain(edits) {
            if is_remark {
                remarks[stage] = number;
            } else {
                values[stage] = number;
            }
            world.write("pipelines/p.toml", &random_pipeline(&edges, &values, &remarks));
            let (must, may) = (planned(&world, &["run"]), planned(&world, &["run", "wait"]));
            let said = world.say(&["run", "pipelines/p.toml", "--format", "json"]);
            prop_assert_eq!(said.code, Some(0), "{}", said.err);
            let events = said.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let ran: std::collections::BTreeSet<String> =
                events.filter(|e| e["event"] == "ran").map(|e| e["stage"].as_str().unwrap().to_string()).collect();
            prop_assert!(must.is_subset(&ran) && ran.is_subset(&may), "must {:?}, ran {:?}, may {:?}", must, ran, may);
            if is_remark {
                prop_assert!(ran.len() <= 1, "an equal output was followed: {:?}", ran);
            }
            prop_assert!(planned(&world, &["run", "wait"]).is_empty(), "something is left");
        }
        Ok(())
    };
    runner.run(&(graph, edits), holds).unwrap();
}
