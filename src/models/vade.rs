//! The variational deep embedding of Astorga, Huijse, Estévez and Förster 2018 (IJCNN), sections II and III, after Jiang et
//! al. 2017: the layers of [`super::vae`] with a mixture of diagonal Gaussians as prior, so that codes fall into clusters.
//!
//! | prior | parametrised as | starts as |
//! | --- | --- | --- |
//! | shares `π_c` | softmax of `mixture.logits` | equal |
//! | centres `μ_c` | `mixture.centres` | of a mixture fitted to the codes of a trained `vae` |
//! | variances `σ_c²` | `floor + exp(mixture.spreads)`, so that no cluster can shrink to a point | likewise |
//!
//! The loss is in [`super::variational`].

use serde::{Deserialize, Serialize};

use super::conv_coder::Sizes;
use super::variational::{Choices, Variational};
use super::{Built, Entry, Task, boxed, json, settings, uniform};
use crate::nn::{Backend, Batch, Builder, NnError};

const NAME: &str = "vade";

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Whether the decoder says how sure it is of a stamp.
    pub variance_head: bool,
    /// Components of the prior; 10 in the paper.
    pub clusters: usize,
    /// Smallest variance of a component.
    pub floor: f32,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "variational autoencoder of single stamps with a mixture of Gaussians as prior: it clusters stamps",
        source: "Astorga et al. 2018 (IJCNN), sections II and III; Jiang et al. 2017 (IJCAI)",
        defaults: || {
            let (channels, crop, latent, maps) = (3, 21, 21, 64);
            json(&Settings { channels, crop, latent, maps, variance_head: true, clusters: 10, floor: 0.001 })
        },
        build,
        task: Task::Reconstruct,
        sequential: false,
        example: |rows| Batch::from_columns(rows, [("stamps", uniform(rows * 3 * 21 * 21, 1))]),
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let Settings { channels, crop, latent, maps, variance_head, clusters, floor } = settings(NAME, value)?;
    let sizes = Sizes { channels, crop, latent, maps }.check(NAME)?;
    if clusters == 0 || !(0.0..1.0).contains(&floor) {
        let what = format!("{clusters} clusters (at least 1) of variance at least {floor} (from 0 to below 1)");
        return Err(NnError::Settings { model: NAME.into(), what });
    }
    boxed(Variational::new(builder, sizes, Choices { variance_head, warm_up: 0, mixture: Some((clusters, floor)) }))
}
