use crate::world::{World, chain};

fn ran(world: &World) -> Vec<String> {
    let path = world.path("ran.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text.lines().map(String::from).collect()
}

#[test]
fn second_run_runs_nothing() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(4));
    world.run("pipelines/p.toml", 4, 0);
    assert_eq!(ran(&world), ["s0", "s1", "s2", "s3"]);
    world.run("pipelines/p.toml", 0, 4);
    assert!(ran(&world).is_empty());
}

#[test]
fn a_change_runs_exactly_what_is_behind_it_and_going_back_runs_nothing() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(4));
    world.run("pipelines/p.toml", 4, 0);
    world.edit("pipelines/p.toml", "echo 2 >>", "echo two >>");
    world.run("pipelines/p.toml", 2, 2);
    world.edit("pipelines/p.toml", "echo two >>", "echo 2 >>");
    world.run("pipelines/p.toml", 0, 4);
}

#[test]
fn equal_bytes_stop_the_rerun() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(10));
    world.run("pipelines/p.toml", 10, 0);
    // Another command that leaves the same bytes: only it runs.
    world.edit("pipelines/p.toml", "echo 5 >>", "printf '5\\\\n' >>");
    world.run("pipelines/p.toml", 1, 9);
}

#[test]
fn names_order_and_comments_are_not_in_the_key() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(3));
    world.run("pipelines/p.toml", 3, 0);
    let renamed = chain(3).replace("[stages.s1]", "# a comment\n\n[stages.middle]").replace("\"s1\"", "\"middle\"");
    world.write("pipelines/other_name.toml", &renamed.replace("name = \"chain\"", "name = \"other\" # too"));
    world.run("pipelines/other_name.toml", 0, 3);
    let reordered = "[stages.a]\nrun = \"echo 0 >> {out}/x.txt; echo s0 >> ../ran.txt\"\nkind = \"command\"\n";
    world.write("pipelines/reordered.toml", reordered);
    world.run("pipelines/reordered.toml", 0, 1);
}

#[test]
fn contents_of_declared_files_count_and_their_time_and_place_do_not() {
    let world = World::new();
    let stage = "[stages.a]\nkind = \"command\"\nfiles = [\"../data\"]\nrun = \"cat ../data/* > {out}/x\"\n";
    world.write("data/one.txt", "1").write("data/two.txt", "2").write("pipelines/p.toml", stage);
    world.run("pipelines/p.toml", 1, 0);
    world.write("data/one.txt", "1");
    world.run("pipelines/p.toml", 0, 1);
    world.write("data/one.txt", "9");
    world.run("pipelines/p.toml", 1, 0);
    world.write("moved/one.txt", "9").write("moved/two.txt", "2");
    world.write("pipelines/moved.toml", &stage.replace("files = [\"../data\"]", "files = [\"../moved\"]"));
    world.run("pipelines/moved.toml", 0, 1);
}

#[test]
fn arms_and_replicates_share_what_is_common() {
    let world = World::new();
    let pipeline = "[stages.data]\nkind = \"command\"\nrun = \"echo data > {out}/x\"\n\
        [stages.model]\nkind = \"command\"\ninputs = { data = \"data\" }\nrun = \"echo {seed} a > {out}/x\"\n\
        [stages.score]\nkind = \"command\"\ninputs = { model = \"model\" }\nrun = \"cat {inputs.model}/x > {out}/y\"\n";
    world.write("pipelines/p.toml", pipeline);
    let experiment = "[experiment]\nname = \"e\"\npipeline = \"../../pipelines/p.toml\"\nreplicates = 3\n\
        [axes]\n\"model.run\" = [\"echo {seed} a > {out}/x\", \"echo {seed} b > {out}/x\"]\n";
    world.write("experiments/e/experiment.toml", experiment);
    // One data step; model and score for each of 2 arms and 3 replicates.
    world.run("experiments/e", 1 + 2 * 3 * 2, 0);
    world.run("experiments/e", 0, 13);
    // More replicates: only the new ones. The first arm is the pipeline itself.
    world.edit("experiments/e/experiment.toml", "replicates = 3", "replicates = 4");
    world.run("experiments/e", 4, 13);
    world.run("pipelines/p.toml", 0, 3);
    // Seeds are derived from the replicate, not from the arm: paired.
    let seeds: std::collections::BTreeSet<String> = world
        .artifacts("x")
        .iter()
        .map(|p| std::fs::read_to_string(p).unwrap())
        .filter(|t| t.trim() != "data")
        .map(|t| t.split(' ').next().unwrap().to_string())
        .collect();
    assert_eq!(seeds.len(), 4);
}

