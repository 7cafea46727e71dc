//! What reconstructions keep. Per channel, `x` the stamp, `x̂` its reconstruction: `reconstruction_error` `Σ (x − x̂)²`, `psnr`,
//! `ssim`, and `flux_residual`, the median of `|F̂ − F| / |F|` with `F` the light in an aperture less sky; of all channels
//! together `variance_explained` `1 − Σ (x − x̂)² / Σ (x − x̄)²`, `x̄` the mean image of the training split.

use crate::artifacts::scores::Metric;
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::metrics::images::{aperture_flux, median, psnr, squared_distance, ssim};
use crate::nn::{Batch, Kernels, Model};
use crate::stage::{Job, StageError};
use crate::stages::train_autoencoder::{INFERENCE_BATCH, ImageRows};

use super::splits;

/// What is measured of each image of a channel, NaN where undefined.
#[derive(Default)]
struct Channel {
    squares: Vec<f64>,
    psnr: Vec<f64>,
    ssim: Vec<f64>,
    flux: Vec<f64>,
}

impl Channel {
    fn add(&mut self, image: &[f32], made: &[f32], side: usize, radius: f64) {
        let flux = |image| aperture_flux(image, side, radius);
        let residual = flux(image).zip(flux(made)).filter(|(f, _)| *f != 0.0).map(|(f, made)| ((made - f) / f).abs());
        self.squares.push(squared_distance(image, made));
        self.psnr.push(psnr(image, made).unwrap_or(f64::NAN));
        self.ssim.push(ssim(image, made, side).unwrap_or(f64::NAN));
        self.flux.extend(residual);
    }
}

/// All of it, for each split.
pub(super) fn measure(
    job: &Job,
    model: &Model<Kernels>,
    stamps: &Stamps,
    radius: f64,
) -> Result<Vec<Metric>, StageError> {
    let (side, series) = (stamps.facts.side, model.card.model.as_str());
    let (centre, ids) = (mean_image(stamps), stamps.index.texts("objectId"));
    let (mut metrics, mut done) = (Vec::new(), 0);
    for (split, rows) in splits(stamps) {
        let mut channels: Vec<Channel> = stamps.facts.channels.iter().map(|_| Channel::default()).collect();
        let (mut left, mut all, mut next) = (0.0, 0.0, 0);
        model.outputs(&ImageRows::new(&stamps.images, &rows), INFERENCE_BATCH, |batch: &Batch, made| {
            for (made, row) in made.chunks_exact(stamps.images.row_len()).zip(&rows[next..]) {
                let image = stamps.images.row(*row);
                left += squared_distance(image, made);
                all += squared_distance(image, &centre);
                let planes = image.chunks_exact(side * side).zip(made.chunks_exact(side * side));
                channels
                    .iter_mut()
                    .zip(planes)
                    .for_each(|(channel, (image, made))| channel.add(image, made, side, radius));
            }
            next += batch.rows;
            Ok(())
        })?;
        done += rows.len();
        job.progress(done as u64, stamps.images.rows() as u64, "reconstructions")?;
        let explained = (all > 0.0).then(|| 1.0 - left / all);
        metrics.push(Metric::new(series, split, "variance_explained", explained, rows.len()));
        for (channel, name) in channels.iter_mut().zip(&stamps.facts.channels) {
            let means = [("reconstruction_error", &channel.squares), ("psnr", &channel.psnr), ("ssim", &channel.ssim)];
            for (metric, values) in means {
                let objects = rows.iter().map(|row| ids[*row].as_str());
                metrics.push(Metric::mean(series, split, metric, values, objects).of(name));
            }
            let n = channel.flux.len();
            metrics.push(Metric::new(series, split, "flux_residual", median(&mut channel.flux), n).of(name));
        }
    }
    Ok(metrics)
}

/// Mean of the training split; zeros where that is empty.
fn mean_image(stamps: &Stamps) -> Vec<f32> {
    let rows = stamps.originals(split::TRAIN);
    let mut sums = vec![0.0; stamps.images.row_len()];
    for row in &rows {
        sums.iter_mut().zip(stamps.images.row(*row)).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum: f64| (sum / rows.len().max(1) as f64) as f32).collect()
}
