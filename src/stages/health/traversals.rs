//! What each value of a code does: `traversals.npy` `[value, step, channel, y, x]`, what the decoder makes of the mean training
//! code with one value moved by [`STEPS`] deviations, and `traversals.csv` with which value and how far. Values that vary most
//! come first.

use std::path::Path;

use crate::artifacts::array::ArrayWriter;
use crate::artifacts::split::TRAIN;
use crate::artifacts::table::{RowWriter, number};
use crate::nn::{Kernels, Model};
use crate::stage::StageError;

use super::codes::Codes;

/// How far a value is moved, standard deviations over the training split.
const STEPS: [f64; 7] = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];

/// Writes both; nothing without training rows or from a network that decodes no single code.
pub(super) fn write(out: &Path, codes: &Codes, model: &Model<Kernels>, most: usize) -> Result<(), StageError> {
    let training = codes.places(TRAIN);
    if training.is_empty() || most == 0 {
        return Ok(());
    }
    let moments: Vec<(f64, f64)> = (0..codes.latent).map(|value| moments(codes, &training, value)).collect();
    let mut values: Vec<usize> = (0..codes.latent).collect();
    values.sort_by(|a, b| moments[*b].1.total_cmp(&moments[*a].1).then(a.cmp(b)));
    values.truncate(most);
    let moved: Vec<f32> = values
        .iter()
        .flat_map(|value| STEPS.map(|step| (*value, step)))
        .flat_map(|(value, step)| {
            let at = move |(place, (mean, std)): (usize, &(f64, f64))| {
                (if place == value { mean + step * std } else { *mean }) as f32
            };
            moments.iter().enumerate().map(at).collect::<Vec<f32>>()
        })
        .collect();
    let Some(decoded) = model.decode(&moved)? else { return Ok(()) };
    let mut shape = vec![STEPS.len()];
    shape.extend(&codes.stamps.images.shape()[1..]);
    let mut images = ArrayWriter::create(out.join("traversals.npy"), &shape)?;
    let mut table = RowWriter::create(out.join("traversals.csv"), &["value", "mean", "std"])?;
    for (row, value) in decoded.images.chunks_exact(shape.iter().product()).zip(&values) {
        images.push(row)?;
        table.push([value.to_string(), number(moments[*value].0), number(moments[*value].1)])?;
    }
    images.finish()?;
    Ok(table.finish()?)
}

/// Mean and standard deviation of a value of the codes.
fn moments(codes: &Codes, places: &[usize], value: usize) -> (f64, f64) {
    let n = places.len() as f64;
    let all = || places.iter().map(|place| f64::from(codes.code(*place)[value]));
    let mean = all().sum::<f64>() / n;
    (mean, (all().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}
