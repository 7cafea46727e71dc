use crate::world::World;

/// Checks a pipeline and expects exit 2 with each of the texts.
#[track_caller]
fn broken(pipeline: &str, texts: &[&str]) {
    let world = World::new();
    world.write("pipelines/p.toml", pipeline);
    for command in ["check", "run", "plan"] {
        let said = world.say(&[command, "pipelines/p.toml"]);
        for text in texts {
            said.expect(2, text);
        }
    }
    assert!(!world.path("cache").exists(), "something was run");
}

const GOOD: &str = "[stages.a]\nkind = \"command\"\nrun = \"echo > {out}/x\"\n";

#[test]
fn unknown_key_with_the_nearest_name() {
    broken(&format!("{GOOD}filess = []\n"), &["p.toml:4:1", "has no key `filess`", "did you mean `files`?"]);
}

#[test]
fn wrong_type() {
    broken("[stages.a]\nkind = \"command\"\nrun = 3\n", &["p.toml:3:7", "`run` must be text, not 3"]);
}

#[test]
fn out_of_range() {
    broken(
        "[stages.a]\nkind = \"simulate\"\nobjects = 0\n",
        &["p.toml:3:11", "`objects` must be a whole number from 1"],
    );
}

#[test]
fn missing_key() {
    broken("[stages.a]\nkind = \"command\"\n", &["p.toml:1:9", "needs the key `run`"]);
}

#[test]
fn missing_kind_and_unknown_kind() {
    broken("[stages.a]\n", &["stage `a` has no `kind`"]);
    broken("[stages.a]\nkind = \"simulat\"\n", &["p.toml:2:8", "did you mean `simulate`?"]);
}

#[test]
fn missing_file() {
    broken(&format!("{GOOD}files = [\"nowhere.csv\"]\n"), &["p.toml:4:9", "no such file", "nowhere.csv"]);
}

#[test]
fn cycle_names_its_members() {
    let stage = |name: &str, from: &str| {
        format!("[stages.{name}]\nkind = \"command\"\nrun = \"true\"\ninputs = {{ x = \"{from}\" }}\n")
    };
    broken(&(stage("a", "c") + &stage("b", "a") + &stage("c", "b")), &["the stages form a cycle: ", " -> b -> c"]);
    broken(&stage("a", "a"), &["the stages form a cycle: a -> a"]);
}

#[test]
fn wrong_artifact_on_an_edge() {
    let text = "[stages.alerts]\nkind = \"simulate\"\nobjects = 5\n[stages.more]\nkind = \"augment\"\ninputs = { stamps = \"alerts\" }\n";
    broken(text, &["p.toml:6:21", "input `stamps` takes stamps, but `alerts` (`simulate`) makes alerts"]);
}

#[test]
fn missing_input_and_unknown_input_and_unknown_stage() {
    broken("[stages.more]\nkind = \"augment\"\n", &["needs an input of type stamps"]);
    broken(
        "[stages.more]\nkind = \"augment\"\ninputs = { stamp = \"more\" }\n",
        &["`augment` has no input `stamp`", "did you mean `stamps`?"],
    );
    broken(
        "[stages.alerts]\nkind = \"simulate\"\n[stages.more]\nkind = \"preprocess\"\ninputs = { alerts = \"alert\" }\n",
        &["there is no stage `alert`", "did you mean `alerts`?"],
    );
}

#[test]
fn bad_toml_and_no_stages_and_unknown_table() {
    broken("[stages.a\n", &["p.toml:1:"]);
    broken("[pipeline]\nname = \"p\"\n", &["has no `[stages.NAME]`"]);
    broken(&format!("{GOOD}[stage.b]\nkind = \"command\"\n"), &["has no key `stage`", "did you mean `stages`?"]);
}

#[test]
fn all_faults_at_once() {
    let text = "[pipeline]\nsed = 1\n[stages.a]\nkind = \"command\"\nrun = 1\n[stages.b]\nkind = \"nothing\"\n";
    broken(text, &["has no key `sed`", "`run` must be text", "there is no stage kind `nothing`", "3 faults found"]);
}

#[test]
fn self_including_file() {
    broken("[pipeline]\ninclude = \"p.toml\"\n[stages.a]\nkind = \"command\"\n", &["includes itself"]);
}

