//! What runs when something happens, by counting: the ten situations in which other tools were measured.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use crate::watch::{end, entry, files, kill, output, ran, start, traces, wait_for, write_sweep};
use crate::world::{Said, World, chain};

const TARGET: &str = "pipelines/p.toml";
/// What the last of ten leaves.
const LAST: &str = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// A chain of ten that has run.
fn ten() -> World {
    let world = World::new();
    world.write("data.txt", "1").write("more/data.txt", "2");
    let files = "[stages.s0]\nfiles = [\"../data.txt\", \"../more\"]\n";
    world.write(TARGET, &chain(10).replace("[stages.s0]\n", files)).run(TARGET, 10, 0);
    assert_eq!(ran(&world).len(), 10);
    world
}

/// A stage, eight behind it, and one that takes all eight; the fourth is told what to do at its end.
fn fan(end: &str) -> String {
    let stage = |name: usize, inputs: &str, end: &str| {
        let run = format!("echo s{name} >> ../ran.txt; echo {name} > {{out}}/x.txt{end}");
        format!("[stages.s{name}]\nkind = \"command\"\ninputs = {{ {inputs} }}\nrun = \"{run}\"\n")
    };
    let leaves = (1..9).map(|i| stage(i, "root = \"s0\"", if i == 3 { end } else { "" }));
    let all: Vec<String> = (1..9).map(|i| format!("leaf{i} = \"s{i}\"")).collect();
    format!("{}{}{}", stage(0, "", ""), leaves.collect::<String>(), stage(9, &all.join(", "), ""))
}

