//! Stamps judged by a classifier that was fitted to vectors of features: each becomes such a vector, made as `extract_features`
//! made those, by the same network. Knows no particular classifier.

use std::path::Path;

use super::seen::{Seen, Stamps};
use super::{Judge, MAKE_AGAIN, Told, views};
use crate::artifacts::features::FeaturesRecipe;
use crate::artifacts::fitted::{self, FittedFacts};
use crate::artifacts::predictions::PredictionsFacts;
use crate::classifiers::temperature::Temperature;
use crate::classifiers::written::Shape;
use crate::classifiers::{Fitted, classifier};
use crate::models;
use crate::nn::{Kernels, Model};
use crate::spec::keys::KeyType;
use crate::spec::value::Value;
use crate::stage::StageError;
use crate::stages::encoder;
use crate::stages::extract_features::Part;
use crate::stages::extract_features::latent::{channel_errors, mean_codes, whole_batches};
use crate::stages::preprocess::again::Again;
use crate::stages::train_autoencoder::{self, INFERENCE_BATCH};
use crate::stages::views::{View, Views};

/// Whether the artifact in `folder` has such a classifier.
pub(super) fn is_in(folder: &Path) -> bool {
    folder.join(fitted::FILE).exists()
}

/// The classifier and what makes vectors for it.
pub(super) struct ByVectors {
    fitted: Box<dyn Fitted>,
    /// Names of the numbers in a vector.
    names: Vec<String>,
    parts: Vec<Part>,
    views: Views,
    encoder: Option<Model<Kernels>>,
    channels: usize,
    told: Told,
}

impl ByVectors {
    /// Reads what `classify` left in `folder`, with how its stamps are made.
    pub(super) fn open(folder: &Path, facts: &PredictionsFacts) -> Result<(Self, Again), StageError> {
        let kept = FittedFacts::open(folder)?;
        let recipe = recipe(&kept)?;
        let parts = parts(recipe)?;
        let shape = Shape { features: kept.features.len(), classes: kept.classes.len() };
        let kind = classifier(&kept.classifier).ok_or_else(|| {
            let what = format!("the model is a classifier `{}`, which this program does not know", kept.classifier);
            StageError::with_hint(what, MAKE_AGAIN)
        })?;
        let place = |class: &String| {
            facts.classes.iter().position(|name| name == class).ok_or_else(|| {
                let what = format!("the model tells a class `{class}` that its predictions do not have");
                StageError::with_hint(what, MAKE_AGAIN)
            })
        };
        let judge = Self {
            fitted: kind.read(kept.fitted.get(), shape)?,
            encoder: network(folder, recipe, &parts)?,
            views: views(&recipe.views)?,
            channels: recipe.stamps.channels.len(),
            told: Told {
                places: kept.classes.iter().map(place).collect::<Result<_, _>>()?,
                classes: facts.classes.len(),
                temperature: facts.temperature.map(Temperature),
            },
            names: kept.features.clone(),
            parts,
        };
        Ok((judge, Again::like(&recipe.stamps)?))
    }

    /// The vector of each stamp.
    fn vectors(&self, stamps: &Stamps) -> Result<Vec<Vec<f32>>, StageError> {
        let count = stamps.images.len();
        let mut vectors = vec![Vec::with_capacity(self.names.len()); count];
        for part in &self.parts {
            let mut append = |values: &[f32]| {
                let width = values.len() / count.max(1);
                vectors
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, v)| v.extend_from_slice(&values[i * width..(i + 1) * width]));
            };
            match part {
                Part::Latent => append(&self.codes(stamps)?),
                Part::Error => append(&self.errors(stamps)?),
                Part::Pixels => append(&stamps.images.concat()),
                Part::Metadata => vectors.iter_mut().enumerate().for_each(|(row, vector)| {
                    vector.extend(stamps.metadata.iter().map(|column| column[row]));
                }),
                Part::Pca => return Err(no_components()),
            }
        }
        if let Some(width) = vectors.iter().map(Vec::len).find(|width| *width != self.names.len()) {
            let what = format!("the classifier was fitted to {} numbers, its recipe makes {width}", self.names.len());
            return Err(StageError::with_hint(what, MAKE_AGAIN));
        }
        Ok(vectors)
    }

    fn encoder(&self) -> Result<&Model<Kernels>, StageError> {
        self.encoder
            .as_ref()
            .ok_or_else(|| StageError::with_hint("the network behind the codes is missing", MAKE_AGAIN))
    }

    /// Codes, `[stamp, latent]`.
    fn codes(&self, stamps: &Stamps) -> Result<Vec<f32>, StageError> {
        let (encoder, count) = (self.encoder()?, stamps.images.len());
        let rows = whole_batches((0..count).collect());
        let codes = |view: View| -> Result<Vec<f32>, StageError> {
            let mut codes = encoder.encode(&Seen { stamps, rows: &rows, view }, INFERENCE_BATCH)?;
            codes.truncate(codes.len() / rows.len().max(1) * count);
            Ok(codes)
        };
        let (own, mean) = mean_codes(self.views, codes, |_, _| ())?;
        Ok(mean.unwrap_or(own))
    }

    /// Errors of reconstructions, `[stamp, channel]`.
    fn errors(&self, stamps: &Stamps) -> Result<Vec<f32>, StageError> {
        let (encoder, mut errors) = (self.encoder()?, Vec::new());
        let rows = whole_batches((0..stamps.images.len()).collect());
        let view = Views::One.list()[0];
        let mut images = rows.iter().map(|row| &stamps.images[*row]);
        encoder.outputs(&Seen { stamps, rows: &rows, view }, INFERENCE_BATCH, |batch, made| {
            for (made, image) in made.chunks_exact(made.len() / batch.rows.max(1)).zip(images.by_ref().take(batch.rows))
            {
                errors.extend(channel_errors(made, image, self.channels));
            }
            Ok(())
        })?;
        errors.truncate(stamps.images.len() * self.channels);
        Ok(errors)
    }
}

