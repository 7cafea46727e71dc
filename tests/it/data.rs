use crate::world::World;

const TRAIN: &str = "[stages.stamps]\nkind = \"preprocess\"\ninputs = { alerts = \"alerts\" }\n\
    [stages.autoencoder]\nkind = \"train_autoencoder\"\ninputs = { stamps = \"stamps\" }\nepochs = 2\nmaps = 4\nlatent = 2\n\
    [stages.codes]\nkind = \"extract_features\"\ninputs = { model = \"autoencoder\", stamps = \"stamps\" }\n\
    [stages.probe]\nkind = \"classify\"\ninputs = { features = \"codes\" }\n";

fn failed(world: &World, text: &str, stage: &str) {
    let said = world.say(&["run", "pipelines/p.toml", "--keep-going"]);
    said.expect(1, text).expect(1, &format!("{stage}: failed"));
    let pattern = world.path("cache/entries/*/*/meta.json");
    for meta in glob::glob(&pattern.to_string_lossy()).unwrap().flatten() {
        let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(meta).unwrap()).unwrap();
        assert_ne!(meta["stage"], stage, "a failure was cached");
    }
}

#[test]
fn a_rate_that_could_only_diverge_is_refused() {
    let world = World::new();
    let alerts = "[stages.alerts]\nkind = \"simulate\"\nobjects = 60\n";
    world.write("pipelines/p.toml", &format!("{alerts}{}", TRAIN.replace("epochs = 2", "epochs = 2\nrate = 1e30")));
    world.say(&["run", "pipelines/p.toml"]).expect(2, "`rate` must be a number from 0 to 1");
}

#[test]
fn one_class_only() {
    let world = World::new();
    let alerts = "[stages.alerts]\nkind = \"simulate\"\nobjects = 60\nsn = 0.0\nagn = 0.0\nvs = 0.0\nbogus = 0.0\n";
    world.write("pipelines/p.toml", &format!("{alerts}{TRAIN}"));
    failed(&world, "class", "probe");
}

#[test]
fn truncated_and_empty_packets() {
    let world = World::new();
    let write = "[stages.written]\nkind = \"simulate\"\nobjects = 5\npackets = \"folder\"\n";
    world.write("pipelines/write.toml", write).run("pipelines/write.toml", 1, 0);
    let packets = world.artifacts("packets/*.avro");
    assert!(packets.len() >= 5);
    let whole = std::fs::read(&packets[0]).unwrap();
    let said = world.say(&["inspect", &packets[0].to_string_lossy(), "--png", "stamps.png"]);
    said.expect(0, "1 usable alert").expect(0, "63 x 63");
    assert!(std::fs::read(world.path("stamps.png")).unwrap().starts_with(b"\x89PNG"));
    world.say(&["inspect", &packets[0].to_string_lossy(), "--candid", "7"]).expect(2, "no such usable alert");
    let candid = packets[0].file_stem().unwrap().to_string_lossy().into_owned();
    let said = world.say(&["inspect", &packets[0].to_string_lossy(), "--candid", &candid]);
    said.expect(0, &format!("candid {candid} of ")).expect(0, "magpsf");
    assert!(!said.out.contains("usable alert"), "{}", said.out);
    world.say(&["inspect", "pipelines"]).expect(2, "no alerts here");
    let out = packets[0].ancestors().find(|path| path.ends_with("out")).unwrap();
    world.say(&["inspect", &out.to_string_lossy()]).expect(0, "parts of the key");
    std::fs::create_dir(world.path("night")).unwrap();
    std::fs::write(world.path("night/cut.avro"), &whole[..whole.len() / 2]).unwrap();
    let load = "[stages.alerts]\nkind = \"load\"\npath = \"../night\"\n";
    world.write("pipelines/p.toml", load);
    failed(&world, "usable alert", "alerts");
    // Beside a whole packet the cut one is named in a table and left out.
    std::fs::write(world.path("night/whole.avro"), &whole).unwrap();
    world.run("pipelines/p.toml", 1, 0);
    let quality = std::fs::read_to_string(&world.artifacts("quality.csv")[0]).unwrap();
    assert!(quality.contains("cut.avro"), "{quality}");
}

