use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::world::{Said, World, chain};

/// A diamond of commands and a stage of the program's own; `round` makes all keys new.
fn diamond(round: usize) -> String {
    let mut text = format!(
        "[pipeline]\nname = \"p\"\n[stages.alerts]\nkind = \"simulate\"\nobjects = 3\nseed = {round}\n\
        [stages.first]\nkind = \"command\"\nrun = \"echo round {round} > {{out}}/x; mkdir {{out}}/below; echo y > {{out}}/below/y\"\n"
    );
    for i in 0..4 {
        text += &format!(
            "[stages.middle{i}]\nkind = \"command\"\ninputs = {{ a = \"first\" }}\n\
            run = \"cat {{inputs.a}}/x > {{out}}/x; sleep 0.0{i}; echo {i} >> {{out}}/x\"\n"
        );
    }
    text + "[stages.last]\nkind = \"command\"\n\
        inputs = { a = \"middle0\", b = \"middle1\", c = \"middle2\", d = \"middle3\", e = \"alerts\" }\n\
        run = \"cat {inputs.a}/x {inputs.b}/x {inputs.c}/x {inputs.d}/x {inputs.e}/alerts.csv > {out}/x; \
        printf 'metric,value\\\\nlines,12\\\\n' > {out}/metrics.csv\"\n"
}

/// Files below a folder with their bytes, those that tell of times left out.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let told = ["meta.json", "manifest.json", "arms.csv", "report.html"];
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file());
    let kept = files.filter(|e| !told.iter().any(|name| e.file_name() == *name));
    kept.map(|e| (e.path().strip_prefix(folder).unwrap().into(), std::fs::read(e.path()).unwrap())).collect()
}

/// A random number below `limit`; the instants need no quality.
fn draw(state: &mut u64, limit: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % limit
}

/// `ESTAMPA_KILLS=1000` kills more often.
#[test]
fn kills_at_random_instants_leave_nothing_wrong_and_nothing_in_the_way() {
    let kills: usize = std::env::var("ESTAMPA_KILLS").map_or(40, |text| text.parse().unwrap());
    let (world, calm) = (World::new(), World::new());
    let (mut killed, mut round, mut state) = (0, 0, 7);
    while killed < kills {
        world.write("pipelines/p.toml", &diamond(round));
        calm.write("pipelines/p.toml", &diamond(round));
        let begun = Instant::now();
        calm.run("pipelines/p.toml", 7, 0);
        let span = begun.elapsed().as_micros() as u64 + 1;
        for _ in 0..8 {
            killed += usize::from(kill(&world, Duration::from_micros(draw(&mut state, span))));
        }
        world.say(&["run", "pipelines/p.toml"]).expect(0, "failed 0, skipped 0");
        assert_eq!(bytes(&world.path("results")), bytes(&calm.path("results")), "round {round}");
        round += 1;
    }
    world.run("pipelines/p.toml", 0, 7);
    expect_same_entries(&world, &calm);
    eprintln!("{killed} kills in {round} rounds");
}

/// Starts a run and kills it after so long; whether it was still running.
fn kill(world: &World, after: Duration) -> bool {
    let mut child = world.spawn(&["run", "pipelines/p.toml"]);
    std::thread::sleep(after);
    let is_running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    is_running
}

/// Every entry is whole and has the bytes of the calm world; what is left unfinished is of keys that are there.
fn expect_same_entries(world: &World, calm: &World) {
    let count = calm.artifacts("../meta.json").len();
    assert_eq!(bytes(&world.path("cache/entries")), bytes(&calm.path("cache/entries")));
    world.say(&["cache", "verify"]).expect(0, &format!("{count} entries, 0 damaged"));
    assert!(!world.path("cache/damaged").exists(), "an entry was found damaged");
    for left in std::fs::read_dir(world.path("cache/unfinished")).unwrap() {
        let name = left.unwrap().file_name().to_string_lossy().into_owned();
        let key = name.split('-').next().unwrap();
        let entries = std::fs::read_dir(world.path("cache/entries")).unwrap();
        assert!(entries.map(|kind| kind.unwrap().path().join(key)).any(|place| place.exists()), "{name} is lost");
    }
}

#[track_caller]
fn expect_all(children: Vec<Child>, code: i32, text: &str) {
    for child in children {
        Said::of(child.wait_with_output().unwrap()).expect(code, text);
    }
}

/// Lines of the trace; each stage leaves one when it ran to its end.
fn trace(world: &World) -> Vec<String> {
    let mut lines: Vec<String> = world.read("ran.txt").lines().map(String::from).collect();
    lines.sort();
    lines
}