fn writable(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn touched_files_with_the_same_bytes_run_nothing() {
    let world = ten();
    for name in ["data.txt", "more/data.txt"] {
        File::options().write(true).open(world.path(name)).unwrap().set_modified(SystemTime::now()).unwrap();
        let bytes = world.read(name);
        std::fs::remove_file(world.path(name)).unwrap();
        world.write(name, &bytes);
    }
    world.run(TARGET, 0, 10);
    assert!(ran(&world).is_empty());
}

#[test]
fn comments_order_and_names_run_nothing() {
    let world = ten();
    let text = world.read(TARGET);
    // Stages from last to first, keys in another order, other names, comments, other spaces.
    let mut stages: Vec<String> = text.split("[stages.").skip(1).map(|part| format!("[stages.{part}")).collect();
    for stage in &mut stages {
        let lines: Vec<&str> = stage.lines().collect();
        let reversed: Vec<String> = lines[1..].iter().rev().map(|line| line.replacen(" = ", "   =\t", 1)).collect();
        *stage = format!("\n# a comment\n{} # another\n{}\n", lines[0], reversed.join("\n"));
    }
    stages.reverse();
    let renamed = stages.concat().replace("[stages.s", "[stages.step_").replace("\"s", "\"step_");
    world.write(TARGET, &format!("[pipeline]\nname = \"other\"\n{renamed}"));
    world.run(TARGET, 0, 10);
    assert!(ran(&world).is_empty());
    assert_eq!(output(&world, TARGET, "step_9"), LAST);
}

#[test]
fn a_command_that_leaves_the_same_bytes_runs_alone() {
    let world = ten();
    world.edit(TARGET, "echo 5 >>", "printf '5\\\\n' >>");
    world.run(TARGET, 1, 9);
    assert_eq!(ran(&world), ["s5"]);
}

#[test]
fn going_back_runs_nothing_and_brings_the_old_bytes() {
    let world = ten();
    world.edit(TARGET, "echo 5 >>", "echo five >>").run(TARGET, 5, 5);
    assert_eq!(output(&world, TARGET, "s9"), LAST.replace('5', "five"));
    ran(&world);
    world.edit(TARGET, "echo five >>", "echo 5 >>").run(TARGET, 0, 10);
    assert!(ran(&world).is_empty());
    assert_eq!(output(&world, TARGET, "s9"), LAST);
}

#[test]
fn a_deleted_entry_is_made_again_by_its_stage_alone() {
    let world = ten();
    std::fs::remove_dir_all(entry(&world, TARGET, "s5")).unwrap();
    world.run(TARGET, 1, 9).expect(0, "s5: running");
    assert_eq!(ran(&world), ["s5"]);
    assert_eq!(output(&world, TARGET, "s9"), LAST);
}

#[test]
fn an_edited_or_deleted_file_of_an_entry_is_reported_and_made_again() {
    let world = ten();
    let file = entry(&world, TARGET, "s5").join("out/x.txt");
    writable(&file);
    std::fs::write(&file, "999\n").unwrap();
    world.run(TARGET, 1, 9).expect(0, "s5: its cached files were changed or removed");
    assert_eq!(ran(&world), ["s5"]);
    std::fs::remove_file(&file).unwrap();
    world.run(TARGET, 1, 9).expect(0, "s5: its cached files were changed or removed");
    assert_eq!(ran(&world), ["s5"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "0\n1\n2\n3\n4\n5\n");
    world.run(TARGET, 0, 10);
}

#[test]
fn killed_half_way_the_next_run_does_the_rest() {
    let world = World::new();
    let hold = "if [ -e ../hold ]; then echo 9 > {out}/x.txt; echo $$ > ../pid; exec sleep 600; fi; echo 4 >>";
    world.write("hold", "").write(TARGET, &chain(10).replace("echo 4 >>", hold));
    let child = start(&world, &["run", TARGET]);
    wait_for("the fifth stage", || std::fs::read_to_string(world.path("pid")).is_ok_and(|pid| pid.ends_with('\n')));
    kill(child);
    assert_eq!(ran(&world), ["s0", "s1", "s2", "s3"]);
    std::fs::remove_file(world.path("hold")).unwrap();
    world.run(TARGET, 6, 4);
    assert_eq!(ran(&world), ["s4", "s5", "s6", "s7", "s8", "s9"]);
    assert_eq!(output(&world, TARGET, "s9"), LAST);
    // What the stage had started is a group of its own and outlives the kill.
    end(&world.read("pid"));
}

#[test]
fn two_at_once_share_ten_stages() {
    let world = World::new();
    world.write(TARGET, &chain(10).replace("echo s", "sleep 0.05; echo s"));
    let both: Vec<_> = (0..2).map(|_| start(&world, &["run", TARGET])).collect();
    for child in both {
        Said::of(child.wait_with_output().unwrap()).expect(0, "failed 0, skipped 0");
    }
    assert_eq!(ran(&world).len(), 10);
    assert_eq!(output(&world, TARGET, "s9"), LAST);
}

#[test]
fn two_experiments_at_once_share_what_is_common() {
    let world = World::new();
    world.write(TARGET, &chain(5).replace("echo s", "sleep 0.05; echo s"));
    let arms = |name: &str, set: &str| {
        let head = format!("[experiment]\nname = \"{name}\"\npipeline = \"../../pipelines/p.toml\"\n");
        format!("{head}[[arms]]\nname = \"as it is\"\n[[arms]]\nname = \"other\"\nset = {{ {set} }}\n")
    };
    let other =
        |stage: usize| format!("\"s{stage}.run\" = \"echo new >> ../ran.txt; echo {stage}{stage} > {{out}}/x.txt\"");
    world.write("experiments/one/experiment.toml", &arms("one", &other(3)));
    world.write("experiments/two/experiment.toml", &arms("two", &other(4)));
    let both = ["one", "two"].map(|name| start(&world, &["run", &format!("experiments/{name}")]));
    for child in both {
        Said::of(child.wait_with_output().unwrap()).expect(0, "failed 0, skipped 0");
    }
    // Five of the pipeline; the fourth and what is behind it; the fifth.
    assert_eq!(ran(&world).len(), 5 + 2 + 1);
}

#[test]
fn a_failure_with_keep_going_stops_only_what_needs_it() {
    let world = World::new();
    world.write(TARGET, &fan("; echo my last words; exit 3"));
    let said = world.say(&["run", TARGET, "--keep-going"]);
    said.expect(1, "ran 8, cached 0, failed 1, skipped 1").expect(1, "exit code 3").expect(1, "my last words");
    let mut names = ran(&world);
    names.sort();
    assert_eq!(names, ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"]);
    // It is not cached: it is tried again, and nothing else.
    world.say(&["run", TARGET, "--keep-going"]).expect(1, "ran 0, cached 8, failed 1, skipped 1");
    assert_eq!(ran(&world), ["s3"]);
    world.write(TARGET, &fan("; echo better"));
    world.run(TARGET, 2, 8);
    assert_eq!(ran(&world), ["s3", "s9"]);
}

#[test]
fn a_failed_run_ends_with_a_table_of_what_failed_and_what_it_blocked() {
    let world = World::new();
    world.write(TARGET, &fan("; echo my last words; exit 3"));
    let said = world.say(&["run", TARGET, "--keep-going"]);
    let row = |stage: &str, word: &str| {
        said.err.lines().chain(said.out.lines()).any(|line| line.starts_with(stage) && line.contains(word))
    };
    assert!(row("s3", "failed"), "{said:?}");
    assert!(row("s9", "blocked"), "{said:?}");
    said.expect(1, "my last words");
}

#[test]
fn a_failure_without_keep_going_stops_the_run() {
    let world = World::new();
    world.write(TARGET, &fan("; exit 3"));
    world.say(&["run", TARGET, "--jobs", "1"]).expect(1, "failed 1");
    let names = traces(&world);
    assert!(names.len() < 9 && names.last().is_some_and(|name| name == "s3"), "{names:?}");
}

/// An experiment with tables and figures that has run.
fn measured() -> World {
    let world = World::new();
    write_sweep(&world);
    world.run("experiments/e", 8, 0);
    // The second run says in `arms.csv` that everything was cached, and so will all after it.
    world.run("experiments/e", 0, 8);
    ran(&world);
    world
}

/// The results but for the page and the manifest, which holds the page's digest.
fn results(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(&world.path("results/e"));
    all.retain(|name, _| name != "report.html" && name != "manifest.json");
    all
}

#[test]
fn a_deleted_result_is_written_again_without_a_run() {
    let world = measured();
    let right = results(&world);
    assert!(right.keys().any(|name| name.starts_with("figures/")), "{:?}", right.keys());
    for name in files(&world.path("results/e")).keys() {
        std::fs::remove_file(world.path("results/e").join(name)).unwrap();
        world.run("experiments/e", 0, 8);
        assert!(world.path("results/e").join(name).exists() && results(&world) == right, "{name} was not restored");
    }
    assert!(ran(&world).is_empty());
}

#[test]
fn the_page_does_not_depend_on_what_the_last_run_did() {
    let world = measured();
    let page = world.read("results/e/report.html");
    std::fs::remove_file(world.path("results/e/report.html")).unwrap();
    world.run("experiments/e", 0, 8);
    let differing: Vec<_> = page
        .lines()
        .zip(world.read("results/e/report.html").lines().map(String::from))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| format!("{a}\n{b}"))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn an_edited_result_is_reported_and_written_again_without_a_run() {
    let world = measured();
    let right = results(&world);
    // The other two are no results: what the last run did, and the list by which an edit is seen.
    for name in files(&world.path("results/e")).keys().filter(|name| *name != "arms.csv" && *name != "manifest.json") {
        let path = world.path("results/e").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"edited");
        std::fs::write(&path, &bytes).unwrap();
        let said = world.run("experiments/e", 0, 8);
        assert!(std::fs::read(&path).unwrap() != bytes && results(&world) == right, "{name} was not restored");
        let told = said.err.lines().any(|line| line.contains(name.as_str()) && line.contains("restored"));
        assert!(told, "the edit of {name} was not reported:\n{}", said.err);
    }
    assert!(ran(&world).is_empty());
}

#[test]
fn metrics_without_all_columns_are_no_panic() {
    let world = World::new();
    let run = "printf 'split,metric,value\\\\ntest,accuracy,0.5\\\\n' > {out}/metrics.csv";
    world.write(TARGET, &format!("[stages.a]\nkind = \"command\"\nrun = \"{run}\"\n")).run(TARGET, 1, 0);
    assert!(world.read("results/p/tables/metrics.csv").contains("accuracy"));
}
