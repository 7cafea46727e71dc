//! Which files of the user a path in TOML means: a file, all files below a folder, or a glob.
//! Reads no contents.

use std::path::Path;

use walkdir::WalkDir;

use super::document::shown;
use super::faults::nearest;
use crate::stage::ExternalFile;

/// What makes a path a glob.
const WILDCARDS: [char; 3] = ['*', '?', '['];

/// The files that `pattern`, relative to `base`, means, ordered by label; an error when there are none.
pub fn expand(base: &Path, pattern: &str) -> Result<Vec<ExternalFile>, String> {
    let path = base.join(pattern);
    if path.is_file() {
        return Ok(vec![ExternalFile { label: String::new(), path, is_listed: false }]);
    }
    let files = if path.is_dir() { below(&path)? } else { matching(base, pattern)? };
    if files.is_empty() {
        let place = if path.is_dir() { "no files in the folder" } else { "no such file, folder or match" };
        let meant = if pattern.contains(WILDCARDS) { None } else { neighbour(&path) };
        let hint = meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        return Err(format!("{place}: {}{hint}", shown(&path)));
    }
    Ok(files)
}

/// The name beside a path that is not there which is most like its own.
fn neighbour(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = std::fs::read_dir(folder).ok()?.flatten();
    let mut names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    nearest(&path.file_name()?.to_string_lossy(), names.iter().map(String::as_str)).map(str::to_string)
}

/// The last name of a path that holds no wildcard.
pub fn last_name(pattern: &str) -> &str {
    let plain = |name: &&str| !name.is_empty() && *name != "." && *name != "..";
    pattern.split('/').take_while(|name| !name.contains(WILDCARDS)).filter(plain).last().unwrap_or_default()
}

/// Every file below a folder; hidden ones are left out.
fn below(folder: &Path) -> Result<Vec<ExternalFile>, String> {
    let visible = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    let mut files = Vec::new();
    for entry in walk.filter_entry(|e| e.depth() == 0 || visible(e.file_name())) {
        let entry = entry.map_err(|e| format!("cannot read the folder {}: {e}", folder.display()))?;
        if entry.file_type().is_file() {
            let label = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
            files.push(ExternalFile { label, path: entry.into_path(), is_listed: false });
        }
    }
    Ok(files)
}

/// Files that match a glob; the label is the part below the folders that hold no wildcard.
fn matching(base: &Path, pattern: &str) -> Result<Vec<ExternalFile>, String> {
    if !pattern.contains(WILDCARDS) {
        return Ok(Vec::new());
    }
    let fixed: std::path::PathBuf =
        Path::new(pattern).components().take_while(|c| !c.as_os_str().to_string_lossy().contains(WILDCARDS)).collect();
    let root = base.join(fixed);
    let full = base.join(pattern);
    let paths = glob::glob(&full.to_string_lossy()).map_err(|e| format!("`{pattern}` is not a valid glob: {e}"))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|e| e.to_string())?;
        if path.is_file() {
            let label = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(ExternalFile { label, path, is_listed: false });
        }
    }
    files.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_globs() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(base.path().join("night/b")).unwrap();
        for name in ["night/2.avro", "night/b/1.avro", "night/.hidden", "labels.csv"] {
            std::fs::write(base.path().join(name), "x").unwrap();
        }
        let labels =
            |pattern| -> Vec<String> { expand(base.path(), pattern).unwrap().into_iter().map(|f| f.label).collect() };
        assert_eq!(labels("labels.csv"), [""]);
        assert_eq!(labels("night"), ["2.avro", "b/1.avro"]);
        assert_eq!(labels("night/*.avro"), ["2.avro"]);
        assert_eq!(["a/night", "b/*.avro", "./b/c.avro", "*"].map(last_name), ["night", "b", "c.avro", ""]);
        assert!(expand(base.path(), "nowhere").unwrap_err().contains("no such file"));
        let moved = expand(base.path(), "night/../lables.csv").unwrap_err();
        let path = base.path().join("lables.csv");
        assert!(moved.ends_with(&format!("{}; did you mean `labels.csv`?", path.display())), "{moved}");
    }
}
