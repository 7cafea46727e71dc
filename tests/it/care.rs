use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::world::{Said, World, chain};

/// Changes a byte of an artifact and leaves its size and time.
fn flip(path: &Path, from: &str, to: &str) {
    let time = std::fs::metadata(path).unwrap().modified().unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from) && from.len() == to.len());
    std::fs::write(path, text.replace(from, to)).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn entries(world: &World) -> usize {
    world.artifacts("x.txt").len()
}

/// Lines that name what goes, without the first words.
fn named(said: &Said, word: &str) -> Vec<String> {
    let lines = said.out.lines().filter_map(|line| line.strip_prefix(word));
    lines.map(|line| line.split(", not used").next().unwrap().to_string()).collect()
}

#[test]
fn gc_names_what_it_then_removes() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(3));
    world.run("pipelines/p.toml", 3, 0);
    world.edit("pipelines/p.toml", "echo 1 >>", "echo one >>");
    world.run("pipelines/p.toml", 2, 1);
    let before = world.say(&["cache", "gc", "--dry-run"]);
    before.expect(0, "would remove chain/default/s1 (command").expect(0, "chain/default/s2");
    assert_eq!(entries(&world), 5);
    let after = world.say(&["cache", "gc"]);
    assert_eq!(named(&before, "would remove "), named(&after, "removed "));
    assert_eq!(entries(&world), 3);
    world.run("pipelines/p.toml", 0, 3);
    let index = world.read("cache/index");
    assert_eq!(index.lines().count(), 3, "lines of removed entries are gone");
}

#[test]
fn gc_keeps_the_last_runs_and_pinned_ones() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2));
    world.run("pipelines/p.toml", 2, 0);
    world.say(&["cache", "pin", "pipelines/p.toml"]).expect(0, "2 results, 0 of them gone");
    world.say(&["run", "pipelines/p.toml", "--set", "s1.run=echo 5 > {out}/x.txt"]).expect(0, "ran 1");
    world.edit("pipelines/p.toml", "echo 0 >>", "echo zero >>");
    world.run("pipelines/p.toml", 2, 0);
    world.say(&["cache", "gc", "--keep-last", "2", "--dry-run"]).expect(0, "0 entries");
    world.say(&["cache", "gc"]).expect(0, "1 entries");
    assert_eq!(entries(&world), 4, "two that the file reaches, two that are pinned");
    world.say(&["cache", "unpin", "chain"]).expect(0, "unpinned");
    world.say(&["cache", "gc", "--keep-last", "0"]).expect(0, "2 entries");
    world.run("pipelines/p.toml", 0, 2);
    world.say(&["cache", "unpin", "chain"]).expect(2, "not pinned");
}

#[test]
fn gc_reaches_the_asked_size_or_says_why_not() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2).replace("echo 1 >>", "head -c 90000 /dev/zero > {out}/big; echo 1 >>"));
    world.run("pipelines/p.toml", 2, 0);
    world.say(&["cache", "gc", "--max-size", "50k"]).expect(1, "cannot be made smaller").expect(1, "needed by");
    assert_eq!(entries(&world), 2);
    world.write("pipelines/p.toml", &chain(2));
    world.run("pipelines/p.toml", 1, 1);
    world.say(&["cache", "gc", "--max-size", "50k", "--older-than", "1d"]).expect(1, "too young");
    world.say(&["cache", "gc", "--max-size", "50k"]).expect(0, "1 entries");
    let size = walk(&world.path("cache"));
    assert!(size <= 50 << 10, "{size}");
    world.run("pipelines/p.toml", 0, 2);
}

fn walk(path: &Path) -> u64 {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().map(|entry| walk(&entry.unwrap().path())).sum();
    }
    std::fs::metadata(path).unwrap().len()
}