#[test]
fn a_failure_is_not_cached_and_blocks_only_what_needs_it() {
    let world = World::new();
    let pipeline = "[stages.bad]\nkind = \"command\"\nrun = \"echo some words; exit 3\"\n\
        [stages.after]\nkind = \"command\"\ninputs = { x = \"bad\" }\nrun = \"true > {out}/x\"\n\
        [stages.good]\nkind = \"command\"\nrun = \"echo good > {out}/x\"\n";
    world.write("pipelines/p.toml", pipeline);
    let said = world.say(&["run", "pipelines/p.toml", "--keep-going"]);
    said.expect(1, "ran 1, cached 0, failed 1, skipped 1").expect(1, "exit code 3").expect(1, "some words");
    world.say(&["run", "pipelines/p.toml", "--keep-going"]).expect(1, "ran 0, cached 1, failed 1, skipped 1");
    world.edit("pipelines/p.toml", "exit 3", "echo now > {out}/x");
    world.run("pipelines/p.toml", 2, 1);
}

#[test]
fn a_stage_that_writes_nothing_fails() {
    let world = World::new();
    world.write("pipelines/p.toml", "[stages.a]\nkind = \"command\"\nrun = \"true\"\n");
    world.say(&["run", "pipelines/p.toml"]).expect(1, "wrote no file");
}

#[test]
fn until_arm_force_and_set() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(3));
    world.say(&["run", "pipelines/p.toml", "--until", "s1"]).expect(0, "ran 2, cached 0, failed 0, skipped 0");
    world.say(&["run", "pipelines/p.toml", "--force", "s0"]).expect(0, "ran 2, cached 1");
    world.say(&["run", "pipelines/p.toml", "--set", "s2.run=echo set > {out}/x"]).expect(0, "ran 1, cached 2");
    world
        .say(&["run", "pipelines/p.toml", "--until", "s9"])
        .expect(2, "there is no stage `s9`; known names: `s0`, `s1`, `s2`");
    world.say(&["run", "pipelines/p.toml", "--set", "s2.rum=1"]).expect(2, "did you mean `run`?");
    world.say(&["run", "pipelines/p.toml", "--device", "cuda:0"]).expect(2, "--features cuda");
}

#[test]
fn include_takes_stages_and_overrides_keys() {
    let world = World::new();
    world.write("pipelines/base.toml", &chain(3));
    world.run("pipelines/base.toml", 3, 0);
    let child = "[pipeline]\nname = \"child\"\ninclude = \"base.toml\"\n\
        [stages.s2]\nrun = \"echo mine > {out}/x.txt\"\n";
    world.write("pipelines/child.toml", child);
    world.run("pipelines/child.toml", 1, 2);
}

#[test]
fn json_lines_end_with_the_summary() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2));
    let said = world.say(&["run", "pipelines/p.toml", "--format", "json"]);
    let events: Vec<serde_json::Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        events.last().unwrap(),
        &serde_json::json!({"event": "summary", "ran": 2, "cached": 0, "failed": 0, "skipped": 0})
    );
}

/// That nothing is hidden by it is shown in `idle`.
#[test]
fn a_third_run_is_answered_by_a_snapshot_alone() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(3));
    world.run("pipelines/p.toml", 3, 0);
    world.run("pipelines/p.toml", 0, 3);
    std::fs::remove_file(world.path("cache/index")).unwrap();
    world.run("pipelines/p.toml", 0, 3);
    assert!(!world.path("cache/index").exists(), "entries were read again");
    std::fs::remove_dir_all(world.path("cache/snapshots")).unwrap();
    world.run("pipelines/p.toml", 0, 3);
    assert!(world.path("cache/index").exists());
}
