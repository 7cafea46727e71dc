//! Times `estampa` on synthetic graphs beside `ninja -j2` and `b3sum`, run in turn, as medians; or only writes a graph.
//!
//!     cargo bench --bench graphs -- [--only CASE] [--runs N] [--limit S] [--budget S] [--format text|json]
//!                                   [--estampa PROGRAM] [--folder DIR]
//!     cargo bench --bench graphs -- write chain|fan|arms SIZE DIR
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

/// What is measured.
mod cases;
/// Two programs in turn.
mod duel;
/// Wall time and memory of a run.
mod time;
/// The graphs.
mod write;

use std::io::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cases::{Bar, CASES};
use duel::{Lab, Row, Side, fail};
use write::Graph;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["write", shape, size, folder] = words.as_slice() {
        let graph = size.parse().ok().and_then(|size| Graph::named(shape, size));
        return graph.map_or_else(|| fail("write chain|fan|arms SIZE DIR"), |graph| graph.write(Path::new(folder)));
    }
    let choice = Choice::of(&words)?;
    if !choice.json {
        println!("{}", HEADING.join(" | "));
    }
    // A whole name means that case alone, a part every case that has it.
    let whole = CASES.iter().any(|case| case.name == choice.only);
    let is_meant = |name: &str| if whole { name == choice.only } else { name.contains(&choice.only) };
    for case in CASES.iter().filter(|case| is_meant(case.name)) {
        let row = case.measure(&choice.lab)?;
        println!("{}", if choice.json { json(&row) } else { text(&row) });
    }
    if choice.made {
        std::fs::remove_dir_all(&choice.lab.folder)?;
    }
    Ok(())
}

/// What the command line says.
struct Choice {
    lab: Lab,
    only: String,
    json: bool,
    /// Whether the folder is ours to remove.
    made: bool,
}

impl Choice {
    fn of(words: &[&str]) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("estampa-graphs-{}", std::process::id()));
        let (limit, budget) = (Duration::from_mins(10), Duration::from_mins(10));
        let lab = Lab { estampa: env!("CARGO_BIN_EXE_estampa").into(), folder, runs: 11, limit, budget };
        let mut choice = Self { lab, only: String::new(), json: false, made: true };
        for pair in words.chunks(2) {
            let [option, value] = pair else { return fail(format!("`{}` needs a value", pair[0])) };
            choice.set(option, value)?;
        }
        Ok(choice)
    }

    fn set(&mut self, option: &str, value: &str) -> Result<()> {
        let number = || value.parse::<u64>().or_else(|_| fail(format!("{option}: `{value}` is not a number")));
        match option {
            "--only" => self.only = value.into(),
            "--runs" => self.lab.runs = number()? as usize,
            "--limit" => self.lab.limit = Duration::from_secs(number()?),
            "--budget" => self.lab.budget = Duration::from_secs(number()?),
            "--format" => self.json = value == "json",
            "--estampa" => self.lab.estampa = std::fs::canonicalize(value)?.to_string_lossy().into_owned(),
            "--folder" => (self.lab.folder, self.made) = (PathBuf::from(value), false),
            _ => return fail(format!("there is no option `{option}`")),
        }
        Ok(())
    }
}

const HEADING: [&str; 5] = [
    "case                  ",
    "estampa ms (least..most) xN MiB     ",
    "beside it ms (least..most) xN MiB               ",
    "ratio ",
    "bar",
];

fn text(row: &Row) -> String {
    let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let beside = format!("{}: {}", row.beside, side(&row.theirs));
    let verdict = match row.holds() {
        Some(true) => "holds",
        Some(false) => "MISSED",
        None => "not judged",
    };
    let note = if row.note.is_empty() { String::new() } else { format!("; {}", row.note) };
    format!("{:22} | {:36} | {beside:48} | {ratio:6} | {}: {verdict}{note}", row.name, side(&row.ours), bar(row.bar))
}

fn side(side: &Side) -> String {
    if let Some(trouble) = &side.trouble {
        return trouble.clone();
    }
    let (low, high) = side.samples.span();
    let ms = |seconds: f64| format!("{:.1}", seconds * 1e3);
    let (median, times, mib) = (ms(side.samples.median()), side.samples.0.len(), side.samples.mib());
    format!("{median} ({}..{}) x{times} {mib:.1}", ms(low), ms(high))
}

fn bar(bar: Bar) -> String {
    let ratio = bar.ratio.map(|limit| format!("<= {limit}x"));
    let seconds = bar.seconds.map(|limit| format!("<= {:.0} ms", limit * 1e3));
    let mib = bar.mib.map(|limit| format!("<= {limit} MiB"));
    let asked: Vec<String> = [ratio, seconds, mib].into_iter().flatten().collect();
    if asked.is_empty() { "no bar".into() } else { asked.join(", ") }
}

fn json(row: &Row) -> String {
    let side = |side: &Side| {
        let (low, high) = side.samples.span();
        serde_json::json!({
            "seconds": side.samples.median(), "least": low, "most": high, "mib": side.samples.mib(),
            "runs": side.samples.0.len(), "trouble": side.trouble,
        })
    };
    let bar = serde_json::json!({"ratio": row.bar.ratio, "seconds": row.bar.seconds, "mib": row.bar.mib});
    serde_json::json!({
        "case": row.name, "estampa": side(&row.ours), "beside": row.beside, "other": side(&row.theirs),
        "ratio": row.ratio(), "bar": bar, "holds": row.holds(), "note": row.note,
    })
    .to_string()
}
