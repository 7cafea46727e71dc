//! What an autoencoder gives back, measured: squared error per image and per pixel on each split, beside principal
//! components of the same number fitted on the same training stamps, against the stamps as they are and, where the
//! simulator gave them, without noise.

use super::super::training::ArrayRows;
use super::code_length;
use crate::artifacts::array::{Array, ArrayWriter};
use crate::artifacts::scores::Metric;
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::nn::{Backend, Model};
use crate::projections::pca::Pca;
use crate::stage::{Job, StageError};

/// Rows at a time.
const BATCH: usize = 256;
/// Most rows that the principal components are fitted on, evenly spread over the training split.
const MOST_FITTED: usize = 20_000;
/// Stamps that are shown with their reconstructions.
const EXAMPLES: usize = 12;

/// Sums of squared errors against one target, image by image.
struct Errors {
    sums: Vec<f64>,
    pixels: usize,
}

impl Errors {
    fn new(pixels: usize) -> Self {
        Self { sums: Vec::new(), pixels }
    }

    fn add(&mut self, image: &[f32], made: &[f32]) {
        let square = |(a, b): (&f32, &f32)| f64::from(a - b) * f64::from(a - b);
        self.sums.push(image.iter().zip(made).map(square).sum());
    }

    /// Mean over images with its normal 95 % interval, per image and per pixel.
    fn metrics(&self, series: &str, split: &str, target: &str) -> [Metric; 2] {
        let n = self.sums.len();
        let mean = (n > 0).then(|| self.sums.iter().sum::<f64>() / n as f64);
        let half = mean.filter(|_| n > 1).map(|mean| {
            let variance = self.sums.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (n - 1) as f64;
            1.959_963_984_540_054 * (variance / n as f64).sqrt()
        });
        let metric = |name: &str, scale: f64| Metric {
            series: series.into(),
            split: split.into(),
            metric: format!("{name}{target}"),
            class: String::new(),
            value: mean.map(|m| m * scale),
            n,
            interval: mean.zip(half).map(|(m, h)| ((m - h) * scale, (m + h) * scale)),
        };
        [metric("sse_per_image", 1.0), metric("mse_per_pixel", 1.0 / self.pixels as f64)]
    }
}

/// Errors of the network and of principal components on every split. Augmented copies are left out.
pub(super) fn metrics<B: Backend>(job: &Job, model: &Model<B>, stamps: &Stamps) -> Result<Vec<Metric>, StageError> {
    let pca = principal_components(code_length(model), stamps)?;
    let mut metrics = Vec::new();
    for name in split::ALL {
        let rows = originals(stamps, name);
        job.progress(0, 0, &format!("measuring the {name} split"))?;
        let network = |visit: &mut Visit| reconstruct(model, stamps, &rows, visit);
        let components = |visit: &mut Visit| {
            for row in &rows {
                visit(*row, &pca.reconstruct(&pca.transform(stamps.images.row(*row))));
            }
            Ok(())
        };
        metrics.extend(judge("autoencoder", name, stamps, network)?);
        metrics.extend(judge("pca", name, stamps, components)?);
    }
    Ok(metrics)
}

/// Hears of a row and what was made of it.
type Visit<'a> = dyn FnMut(usize, &[f32]) + 'a;

fn judge(
    series: &str,
    split: &str,
    stamps: &Stamps,
    visit_all: impl Fn(&mut Visit) -> Result<(), StageError>,
) -> Result<Vec<Metric>, StageError> {
    let pixels = stamps.images.row_len();
    let (mut noisy, mut clean) = (Errors::new(pixels), Errors::new(pixels));
    visit_all(&mut |row, made| {
        noisy.add(stamps.images.row(row), made);
        if let Some(array) = &stamps.clean {
            clean.add(array.row(row), made);
        }
    })?;
    let mut metrics: Vec<Metric> = noisy.metrics(series, split, "").into();
    if stamps.clean.is_some() {
        metrics.extend(clean.metrics(series, split, "_noise_free"));
    }
    Ok(metrics)
}

fn reconstruct<B: Backend>(
    model: &Model<B>,
    stamps: &Stamps,
    rows: &[usize],
    visit: &mut Visit,
) -> Result<(), StageError> {
    let data = ArrayRows { name: "stamps", array: &stamps.images, rows };
    let mut done = 0;
    let pixels = stamps.images.row_len();
    model.reconstruct(&data, BATCH, |_, made| {
        for image in made.chunks_exact(pixels) {
            visit(rows[done], image);
            done += 1;
        }
        Ok(())
    })?;
    Ok(())
}

fn principal_components(components: usize, stamps: &Stamps) -> Result<Pca, StageError> {
    let train = originals(stamps, split::TRAIN);
    let step = train.len().div_ceil(MOST_FITTED).max(1);
    let rows: Vec<&[f32]> = train.iter().step_by(step).map(|row| stamps.images.row(*row)).collect();
    let components = components.min(rows.len()).min(stamps.images.row_len());
    Pca::fit(&rows, components).map_err(|e| StageError::failed(e.to_string()))
}

/// Rows of a split that are no augmented copies.
fn originals(stamps: &Stamps, split: &str) -> Vec<usize> {
    let copies = stamps.index.ints("copy").unwrap_or_default();
    stamps.rows_of(split).into_iter().filter(|row| copies.get(*row).is_none_or(|copy| *copy == 0)).collect()
}

/// Writes `reconstructions.npy` `[example, version, channel, y, x]`: test stamps, evenly spread over the labels, as they
/// are, without noise where that is known, and as the network gives them back.
pub(super) fn write_examples<B: Backend>(job: &Job, model: &Model<B>, stamps: &Stamps) -> Result<(), StageError> {
    let rows = examples(stamps);
    let versions = if stamps.clean.is_some() { 3 } else { 2 };
    let shape: Vec<usize> = std::iter::once(versions).chain(stamps.images.shape()[1..].iter().copied()).collect();
    let mut writer = ArrayWriter::create(job.out.join("reconstructions.npy"), &shape)?;
    let mut made = Vec::new();
    reconstruct(model, stamps, &rows, &mut |_, image| made.push(image.to_vec()))?;
    for (row, image) in rows.iter().zip(made) {
        let clean = stamps.clean.as_ref().map_or(&[][..], |array: &Array| array.row(*row));
        writer.push(&[stamps.images.row(*row), clean, &image].concat())?;
    }
    Ok(writer.finish()?)
}

/// Test rows in turns of their labels, in the order of the index.
fn examples(stamps: &Stamps) -> Vec<usize> {
    let rows = originals(stamps, split::TEST);
    let labels = stamps.index.texts("label");
    let mut classes: Vec<&str> = rows.iter().map(|row| labels[*row].as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let nth = |n: usize| {
        let of = |class: &&str| rows.iter().copied().filter(|row| labels[*row] == **class).nth(n);
        classes.iter().filter_map(of).collect::<Vec<_>>()
    };
    let mut chosen: Vec<usize> = (0..rows.len()).flat_map(nth).take(EXAMPLES).collect();
    chosen.sort_by_key(|row| labels[*row].clone());
    chosen
}
