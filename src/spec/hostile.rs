//! Short texts that ask for much: each is refused, or read in time and memory that its length pays for.

use super::experiment;
use super::faults::Faults;

const PIPELINE: &str = "[stages.a]\nkind = \"simulate\"\n[stages.b]\nkind = \"preprocess\"\ninputs = { a = \"a\" }\n";

/// The faults of a pipeline, or of an experiment with it; empty if it can be run.
fn faults(pipeline: &str, arms: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    std::fs::write(path("p.toml"), pipeline).unwrap();
    std::fs::write(path("experiment.toml"), format!("[experiment]\npipeline = \"p.toml\"\n{arms}")).unwrap();
    let mut faults = Faults::default();
    let target = path(if arms.is_empty() { "p.toml" } else { "experiment.toml" });
    let read = experiment::read(&target, &[], &mut faults);
    assert_eq!(read.is_some(), faults.is_empty());
    faults.render(false)
}

#[test]
fn what_multiplies_has_a_limit() {
    let numbers = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let axis = |i: usize, n: usize| format!("\"a.k{i}\" = [{}]\n", numbers(n));
    let axes = |axes: usize, n: usize| (0..axes).map(|i| axis(i, n)).collect::<String>();
    let long = format!("\"a.seed\" = [{}]\n\"a.k\" = [\"{}\"]\n", numbers(90_000), "x".repeat(10_000));
    for (arms, words) in [
        (format!("[axes]\n{}", axes(40, 10)), "arms, the limit is 100000"),
        (format!("[axes]\n{}", axes(400, 100)), "arms, the limit is 100000"),
        (format!("[axes]\n{}", axes(2000, 1)), "2000 settings vary, the limit is 1000"),
        (format!("[axes]\n{long}"), "bytes, the limit is"),
        (format!("[zip]\n{}", axes(999, 90_000 / 999 * 20)), "bytes, the limit is"),
        (format!("[leave_one_out]\n{}", axes(1500, 1)), "1500 settings vary, the limit is 1000"),
        ("replicates = 1000000000000000000\n".into(), "1 arms x 1000000000000000000 replicates x 2 stages"),
        (format!("replicates = 100000\n[axes]\n{}", axes(1, 10)), "10 arms x 100000 replicates x 2 stages"),
    ] {
        let said = faults(PIPELINE, &arms);
        assert!(said.contains(words), "{words}: {}", &said[..said.len().min(500)]);
    }
    let run = format!("{PIPELINE}[stages.c]\nkind = \"command\"\nrun = \"{}\"\n", "x".repeat(200_000));
    let said = faults(&run, &format!("[axes]\n\"c.seed\" = [{}]\n", numbers(10_000)));
    assert!(said.contains("are more than fits in memory"), "{}", &said[..said.len().min(500)]);
}

#[test]
fn a_chain_of_includes_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40 {
        let text = format!("[pipeline]\ninclude = \"{}.toml\"\n", i + 1);
        std::fs::write(folder.path().join(format!("{i}.toml")), text).unwrap();
    }
    let mut faults = Faults::default();
    assert!(experiment::read(&folder.path().join("0.toml"), &[], &mut faults).is_none());
    assert!(faults.render(false).contains("is included by 32 files in a row"));
}

/// Arrays, inline tables and dotted names in each other, as deep as the parser goes.
#[test]
fn deep_nesting_is_a_fault() {
    let dotted = ["k"; 75].join(".");
    let tables = |n: usize| format!("{dotted} = {}1{}", format!("{{ {dotted} = ").repeat(n), "}".repeat(n));
    for value in [
        format!("{}1{}", "[".repeat(40), "]".repeat(40)),
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{ {} }}", tables(70)),
        format!("{{ {} }}", tables(1000)),
    ] {
        for text in [format!("{PIPELINE}x = {value}\n"), format!("[stages.a.{dotted}]\n{dotted} = {value}\n")] {
            assert!(!faults(&text, "").is_empty());
            faults(PIPELINE, &format!("[[arms]]\nname = \"n\"\nset = {{ \"b.inputs.a\" = {value} }}\n"));
        }
    }
    assert!(!faults(&format!("{} = 1\n", vec!["k"; 100_000].join(".")), "").is_empty());
}

/// The fault of the first stage is the same in every arm; stages behind it must not be taken for those before.
#[test]
fn a_fault_that_is_known_is_still_a_fault() {
    let pipeline = "[stages.a]\nkind = \"comand\"\n[stages.d]\nkind = \"simulate\"\nobjects = 0\n\
                    [stages.b]\nkind = \"preprocess\"\ninputs = { a = \"c\" }\n[stages.c]\nkind = \"simulate\"\n";
    let said = faults(pipeline, "[axes]\n\"c.objects\" = [1, 2, 3]\n");
    assert_eq!(said.matches("no stage kind `comand`").count(), 1, "{said}");
    assert_eq!(said.matches("`objects` must be").count(), 1, "{said}");
}

/// The nearest name takes memory as the product of both lengths, and the list of known names would be told to each.
#[test]
fn many_wrong_names_and_long_ones_cost_no_more_than_they_are_long() {
    let long = "x".repeat(60_000);
    let text = format!(
        "[stages.{long}]\nkind = \"simulate\"\n[stages.b]\nkind = \"preprocess\"\ninputs = {{ a = \"{long}y\" }}\n"
    );
    assert!(faults(&text, "").contains("there is no stage"));
    let stage = |i: usize| format!("[stages.s{i}q]\nkind = \"preprocess\"\ninputs = {{ a = \"{i}-wrong-{i}\" }}\n");
    let said = faults(&(0..300).map(stage).collect::<String>(), "");
    assert!(said.len() < 2_000_000 && said.ends_with("more"), "{} bytes", said.len());
}
