//! A temporary project with its own cache; commands run in it and their outcome is checked as a whole.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) struct World {
    folder: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Replaces a text that must be there.
    pub(crate) fn edit(&self, name: &str, old: &str, new: &str) -> &Self {
        let text = self.read(name);
        assert!(text.contains(old), "{name} does not contain {old:?}");
        self.write(name, &text.replace(old, new))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_estampa"));
        command.args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn say(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// Runs and expects these numbers of ran and cached steps, and success.
    pub(crate) fn run(&self, target: &str, ran: usize, cached: usize) -> Said {
        let said = self.say(&["run", target]);
        said.expect(0, &format!("ran {ran}, cached {cached}, failed 0, skipped 0"));
        said
    }

    /// The only artifact file of this name in the cache.
    pub(crate) fn artifacts(&self, name: &str) -> Vec<PathBuf> {
        let pattern = self.path("cache/entries/*/*/out").join(name);
        let mut found: Vec<PathBuf> = glob::glob(&pattern.to_string_lossy()).unwrap().flatten().collect();
        found.sort();
        found
    }
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Expects an exit code, and a text in what was said.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, text: &str) -> &Self {
        assert!(
            self.code == Some(code) && (self.out.contains(text) || self.err.contains(text)),
            "expected exit {code} and {text:?}, got exit {:?}\n--- out\n{}\n--- err\n{}",
            self.code,
            self.out,
            self.err
        );
        assert!(!self.err.contains("panicked"), "a panic:\n{}", self.err);
        self
    }
}

/// A chain of command stages `s0 -> s1 -> ..`, each adding a line; each leaves a trace in `ran.txt` when it runs.
pub(crate) fn chain(length: usize) -> String {
    let mut text = String::from("[pipeline]\nname = \"chain\"\n");
    for i in 0..length {
        let (inputs, copy) = match i {
            0 => (String::new(), String::new()),
            _ => (
                format!("inputs = {{ before = \"s{}\" }}\n", i - 1),
                "cat {inputs.before}/x.txt > {out}/x.txt; ".into(),
            ),
        };
        text += &format!(
            "[stages.s{i}]\nkind = \"command\"\n{inputs}run = \"{copy}echo {i} >> {{out}}/x.txt; echo s{i} >> ../ran.txt\"\n"
        );
    }
    text
}
