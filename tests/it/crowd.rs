//! Eight processes over one cache: every key is computed once, and one that is killed holds nobody up.

use crate::watch::{end, kill, output, ran, start, wait_for};
use crate::world::{Said, World, chain};

const TARGET: &str = "pipelines/p.toml";

#[test]
fn overlapping_experiments_compute_every_key_once() {
    let world = World::new();
    world.write(TARGET, &chain(5).replace("echo s", "sleep 0.03; echo s"));
    for i in 0..4 {
        let head =
            format!("[experiment]\nname = \"e{i}\"\npipeline = \"../../pipelines/p.toml\"\n[[arms]]\nname = \"x\"\n");
        let set = format!("set = {{ \"s3.run\" = \"echo own{i} >> ../ran.txt; echo {i}{i} > {{out}}/x.txt\" }}\n");
        world.write(&format!("experiments/e{i}/experiment.toml"), &(head + &set));
    }
    let all = [0, 1, 2, 3, 0, 1, 2, 3].map(|i| start(&world, &["run", &format!("experiments/e{i}")]));
    for child in all {
        Said::of(child.wait_with_output().unwrap()).expect(0, "failed 0, skipped 0");
    }
    let mut names = ran(&world);
    names.sort();
    assert_eq!(names, ["own0", "own1", "own2", "own3", "s0", "s1", "s2", "s4", "s4", "s4", "s4"]);
}

#[test]
fn those_who_wait_for_a_killed_one_go_on() {
    let world = World::new();
    let hold = "if mkdir ../first; then echo $$ > ../pid; exec sleep 600; fi; echo 1 >>";
    world.write(TARGET, &chain(4).replace("echo 1 >>", hold));
    let first = start(&world, &["run", TARGET]);
    wait_for("the stage that holds", || {
        std::fs::read_to_string(world.path("pid")).is_ok_and(|pid| pid.ends_with('\n'))
    });
    // The last one says when it waits.
    let mut rest: Vec<_> = (0..6).map(|_| start(&world, &["run", TARGET])).collect();
    rest.push(world.spawn(&["run", TARGET, "--format", "json"]));
    let mut events = std::io::BufReader::new(rest[6].stdout.take().unwrap());
    let mut line = String::new();
    wait_for("the one that waits", || {
        line.clear();
        std::io::BufRead::read_line(&mut events, &mut line).unwrap();
        line.contains("\"waiting\"")
    });
    kill(first);
    drop(std::io::read_to_string(events).unwrap());
    for child in rest {
        Said::of(child.wait_with_output().unwrap()).expect(0, "");
    }
    let mut names = ran(&world);
    names.sort();
    assert_eq!(names, ["s0", "s1", "s2", "s3"]);
    assert_eq!(output(&world, TARGET, "s3"), "0\n1\n2\n3\n");
    end(&world.read("pid"));
}
