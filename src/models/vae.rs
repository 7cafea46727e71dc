//! The variational autoencoder of Astorga, Huijse, Estévez and Förster 2018 (IJCNN), section III: the layers of
//! [`super::conv_coder`], a standard normal prior. It is the first stage of [`super::vade`].
//!
//! | head | layers |
//! | --- | --- |
//! | `mu`, `log_var` | linear 2304 to `latent`, each |
//! | variance, a switch | linear `latent` to 36, ReLU, linear to 1, sigmoid `s`, `ln σ²(z) = −5 s` |
//!
//! The loss is in [`super::variational`].

use serde::{Deserialize, Serialize};

use super::conv_coder::Sizes;
use super::variational::{Choices, Variational};
use super::{Built, Entry, Task, boxed, json, settings, uniform};
use crate::nn::{Backend, Batch, Builder};

const NAME: &str = "vae";

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
    /// Whether the decoder says how sure it is of a stamp.
    pub variance_head: bool,
    /// Steps over which the weight of the divergence grows to 1.
    pub warm_up: usize,
}

pub(super) fn entry<B: Backend>() -> Entry<B> {
    Entry {
        name: NAME,
        summary: "variational autoencoder of single stamps, whose decoder may say how sure it is",
        source: "Astorga et al. 2018 (IJCNN), section III, figure 5",
        defaults: || {
            let sizes = Settings { channels: 3, crop: 21, latent: 21, maps: 64, variance_head: true, warm_up: 0 };
            json(&sizes)
        },
        build,
        task: Task::Reconstruct,
        sequential: false,
        example: |rows| Batch::from_columns(rows, [("stamps", uniform(rows * 3 * 21 * 21, 1))]),
    }
}

fn build<B: Backend>(value: &serde_json::Value, builder: &mut Builder<B>) -> Built<B> {
    let Settings { channels, crop, latent, maps, variance_head, warm_up } = settings(NAME, value)?;
    let sizes = Sizes { channels, crop, latent, maps }.check(NAME)?;
    boxed(Variational::new(builder, sizes, Choices { variance_head, warm_up, mixture: None }))
}
