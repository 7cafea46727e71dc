//! Nights that are loaded together: one more is the only one that is read, and nothing else tells that the others were not.

use std::path::PathBuf;
use std::time::Duration;

use estampa::ztf::alert::{Alert, FIELDS, SIDE, Stamp};
use estampa::ztf::writer::PacketSink;

use crate::world::{Said, World};

/// Alerts of a night that is large enough to be remembered: their pixels do not compress.
const ALERTS: i64 = 450;

/// Writes `nights/NAME`, whose alerts are numbered from `first`.
fn night(world: &World, name: &str, first: i64) {
    let mut state = first as u64;
    let mut pixel = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from_bits(0x3f80_0000 | (state >> 41) as u32)
    };
    let path = world.path("nights").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut sink = PacketSink::create(&path).unwrap();
    for candid in first..first + ALERTS {
        let mut stamp = || Stamp { rows: SIDE, columns: SIDE, pixels: (0..SIDE * SIDE).map(|_| pixel()).collect() };
        let stamps = [stamp(), stamp(), stamp()];
        let values = vec![2_460_000.5; FIELDS.len()];
        let object_id = format!("ZTF{}", candid % 7);
        sink.push(&Alert { candid, object_id, values, stamps }).unwrap();
    }
    sink.finish().unwrap();
    let size = path.metadata().unwrap().len();
    assert!(size > 16 << 20, "{size} bytes");
}

const LOAD: &str = "[stages.alerts]\nkind = \"load\"\npath = \"../nights\"\n";

/// Runs the pipeline; the last note of the stage.
fn run(world: &World) -> String {
    let said = world.say(&["run", "pipelines/p.toml", "--format", "json"]);
    said.expect(0, "\"failed\":0");
    note(&said)
}

fn note(said: &Said) -> String {
    let mut notes = said.out.lines().filter(|line| line.contains("\"progress\""));
    notes
        .next_back()
        .and_then(|line| Some(line.split_once("\"note\":\"")?.1.split('"').next()?.into()))
        .unwrap_or_default()
}

fn portions(world: &World) -> Vec<PathBuf> {
    world.artifacts("trace.csv")
}

/// `meta.json` of the newest `load`.
fn newest(world: &World) -> PathBuf {
    let pattern = world.path("cache/entries/load/*/meta.json");
    let metas = glob::glob(&pattern.to_string_lossy()).unwrap().flatten();
    metas.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap()
}

/// Digest of what it holds.
fn digest(world: &World) -> String {
    let text = std::fs::read_to_string(newest(world)).unwrap();
    text.split("\"digest\": \"").nth(1).unwrap()[..64].into()
}

#[test]
fn one_night_more_is_the_only_one_that_is_read() {
    let world = World::new();
    night(&world, "1.tar.gz", 1000);
    night(&world, "2.tar.gz", 2000);
    world.write("pipelines/p.toml", LOAD);
    assert_eq!(run(&world), "900 alerts of 900 records");
    assert_eq!(portions(&world).len(), 2);
    world.run("pipelines/p.toml", 0, 1);
    let forced = world.say(&["run", "pipelines/p.toml", "--force", "alerts", "--format", "json"]);
    assert_eq!(note(&forced), "900 alerts of 900 records", "nothing is taken from before");
    night(&world, "3.tar.gz", 3000);
    assert_eq!(run(&world), "1350 alerts of 1350 records, 2 files as before");
    assert_eq!(portions(&world).len(), 3);
    // A night that is not as it was, and one whose alerts came before under another name.
    night(&world, "2.tar.gz", 4000);
    assert_eq!(run(&world), "1350 alerts of 1350 records, 2 files as before");
    std::fs::copy(world.path("nights/1.tar.gz"), world.path("nights/4.tar.gz")).unwrap();
    assert_eq!(run(&world), "1350 alerts of 1800 records, 3 files as before");
    // All at once, in a cache of its own, gives the same.
    let calm = World::new();
    std::fs::rename(world.path("nights"), calm.path("nights")).unwrap();
    calm.write("pipelines/p.toml", LOAD);
    assert_eq!(run(&calm), "1350 alerts of 1800 records");
    assert_eq!(digest(&world), digest(&calm));
    // What is used stays and is listed with its user. The copy has nothing that is used: it may belong to a load that goes on.
    std::fs::rename(calm.path("nights"), world.path("nights")).unwrap();
    world.say(&["cache", "gc", "--keep-last", "0"]).expect(0, "removed");
    assert_eq!(portions(&world).len(), 4, "the second night as it was has gone");
    world.say(&["cache", "verify"]).expect(0, "5 entries, 0 damaged");
    world.run("pipelines/p.toml", 0, 1);
    let list = world.say(&["cache", "ls"]);
    let held: Vec<&str> = list.out.lines().filter(|line| line.contains("load-portion")).collect();
    let used = held.iter().filter(|line| line.trim_end().ends_with(" p, p@1")).count();
    assert_eq!((held.len(), used), (4, 3), "{}", list.out);
    std::fs::remove_file(world.path("pipelines/p.toml")).unwrap();
    world.say(&["cache", "gc", "--keep-last", "0"]).expect(0, "removed");
    assert_eq!(portions(&world).len(), 1);
    world.say(&["cache", "gc", "--keep-last", "0", "--older-than", "0s"]).expect(0, "removed");
    assert_eq!(portions(&world).len(), 0);
}

