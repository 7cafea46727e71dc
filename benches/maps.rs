//! Times the methods of `project` on rows from a file, and tells how true their maps are.
//!
//!     cargo bench --bench maps -- FILE.npy [--method NAME] [--norm none|l2|z-score] [--seeds N] [--threads N] [--k N]
//!                                         [--out FOLDER] [KEY=VALUE...]
//!
//! FILE.npy holds f32 `[row, column]`. With `--out` each map is written there as METHOD-SEED.npy.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::io::{Error, Result};
use std::path::Path;
use std::time::Instant;

use estampa::artifacts::array::{Array, ArrayWriter};
use estampa::projections::points::{Norm, Points};
use estampa::projections::quality::Quality;
use estampa::projections::{PROJECTIONS, Place, Task};
use estampa::spec::keys::{KeyType, Shape};
use estampa::spec::value::{Params, Value};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let number = |name: &str, other: usize| option(name).map_or(Ok(other), |text| text.parse().map_err(Error::other));
    let Some(file) = arguments.first().filter(|file| !file.starts_with("--")) else {
        println!("maps: give a FILE.npy with f32 [row, column]");
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new().num_threads(number("--threads", 2)?).build_global().map_err(Error::other)?;
    let array = Array::open(file).map_err(Error::other)?;
    let rows: Vec<&[f32]> = (0..array.rows()).map(|row| array.row(row)).collect();
    let norm = option("--norm").and_then(|word| Norm::read(&Value::Text(word.into()))).unwrap_or(Norm::None);
    let points = Points::new(&rows);
    let points = points.scaled(norm, &points);
    println!("method | seed | seconds | trustworthiness | continuity | seconds of these two");
    for method in PROJECTIONS.iter().filter(|method| option("--method").is_none_or(|name| name == method.name())) {
        let mut params: Params = method.keys().into_iter().filter_map(|key| Some((key.name, key.default?))).collect();
        for key in method.keys() {
            let given = arguments.iter().find_map(|argument| argument.strip_prefix(key.name)?.strip_prefix('='));
            params.extend(given.and_then(|text| value(&key.shape, text)).map(|value| (key.name, value)));
        }
        for seed in 1..=number("--seeds", 1)? as u64 {
            let task = Task { points: &points, training: &points, seed, goes_on: &|_, _| true };
            let began = Instant::now();
            let places = method.embed(&params, &task).map_err(Error::other)?;
            let (seconds, began) = (began.elapsed().as_secs_f64(), Instant::now());
            let quality = Quality::of(&points, &places, number("--k", 12)?).ok_or_else(|| Error::other("undefined"))?;
            let (judging, name) = (began.elapsed().as_secs_f64(), method.name());
            let Quality { trustworthiness, continuity } = quality;
            println!("{name} | {seed} | {seconds:.2} | {trustworthiness:.4} | {continuity:.4} | {judging:.2}");
            if let Some(folder) = option("--out") {
                write(&Path::new(folder).join(format!("{name}-{seed}.npy")), &places)?;
            }
        }
    }
    Ok(())
}

fn value(shape: &Shape, text: &str) -> Option<Value> {
    match shape {
        Shape::Int(..) => text.parse().ok().map(Value::Int),
        Shape::Float(..) => text.parse().ok().map(Value::Float),
        Shape::Optional(shape) => value(shape, text),
        _ => Some(Value::Text(text.into())),
    }
}

fn write(path: &Path, places: &[Place]) -> Result<()> {
    let mut writer = ArrayWriter::create(path, &[2]).map_err(Error::other)?;
    for place in places {
        writer.push(&place.map(|x| x as f32)).map_err(Error::other)?;
    }
    writer.finish().map_err(Error::other)
}
