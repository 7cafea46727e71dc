use crate::world::{World, chain};

/// Stages that note when they begin and end, one line each in `log.txt`.
fn noting(stages: &[(&str, &str)]) -> String {
    let stage = |(name, keys): &(&str, &str)| {
        let run = format!("echo +{name} >> ../log.txt; sleep 0.1; echo -{name} >> ../log.txt; echo {name} > {{out}}/x");
        format!("[stages.{name}]\nkind = \"command\"\nrun = \"{run}\"\n{keys}\n")
    };
    stages.iter().map(stage).collect()
}

/// The most stages that ran at one time.
fn at_once(log: &str) -> i32 {
    let mut running = 0;
    let steps = log.lines().map(|line| {
        running += if line.starts_with('+') { 1 } else { -1 };
        running
    });
    steps.max().unwrap_or(0)
}

#[test]
fn stages_stay_within_the_limits_of_the_run() {
    for (keys, limits, most) in [
        ("cpu = 2", ["--jobs", "3"], 1),
        ("cpu = 1", ["--jobs", "3"], 3),
        ("mem = \"3G\"", ["--mem", "7G"], 2),
        ("gpu = 1", ["--gpus", "1"], 1),
        ("cpu = 99", ["--jobs", "2"], 1),
    ] {
        let world = World::new();
        let names = ["a", "b", "c", "d", "e", "f"];
        world.write("pipelines/p.toml", &noting(&names.map(|name| (name, keys))));
        let jobs: &[&str] = if limits[0] == "--jobs" { &[] } else { &["--jobs", "8"] };
        world.say(&[&["run", "pipelines/p.toml"][..], &limits, jobs].concat()).expect(0, "ran 6, cached 0");
        assert_eq!(at_once(&world.read("log.txt")), most, "{keys} {limits:?}");
        world.edit("pipelines/p.toml", keys, "");
        world.run("pipelines/p.toml", 0, 6);
    }
}

#[test]
fn accelerators_are_handed_out_by_number() {
    let world = World::new();
    let stage = |name| {
        format!(
            "[stages.{name}]\nkind = \"command\"\ngpu = 1\nrun = \"sleep 0.2; echo $CUDA_VISIBLE_DEVICES > {{out}}/gpu-{name}\"\n"
        )
    };
    world.write("pipelines/p.toml", &["a", "b"].map(stage).concat());
    world.say(&["run", "pipelines/p.toml", "--jobs", "2", "--gpus", "2"]).expect(0, "ran 2");
    let mut numbers: Vec<String> =
        world.artifacts("gpu-*").iter().map(|p| std::fs::read_to_string(p).unwrap()).collect();
    numbers.sort();
    assert_eq!(numbers, ["0\n", "1\n"]);
}

#[test]
fn the_longest_way_to_the_end_goes_first() {
    let world = World::new();
    let chain = noting(&[("short", ""), ("a", ""), ("b", "inputs = { x = \"a\" }"), ("c", "inputs = { x = \"b\" }")]);
    world.write("pipelines/p.toml", &chain);
    world.say(&["run", "pipelines/p.toml", "--jobs", "1"]).expect(0, "ran 4");
    assert!(world.read("log.txt").starts_with("+a\n"), "{}", world.read("log.txt"));
}

#[test]
fn events_keep_the_shipped_schema() {
    let world = World::new();
    let schema = serde_json::from_str(&world.say(&["schema", "--of", "events"]).out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    world.write("pipelines/p.toml", &chain(3).replace("echo 2 >>", "false; exit 3; echo 2 >>"));
    let said = world.say(&["run", "pipelines/p.toml", "--events", "events.jsonl"]);
    said.expect(1, "ran 2, cached 0, failed 1");
    let again = world.say(&["run", "pipelines/p.toml", "--format", "json"]);
    let lines = world.read("events.jsonl") + &again.out;
    let mut names = Vec::new();
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(validator.is_valid(&event), "{line}");
        names.push(event["event"].as_str().unwrap().to_string());
    }
    assert_eq!(
        names,
        [
            "begin", "started", "ran", "started", "ran", "started", "failed", "summary", "begin", "started", "failed",
            "summary"
        ]
    );
    assert!(
        !validator.is_valid(&serde_json::json!({"event": "ran"}))
            && !validator.is_valid(&serde_json::json!({"event": "new"}))
    );
}

#[test]
fn a_run_tells_one_line_for_each_cause() {
    let world = World::new();
    let stage = |i: usize| {
        format!("[stages.s{i}]\nkind = \"command\"\nfiles = [\"../n.txt\"]\nrun = \"cat ../n.txt > {{out}}/x{i}\"\n")
    };
    world.write("n.txt", "1").write("pipelines/p.toml", &(0..5).map(stage).collect::<String>());
    let first = world.run("pipelines/p.toml", 5, 0);
    assert!(!first.err.contains("runs again"), "{}", first.err);
    world.write("n.txt", "2");
    let said = world.run("pipelines/p.toml", 5, 0);
    let causes: Vec<&str> = said.err.lines().filter(|line| line.contains("runs again")).collect();
    assert!(causes.len() == 1 && causes[0].contains("s0, s1, s2 and 2 more: file files: "), "{causes:?}");
}
