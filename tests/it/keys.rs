//! What is in a key and what is not, by known vectors and by changing one thing at a time; and seeds.

use std::collections::BTreeSet;

use estampa::store::key::Parts;

use crate::watch::output;
use crate::world::World;

const TARGET: &str = "pipelines/p.toml";
const BASE: &str = "[pipeline]\nseed = 1\n[stages.a]\nkind = \"command\"\nfiles = [\"../data\"]\n\
    environment = { A = \"1\" }\nrun = \"echo {seed} > {out}/x.txt\"\n";

fn parts(list: &[(&str, &str)]) -> Parts {
    Parts(list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
}

fn text(list: &[(&str, &str)]) -> String {
    serde_json::to_value(parts(list).key()).unwrap().as_str().unwrap().into()
}

/// Every name and value as its length in eight bytes, the least first, and its UTF-8, piped through
///
///     b3sum --derive-key 'estampa 2026-11 key of a result' --length 20
#[test]
fn known_vectors() {
    let kind = [("format", "1"), ("kind", "preprocess"), ("code version", "1")];
    let zeros = "0".repeat(64);
    let more = [("crop", "21"), ("input alerts", zeros.as_str()), ("file path", "é")];
    assert_eq!(text(&[]), "5277a581797988db571ebc3404128a0dc82ee07e");
    assert_eq!(text(&kind), "cfa8a07628264b3115caad5db96f52567cec563f");
    assert_eq!(text(&[&kind[..], &more[..]].concat()), "55423fe322f93d47b63817bf9893b4d4e7d9a4f7");
}

/// The parts, hashed as above: format 1, kind command, code version 2, environment `{ }`,
/// run `"echo {seed} > {out}/x"`, seed 9140594452247548255.
#[test]
fn the_key_of_a_command() {
    let world = World::new();
    world.write(TARGET, "[stages.a]\nkind = \"command\"\nrun = \"echo {seed} > {out}/x\"\n");
    assert_eq!(key(&world), "e724da62fcf4b8c1ed6a5965cc60ca90164d6823");
}

#[test]
fn every_part_alone_changes_the_key() {
    let list = [("format", "1"), ("kind", "command"), ("code version", "1"), ("run", "\"true\""), ("seed", "5")];
    let mut keys = BTreeSet::from([parts(&list).key()]);
    for i in 0..list.len() {
        for changed in [("other", list[i].1), (list[i].0, "other"), ("", list[i].1), (list[i].0, "")] {
            let mut list = list;
            list[i] = changed;
            assert!(keys.insert(parts(&list).key()), "{list:?} has the key of another list");
        }
        let mut fewer = list.to_vec();
        fewer.remove(i);
        assert!(keys.insert(parts(&fewer).key()), "{fewer:?} has the key of another list");
    }
}

/// Key of the only stage.
fn key(world: &World) -> String {
    keys(world).remove(0)
}

fn keys(world: &World) -> Vec<String> {
    let said = world.say(&["plan", TARGET, "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    rows.iter().map(|row| row["key"].as_str().unwrap_or_default().to_string()).collect()
}

fn base() -> World {
    let world = World::new();
    world.write(TARGET, BASE).write("data/one.txt", "1").write("data/two.txt", "2");
    world
}

#[test]
fn every_declared_thing_alone_changes_the_key() {
    let edits: [(&str, &str); 7] = [
        ("echo {seed}", "echo  {seed}"),
        ("{ A = \"1\" }", "{ A = \"2\" }"),
        ("{ A = \"1\" }", "{ B = \"1\" }"),
        ("{ A = \"1\" }", "{ A = \"1\", B = \"\" }"),
        ("seed = 1\n", "seed = 2\n"),
        ("environment", "seed = 3\nenvironment"),
        ("\"../data\"", "\"../data\", \"../data/one.txt\""),
    ];
    let mut seen = BTreeSet::from([key(&base())]);
    for (old, new) in edits {
        let world = base();
        world.edit(TARGET, old, new);
        assert!(seen.insert(key(&world)), "`{new}` instead of `{old}` has the key of something else");
    }
    let files: [&dyn Fn(&World); 4] = [
        &|world| {
            world.write("data/one.txt", "9");
        },
        &|world| {
            world.write("data/three.txt", "3");
        },
        &|world| std::fs::remove_file(world.path("data/two.txt")).unwrap(),
        &|world| std::fs::rename(world.path("data/two.txt"), world.path("data/zwei.txt")).unwrap(),
    ];
    for (i, edit) in files.iter().enumerate() {
        let world = base();
        edit(&world);
        assert!(seen.insert(key(&world)), "change {i} of the files has the key of something else");
    }
}

#[test]
fn paths_names_and_ways_of_writing_change_no_key() {
    let right = key(&base());
    let moved = base();
    std::fs::rename(moved.path("data"), moved.path("elsewhere")).unwrap();
    moved.edit(TARGET, "../data", "../elsewhere").edit(TARGET, "stages.a", "stages.\"a longer name\"");
    assert_eq!(key(&moved), right);
    let written = base();
    let text = "pipeline = { name = \"b\", seed = 0x1 } # a comment\n[stages]\n\
        a.run = '''echo {seed} > {out}/x.txt'''\na.environment.A = '1'\na.files = [\n \"../data\", # all\n]\na.kind = 'command'\n";
    written.write(TARGET, text);
    assert_eq!(key(&written), right);
    let included = base();
    std::fs::rename(included.path(TARGET), included.path("pipelines/base.toml")).unwrap();
    included.write(TARGET, "[pipeline]\ninclude = \"base.toml\"\n");
    assert_eq!(key(&included), right);
}

#[test]
fn an_input_counts_by_what_it_contains() {
    let world = World::new();
    let text = "[stages.a]\nkind = \"command\"\nrun = \"echo 1 > {out}/x.txt\"\n\
        [stages.b]\nkind = \"command\"\ninputs = { a = \"a\" }\nrun = \"cp {inputs.a}/x.txt {out}\"\n";
    world.write(TARGET, text).run(TARGET, 2, 0);
    let before = keys(&world);
    // Another command with the same bytes, and one with others.
    world.edit(TARGET, "echo 1 >", "printf '1\\\\n' >").run(TARGET, 1, 1);
    let same = keys(&world);
    assert!(before[0] != same[0] && before[1] == same[1]);
    world.edit(TARGET, "printf '1\\\\n' >", "echo 2 >").run(TARGET, 2, 0);
    assert_ne!(keys(&world)[1], before[1]);
}

#[test]
fn a_seed_depends_on_no_other_stage_and_no_number_of_jobs() {
    let stage = |name: &str, more: &str| {
        format!("[stages.{name}]\nkind = \"command\"\nrun = \"echo {{seed}} {more} > {{out}}/x.txt\"\n")
    };
    let world = World::new();
    world.write(TARGET, &stage("b", "")).run(TARGET, 1, 0);
    let alone = output(&world, TARGET, "b");
    // Others of the same kind before and after it.
    world.write(TARGET, &(stage("a", "first") + &stage("b", "") + &stage("c", "last"))).run(TARGET, 2, 1);
    assert_eq!(output(&world, TARGET, "b"), alone);
    world.say(&["run", TARGET, "--force", "b", "--jobs", "8", "--threads", "3"]).expect(0, "ran 1, cached 2");
    assert_eq!(output(&world, TARGET, "b"), alone);
}
