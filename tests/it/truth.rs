//! A plan holds: what it says will run runs, what it calls cached does not, on random graphs and random changes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::watch::ran;
use crate::world::World;

const TARGET: &str = "pipelines/p.toml";

/// A stage: which of the stages before it are its inputs, whether what it writes depends on them, and a value.
#[derive(Clone, Debug)]
struct Drawn {
    inputs: u8,
    constant: bool,
    value: u32,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (any::<u8>(), prop::bool::weighted(0.3), 0..3_u32).prop_map(|(inputs, constant, value)| Drawn {
        inputs,
        constant,
        value,
    })
}

fn write(world: &World, stages: &[Drawn]) {
    let mut text = String::new();
    for (i, stage) in stages.iter().enumerate() {
        let from: Vec<usize> = (0..i).filter(|j| stage.inputs >> j & 1 == 1).collect();
        let inputs: Vec<String> = from.iter().map(|j| format!("i{j} = \"s{j}\"")).collect();
        let copy: Vec<String> = from.iter().map(|j| format!("{{inputs.i{j}}}/x")).collect();
        let copy = if stage.constant || from.is_empty() {
            String::new()
        } else {
            format!("cat {} > {{out}}/x; ", copy.join(" "))
        };
        let value = if stage.constant { stage.value % 2 } else { stage.value };
        // The mark makes the command another one even where what it writes is the same.
        let run = format!("{copy}echo s{i} {value} >> {{out}}/x; echo s{i} >> ../ran.txt; : {}", stage.value);
        text += &format!("[stages.s{i}]\nkind = \"command\"\ninputs = {{ {} }}\nrun = \"{run}\"\n", inputs.join(", "));
    }
    world.write(TARGET, &text);
}

/// Stages by the state that the plan gives them.
fn planned(world: &World, state: &str) -> BTreeSet<String> {
    let said = world.say(&["plan", TARGET, "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let chosen = rows.iter().filter(|row| row["state"] == state);
    chosen.map(|row| row["stage"].as_str().unwrap().to_string()).collect()
}

/// Plans, runs, and holds the two together; gives what ran and what might have been spared.
fn hold_together(world: &World, stages: &[Drawn]) -> (BTreeSet<String>, BTreeSet<String>) {
    write(world, stages);
    let [run, wait, cached] = ["run", "wait", "cached"].map(|state| planned(world, state));
    assert_eq!(run.len() + wait.len() + cached.len(), stages.len());
    world.say(&["run", TARGET]).expect(0, "failed 0, skipped 0");
    let ran: BTreeSet<String> = ran(world).into_iter().collect();
    assert!(run.is_subset(&ran), "planned to run, and did not: {run:?}, {ran:?}");
    assert!(ran.is_disjoint(&cached), "planned as cached, and ran: {cached:?}, {ran:?}");
    let rest = ran.difference(&run).cloned().collect();
    (wait, rest)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_runs_is_within_the_plan(
        mut stages in prop::collection::vec(drawn(), 2..7),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u32), 1..4),
    ) {
        let world = World::new();
        hold_together(&world, &stages);
        for (which, value) in changes {
            let which = which.index(stages.len());
            stages[which].value = value;
            let (wait, rest) = hold_together(&world, &stages);
            prop_assert!(rest.is_subset(&wait));
        }
    }

    #[test]
    fn without_cut_off_the_plan_is_what_runs(
        mut stages in prop::collection::vec(drawn(), 2..7),
        changes in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let world = World::new();
        for stage in &mut stages {
            stage.constant = false;
        }
        hold_together(&world, &stages);
        for (new, which) in changes.into_iter().enumerate() {
            // A value that never was: everything behind it is new.
            let which = which.index(stages.len());
            stages[which].value = 10 + new as u32;
            let (wait, rest) = hold_together(&world, &stages);
            prop_assert_eq!(wait, rest);
        }
    }
}
