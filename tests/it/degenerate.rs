use crate::world::World;

const PIPELINE: &str = r#"
[pipeline]
name = "p"
seed = 3

[stages.alerts]
kind = "simulate"
objects = 90
clean = false

[stages.stamps]
kind = "preprocess"
inputs = { alerts = "alerts" }
metadata = ["fwhm", "magpsf", "ndethist"]

[stages.features]
kind = "extract_features"
inputs = { stamps = "stamps" }
columns = ["metadata"]

[stages.probe]
kind = "classify"
inputs = { features = "features" }
classifier = "logistic"

[stages.trees]
kind = "classify"
inputs = { features = "features" }
classifier = "gradient_boosting"
rounds = 3

[stages.clusters]
kind = "cluster"
inputs = { features = "features" }
clusters = 3

[stages.map]
kind = "project"
inputs = { features = "features" }
method = "pca"

[stages.scores]
kind = "compare"
inputs = { probe = "probe", trees = "trees" }
"#;

const ARMS: &str = r#"
[experiment]
name = "odd"
question = "What stands when some arms cannot?"
pipeline = "../../pipelines/p.toml"
baseline = "as usual"

[[arms]]
name = "as usual"

[[arms]]
name = "constant features"
set = { "stamps.metadata" = ["programid"] }

[[arms]]
name = "one class"
set = { "stamps.classes" = ["bogus"], "stamps.unlabelled" = "drop" }

[[arms]]
name = "no test split"
set = { "stamps.test" = 0.0 }

[[arms]]
name = "a class that is not there"
set = { "stamps.classes" = ["quasar"] }
"#;

/// The first line of numbers of `arm`, of the series `probe`.
fn line<'a>(text: &'a str, arm: &str) -> &'a str {
    text.lines().find(|line| line.trim_start().starts_with("probe") && line.contains(arm)).unwrap_or_default()
}

#[test]
fn arms_that_cannot_say_anything_are_named_and_the_others_stand() {
    let world = World::new();
    world.write("pipelines/p.toml", PIPELINE).write("experiments/odd/experiment.toml", ARMS);
    let said = world.say(&["run", "experiments/odd", "--keep-going"]);
    said.expect(1, "none of 90 alerts is left").expect(1, "class");
    let compared = world.say(&["compare", "experiments/odd", "--metric", "accuracy", "--metric", "macro_f1"]);
    compared.expect(0, "One replicate");
    let text = &compared.out;
    for arm in ["as usual", "constant features"] {
        assert!(line(text, arm).contains("0."), "{arm}: {text}");
    }
    for arm in ["one class", "no test split", "a class that is not there"] {
        assert!(line(text, arm).contains("missing"), "{arm}: {text}");
    }
    assert!(text.contains("Missing:") && text.contains("a class that is not there"), "{text}");
    let report = world.read("results/odd/report.html");
    assert!(report.contains("as usual") && report.contains("With one replicate nothing can be said about noise"));
}

/// Where the baseline itself has no result there is no difference, whatever the number of replicates.
#[test]
fn a_baseline_without_results_leaves_no_difference() {
    let world = World::new();
    let arms = ARMS.replace("baseline = \"as usual\"", "baseline = \"a class that is not there\"\nreplicates = 2");
    world.write("pipelines/p.toml", PIPELINE).write("experiments/odd/experiment.toml", &arms);
    world.say(&["run", "experiments/odd", "--keep-going"]).expect(1, "none of 90 alerts is left");
    let compared = world.say(&["compare", "experiments/odd", "--metric", "accuracy"]);
    compared.expect(0, "No arm has a result in a replicate in which a class that is not there has one");
    assert!(!compared.out.contains("One replicate"), "{}", compared.out);
}