#[test]
fn eight_processes_with_overlapping_experiments_compute_each_key_once() {
    let world = World::new();
    let pipeline = "[stages.data]\nkind = \"command\"\nrun = \"sleep 0.05; echo data > {out}/x; echo data >> ../ran.txt\"\n\
        [stages.cut]\nkind = \"command\"\ninputs = { data = \"data\" }\n\
        run = \"sleep 0.05; cat {inputs.data}/x > {out}/x; echo cut >> ../ran.txt\"\n\
        [stages.model]\nkind = \"command\"\ninputs = { cut = \"cut\" }\nrun = \"true\"\n\
        [stages.score]\nkind = \"command\"\ninputs = { model = \"model\" }\n\
        run = \"cp {inputs.model}/x {out}/y; echo score `cat {out}/y` >> ../ran.txt\"\n";
    world.write("pipelines/p.toml", pipeline);
    for first in 0..8 {
        let model = |i: usize| format!("\"sleep 0.03; echo {i} > {{out}}/x; echo model {i} >> ../ran.txt\"");
        let models: Vec<String> = (first..first + 3).map(model).collect();
        let head = format!("[experiment]\nname = \"e{first}\"\npipeline = \"../../pipelines/p.toml\"\n");
        let axes = format!("[axes]\n\"model.run\" = [{}]\n", models.join(", "));
        world.write(&format!("experiments/e{first}/experiment.toml"), &(head + &axes));
    }
    let run = |i| world.spawn(&["run", &format!("experiments/e{i}"), "--jobs", "2"]);
    expect_all((0..8).map(run).collect(), 0, "failed 0, skipped 0");
    let mut expected = vec!["cut".to_string(), "data".into()];
    expected.extend((0..10).flat_map(|i| [format!("model {i}"), format!("score {i}")]));
    expected.sort();
    assert_eq!(trace(&world), expected);
    world.say(&["cache", "verify"]).expect(0, "22 entries, 0 damaged");
}

