//! The user's files: what cannot be read is an error, what did not change is not read, what changed is seen.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::watch::{output, ran, start, traces, wait_for};
use crate::world::{Said, World};

const TARGET: &str = "pipelines/p.toml";
const COPY: &str = "[stages.a]\nkind = \"command\"\nfiles = [\"../data\"]\n\
    run = \"cat ../data/* > {out}/x.txt; echo a >> ../ran.txt\"\n";

#[test]
fn what_cannot_be_read_is_an_error_that_names_it() {
    let world = World::new();
    world.write(TARGET, COPY).write("data/good.txt", "1").write("data/bad.txt", "2").run(TARGET, 1, 0);
    assert_eq!(ran(&world), ["a"]);
    let bad = world.path("data/bad.txt");
    // Nobody can read the first byte of a process's memory, whoever they are; and a link to nothing.
    for place in ["/proc/self/mem", "nowhere"] {
        std::fs::remove_file(&bad).unwrap();
        symlink(place, &bad).unwrap();
        for command in ["run", "plan"] {
            let said = world.say(&[command, TARGET]);
            assert!(said.code != Some(0) && said.err.contains("bad.txt"), "{command} with {place}: {said:?}");
        }
        assert!(ran(&world).is_empty(), "it ran with {place}");
    }
    std::fs::remove_file(&bad).unwrap();
    world.write("data/bad.txt", "2").run(TARGET, 0, 1);
}

/// A file with contents and a time; the same inode as before if it was there.
fn put(world: &World, text: &str, time: SystemTime) {
    let path = world.path("data/one.txt");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn an_edit_within_the_granularity_of_the_clock_is_seen() {
    let world = World::new();
    world.write(TARGET, COPY);
    // A file as young as the clock can tell: two contents of one size, at one time, in one inode.
    let time = SystemTime::now() + Duration::from_mins(1);
    for text in ["1", "2", "3"] {
        put(&world, text, time);
        world.run(TARGET, 1, 0);
        assert_eq!(output(&world, TARGET, "a"), text);
    }
}

#[test]
fn an_edit_of_the_same_size_is_seen_by_its_time() {
    let world = World::new();
    world.write(TARGET, COPY);
    let time = SystemTime::now() - Duration::from_hours(1);
    put(&world, "1", time);
    world.run(TARGET, 1, 0).expect(0, "a: running");
    put(&world, "2", time + Duration::from_nanos(1));
    world.run(TARGET, 1, 0);
    assert_eq!(output(&world, TARGET, "a"), "2");
}

#[test]
fn another_file_of_the_same_size_and_time_is_seen() {
    let world = World::new();
    world.write(TARGET, COPY);
    let time = SystemTime::now() - Duration::from_hours(1);
    put(&world, "1", time);
    world.run(TARGET, 1, 0);
    std::fs::rename(world.path("data/one.txt"), world.path("kept.txt")).unwrap();
    put(&world, "2", time);
    world.run(TARGET, 1, 0);
    assert_eq!(output(&world, TARGET, "a"), "2");
}

/// Bytes that a process has read so far.
#[cfg(target_os = "linux")]
fn bytes_read(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Looks at a run while its last stage waits: by then it has all that it needs of the files.
#[cfg(target_os = "linux")]
fn bytes_read_by_a_run(world: &World) -> u64 {
    let before = traces(world).len();
    let child = start(world, &["run", TARGET]);
    wait_for("the last stage", || traces(world).len() > before && traces(world).last().is_some_and(|name| name == "b"));
    let bytes = bytes_read(child.id());
    world.write("go", "");
    Said::of(child.wait_with_output().unwrap()).expect(0, "failed 0");
    std::fs::remove_file(world.path("go")).unwrap();
    bytes
}

#[cfg(target_os = "linux")]
#[test]
fn unchanged_files_are_not_read_again() {
    let world = World::new();
    let text = format!("{COPY}[stages.b]\nkind = \"command\"\ninputs = {{ a = \"a\" }}\n")
        + "run = \"echo b >> ../ran.txt; while [ ! -e ../go ]; do sleep 0.01; done; echo > {out}/x.txt\"\n";
    world.write(TARGET, &text);
    for i in 0..500 {
        world.write(&format!("data/{i}"), &format!("{i:8192}"));
    }
    // Younger files are rightly read again.
    std::thread::sleep(Duration::from_millis(2_500));
    let all = 500 * 8192;
    assert!(bytes_read_by_a_run(&world) >= all, "the first run has to read all of them");
    world.edit(TARGET, "echo > {out}", "echo again > {out}");
    let again = bytes_read_by_a_run(&world);
    assert!(again < all / 4, "the second run read {again} bytes");
}
