//! `estampa inspect`: what is in an alert packet, tarball, array, table, checkpoint or cache entry.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::artifacts::array::Array;
use crate::artifacts::table::Table;
use crate::nn::import;
use crate::report::draw::mosaic::{Plane, mosaic};
use crate::report::draw::png;
use crate::spec::files;
use crate::stage::ExternalFile;
use crate::store::entry::{META, Meta, OUT};
use crate::ztf::feed::Source;
use crate::ztf::inspect::{Described, Summary, find_alert};

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
        _ if path.ends_with(OUT) && path.with_file_name(META).is_file() => {
            say(entry(path.parent().unwrap_or(path))?);
        }
        Some("npy") => {
            let array = Array::open(path).map_err(wrong)?;
            say(describe_array(&array));
            if let Some(png) = &arguments.png {
                let (shape, values) = first_rows(&array);
                picture(png, &planes(&shape, &values))?;
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
    let path = &arguments.path;
    let named = |file: ExternalFile| Source { label: file.with_name().label, path: file.path };
    let sources = || -> Result<Vec<Source>, Ending> {
        let found = files::expand("".as_ref(), &path.to_string_lossy()).map_err(Ending::input)?;
        Ok(found.into_iter().map(named).collect())
    };
    let find = || {
        find_alert(sources()?, arguments.candid).ok_or_else(|| Ending::input("error: there is no such usable alert"))
    };
    if arguments.candid.is_some() {
        say(Described(&find()?).to_string().trim_end());
    } else {
        let summary = Summary::of(sources()?, MOST);
        if summary.is_of_other_files() {
            let what = format!("error: no alerts here: no file of {} is one of alerts", path.display());
            return Err(Ending::input(format!("{what}; name an array, table, weights file or cache entry itself")));
        }
        say(summary.to_string().trim_end());
    }
    let Some(png) = &arguments.png else { return Ok(()) };
    let alert = find()?;
    let planes: Vec<Plane> = alert.stamps.iter().map(|s| (s.rows, s.columns, s.pixels.as_slice())).collect();
    picture(png, &[planes])
}

/// Rows of an array that a picture shows.
const SHOWN: usize = 8;
/// Most images in a row `[y, x, image]`, as published stamps lie.
const MOST_LAST: usize = 4;

/// The first rows of an array of images, as `[row, image, y, x]` or `[row, y, x]`; a single image is one row.
fn first_rows(array: &Array) -> (Vec<usize>, Vec<f32>) {
    let shape = array.shape();
    if shape.len() < 3 {
        return ([&[1][..], shape].concat(), array.values().to_vec());
    }
    let shown = array.rows().min(SHOWN);
    let values: Vec<f32> = (0..shown).flat_map(|row| array.row(row).iter().copied()).collect();
    match *shape {
        [_, height, width, images] if height > MOST_LAST && width > MOST_LAST && images <= MOST_LAST => {
            let pixels = height * width;
            let at =
                |i: usize| values[i / (images * pixels) * images * pixels + i % pixels * images + i / pixels % images];
            (vec![shown, images, height, width], (0..values.len()).map(at).collect())
        }
        _ => ([&[shown][..], &shape[1..]].concat(), values),
    }
}

/// The images of each row.
fn planes<'a>(shape: &[usize], values: &'a [f32]) -> Vec<Vec<Plane<'a>>> {
    let [rows, .., height, width] = *shape else { return Vec::new() };
    let (pixels, row) = ((height * width).max(1), (values.len() / rows.max(1)).max(1));
    values.chunks(row).map(|row| row.chunks(pixels).map(|image| (height, width, image)).collect()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::array::ArrayWriter;

    #[test]
    fn images_that_lie_last_are_drawn_as_images() {
        let folder = tempfile::tempdir().unwrap();
        // Two rows of three images of 5 x 6 pixels: pixel p of image i of row r is 100 r + 30 i + p.
        let value = |row: usize, image: usize, pixel: usize| (100 * row + 30 * image + pixel) as f32;
        let rows = |last: bool, row: usize| -> Vec<f32> {
            let of = |i: usize| if last { value(row, i % 3, i / 3) } else { value(row, i / 30, i % 30) };
            (0..90).map(of).collect()
        };
        let mut seen = Vec::new();
        for (name, shape, last) in [("first.npy", [3, 5, 6], false), ("last.npy", [5, 6, 3], true)] {
            let mut writer = ArrayWriter::create(folder.path().join(name), &shape).unwrap();
            (0..2).for_each(|row| writer.push(&rows(last, row)).unwrap());
            writer.finish().unwrap();
            seen.push(first_rows(&Array::open(folder.path().join(name)).unwrap()));
        }
        assert_eq!(seen[0], seen[1]);
        let planes = planes(&seen[1].0, &seen[1].1);
        assert_eq!((planes.len(), planes[1].len()), (2, 3));
        assert_eq!((planes[1][2].0, planes[1][2].1, planes[1][2].2[7]), (5, 6, value(1, 2, 7)));
    }
}
