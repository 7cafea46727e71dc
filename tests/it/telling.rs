//! What commands say: names that are almost right, causes, and what to do next.

use crate::world::World;

/// A stage of a user's program that writes numbers: `metric,value` of the test split.
pub(crate) fn numbers(rows: &str) -> String {
    let rows: Vec<String> = rows.lines().map(|row| format!("s,test,{row},9,,\\\\n")).collect();
    let rows = rows.concat();
    format!(
        "[stages.s]\nkind = \"command\"\nrun = \"printf 'series,split,metric,class,value,n,ci_low,ci_high\\\\n{rows}' > {{out}}/metrics.csv\"\n"
    )
}

#[test]
fn compare_names_the_metric_and_the_split_that_were_meant() {
    let world = World::new();
    world.write("pipelines/p.toml", &numbers("accuracy,,0.5\nmacro_f1,,0.25"));
    world.say(&["compare", "pipelines/p.toml", "--metric", "acuracy"]).expect(0, "");
    world.run("pipelines/p.toml", 1, 0);
    let compare = |more: [&str; 2]| world.say(&["compare", "pipelines/p.toml", more[0], more[1]]);
    compare(["--metric", "accuracy"]).expect(0, "0.500");
    compare(["--metric", "acuracy"]).expect(2, "no number is of a metric `acuracy`; did you mean `accuracy`?");
    compare(["--split", "tset"]).expect(2, "no number is of a split `tset`; did you mean `test`?");
}

#[test]
fn a_run_tells_how_many_labels_matched_and_fails_where_none_did() {
    let world = World::new();
    let write = "[stages.alerts]\nkind = \"simulate\"\nobjects = 4\npackets = \"tar.gz\"\n";
    world.write("pipelines/write.toml", write).run("pipelines/write.toml", 1, 0);
    let alerts = std::fs::read_to_string(&world.artifacts("alerts.csv")[0]).unwrap();
    let candid = alerts.lines().nth(1).and_then(|line| line.split(',').next()).unwrap();
    std::fs::copy(&world.artifacts("packets.tar.gz")[0], world.path("night.tar.gz")).unwrap();
    let text = "[stages.alerts]\nkind = \"load\"\npath = \"../night.tar.gz\"\nlabels = \"../labels.csv\"\n\
        [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\nvalidation = 0.0\ntest = 0.0\n";
    world.write("pipelines/p.toml", text).write("labels.csv", &format!("candid,label\n{candid},SN\n7,SN\n"));
    let said = world.run("pipelines/p.toml", 2, 0);
    let told = said.err.lines().find(|line| line.contains(" labelled; ")).unwrap_or_else(|| panic!("{}", said.err));
    assert!(told.starts_with("alerts: ") && told.contains(", 1 labelled; 1 label_unmatched: see "), "{told}");
    assert!(std::path::Path::new(told.rsplit(' ').next().unwrap()).ends_with("out/quality.csv"), "{told}");
    said.expect(0, " stamps, 1 labelled: train ");
    world.write("labels.csv", "candid,label\n7,SN\n");
    world.say(&["run", "pipelines/p.toml"]).expect(1, "no row of labels.csv matches one of the").expect(1, "match_by");
}

#[test]
fn only_what_ran_before_runs_again() {
    let world = World::new();
    world.write("pipelines/one.toml", &crate::world::chain(2).replace("\"chain\"", "\"one\""));
    world.write(
        "pipelines/two.toml",
        &crate::world::chain(2).replace("\"chain\"", "\"two\"").replace("echo 0", "echo zero"),
    );
    world.run("pipelines/one.toml", 2, 0);
    let said = world.run("pipelines/two.toml", 2, 0);
    assert!(!said.err.contains("runs again"), "{}", said.err);
    world.edit("pipelines/two.toml", "echo 1", &format!("echo {}", "1".repeat(5000)));
    let said = world.run("pipelines/two.toml", 1, 1);
    let line = said.err.lines().find(|line| line.starts_with("runs again: s1: run: ")).unwrap();
    assert!(said.err.lines().all(|line| line.len() < 300), "{line}");
    assert!(world.say(&["plan", "pipelines/one.toml", "--force", "s0"]).out.lines().all(|line| line.len() < 300));
}

