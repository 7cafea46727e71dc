//! Which file a target means, and which one was meant where it means none.

use std::path::{Path, PathBuf};

use crate::spec::experiment::FILE;
use crate::spec::faults::nearest;

use super::Ending;
use super::session::root;

/// An error that names the nearest target when `target` is neither a file nor an experiment's folder.
pub(super) fn check(target: &Path) -> Result<(), Ending> {
    // A pipe is no file, but can be read.
    if (target.exists() && !target.is_dir()) || target.join(FILE).is_file() {
        return Ok(());
    }
    let shown = target.display();
    if target.is_dir() {
        let inside = listed(&below(target));
        let what = format!("error: {shown} is no experiment: it holds no {FILE}");
        return Err(Ending::input(if inside.is_empty() { what } else { format!("{what}; name one of: {inside}") }));
    }
    let here = if has_targets(Path::new("")) { PathBuf::new() } else { root(Path::new(".")) };
    let known = below(&here);
    let stems: Vec<String> = known.iter().map(|path| stem(path)).collect();
    let found = nearest(&stem(target), stems.iter().map(String::as_str));
    let meant: Vec<PathBuf> = known.iter().filter(|path| found == Some(stem(path).as_str())).cloned().collect();
    let hint = match (meant.is_empty(), known.is_empty()) {
        (false, _) => format!("; did you mean {}?", listed(&meant)),
        (true, false) => format!("; there are: {}", listed(&known)),
        (true, true) => "; `estampa new experiment NAME` writes one".into(),
    };
    Err(Ending::input(format!("error: cannot read {shown}: there is no such file or folder{hint}")))
}

/// A file's name without its ending, or a folder's.
fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn has_targets(folder: &Path) -> bool {
    folder.join("pipelines").is_dir() || folder.join("experiments").is_dir()
}

/// Experiments and pipelines in a project, or in its folder of either.
fn below(folder: &Path) -> Vec<PathBuf> {
    let escaped = glob::Pattern::escape(&folder.to_string_lossy());
    let matches = |pattern: &str| {
        let pattern = Path::new(&escaped).join(pattern).to_string_lossy().into_owned();
        glob::glob(&pattern).into_iter().flatten().flatten().collect::<Vec<PathBuf>>()
    };
    let folders = [format!("experiments/*/{FILE}"), format!("*/{FILE}")].map(|pattern| matches(&pattern)).concat();
    let experiments = folders.into_iter().filter_map(|file| file.parent().map(Path::to_path_buf));
    let pipelines = if folder.as_os_str().is_empty() { Vec::new() } else { matches("*.toml") };
    experiments.chain(matches("pipelines/*.toml")).chain(pipelines).collect()
}

/// The first few.
fn listed(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 8;
    let names = paths.iter().take(SHOWN).map(|path| format!("`{}`", path.display()));
    let more = paths.len().checked_sub(SHOWN + 1).map(|more| format!("{} more", more + 1));
    names.chain(more).collect::<Vec<_>>().join(", ")
}
