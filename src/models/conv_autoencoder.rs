//! The convolutional autoencoder of Astorga, Huijse, Estévez and Förster 2018 (IJCNN), section III and figure 5, without
//! its variational heads: the layers of [`super::conv_coder`], trained by the squared error.

use serde::{Deserialize, Serialize};

use super::conv_coder::{ConvCoder, Sizes};
use super::{Built, Entry, Task, boxed, json, settings, uniform};
use crate::nn::{Backend, Batch, Builder, Column, Decoded, Image, Made, Matrix, Network, Pass, Scalar, matrix};

const NAME: &str = "conv_autoencoder";

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Channels of a stamp.
    pub channels: usize,
    /// Side of a stamp, pixels, at least 9.
    pub crop: usize,
    /// Length of the code.
    pub latent: usize,
    /// Maps of every hidden layer; 64 in the paper.
    pub maps: usize,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "convolutional autoencoder of single stamps with a short code",
        source: "Astorga et al. 2018 (IJCNN), section III, figure 5",
        defaults: || json(&Settings { channels: 3, crop: 21, latent: 21, maps: 64 }),
        build,
        task: Task::Reconstruct,
        sequential: false,
        example: |rows| Batch::from_columns(rows, [("stamps", uniform(rows * 3 * 21 * 21, 1))]),
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let Settings { channels, crop, latent, maps } = settings(NAME, value)?;
    let sizes = Sizes { channels, crop, latent, maps }.check(NAME)?;
    boxed(ConvCoder::new(builder, sizes).map(ConvAutoencoder))
}

struct ConvAutoencoder(ConvCoder);

impl ConvAutoencoder {
    fn codes<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let features = self.0.features(pass, self.0.images(batch)?)?;
        self.0.mu(pass, features)
    }

    fn reconstructed<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Image<B>, B> {
        let codes = self.codes(pass, batch)?;
        self.0.decode(pass, codes)
    }
}

impl<B: Backend> Network<B> for ConvAutoencoder {
    fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }

    /// Squared error per image, averaged over the batch.
    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let made = self.reconstructed(pass, batch)?;
        let target = self.0.images::<B>(batch)?;
        let weights = vec![1.0 / batch.rows as f32; batch.rows * made.side * made.side];
        B::weighted_sse(made.pixels, target.pixels, weights)
    }

    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        self.codes(pass, batch)
    }

    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(self.reconstructed(pass, batch)?.to_channels_first())
    }
    fn targets(&self, _: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(batch.column("stamps").to_vec())
    }

    fn decode(&self, pass: &mut Pass<B>, codes: &[f32]) -> Made<Option<Decoded>, B> {
        let latent = self.0.sizes.latent;
        let codes = matrix::<B>(codes.to_vec(), codes.len() / latent, latent)?;
        Ok(Some(Decoded { images: self.0.decode(pass, codes)?.to_channels_first(), log_variance: None }))
    }
}