#[test]
fn a_target_that_is_almost_right_is_named() {
    let world = World::new();
    world.write("pipelines/mine.toml", &numbers("accuracy,,0.5")).write("experiments/quick/experiment.toml", "");
    world.say(&["run", "quick"]).expect(2, "cannot read quick: there").expect(2, "did you mean `experiments/quick`?");
    world.say(&["run", "pipelines/mime.toml"]).expect(2, "did you mean `pipelines/mine.toml`?");
    world.say(&["cache", "pin", "mine"]).expect(2, "did you mean `pipelines/mine.toml`?");
    world.say(&["run", "pipelines/"]).expect(2, "it holds no experiment.toml; name one of: `pipelines/mine.toml`");
    world.say(&["plan", "zzzzzzzz"]).expect(2, "there are: `experiments/quick`, `pipelines/mine.toml`");
}

#[test]
fn a_word_that_is_no_classifier_is_one_fault() {
    let world = World::new();
    let stages = "[stages.alerts]\nkind = \"simulate\"\n\
        [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\n\
        [stages.pixels]\nkind = \"extract_features\"\ncolumns = [\"pixels\"]\ninputs = { stamps = \"stamps\" }\n\
        [stages.probe]\nkind = \"classify\"\ninputs = { features = \"pixels\" }\nclassifier = \"logisitc\"\n";
    world.write("pipelines/p.toml", stages);
    world.say(&["check", "pipelines/p.toml"]).expect(2, "did you mean `logistic`?").expect(2, "1 fault found");
}

#[test]
fn a_new_experiment_runs_beside_a_pipeline_without_what_it_varies() {
    let world = World::new();
    world.write("pipelines/mine.toml", &numbers("accuracy,,0.5"));
    world.say(&["new", "experiment", "mine"]).expect(0, "wrote experiments/mine/experiment.toml");
    world.say(&["check", "experiments/mine"]).expect(0, "");
    world.say(&["new", "pipeline", "p1"]).expect(0, "wrote");
    assert!(!world.read("pipelines/p1.toml").contains("[stages.p1]"));
}

#[test]
fn a_pipeline_and_the_experiment_of_its_name_have_results_of_their_own() {
    let world = World::new();
    world.write("pipelines/x.toml", &format!("[pipeline]\nname = \"x\"\n{}", numbers("accuracy,,0.5")));
    world.run("pipelines/x.toml", 1, 0);
    assert!(world.path("results/x/report.html").exists());
    let experiment = "[experiment]\nname = \"x\"\npipeline = \"../../pipelines/x.toml\"\nreplicates = 2\n";
    world.write("experiments/x/experiment.toml", experiment);
    world.run("pipelines/x.toml", 0, 1);
    assert!(world.path("results/x-pipeline/report.html").exists());
    for target in ["experiments/x", "experiments/x/experiment.toml", "pipelines/x.toml"] {
        world.say(&["run", target]).expect(0, "ran");
    }
    let arms = |folder: &str| world.read(&format!("results/{folder}/arms.csv")).lines().count();
    assert_eq!((arms("x"), arms("x-pipeline")), (3, 2));
}

#[test]
fn results_of_another_file_of_the_same_name_are_not_overwritten() {
    let world = World::new();
    let named = format!("[pipeline]\nname = \"x\"\n{}", numbers("accuracy,,0.5"));
    world.write("pipelines/p.toml", &named).write("pipelines/q.toml", &named.replace("\"x\"", "\"y\""));
    let experiment = "[experiment]\nname = \"x\"\npipeline = \"../../pipelines/q.toml\"\n";
    world.write("experiments/e/experiment.toml", experiment).run("experiments/e", 1, 0);
    let help = "give one of them another `name`";
    world.say(&["run", "pipelines/p.toml"]).expect(2, "results of experiments/e/experiment.toml").expect(2, help);
    world.say(&["report", "pipelines/p.toml"]).expect(2, help);
    world.say(&["run", "pipelines/p.toml", "--results", "mine"]).expect(0, "ran 0, cached 1");
    world.run("experiments/e", 0, 1);
    std::fs::remove_dir_all(world.path("experiments")).unwrap();
    world.run("pipelines/p.toml", 0, 1);
    assert!(!world.read("results/x/report.html").contains("--set"));
    world.say(&["run", "pipelines/p.toml", "--set", "s.cpu=2"]).expect(0, "ran 0, cached 1");
    assert!(world.read("results/x/report.html").contains("run with --set s.cpu=2."));
    world.run("pipelines/p.toml", 0, 1);
    assert!(!world.read("results/x/report.html").contains("--set"));
}
