//! `estampa inspect`: what is in an alert packet, tarball, array, table, checkpoint or cache entry.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::artifacts::array::Array;
use crate::artifacts::table::Table;
use crate::nn::import;
use crate::report::draw::mosaic::{Plane, mosaic};
use crate::report::draw::png;
use crate::spec::files;
use crate::store::entry::{META, Meta};
use crate::ztf::feed::Source;
use crate::ztf::inspect::{Summary, find_alert};

use super::{Ending, Entry, Exit, Outcome, say};

/// The command.
pub(super) const ENTRY: Entry = Entry { define: || Arguments::augment_args(Command::new("inspect")).about(ABOUT), run };

const ABOUT: &str = "Show what is in an alert packet, tarball, folder, array, table, weights file or cache entry";

/// Records that are looked at in a large archive.
const MOST: u64 = 100_000;

#[derive(Args, Debug)]
struct Arguments {
    /// A file or a folder
    path: PathBuf,
    /// Also write the stamps of an alert, or the first rows of an array, as a picture
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// The alert to show, by candid [default: the first]
    #[arg(long, allow_negative_numbers = true)]
    candid: Option<i64>,
}

fn run(matches: &ArgMatches) -> Outcome {
    let arguments = Arguments::from_arg_matches(matches).map_err(Ending::input)?;
    let path = &arguments.path;
    if !path.exists() {
        return Err(Ending::input(format!("error: there is no {}", path.display())));
    }
    let wrong = |e: crate::artifacts::ArtifactError| Ending::input(format!("error: {e}"));
    match path.extension().map(|e| e.to_string_lossy().to_lowercase()).as_deref() {
        _ if path.join(META).is_file() => say(entry(path)?),
        Some("npy") => {
            let array = Array::open(path).map_err(wrong)?;
            say(describe_array(&array));
            if let Some(png) = &arguments.png {
                picture(png, &rows(&array))?;
            }
        }
        Some("csv") => say(describe_table(&Table::read(path).map_err(wrong)?)),
        Some("safetensors" | "pth" | "pt") => say(describe_weights(path)?),
        Some("json") => say(std::fs::read_to_string(path).map_err(Ending::input)?.trim_end()),
        _ => alerts(&arguments)?,
    }
    Ok(Exit::Done)
}

fn alerts(arguments: &Arguments) -> Result<(), Ending> {
    let sources = || -> Result<Vec<Source>, Ending> {
        let found = files::expand("".as_ref(), &arguments.path.to_string_lossy()).map_err(Ending::input)?;
        Ok(found.into_iter().map(|f| Source { label: f.label, path: f.path }).collect())
    };
    say(Summary::of(sources()?, MOST).to_string().trim_end());
    let Some(png) = &arguments.png else { return Ok(()) };
    let alert = find_alert(sources()?, arguments.candid);
    let alert = alert.ok_or_else(|| Ending::input("error: there is no such usable alert"))?;
    let planes: Vec<Plane> = alert.stamps.iter().map(|s| (s.rows, s.columns, s.pixels.as_slice())).collect();
    picture(png, &[planes])
}

/// The first rows of an array of images `[row, plane, y, x]`, or of one image `[y, x]` in each row.
fn rows(array: &Array) -> Vec<Vec<Plane<'_>>> {
    let shape = array.shape();
    let [.., height, width] = *shape else { return Vec::new() };
    if shape.len() < 3 {
        return vec![vec![(height, width, array.values())]];
    }
    let shown = array.rows().min(8);
    (0..shown).map(|row| array.row(row).chunks(height * width).map(|p| (height, width, p)).collect()).collect()
}

fn picture(path: &Path, rows: &[Vec<Plane>]) -> Result<(), Ending> {
    let pixels = mosaic(rows).ok_or_else(|| Ending::input("error: there is no image to draw"))?;
    std::fs::write(path, png::encode(&pixels))
        .map_err(|e| Ending::failed(format!("error: cannot write {}: {e}", path.display())))?;
    say(format!("wrote {}", path.display()));
    Ok(())
}

fn entry(path: &Path) -> Result<String, Ending> {
    let meta = Meta::read(path).ok_or_else(|| Ending::input("error: this is no complete cache entry"))?;
    let mut text = format!("{} `{}`, key {}\n", meta.kind, meta.stage, meta.key);
    text += &format!("computed in {:.2} s by version {}\n\nparts of the key\n", meta.seconds, meta.version);
    for (name, value) in &meta.parts.0 {
        text += &format!("  {name} = {value}\n");
    }
    text += "\nfiles\n";
    for file in &meta.files {
        text += &format!("  {:>12}  {}  {}\n", file.size, file.digest.short(), file.name);
    }
    Ok(text.trim_end().into())
}

fn describe_array(array: &Array) -> String {
    let values = array.values();
    let finite: Vec<f64> = values.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).collect();
    let mean = finite.iter().sum::<f64>() / finite.len() as f64;
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odd = values.len() - finite.len();
    format!("f32 {:?}\nsmallest {low}, mean {mean}, largest {high}, {odd} not finite", array.shape())
}

fn describe_table(table: &Table) -> String {
    let mut text = format!("{} rows, {} columns\n", table.rows(), table.names().len());
    for name in table.names() {
        let cells = table.texts(name);
        let missing = cells.iter().filter(|c| c.is_empty()).count();
        let sample: Vec<&str> = cells.iter().map(String::as_str).filter(|c| !c.is_empty()).take(3).collect();
        text += &format!("  {name:<16} {missing:>6} missing   {}\n", sample.join(", "));
    }
    text.trim_end().into()
}

fn describe_weights(path: &Path) -> Result<String, Ending> {
    let found = import::read(path).map_err(|fault| Ending::input(format!("error: {fault}")))?;
    let lines: Vec<String> =
        found.iter().map(|found| format!("  {:<32} {} {:?}", found.name, found.number, found.shape)).collect();
    Ok(format!("{} tensors\n{}", lines.len(), lines.join("\n")))
}
