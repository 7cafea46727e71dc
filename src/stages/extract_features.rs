//! `extract_features`: one vector for each stamp or object, put together by name from latent codes, metadata, pixels and
//! principal components. Knows no classifier.

mod columns;
pub(super) mod latent;
pub(super) mod likeness;
mod source;

use super::encoder;
use super::views::Views;
use crate::artifacts::features::{FeaturesFacts, FeaturesRecipe, FeaturesWriter};
use crate::artifacts::scores::write_metrics;
use crate::artifacts::stamps::StampsFacts;
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;
use crate::stage::{Around, ArtifactType, Job, Port, StageError, StageKind};
use crate::{choice, keys};
use source::Source;

/// Rows between two reports of progress.
const REPORT: usize = 1024;

choice! {
    /// What a vector is put together from.
    pub enum Part {
        /// Codes of the model.
        Latent = "latent",
        /// Metadata columns.
        Metadata = "metadata",
        /// The image as it is.
        Pixels = "pixels",
        /// Principal components of the image.
        Pca = "pca",
        /// What the model leaves of each channel.
        Error = "error",
    }
}

impl Part {
    /// Whether it takes a model.
    fn by_model(self) -> bool {
        matches!(self, Self::Latent | Self::Error)
    }
}

keys! {
    /// Keys of [`ExtractFeatures`].
    pub struct ExtractKeys {
        /// What is put together, in this order: "latent" (codes of the model), "metadata", "pixels" (the image as it is), "pca" (its principal components, fitted on the training split), "error" (the squared error of the model's reconstruction, channel by channel). Of a sequence the image and the changing metadata are those of its last detection.
        columns: Vec<Part> = vec![Part::Latent];
        /// Metadata columns by name; left out: all.
        metadata: Option<Vec<String>> = None;
        /// Number of principal components.
        components: usize = 16, range(1, 4096);
        /// What "latent" is the code of: each stamp as it is, or the mean code of its eight turned and mirrored views (after Krizhevsky et al. 2012, section 4.1), which is the same however a stamp lies; `metrics.csv` then tells how alike the eight codes are.
        views: Views = Views::One, added_later();
    }
}

/// Turns stamps or sequences into vectors.
pub struct ExtractFeatures;

impl StageKind for ExtractFeatures {
    fn name(&self) -> &'static str {
        "extract_features"
    }
    fn summary(&self) -> &'static str {
        "One vector for each stamp or object: latent codes, metadata, pixels and principal components, put together by name."
    }
    fn source(&self) -> &'static str {
        "principal components: eigenvectors of the covariance, crate faer"
    }
    fn version(&self) -> u32 {
        4
    }
    fn ports(&self) -> &'static [Port] {
        const fn port(name: &'static str, accepts: &'static [ArtifactType], help: &'static str) -> Port {
            Port { name, accepts, required: false, help }
        }
        const {
            &[
                port(
                    "model",
                    &[ArtifactType::Model],
                    "Network whose codes are the columns \"latent\" and whose reconstructions those of \"error\". One that sees metadata gets those of the stamps, the same columns that it learned from.",
                ),
                port("stamps", &[ArtifactType::Stamps], "One vector for each stamp. Either this or `sequences`."),
                port("sequences", &[ArtifactType::Sequences], "One vector for each object. Either this or `stamps`."),
            ]
        }
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Features
    }
    fn keys(&self) -> Vec<Key> {
        ExtractKeys::keys()
    }
    fn check(&self, params: &Params) -> Vec<(&'static str, String)> {
        ExtractKeys::read(params).map(|keys| faults(&keys)).unwrap_or_default()
    }
    fn check_around(&self, params: &Params, around: &Around) -> Vec<(&'static str, String)> {
        let columns = ExtractKeys::read(params).map(|keys| keys.columns).unwrap_or_default();
        let needs_model = columns.iter().find(|part| part.by_model());
        let no_model = needs_model.filter(|_| !around.has("model")).map(|part| {
            let part = part.word();
            let what = format!("`columns` asks for \"{part}\", but no model is connected: add `model` to `inputs`");
            ("columns", what)
        });
        let rows = match (around.has("stamps"), around.has("sequences")) {
            (false, false) => Some(("inputs", "neither `stamps` nor `sequences` is connected".to_string())),
            (true, true) => Some(("inputs", "both `stamps` and `sequences` are connected: choose one".into())),
            _ => None,
        };
        no_model.into_iter().chain(rows).collect()
    }
    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: ExtractKeys = job.keys()?;
        let source = Source::open(job)?;
        let mut measured = Vec::new();
        let blocks = columns::blocks(&keys, &source, job, &mut measured)?;
        let names: Vec<String> = blocks.iter().flat_map(|block| block.names.clone()).collect();
        if names.is_empty() {
            return Err(StageError::failed("there are no columns: the input has no metadata"));
        }
        let recipe = Some(recipe(&keys, &source, job)?);
        let facts = FeaturesFacts { names, classes: source.facts().classes.clone(), recipe };
        let mut writer = FeaturesWriter::create(job.out, &facts)?;
        let rows = source.rows();
        let mut vector = Vec::with_capacity(facts.names.len());
        for (number, row) in rows.iter().enumerate() {
            if number % REPORT == 0 {
                job.progress(number as u64, rows.len() as u64, "vectors")?;
            }
            vector.clear();
            for block in &blocks {
                (block.append)(number, &mut vector);
            }
            writer.push(row, &vector)?;
        }
        if !measured.is_empty() {
            write_metrics(job.out, &measured)?;
        }
        Ok(writer.finish()?)
    }
}

/// How the vectors are made; of single stamps with the network that makes their codes, for more of them may come.
fn recipe(keys: &ExtractKeys, source: &Source, job: &Job) -> Result<FeaturesRecipe, StageError> {
    let (sequences, facts) = (matches!(source, Source::Sequences { .. }), source.facts());
    let network = job.optional_input("model").filter(|_| !sequences && keys.columns.iter().any(|part| part.by_model()));
    let metadata = if sequences || !keys.columns.contains(&Part::Metadata) {
        Vec::new()
    } else {
        columns::positions(source, keys.metadata.as_deref())?.iter().map(|at| facts.metadata[*at].clone()).collect()
    };
    Ok(FeaturesRecipe {
        sequences,
        columns: keys.columns.iter().map(|part| part.word().into()).collect(),
        views: keys.views.word().into(),
        encoder: network.map(|folder| encoder::keep(folder, job.out)).transpose()?,
        stamps: StampsFacts { metadata, ..facts.clone() },
    })
}

fn faults(keys: &ExtractKeys) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    if keys.columns.is_empty() {
        faults.push(("columns", "names nothing".into()));
    }
    for (i, part) in keys.columns.iter().enumerate() {
        if keys.columns[..i].contains(part) {
            faults.push(("columns", format!("names \"{}\" twice", part.word())));
        }
    }
    if keys.metadata.is_some() && !keys.columns.contains(&Part::Metadata) {
        faults.push(("metadata", "has no effect unless `columns` holds \"metadata\"".into()));
    }
    if keys.views != Views::One && !keys.columns.contains(&Part::Latent) {
        faults.push(("views", "has no effect unless `columns` holds \"latent\"".into()));
    }
    faults
}

#[cfg(test)]
mod tests;