#[test]
fn labels_and_settings_count_and_a_lost_portion_is_made_again() {
    let world = World::new();
    night(&world, "1.tar.gz", 1000);
    world.write("labels.csv", "candid,label\n1001,SN\n5,VS\n");
    let labels = "labels = \"../labels.csv\"\nunlabelled = \"drop\"\n";
    world.write("pipelines/p.toml", &format!("{LOAD}{labels}"));
    assert_eq!(run(&world), "1 alerts of 450 records");
    world.write("labels.csv", "candid,label\n1001,SN\n1002,VS\n");
    assert_eq!(run(&world), "2 alerts of 450 records");
    world.write("pipelines/p.toml", &format!("{LOAD}{labels}refuse = [\"unlabelled\"]\n"));
    world.say(&["run", "pipelines/p.toml"]).expect(1, "refused: 1.tar.gz");
    world.write("pipelines/p.toml", &format!("{LOAD}{labels}"));
    world.run("pipelines/p.toml", 0, 1);
    for portion in portions(&world) {
        std::fs::remove_dir_all(portion.parent().unwrap().parent().unwrap()).unwrap();
    }
    world.say(&["cache", "verify"]).expect(1, "damaged");
    assert_eq!(run(&world), "2 alerts of 450 records");
    world.run("pipelines/p.toml", 0, 1);
    // What is said of its alerts has its name.
    std::fs::rename(world.path("nights/1.tar.gz"), world.path("nights/2.tar.gz")).unwrap();
    run(&world);
    let quality = std::fs::read_to_string(newest(&world).with_file_name("out/quality.csv")).unwrap();
    let named = |line: &&str| line.starts_with("unlabelled,") && line.contains(",2.tar.gz:");
    assert_eq!(quality.lines().filter(named).count(), 448);
}

/// They are links to portions, which lead nowhere from the folders of a command.
#[test]
fn a_command_that_copies_alerts_has_their_bytes() {
    let world = World::new();
    night(&world, "1.tar.gz", 1000);
    let copy = |name: &str, run: &str| {
        format!("[stages.{name}]\nkind = \"command\"\ninputs = {{ a = \"alerts\" }}\nrun = \"{run}\"\n")
    };
    let (deep, flat) = (copy("deep", "cp -r {inputs.a} {out}/alerts"), copy("flat", "cp -r {inputs.a}/. {out}/"));
    world.write("pipelines/p.toml", &format!("{LOAD}{deep}{flat}"));
    world.run("pipelines/p.toml", 3, 0);
    let copies = glob::glob(&world.path("cache/entries/command/*/out/**/stamps.npy").to_string_lossy()).unwrap();
    let is_file = |path: PathBuf| path.symlink_metadata().unwrap().is_file();
    assert_eq!(copies.flatten().map(is_file).collect::<Vec<_>>(), [true; 2]);
    world.say(&["audit", "pipelines/p.toml", "--all"]).expect(0, "");
    for portion in portions(&world) {
        std::fs::remove_dir_all(portion.parent().unwrap().parent().unwrap()).unwrap();
    }
    let said = world.say(&["cache", "verify"]);
    said.expect(1, "3 entries, 1 damaged");
}

