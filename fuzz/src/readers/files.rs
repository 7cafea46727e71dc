//! Readers that want a file: weights, arrays, pipelines. The file lies in memory where the system has such a folder.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use estampa::artifacts::array::Array;
use estampa::nn::import;
use estampa::spec::experiment;
use estampa::spec::faults::Faults;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes `bytes` to a file of this name; one process has one folder.
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder = base.join(format!("estampa-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    });
    let path = FOLDER.join(name);
    std::fs::write(&path, bytes).expect("room for a file");
    path
}

/// safetensors, or an archive of PyTorch. Values are no more than bytes.
pub(crate) fn weights(bytes: &[u8]) {
    let Ok(all) = import::read(&file("weights", bytes)) else { return };
    assert!(all.iter().filter_map(|found| Some(found.values.as_ref()?.len())).sum::<usize>() <= bytes.len());
    for found in all {
        assert!(found.values.is_none_or(|values| values.len() == found.shape.iter().product::<usize>()));
    }
}

/// The bytes as the pickle of an archive of PyTorch, whose checksums fit, beside one storage.
pub(crate) fn pickle(bytes: &[u8]) {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("x/data.pkl", bytes), ("x/data/0", &[1; 64])] {
        let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file(name, plain).and_then(|()| Ok(archive.write_all(bytes)?)).expect("room");
    }
    weights(&archive.finish().expect("room").into_inner());
}

/// An array; every row can be asked for.
pub(crate) fn npy(bytes: &[u8]) {
    let Ok(array) = Array::open(file("array.npy", bytes)) else { return };
    assert!(array.values().len() <= bytes.len() / 4);
    for row in (0..array.rows()).take(1000) {
        assert_eq!(array.row(row).len(), array.row_len());
    }
}

/// A pipeline; behind a line of `#####`, an experiment of it. Faults are all shown. What names a path outside the
/// folder is left alone: a search of the whole disk says nothing about the reader.
pub(crate) fn toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if text.contains(['/', '\\']) || text.contains("..") {
        return;
    }
    let (pipeline, arms) = text.split_once("#####\n").unwrap_or((text, ""));
    let pipeline = file("pipeline.toml", pipeline.as_bytes());
    let target = if arms.is_empty() { pipeline } else { file("experiment.toml", arms.as_bytes()) };
    let mut faults = Faults::default();
    let checked = experiment::read(&target, &[], &mut faults);
    assert!(checked.is_some() == faults.is_empty(), "either it can be run, or it is said why not");
    assert!(faults.is_empty() || !faults.render(false).is_empty());
}
