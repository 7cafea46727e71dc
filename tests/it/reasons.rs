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
    let [explain, why] = ["explain", "why"].map(|command| world.say(&[command, "pipelines/p.toml", "s2"]).out);
    assert_eq!(explain.lines().next(), why.lines().next());
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
