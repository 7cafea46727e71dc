//! What a test sees of a project from outside: traces of stages, results by stage, files of a folder, a run in progress.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::World;

/// Stages that left a trace since the last call, in order.
pub(crate) fn ran(world: &World) -> Vec<String> {
    let names = traces(world);
    let _ = std::fs::remove_file(world.path("ran.txt"));
    names
}

/// Stages that left a trace so far.
pub(crate) fn traces(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("ran.txt")).unwrap_or_default();
    text.lines().map(String::from).collect()
}

/// Folder of the entry of a stage, by the key that `plan` tells.
pub(crate) fn entry(world: &World, target: &str, stage: &str) -> PathBuf {
    let said = world.say(&["plan", target, "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let row = rows.iter().find(|row| row["stage"] == stage).unwrap();
    let (kind, key) = (row["kind"].as_str().unwrap(), row["key"].as_str().unwrap());
    world.path("cache/entries").join(kind).join(key)
}

/// Text of the file `x.txt` in the result of a stage.
pub(crate) fn output(world: &World, target: &str, stage: &str) -> String {
    std::fs::read_to_string(entry(world, target, stage).join("out/x.txt")).unwrap()
}

/// Every file below a folder with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let pattern = folder.join("**/*");
    let paths = glob::glob(&pattern.to_string_lossy()).unwrap().flatten().filter(|path| path.is_file());
    paths
        .map(|path| (path.strip_prefix(folder).unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// Waits until something is so; a test that waits for long is stuck.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(2), "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Starts `estampa` as the leader of a process group, which [`kill`] can end.
pub(crate) fn start(world: &World, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_estampa"));
    command.args(arguments).current_dir(world.path("")).env("NO_COLOR", "1").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().unwrap()
}

/// Kills a group that was started, at once and without a chance to clear up.
pub(crate) fn kill(mut child: Child) {
    // It may have ended by itself.
    end(&format!("-{}", child.id()));
    child.wait().unwrap();
}

/// Kills a process, or a group by its negative number, if it is there.
pub(crate) fn end(process: &str) {
    let _ = Command::new("sh").args(["-c", "kill -s KILL -- \"$0\"", process.trim()]).stderr(Stdio::null()).status();
}

/// Writes an experiment with tables and figures: two arms, two replicates, two stages that leave traces.
pub(crate) fn write_sweep(world: &World) {
    let pipeline = "[stages.model]\nkind = \"command\"\nenvironment = { WIDTH = \"1\" }\n\
        run = \"echo {seed} $WIDTH > {out}/x; echo model >> ../ran.txt\"\n\
        [stages.score]\nkind = \"command\"\ninputs = { model = \"model\" }\n\
        run = '''read seed width < {inputs.model}/x; echo score >> ../ran.txt\n\
        printf 'split,metric,class,value,n\\ntest,accuracy,,0.%03d,100\\n' $((seed % 500 + width)) > {out}/metrics.csv'''\n";
    let experiment = "[experiment]\nname = \"e\"\npipeline = \"../../pipelines/p.toml\"\nreplicates = 2\n\
        [axes]\n\"model.environment.WIDTH\" = [\"1\", \"7\"]\n";
    world.write("pipelines/p.toml", pipeline).write("experiments/e/experiment.toml", experiment);
}