#[test]
fn gc_beside_a_run_removes_nothing_and_a_broken_target_keeps_what_it_may_use() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2).replace("echo 1 >>", "sleep 30; echo 1 >>"));
    world.write("pipelines/q.toml", &chain(1).replace("chain", "other").replace("echo 0", "echo q"));
    let mut child = world.spawn(&["run", "pipelines/p.toml"]);
    while entries(&world) < 1 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    world.say(&["cache", "gc", "--keep-last", "0"]).expect(1, "a run is using this cache");
    child.kill().unwrap();
    child.wait().unwrap();
    world.edit("pipelines/p.toml", "kind", "knid");
    world.say(&["cache", "gc"]).expect(0, "has faults").expect(0, "0 entries");
    world.say(&["cache", "gc", "pipelines/p.toml"]).expect(2, "knid");
    world.say(&["cache", "gc", "pipelines/q.toml", "--older-than", "0s"]).expect(0, "2 entries");
    assert_eq!((entries(&world), world.path("cache/unfinished").read_dir().unwrap().count()), (0, 0));
}

#[test]
fn verify_repairs_what_a_target_needs() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(3));
    world.run("pipelines/p.toml", 3, 0);
    let files = world.artifacts("x.txt");
    for file in &files {
        flip(file, "0", "8");
    }
    let said = world.say(&["cache", "verify", "--repair", "pipelines/p.toml"]);
    said.expect(0, "3 entries, 3 damaged")
        .expect(0, "x.txt does not hold what was written")
        .expect(0, "3 computed again");
    assert_eq!(world.artifacts("x.txt").len(), 3);
    assert!(world.artifacts("x.txt").iter().all(|file| !std::fs::read_to_string(file).unwrap().contains('8')));
    world.run("pipelines/p.toml", 0, 3);
    let meta = world.artifacts("../meta.json")[0].clone();
    flip(&meta, "\"format\"", "\"farmat\"");
    world.say(&["cache", "verify"]).expect(1, "meta.json");
}

#[test]
fn a_run_is_forgotten_when_some_of_its_results_are_gone() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(2));
    world.run("pipelines/p.toml", 2, 0);
    world.edit("pipelines/p.toml", "echo 1 >>", "echo one >>");
    world.run("pipelines/p.toml", 1, 1);
    let runs = || world.path("cache/runs/chain").read_dir().unwrap().count();
    world.say(&["cache", "gc", "--keep-last", "2"]).expect(0, "0 entries");
    assert_eq!(runs(), 2);
    world.say(&["cache", "gc", "--dry-run"]).expect(0, "would forget the run chain@2");
    assert_eq!(runs(), 2);
    world.say(&["cache", "gc"]).expect(0, "forgot the run chain@2");
    assert_eq!(runs(), 1);
    world.say(&["cache", "verify", "chain@1"]).expect(0, "2 entries, 0 damaged");
    assert!(!world.say(&["cache", "gc"]).out.contains("forgot"));
}

#[test]
fn verify_of_a_run_looks_at_all_that_it_used_and_at_nothing_else() {
    let world = World::new();
    let text = chain(3).replace("kind = \"command\"\nrun", "kind = \"command\"\nfiles = [\"../data.txt\"]\nrun");
    world.write("pipelines/p.toml", &text).write("data.txt", "old");
    world.run("pipelines/p.toml", 3, 0);
    world.write("data.txt", "new");
    world.run("pipelines/p.toml", 1, 2);
    let target = "pipelines/p.toml";
    world.say(&["cache", "verify", target]).expect(0, "3 entries, 0 damaged").expect(0, "1 of your files");
    world.say(&["cache", "verify", "chain@1"]).expect(0, "3 entries, 0 damaged").expect(0, "0 other differences");
    let old = world.say(&["cache", "verify", "chain@2"]);
    old.expect(1, "changed: data.txt: ").expect(1, "3 entries, 0 damaged").expect(1, "1 other difference");
    std::fs::remove_file(world.path("data.txt")).unwrap();
    world.say(&["cache", "verify", "chain@1"]).expect(1, "gone: data.txt");
    world.write("data.txt", "new");
    // The first step read the file, so each run has one of its own; the two behind it have the same bytes in both.
    let of_old_run =
        world.artifacts("../meta.json").into_iter().min_by_key(|p| std::fs::metadata(p).unwrap().modified().unwrap());
    let victim = of_old_run.unwrap().with_file_name("out").join("x.txt");
    flip(&victim, "0", "8");
    world.say(&["cache", "verify", "chain@1"]).expect(0, " 0 damaged");
    world.say(&["cache", "verify", "chain@2"]).expect(1, "3 entries, 1 damaged").expect(1, "x.txt does not hold");
    world.say(&["cache", "verify", "chain@2"]).expect(1, "gone: s0 (command").expect(1, "2 entries, 0 damaged");
    world.say(&["cache", "verify", "chain@3"]).expect(2, "2 runs are recorded");
}

