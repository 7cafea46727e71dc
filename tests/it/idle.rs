//! Runs that have nothing to do: however often they were repeated, the first change after them is seen.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use crate::watch::entry;
use crate::world::World;

const TARGET: &str = "pipelines/p.toml";
const BASE: &str = "[stages.a]\nkind = \"command\"\nfiles = [\"../data\", \"../more/*.txt\"]\n\
    run = \"cat ../data/* ../more/* > {out}/x.txt\"\n\
    [stages.b]\nkind = \"command\"\ninputs = { a = \"a\" }\nrun = \"cat {inputs.a}/x.txt > {out}/x.txt\"\n";

/// Changes text in a file that keeps its size, its inode and its time.
fn forge(path: &Path, old: &str, new: &str) {
    let time = std::fs::metadata(path).unwrap().modified().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(old.len() == new.len() && text.contains(old), "{text}");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, text.replace(old, new)).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A change, and how many stages run because of it.
type Change = (&'static str, usize, fn(&World));

const CHANGES: [Change; 13] = [
    ("nothing", 0, |_| {}),
    ("the text of the included file", 1, |world| forge(&world.path("pipelines/base.toml"), "cat {", "cat\t{")),
    ("the text of the file", 1, |world| forge(&world.path(TARGET), "echo 1", "echo 2")),
    ("the seed, which nobody uses", 0, |world| forge(&world.path(TARGET), "seed = 1", "seed = 2")),
    ("the contents of a file", 2, |world| forge(&world.path("data/one.txt"), "1", "9")),
    ("a new file in a folder", 2, |world| drop(std::fs::write(world.path("data/new.txt"), "3"))),
    ("a new match of a pattern", 2, |world| drop(std::fs::write(world.path("more/new.txt"), "3"))),
    ("a file less", 2, |world| std::fs::remove_file(world.path("data/two.txt")).unwrap()),
    ("another name, of the same bytes in the same order", 1, |world| {
        std::fs::rename(world.path("data/two.txt"), world.path("data/ztwo.txt")).unwrap();
    }),
    ("where a link leads", 2, |world| {
        std::fs::remove_file(world.path("more/link.txt")).unwrap();
        symlink(world.path("elsewhere/b.txt"), world.path("more/link.txt")).unwrap();
    }),
    ("what a link leads to", 2, |world| forge(&world.path("elsewhere/a.txt"), "a", "A")),
    ("an entry that is gone", 1, |world| std::fs::remove_dir_all(entry(world, TARGET, "b")).unwrap()),
    ("a file of an entry that is gone", 1, |world| {
        std::fs::remove_file(entry(world, TARGET, "b").join("out/x.txt")).unwrap();
    }),
];

fn world() -> World {
    let world = World::new();
    let own = "[pipeline]\nseed = 1\ninclude = \"base.toml\"\n[stages.c]\nkind = \"command\"\nrun = \"echo 1 > {out}/x.txt\"\n";
    world.write("pipelines/base.toml", BASE).write(TARGET, own);
    world.write("data/one.txt", "1").write("data/two.txt", "2").write("more/three.txt", "3");
    world.write("elsewhere/a.txt", "a").write("elsewhere/b.txt", "b");
    symlink(world.path("elsewhere/a.txt"), world.path("more/link.txt")).unwrap();
    world
}

#[test]
fn the_first_change_after_idle_runs_is_seen() {
    let worlds: Vec<World> = CHANGES.iter().map(|_| world()).collect();
    // So old that their times can be relied upon.
    std::thread::sleep(Duration::from_millis(2_500));
    for world in &worlds {
        world.run(TARGET, 3, 0);
        for _ in 0..3 {
            world.run(TARGET, 0, 3);
        }
    }
    for (world, (what, runs, change)) in worlds.iter().zip(CHANGES) {
        change(world);
        let said = world.say(&["run", TARGET]);
        let expected = format!("ran {runs}, cached {}, failed 0, skipped 0", 3 - runs);
        assert!(said.out.contains(&expected), "{what}: expected {expected}: {said:?}");
        world.run(TARGET, 0, 3);
    }
}

#[test]
fn a_new_fault_after_idle_runs_is_seen() {
    let world = world();
    std::thread::sleep(Duration::from_millis(2_500));
    world.run(TARGET, 3, 0);
    for _ in 0..3 {
        world.run(TARGET, 0, 3);
    }
    forge(&world.path("pipelines/base.toml"), "kind", "kinb");
    world.say(&["run", TARGET]).expect(2, "has no `kind`");
    forge(&world.path("pipelines/base.toml"), "kinb", "kind");
    world.run(TARGET, 0, 3);
}