/// Waits until a file is there.
fn wait_for(path: &Path) {
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn others_take_over_from_a_killed_process_and_go_on_meanwhile() {
    let world = World::new();
    // The first to come hangs; whoever comes after it does the work.
    let pipeline = "[stages.slow]\nkind = \"command\"\n\
        run = \"if mkdir ../first; then echo $$ > ../first/pid; mv ../first/pid ../first/name; sleep 300; fi; \
        echo slow > {out}/x; echo slow >> ../ran.txt\"\n\
        [stages.behind]\nkind = \"command\"\ninputs = { a = \"slow\" }\nrun = \"cp {inputs.a}/x {out}/x; echo behind >> ../ran.txt\"\n\
        [stages.other]\nkind = \"command\"\nrun = \"echo other > {out}/x; echo other >> ../ran.txt\"\n";
    world.write("pipelines/p.toml", pipeline);
    let mut first = world.spawn(&["run", "pipelines/p.toml", "--jobs", "1"]);
    wait_for(&world.path("first/name"));
    let others: Vec<Child> = (0..4).map(|_| world.spawn(&["run", "pipelines/p.toml", "--jobs", "1"])).collect();
    // What does not depend on it goes on although every process but one waits.
    wait_for(&world.path("ran.txt"));
    first.kill().unwrap();
    first.wait().unwrap();
    expect_all(others, 0, "failed 0, skipped 0");
    assert_eq!(trace(&world), ["behind", "other", "slow"]);
    let group = rustix::process::Pid::from_raw(world.read("first/name").trim().parse().unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    world.run("pipelines/p.toml", 0, 3);
}

#[test]
fn a_failure_in_one_process_does_not_reach_the_others() {
    let world = World::new();
    let good = chain(6).replace("echo s", "sleep 0.02; echo s");
    world.write("pipelines/good.toml", &good);
    world.write("pipelines/bad.toml", &good.replace("\"chain\"", "\"bad\"").replace("echo 4 >>", "exit 3; echo 4 >>"));
    let spawn = |name: &str| world.spawn(&["run", &format!("pipelines/{name}.toml")]);
    let (bad, good): (Vec<Child>, Vec<Child>) = (0..4).map(|_| (spawn("bad"), spawn("good"))).unzip();
    expect_all(bad, 1, "exit code 3");
    expect_all(good, 0, "failed 0, skipped 0");
    assert_eq!(trace(&world), ["s0", "s1", "s2", "s3", "s4", "s5"]);
}

#[test]
fn two_processes_may_force_the_same_stage() {
    let world = World::new();
    world.write("pipelines/p.toml", &chain(4).replace("echo s", "sleep 0.05; echo s"));
    world.run("pipelines/p.toml", 4, 0);
    let before = bytes(&world.path("cache/entries"));
    let force = |_| world.spawn(&["run", "pipelines/p.toml", "--force", "s1"]);
    expect_all((0..2).map(force).collect(), 0, "failed 0, skipped 0");
    world.run("pipelines/p.toml", 0, 4);
    assert_eq!(bytes(&world.path("cache/entries")), before);
}

/// What is computed from bytes that another process replaces meanwhile is not kept.
#[test]
fn an_input_that_is_replaced_while_it_is_read_is_noticed() {
    let world = World::new();
    let pipeline = "[stages.draw]\nkind = \"command\"\nrun = \"date +%N > {out}/x\"\n\
        [stages.copy]\nkind = \"command\"\ninputs = { a = \"draw\" }\n\
        run = \"mkdir ../reading; while ! [ -e ../replaced ]; do sleep 0.01; done; cp {inputs.a}/x {out}/copied\"\n";
    world.write("pipelines/p.toml", pipeline);
    let reader = world.spawn(&["run", "pipelines/p.toml"]);
    wait_for(&world.path("reading"));
    world.say(&["run", "pipelines/p.toml", "--until", "draw", "--force", "draw"]).expect(0, "ran 1, cached 0");
    world.write("replaced", "");
    expect_all(vec![reader], 1, "the result of `draw` was changed or replaced while the stage was reading it");
    world.edit("pipelines/p.toml", "mkdir ../reading; ", "");
    world.run("pipelines/p.toml", 1, 1);
    assert_eq!(std::fs::read(&world.artifacts("copied")[0]).unwrap(), std::fs::read(&world.artifacts("x")[0]).unwrap());
}

/// A file system of a megabyte, gone when dropped.
pub(crate) struct Small(PathBuf);

impl Small {
    /// `None` where this user may not mount.
    pub(crate) fn mount(path: PathBuf) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|said| said.status.success()).then_some(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_a_clear_error_and_room_is_all_it_takes() {
    let world = World::new();
    let Some(small) = Small::mount(world.path("small")) else {
        eprintln!("SKIPPED a_full_disk_is_a_clear_error_and_room_is_all_it_takes: tmpfs cannot be mounted here");
        return;
    };
    let run = ["run", "pipelines/p.toml", "--cache", "small/cache"];
    world.write("pipelines/p.toml", &chain(3));
    std::fs::create_dir_all(small.0.join("cache/entries")).unwrap();
    std::fs::create_dir_all(small.0.join("cache/unfinished")).unwrap();
    // Rooms in pages, from none to what the run nearly needs: it fails at another operation in each.
    for pages in 0..40_usize {
        std::fs::write(small.0.join("filler"), vec![1; 1 << 21]).unwrap_err();
        let filler = std::fs::File::options().write(true).open(small.0.join("filler")).unwrap();
        let size = filler.metadata().unwrap().len();
        filler.set_len(size.saturating_sub(pages as u64 * 4096)).unwrap();
        let said = world.say(&run);
        if said.code == Some(0) {
            assert!(pages > 3, "it needs no room?");
            break;
        }
        said.expect(1, "No space left");
        world.say(&["cache", "verify", "--cache", "small/cache"]).expect(0, " 0 damaged");
        std::fs::remove_file(small.0.join("filler")).unwrap();
    }
    let _ = std::fs::remove_file(small.0.join("filler"));
    world.say(&run).expect(0, "failed 0, skipped 0");
    world.say(&run).expect(0, "ran 0, cached 3");
    world.say(&["cache", "verify", "--cache", "small/cache"]).expect(0, "3 entries, 0 damaged");
}

#[test]
fn a_stage_that_fills_the_disk_fails_clearly_and_leaves_its_room() {
    let world = World::new();
    let Some(small) = Small::mount(world.path("small")) else {
        eprintln!(
            "SKIPPED a_stage_that_fills_the_disk_fails_clearly_and_leaves_its_room: tmpfs cannot be mounted here"
        );
        return;
    };
    let run = ["run", "pipelines/p.toml", "--cache", "small/cache"];
    world.write("pipelines/p.toml", "[stages.a]\nkind = \"command\"\nrun = \"head -c 2000000 /dev/zero > {out}/x\"\n");
    world.say(&run).expect(1, "No space left");
    assert!(std::fs::read_dir(small.0.join("cache/unfinished")).unwrap().next().is_none());
    world.edit("pipelines/p.toml", "2000000", "200000");
    world.say(&run).expect(0, "ran 1, cached 0, failed 0");
}