#[test]
fn simulated_packets_load_back_through_the_same_pipeline() {
    for (packets, path) in [("folder", "packets"), ("tar.gz", "packets.tar.gz")] {
        let world = World::new();
        let write = format!("[stages.alerts]\nkind = \"simulate\"\nobjects = 12\npackets = \"{packets}\"\n");
        world.write("pipelines/write.toml", &write).run("pipelines/write.toml", 1, 0);
        let simulated = world.artifacts("alerts.csv")[0].clone();
        let source = simulated.with_file_name(path);
        assert!(source.exists(), "{}", source.display());
        let load = format!("[stages.alerts]\nkind = \"load\"\npath = {:?}\n", source.to_string_lossy());
        world.write("pipelines/load.toml", &load).run("pipelines/load.toml", 1, 0);
        let count = |p: &std::path::Path| std::fs::read_to_string(p).unwrap().lines().count();
        let all = world.artifacts("alerts.csv");
        assert_eq!(all.len(), 2);
        assert_eq!(count(&all[0]), count(&all[1]));
    }
}

/// Evidence tells the names of label tables, so a new name is a new key; a new folder is not.
#[test]
fn label_tables_count_by_name_and_order_and_not_by_folder() {
    let world = World::new();
    let write = "[stages.alerts]\nkind = \"simulate\"\nobjects = 4\npackets = \"tar.gz\"\n";
    world.write("pipelines/write.toml", write).run("pipelines/write.toml", 1, 0);
    let alerts = std::fs::read_to_string(&world.artifacts("alerts.csv")[0]).unwrap();
    let ids: Vec<&str> = alerts.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    std::fs::copy(&world.artifacts("packets.tar.gz")[0], world.path("night.tar.gz")).unwrap();
    world.write("one.csv", &format!("candid,label\n{},A\n", ids[0]));
    world.write("two.csv", &format!("candid,class\n{},B\n{},B\n", ids[0], ids[1]));
    let load = |labels: &str| {
        let text = format!("[stages.alerts]\nkind = \"load\"\npath = \"../night.tar.gz\"\nlabels = {labels}\n");
        world.write("pipelines/p.toml", &text);
    };
    let evidence = || -> Vec<String> {
        let mut newest = world.artifacts("quality.csv");
        newest.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
        let table = std::fs::read_to_string(newest.last().unwrap().with_file_name("alerts.csv")).unwrap();
        let cells = |line: &str| line.split(',').skip(2).take(2).collect::<Vec<_>>().join(" by ");
        table.lines().skip(1).take(2).map(cells).collect()
    };
    load(r#"["../one.csv", "../two.csv"]"#);
    world.run("pipelines/p.toml", 1, 0);
    assert_eq!(evidence(), ["A by one.csv:candid", "B by two.csv:candid"]);
    load(r#"["../two.csv", "../one.csv"]"#);
    world.run("pipelines/p.toml", 1, 0);
    assert_eq!(evidence(), ["B by two.csv:candid", "B by two.csv:candid"]);
    load(r#""../two.csv""#);
    world.run("pipelines/p.toml", 1, 0);
    load(r#"["../two.csv"]"#);
    world.run("pipelines/p.toml", 0, 1);
    std::fs::create_dir(world.path("tables")).unwrap();
    std::fs::rename(world.path("two.csv"), world.path("tables/two.csv")).unwrap();
    load(r#""../tables/two.csv""#);
    world.run("pipelines/p.toml", 0, 1);
    std::fs::rename(world.path("tables/two.csv"), world.path("three.csv")).unwrap();
    // A pattern may mean more tables than there are words for.
    for name in ["tables/a.csv", "tables/b.csv"] {
        std::fs::copy(world.path("three.csv"), world.path(name)).unwrap();
    }
    load("[\"../tables/*.csv\", \"../three.csv\"]\nmatch_by = [\"candid\", \"candid\"]");
    world.say(&["run", "pipelines/p.toml"]).expect(1, "`labels` means 3 files, but `match_by` or");
    load(r#""../three.csv""#);
    world.run("pipelines/p.toml", 1, 0);
    assert_eq!(evidence(), ["B by three.csv:candid", "B by three.csv:candid"]);
}

#[test]
fn several_nights_are_one_stage_and_their_files_are_told_apart() {
    let world = World::new();
    for (seed, night) in [(1, "one"), (2, "two")] {
        let write = format!(
            "[pipeline]\nname = \"w\"\nseed = {seed}\n[stages.written]\nkind = \"simulate\"\nobjects = 5\npackets = \"tar.gz\"\n"
        );
        world.write("pipelines/write.toml", &write).run("pipelines/write.toml", 1, 0);
        std::fs::create_dir(world.path(night)).unwrap();
        let made = world.artifacts("packets.tar.gz");
        let newest = made.iter().max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap();
        std::fs::copy(newest, world.path(&format!("{night}/night.tar.gz"))).unwrap();
    }
    std::fs::write(world.path("two/notes.txt"), "clouds").unwrap();
    std::fs::copy(world.path("two/night.tar.gz"), world.path("two/night.bin")).unwrap();
    let load = "[stages.alerts]\nkind = \"load\"\npath = [\"../one\", \"../two\"]\n";
    world.write("pipelines/p.toml", load).run("pipelines/p.toml", 1, 0);
    let quality = world.artifacts("quality.csv");
    let text = std::fs::read_to_string(&quality[0]).unwrap();
    assert!(text.contains("other_file") && text.contains("two/notes.txt"), "{text}");
    let alerts = quality[0].with_file_name("alerts.csv");
    assert_eq!(std::fs::read_to_string(alerts).unwrap().lines().count(), 11);
    world.run("pipelines/p.toml", 0, 1);
    // The order is that of the list, so it counts; a folder alone is another load.
    world.edit("pipelines/p.toml", "[\"../one\", \"../two\"]", "[\"../two\", \"../one\"]").run(
        "pipelines/p.toml",
        1,
        0,
    );
    world.edit("pipelines/p.toml", "[\"../two\", \"../one\"]", "\"../one\"").run("pipelines/p.toml", 1, 0);
}

/// As one that is the whole `path`; in a folder, or found by a glob, it is known by its name.
#[test]
fn a_file_that_is_named_itself_is_read_whatever_it_is_called() {
    let world = World::new();
    let write = |seed: usize, name: &str| {
        let head = format!("[pipeline]\nname = \"w\"\nseed = {seed}\n");
        let stage = "[stages.written]\nkind = \"simulate\"\nobjects = 5\npackets = \"tar.gz\"\n";
        world.write("pipelines/write.toml", &(head + stage)).run("pipelines/write.toml", 1, 0);
        let made = world.artifacts("packets.tar.gz");
        let newest = made.iter().max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap();
        std::fs::copy(newest, world.path("pipelines").join(name)).unwrap();
    };
    write(1, "a.bin");
    write(2, "b.tar.gz");
    let load = |path: &str| {
        world.write("pipelines/p.toml", &format!("[stages.alerts]\nkind = \"load\"\npath = {path}\n"));
        world.say(&["run", "pipelines/p.toml"])
    };
    // Glob and list give the same labels and bytes, but not the same alerts.
    load("[\"a.b*\", \"b.tar.gz\"]").expect(0, "ran 1").expect(0, "5 alerts of").expect(0, "1 other_file");
    load("[\"a.bin\", \"b.tar.gz\"]").expect(0, "ran 1").expect(0, "10 alerts of");
    load("[\"a.bin\", \"a.bin\"]").expect(0, "5 alerts of 10 records").expect(0, "5 duplicate");
}