#[test]
fn faults_of_experiments() {
    let world = World::new();
    world.write("pipelines/p.toml", GOOD);
    let cases = [
        ("[axes]\n\"a.rum\" = [1]\n", "has no key `rum`"),
        ("[axes]\n\"b.run\" = [\"x\"]\n", "has no stage `b`"),
        ("[axes]\n\"a.run\" = \"x\"\n", "must be a list of values"),
        ("[[arms]]\nset = { \"a.run\" = \"x\" }\n", "an arm needs a `name`"),
        ("[[arms]]\nname = \"x\"\n[[arms]]\nname = \"x\"\n", "two arms are called `x`"),
        ("[arm]\nname = \"x\"\n", "did you mean `arms`?"),
    ];
    for (text, expected) in cases {
        let head = "[experiment]\nname = \"e\"\npipeline = \"../../pipelines/p.toml\"\n";
        world.write("experiments/e/experiment.toml", &format!("{head}{text}"));
        world.say(&["run", "experiments/e"]).expect(2, expected);
    }
    let baseline =
        "[experiment]\npipeline = \"../../pipelines/p.toml\"\nbaseline = \"frist\"\n[[arms]]\nname = \"first\"\n";
    world.write("experiments/e/experiment.toml", baseline);
    world.say(&["run", "experiments/e"]).expect(2, "did you mean `first`?");
    world.say(&["run", "experiments/nowhere"]).expect(2, "cannot read");
}

#[test]
fn a_value_that_no_arm_would_take_is_refused() {
    let world = World::new();
    world.write("pipelines/p.toml", &format!("{GOOD}cpu = 1\n"));
    let head = "[experiment]\nname = \"e\"\npipeline = \"../../pipelines/p.toml\"\n";
    let arm = "[[arms]]\nname = \"departs\"\nset = { \"a.cpu\" = 2 }\n";
    world.write("experiments/e/experiment.toml", &format!("{head}[axes]\n\"a.run\" = [\"true\", \"false\"]\n{arm}"));
    let set = |setting: &str| world.say(&["plan", "experiments/e", "--set", setting]);
    let said = set("a.run=echo");
    said.expect(2, "the arms set `a.run` themselves").expect(2, "--arm").expect(2, "a.run=echo");
    set("a.cpu=3").expect(0, "run 3");
    // Whatever is no TOML is text, all of it.
    set("a.run=echo \u{a0}\u{200b} \"\\").expect(2, "the arms set");
    let axis = |axis: &str| {
        world.write("experiments/e/experiment.toml", &format!("{head}[axes]\n{axis}\n"));
    };
    axis("\"a.environment\" = [{ A = \"5\" }, { A = \"6\" }]");
    set("a.environment.A=\"9\"").expect(2, "the arms set `a.environment.A` themselves");
    set("a.environment={ A = \"9\", B = \"1\" }").expect(2, "the arms set `a.environment` themselves");
    set("a.environment.B=\"9\"").expect(0, "run 2");
    set("a.run=echo \u{a0}\u{200b} \"\\ > {out}/x").expect(0, "run 2");
    set("a.cpu=1\nb=2").expect(2, "`cpu` must be");
    axis("\"a.environment.A\" = [\"5\", \"6\"]");
    set("a.environment={ A = \"9\" }").expect(2, "the arms set `a.environment` themselves");
    set("a.environment={ B = \"9\" }").expect(0, "run 2");
    // A fault shows what was typed.
    set(" a.cpu = many").expect(2, " a.cpu = many").expect(2, "`cpu` must be");
}

#[test]
fn faults_that_show_in_inputs_and_in_the_header_of_a_table() {
    let stages = "[stages.alerts]\nkind = \"simulate\"\n\
        [stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\n\
        [stages.codes]\nkind = \"extract_features\"\ninputs = { stamps = \"stamps\" }\n\
        [stages.vectors]\nkind = \"extract_features\"\ncolumns = [\"metadata\"]\ninputs = { model = \"alerts\" }\n\
        [stages.probe]\nkind = \"classify\"\ninputs = { features = \"codes\" }\n\
        [stages.scores]\nkind = \"compare\"\ninputs = { codes = \"probe\" }\nbaseline = \"code\"\n";
    let model = "p.toml:6:9";
    broken(stages, &["but no model is connected", model, "baseline `code` is no input; did you mean `codes`?"]);
    broken(stages, &["neither `stamps` nor `sequences` is connected"]);
    let world = World::new();
    world.write("night.avro", "x").write("labels.csv", "candid,class_name\n1,SN\n");
    let load = "[stages.a]\nkind = \"load\"\npath = \"../night.avro\"\nlabels = \"../labels.csv\"\n";
    world.write("pipelines/p.toml", load);
    world.say(&["check", "pipelines/p.toml"]).expect(2, "p.toml:4:10").expect(2, "labels.csv: ");
    world.write("pipelines/p.toml", &format!("{load}label_column = \"class_name\"\n"));
    world.say(&["check", "pipelines/p.toml"]).expect(0, "");
}
