use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{Said, World};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = glob::glob(&project().join(pattern).to_string_lossy()).unwrap().flatten().collect();
    found.sort();
    assert!(!found.is_empty(), "nothing matches {pattern}");
    found
}

/// The folder of real alerts; says loudly when it is absent.
fn real_alerts() -> Option<PathBuf> {
    let given = std::env::var_os("ESTAMPA_ZTF_ALERTS").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| project().join("../shared/data/ztf-alerts"));
    if !folder.is_dir() {
        eprintln!("SKIPPED: no real alerts at {}", folder.display());
        return None;
    }
    Some(folder.canonicalize().unwrap())
}

/// Settings that point `load` stages at the real alerts; `None` when the file needs them and they are absent.
fn data_settings(target: &Path) -> Option<Vec<String>> {
    let name = target.to_string_lossy();
    let stage = match () {
        () if name.contains("real_alerts") => "alerts",
        () if name.contains("realism") => "real",
        () => return Some(Vec::new()),
    };
    let folder = real_alerts()?;
    let set = |key: &str, file: &str| format!("{stage}.{key}={:?}", folder.join(file).to_string_lossy());
    Some(vec![set("path", "alerts.avro"), set("labels", "labels.csv")])
}

/// Runs `estampa` on a target of the project, with cache and results in the world.
fn estampa(world: &World, verb: &str, target: &Path, set: &[String]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estampa"));
    command.arg(verb).arg(target).arg("--cache").arg(world.path("cache")).arg("--results").arg(world.path("results"));
    for setting in set {
        command.args(["--set", setting]);
    }
    Said::of(command.current_dir(project()).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn every_shipped_file_is_free_of_faults() {
    let world = World::new();
    for target in matching("pipelines/*.toml").into_iter().chain(matching("experiments/*/experiment.toml")) {
        let Some(set) = data_settings(&target) else { continue };
        estampa(&world, "plan", &target, &set).expect(0, "cached 0");
    }
}

/// Small versions: few objects, one or two epochs, narrow networks.
fn small(target: &Path) -> Vec<String> {
    let name = target.to_string_lossy();
    let mut set = vec!["autoencoder.epochs=1", "autoencoder.maps=4"];
    if name.contains("fine_tuning") {
        set = vec!["simulated.objects=60", "on_simulated.epochs=1"];
        set.extend(["from_scratch.epochs=1", "fine_tuned.epochs=1", "dense_layers_tuned.epochs=1"]);
    } else if name.contains("new_night_codes") {
        set.extend(["alerts.objects=60", "night.objects=20", "forest.trees=10"]);
    } else if name.contains("new_night") {
        set = vec!["alerts.objects=60", "night.objects=20", "classifier.epochs=1"];
    } else if name.contains("networks") {
        set.extend([
            "alerts.objects=100",
            "vae.epochs=1",
            "vae.maps=4",
            "vade.pretrain=1",
            "vade.epochs=1",
            "vade.maps=4",
        ]);
        set.extend(["sequence_autoencoder.epochs=1", "stamp_classifier.epochs=1", "stamp_classifier_images.epochs=1"]);
        set.extend(["deep_hits.epochs=1", "temporal.epochs=1", "rcnn.epochs=1", "rcnn.maps=4", "rcnn.dense=16"]);
    } else if name.contains("rotations") {
        set = vec!["alerts.objects=60", "images.epochs=1", "forest.trees=20"];
    } else if name.contains("detections") {
        set = vec!["alerts.objects=40", "temporal.epochs=1", "forest.trees=20"];
    } else if name.contains("supervised") {
        set = vec!["both.epochs=1", "images.epochs=1", "deep_hits.epochs=1", "forest.trees=20"];
        if !name.contains("real_alerts") {
            set.push("alerts.objects=60");
        }
    } else if name.contains("clusters") {
        set = vec!["alerts.objects=120", "vade.pretrain=1", "vade.epochs=1", "vade.maps=4", "vade.restarts=1"];
    } else if name.contains("label_efficiency") {
        set.extend(["alerts.objects=200", "network.steps=4", "network.validate_every=2"]);
    } else if name.contains("coders") {
        set.extend(["augmented.copies=0", "forest.trees=20"]);
        if !name.contains("real_alerts") {
            set.push("alerts.objects=120");
        }
    } else if name.contains("real_bogus") {
        set = vec!["alerts.objects=120", "deep_hits.epochs=1", "forest.trees=20", "forest_on_pixels.trees=20"];
    } else if name.contains("temporal") || name.contains("schemes") {
        set.extend(["alerts.objects=60", "sequence_autoencoder.epochs=2", "sequence_autoencoder.frozen_epochs=1"]);
    } else if name.contains("realism") {
        set = vec!["simulated.objects=200", "pixels.components=8", "by_metadata.trees=20", "by_pixels_forest.trees=20"];
    } else if name.contains("light_curves") {
        set.extend(["augmented.copies=0", "by_everything.trees=20"]);
    } else if name.contains("real_alerts") {
        set.extend(["augmented.copies=0", "forest.trees=20"]);
    } else if name.contains("augmentation") {
        set = vec!["alerts.objects=120", "autoencoder.maps=4", "forest.trees=20"]; // its arms set the epochs
    } else {
        set.extend(["alerts.objects=120", "forest.trees=20"]);
    }
    set.into_iter().map(String::from).collect()
}

#[test]
fn every_shipped_experiment_runs() {
    for target in matching("experiments/*/experiment.toml") {
        let world = World::new();
        let Some(mut set) = data_settings(&target) else { continue };
        set.extend(small(&target));
        let name = target.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        estampa(&world, "run", &target, &set).expect(0, "failed 0, skipped 0");
        let results = world.path("results").join(&name);
        for file in ["report.html", "arms.csv", "manifest.json", "tables/metrics.csv", "tables/comparison.md"] {
            assert!(results.join(file).exists(), "{name} has no {file}");
        }
        let figures = std::fs::read_dir(results.join("figures")).unwrap().count();
        assert!(figures >= 8, "{name} has {figures} figures");
        estampa(&world, "run", &target, &set).expect(0, "ran 0,");
    }
}

#[test]
fn every_pipeline_of_a_new_night_ranks_its_alerts_and_the_next_night_trains_nothing() {
    for target in matching("pipelines/new_night*.toml") {
        let (world, mut set) = (World::new(), small(&target));
        estampa(&world, "run", &target, &set).expect(0, "failed 0, skipped 0");
        let table = world.path("results").join(target.file_stem().unwrap()).join("tables/candidates-ranked.csv");
        let text = std::fs::read_to_string(&table).unwrap_or_else(|fault| panic!("{}: {fault}", table.display()));
        assert!(text.lines().count() > 15 && text.lines().next().unwrap().contains("p_SN"), "{text}");
        set.push("night.objects=25".into());
        estampa(&world, "run", &target, &set).expect(0, "ran 2,");
    }
}

#[test]
fn every_experiment_tells_question_expectation_and_finding() {
    for target in matching("experiments/*/experiment.toml") {
        let readme = std::fs::read_to_string(target.with_file_name("README.md")).unwrap();
        for word in ["Question", "Expectation", "Finding"] {
            assert!(readme.contains(word), "{} lacks {word}", target.display());
        }
        assert!(!readme.lines().any(|line| line.trim() == "FINDING"), "{} has no finding yet", target.display());
    }
}

#[test]
fn threads_and_jobs_change_no_byte() {
    let target = project().join("pipelines/first_alert.toml");
    let digests = |threads: &str| {
        let world = World::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_estampa"));
        command.arg("run").arg(&target).arg("--cache").arg(world.path("cache"));
        command.arg("--results").arg(world.path("results")).args(["--threads", threads, "--jobs", threads]);
        for setting in small(&target) {
            command.args(["--set", &setting]);
        }
        Said::of(command.current_dir(project()).output().unwrap()).expect(0, "failed 0");
        let metas = glob::glob(&world.path("cache/entries/*/*/meta.json").to_string_lossy()).unwrap().flatten();
        let digest = |path: PathBuf| {
            let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            (meta["stage"].to_string(), meta["digest"].to_string())
        };
        metas.map(digest).collect::<std::collections::BTreeMap<_, _>>()
    };
    let (one, three) = (digests("1"), digests("3"));
    assert_eq!(one.len(), 12);
    assert_eq!(one, three);
}

#[test]
fn reference_of_keys_is_fresh() {
    let said = World::new().say(&["stages"]);
    let written = std::fs::read_to_string(project().join("pipelines/README.md")).unwrap();
    assert_eq!(written.trim(), said.out.trim(), "run: estampa stages > pipelines/README.md");
}

#[test]
fn schema_takes_every_shipped_file_and_refuses_a_wrong_key() {
    let said = World::new().say(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in matching("pipelines/*.toml").into_iter().chain(matching("experiments/*/experiment.toml")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = toml::from_str(&text).unwrap();
        // A stage that only overrides keys of an included file does not say its kind.
        let overrides = value["pipeline"].get("include").is_some();
        assert!(overrides || validator.is_valid(&value), "{}", path.display());
        let wrong: serde_json::Value = toml::from_str(&format!("{text}\n[nonsense]\n")).unwrap();
        assert!(!validator.is_valid(&wrong), "{}", path.display());
    }
}

#[test]
fn new_files_run_as_they_are() {
    let world = World::new();
    world.say(&["new", "experiment", "mine"]).expect(0, "wrote experiments/mine/experiment.toml");
    world.say(&["new", "experiment", "mine"]).expect(2, "is there already");
    world.say(&["run", "experiments/mine", "--set", "autoencoder.maps=4"]).expect(0, "failed 0, skipped 0");
    world.say(&["new", "pipeline", "../evil"]).expect(2, "letters, digits");
}

#[test]
fn schema_knows_every_way_to_write_arms() {
    let said = World::new().say(&["schema"]);
    let validator = jsonschema::validator_for(&serde_json::from_str(&said.out).unwrap()).unwrap();
    let is_valid = |text: &str| {
        let text = format!("[experiment]\npipeline = \"p.toml\"\n{text}");
        validator.is_valid(&toml::from_str::<serde_json::Value>(&text).unwrap())
    };
    let zip = "\"a.b\" = [1, 2]\n";
    assert!(is_valid(&format!("[zip]\n{zip}")) && is_valid(&format!("[[zip]]\n{zip}[[zip]]\n{zip}")));
    assert!(is_valid(&format!("[axes]\n{zip}[leave_one_out]\n\"a.c\" = 1\ngroup = {{ \"a.d\" = 1 }}\n")));
    assert!(!is_valid("[zip]\n\"a.b\" = 1\n") && !is_valid("[axes]\n\"a.b\" = []\n"));
}

/// Fenced blocks of a language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split(&format!("```{language}\n")).skip(1) {
        found.push(part.split("```").next().unwrap_or_default().to_string());
    }
    found
}

#[test]
fn readme_files_are_free_of_faults() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let mut checked = 0;
    for block in blocks(&readme, "toml") {
        let Some(name) = block
            .lines()
            .next()
            .and_then(|l| l.strip_prefix("# "))
            .filter(|n| n.contains(".toml") && !n.contains("(your file)"))
        else {
            continue;
        };
        let world = World::new();
        world.write(
            "pipelines/first_alert.toml",
            &std::fs::read_to_string(project().join("pipelines/first_alert.toml")).unwrap(),
        );
        world.write(name.trim(), &block).say(&["check", name.trim()]).expect(0, "no faults");
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn readme_commands_exist_with_their_options() {
    let world = World::new();
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let mut checked = 0;
    for line in blocks(&readme, "sh").iter().flat_map(|b| b.lines().map(String::from).collect::<Vec<_>>()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (["cargo", "run", "--release", "--", words @ ..] | ["estampa", words @ ..]) = words.as_slice() else {
            continue;
        };
        let mut help = vec![words[0]];
        // Commands of commands. None of them runs here, so nothing is fetched.
        if ["cache", "fetch"].contains(&words[0]) {
            help.push(words[1]);
        }
        help.push("--help");
        let said = world.say(&help);
        said.expect(0, "Usage");
        for option in words.iter().filter(|w| w.starts_with("--")) {
            assert!(said.out.contains(option.split('=').next().unwrap()), "{line}: no {option}");
        }
        checked += 1;
    }
    assert!(checked > 3);
}

#[test]
fn every_command_has_help_and_runs() {
    let world = World::new();
    world.write("pipelines/p.toml", "[stages.a]\nkind = \"command\"\nrun = \"echo > {out}/x\"\n");
    world.run("pipelines/p.toml", 1, 0);
    let help = world.say(&["--help"]).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Descriptions that are too long go on in deeper lines.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        world.say(&[command, "--help"]).expect(0, "Usage: estampa");
    }
    for format in ["mermaid", "dot", "svg"] {
        world.say(&["graph", "pipelines/p.toml", "--format", format]).expect(0, "command");
    }
    world.say(&["models"]).expect(0, "conv_autoencoder");
    world.say(&["stages", "preprocess"]).expect(0, "crop");
    world.say(&["completions", "bash"]).expect(0, "_estampa");
    world.say(&["cache", "ls"]).expect(0, "p/default/a");
    world.say(&["report", "pipelines/p.toml"]).expect(0, "report.html");
    world.say(&["compare", "pipelines/p.toml", "--baseline", "nobody"]).expect(2, "there is no arm `nobody`");
    world.say(&["bench", "conv_autoencode"]).expect(2, "did you mean `conv_autoencoder`?");
    let entry = world.artifacts("x")[0].parent().unwrap().parent().unwrap().to_path_buf();
    world.say(&["inspect", &entry.to_string_lossy()]).expect(0, "parts of the key");
}