impl Judge for ByVectors {
    fn judge(&self, stamps: &Stamps) -> Result<Vec<Vec<f64>>, StageError> {
        let vectors = self.vectors(stamps)?;
        for (vector, row) in vectors.iter().zip(stamps.rows) {
            if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
                let what = format!("feature `{}` of candid {} is not a number", self.names[at], row.candid);
                return Err(StageError::with_hint(what, "choose what replaces missing values in `preprocess`"));
            }
        }
        let found = self.fitted.probabilities(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let of_all = |found: Vec<f64>| {
            let all = self.told.among_all(found);
            let sum: f64 = all.iter().sum();
            if (sum - 1.0).abs() < 1e-6 && all.iter().all(|p| *p >= 0.0) {
                return Ok(all);
            }
            Err(StageError::with_hint("the fitted classifier gives no probabilities", MAKE_AGAIN))
        };
        found.into_iter().map(of_all).collect()
    }
}

/// How the vectors of the classifier were made, as far as it can be done here.
fn recipe(kept: &FittedFacts) -> Result<&FeaturesRecipe, StageError> {
    let recipe = kept.recipe.as_ref().ok_or_else(|| {
        let what = "the features that the classifier was fitted to do not say how they were made";
        StageError::with_hint(what, "let them be made by a stage of kind `extract_features`")
    })?;
    if recipe.sequences {
        let what = "the classifier judges vectors of an object's detections, and here each alert is judged by itself";
        return Err(StageError::with_hint(what, "connect one that was fitted to features of single stamps"));
    }
    Ok(recipe)
}

fn no_components() -> StageError {
    let what = "the classifier was fitted to principal components (\"pca\"), which are not kept with it";
    StageError::with_hint(what, "take \"pca\" out of `columns`, or \"latent\" or \"pixels\" in its place")
}

fn parts(recipe: &FeaturesRecipe) -> Result<Vec<Part>, StageError> {
    let part = |word: &String| match Part::read(&Value::Text(word.clone())) {
        Some(Part::Pca) => Err(no_components()),
        Some(part) => Ok(part),
        None => {
            let what = format!("the classifier was fitted to \"{word}\", which this program does not know");
            Err(StageError::with_hint(what, MAKE_AGAIN))
        }
    };
    recipe.columns.iter().map(part).collect()
}

/// The network that makes the codes, which must be the one that made those that the classifier was fitted to.
fn network(folder: &Path, recipe: &FeaturesRecipe, parts: &[Part]) -> Result<Option<Model<Kernels>>, StageError> {
    let Some(digest) = &recipe.encoder else { return Ok(None) };
    let folder = encoder::open(folder, digest)?;
    if parts.contains(&Part::Error) {
        return train_autoencoder::reconstructing(&folder).map(Some);
    }
    if models::is_sequential(&folder)? {
        let what =
            "the network behind the codes reads sequences of detections, and here each alert is judged by itself";
        return Err(StageError::with_hint(what, "connect a classifier of codes of single stamps"));
    }
    let model: Model<Kernels> = models::load(&folder)?;
    if model.network.columns().iter().any(|column| column.name == "metadata") {
        let what = "the network behind the codes sees metadata, which are not kept with the classifier";
        return Err(StageError::with_hint(what, "connect that network itself, a stage of kind `train_classifier`"));
    }
    Ok(Some(model))
}
