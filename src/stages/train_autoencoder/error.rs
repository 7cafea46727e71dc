//! Reconstruction error of an autoencoder and of PCA with as many components, on each split, against the stamps as they are
//! and against noise-free ones. Per image: `Σ_pixels (x − x̂)²`, the figure of [1]; per pixel: that over the pixels.

use crate::artifacts::array::Array;
use crate::artifacts::scores::Metric;
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::metrics::images::squared_distance;
use crate::nn::{Backend, Batch, Model};
use crate::projections::pca::Pca;
use crate::stage::StageError;

use super::{INFERENCE_BATCH, ImageRows};

/// Errors of each row of a split, against the stamps and against clean ones.
#[derive(Default)]
struct Errors {
    noisy: Vec<f64>,
    clean: Vec<f64>,
}

impl Errors {
    fn add(&mut self, made: &[f32], noisy: &[f32], clean: Option<&[f32]>) {
        self.noisy.push(squared_distance(made, noisy));
        self.clean.extend(clean.map(|clean| squared_distance(made, clean)));
    }
}

/// All metrics of the stage.
pub(super) fn measure<B: Backend>(
    stamps: &Stamps,
    model: &Model<B>,
    components: usize,
) -> Result<Vec<Metric>, StageError> {
    let training = stamps.originals(split::TRAIN);
    let pca = Pca::fit(training.iter().map(|row| stamps.images.row(*row)), components).ok(); // none where the split has fewer rows than components
    let ids = stamps.index.packed("objectId");
    let mut metrics = Vec::new();
    for name in split::ALL {
        let rows = stamps.originals(name);
        let objects: Vec<&str> = rows.iter().map(|row| &ids[*row]).collect();
        let mut errors = Errors::default();
        let mut first = 0;
        let data = ImageRows::new(&stamps.images, &rows);
        model.outputs(&data, INFERENCE_BATCH, |batch: &Batch, made| {
            for (made, &row) in made.chunks_exact(stamps.images.row_len()).zip(&rows[first..]) {
                errors.add(made, stamps.images.row(row), clean(stamps.clean.as_ref(), row));
            }
            first += batch.rows;
            Ok(())
        })?;
        metrics.extend(metrics_of(&model.card.model, name, &errors, (stamps, &objects)));
        let mut errors = Errors::default();
        if let Some(pca) = &pca {
            for &row in &rows {
                let image = stamps.images.row(row);
                let made = pca.reconstruct(&pca.transform(image));
                errors.add(&made, image, clean(stamps.clean.as_ref(), row));
            }
        }
        metrics.extend(metrics_of("pca", name, &errors, (stamps, &objects)));
    }
    Ok(metrics)
}

fn clean(array: Option<&Array>, row: usize) -> Option<&[f32]> {
    array.map(|array| array.row(row))
}

/// `objects`: of each row with an error.
fn metrics_of(series: &str, split: &str, errors: &Errors, (stamps, objects): (&Stamps, &[&str])) -> Vec<Metric> {
    let pixels = stamps.images.row_len() as f64;
    let both = |per_image: &str, per_pixel: &str, errors: &[f64]| {
        let of_image = Metric::mean(series, split, per_image, errors, objects.iter().copied());
        let interval = of_image.interval.map(|(low, high)| (low / pixels, high / pixels));
        let value = of_image.value.map(|mean| mean / pixels);
        let of_pixel = Metric { metric: per_pixel.into(), value, interval, ..of_image.clone() };
        [of_image, of_pixel]
    };
    let mut metrics = Vec::from(both("reconstruction_error", "mse", &errors.noisy));
    if stamps.clean.is_some() {
        metrics.extend(both("reconstruction_error_clean", "mse_clean", &errors.clean));
    }
    metrics
}