#[test]
fn a_run_is_recorded_once_and_diff_names_the_first_stage_that_differs() {
    let world = World::new();
    let table = "printf 'series,split,metric,class,value,n,ci_low,ci_high\\\\ns,test,accuracy,,0.5,9,,\\\\n' > {out}/metrics.csv; ";
    world.write("pipelines/p.toml", &chain(3).replace("echo 2 >>", &format!("{table}echo 2 >>")));
    world.run("pipelines/p.toml", 3, 0);
    world.run("pipelines/p.toml", 0, 3);
    assert_eq!(world.path("cache/runs/chain").read_dir().unwrap().count(), 1, "the same run is no new one");
    world.edit("pipelines/p.toml", "echo 1 >>", "echo one >>").edit("pipelines/p.toml", "0.5", "0.75");
    world.run("pipelines/p.toml", 2, 1);
    world.say(&["cache", "runs"]).expect(0, "chain@2");
    let said = world.say(&["diff", "pipelines/p.toml@2", "pipelines/p.toml"]);
    said.expect(0, "first stage that differs: s1 (command), arm default").expect(0, "echo one >>");
    said.expect(0, "also: s2").expect(0, "accuracy 0.500 -> 0.750 (+0.250)");
    world.say(&["diff", "chain@1", "pipelines/p.toml"]).expect(0, "all 3 stages are the same");
    let json = world.say(&["diff", "chain@2", "chain@1", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json["first"]["stage"].as_str(), json["metrics"][0]["new"].as_f64()), (Some("s1"), Some(0.75)));
    world.say(&["diff", "chain@3", "chain@1"]).expect(2, "2 runs are recorded");
    world.say(&["diff", "chain@1:defalt", "chain@1"]).expect(2, "default");
}

#[test]
fn audit_finds_a_stage_that_is_not_deterministic_and_names_the_cell() {
    let world = World::new();
    let text = chain(3).replace("echo 2 >>", "printf 'id,time\\\\n1,%s\\\\n' $(date +%N) > {out}/t.csv; echo 2 >>");
    world.write("pipelines/p.toml", &text);
    world.run("pipelines/p.toml", 3, 0);
    let said = world.say(&["audit", "pipelines/p.toml", "--all", "--scratch", "scratch"]);
    said.expect(1, "s2: DIFFERENT: t.csv row 1, column time").expect(1, "2 the same, 1 different, 0 failed");
    assert!(!world.path("scratch").exists(), "what was computed again is gone");
    world.say(&["audit", "pipelines/p.toml", "--stage", "s1"]).expect(0, "1 the same, 0 different");
    world.say(&["audit", "pipelines/p.toml", "--scratch", "cache"]).expect(2, "is not empty");
    world.run("pipelines/p.toml", 0, 3);
    let victim = world.artifacts("x.txt").into_iter().find(|p| std::fs::read_to_string(p).unwrap() == "0\n").unwrap();
    flip(&victim, "0", "8");
    world.say(&["audit", "pipelines/p.toml", "--stage", "s0"]).expect(1, "DAMAGED: x.txt");
}