/// A file of the portion that nobody links to is damaged, and goes aside together with those that are linked to.
#[test]
fn verify_knows_who_has_files_of_what_is_damaged() {
    let world = World::new();
    night(&world, "1.tar.gz", 1000);
    world.write("pipelines/p.toml", LOAD);
    run(&world);
    let damage = || {
        let path = portions(&world)[0].with_file_name("alerts.csv");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.replace_range(text.len() - 3..text.len() - 2, "#");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, text).unwrap();
    };
    damage();
    let said = world.say(&["cache", "verify", "p@1"]);
    said.expect(1, "2 entries, 2 damaged")
        .expect(1, "alerts.csv does not hold")
        .expect(1, "is damaged, of which it has files");
    run(&world);
    damage();
    let said = world.say(&["cache", "verify", "--repair", "pipelines/p.toml"]);
    said.expect(0, "2 entries, 2 damaged").expect(0, "2 computed again, 0 left to later runs");
    world.say(&["cache", "verify"]).expect(0, "2 entries, 0 damaged");
    world.run("pipelines/p.toml", 0, 1);
}

/// Both take the first night as the first of them has made it anew.
#[test]
fn what_two_forced_stages_make_of_one_file_is_made_once() {
    let world = World::new();
    let stage = |name: &str, more: &str| {
        format!("[stages.{name}]\nkind = \"load\"\npath = [\"../nights/1.tar.gz\", \"../nights/{more}.tar.gz\"]\n")
    };
    for i in 1..4 {
        night(&world, &format!("{i}.tar.gz"), 1000 * i);
    }
    world.write("pipelines/p.toml", &format!("{}{}", stage("a", "2"), stage("b", "3")));
    run(&world);
    for jobs in ["1", "2"] {
        let forced = ["run", "pipelines/p.toml", "--force", "a", "--force", "b", "--jobs", jobs, "--format", "json"];
        let said = world.say(&forced);
        said.expect(0, "\"failed\":0");
        let notes: Vec<&str> = said
            .out
            .lines()
            .filter(|line| line.contains("\"progress\"") && line.contains("900 alerts of 900 records"))
            .collect();
        let known = notes.iter().filter(|line| line.contains(", 1 files as before")).count();
        assert_eq!((notes.len(), known), (2, 1), "{jobs} jobs: {}", said.out);
    }
}

/// A night or a table of labels that another program writes meanwhile: what was made of it is not kept.
#[test]
fn what_changes_while_it_is_read_leaves_no_portion() {
    let world = World::new();
    for i in 1..4 {
        night(&world, &format!("{i}.tar.gz"), 1000 * i);
    }
    night(&world, "../other.tar.gz", 5000);
    let other = std::fs::read(world.path("other.tar.gz")).unwrap();
    world.write("labels.csv", "candid,label\n3001,SN\n");
    world.write("pipelines/p.toml", &format!("{LOAD}labels = \"../labels.csv\"\n"));
    run(&world);
    let whole = digest(&world);
    for (name, new) in [("labels.csv", &b"candid,label\n3001,VS\n"[..]), ("nights/3.tar.gz", &other)] {
        std::fs::remove_dir_all(world.path("cache")).unwrap();
        let mut child = world.spawn(&["run", "pipelines/p.toml"]);
        while portions(&world).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let old = std::fs::read(world.path(name)).unwrap();
        std::fs::write(world.path(name), new).unwrap();
        Said::of(child.wait_with_output().unwrap()).expect(1, "changed while the stage was reading it");
        std::fs::write(world.path(name), old).unwrap();
        run(&world);
        assert_eq!(digest(&world), whole, "{name}");
    }
}

#[test]
fn a_killed_run_keeps_its_nights_and_two_at_once_share_them() {
    let world = World::new();
    for i in 1..4 {
        night(&world, &format!("{i}.tar.gz"), 1000 * i);
    }
    world.write("pipelines/p.toml", LOAD);
    let mut child = world.spawn(&["run", "pipelines/p.toml"]);
    while portions(&world).is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = portions(&world).len();
    assert!(kept > 0);
    let list = "[\"../nights/2.tar.gz\", \"../nights/3.tar.gz\"]";
    world.write("pipelines/q.toml", &LOAD.replace("\"../nights\"", list));
    let children = ["p", "q"].map(|name| world.spawn(&["run", &format!("pipelines/{name}.toml"), "--format", "json"]));
    for child in children {
        Said::of(child.wait_with_output().unwrap()).expect(0, "\"failed\":0");
    }
    for name in ["p", "q"] {
        world.run(&format!("pipelines/{name}.toml"), 0, 1);
    }
    world.say(&["cache", "verify"]).expect(0, ", 0 damaged");
}
