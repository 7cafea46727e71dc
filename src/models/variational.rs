//! What `vae` and `vade` share (Astorga et al. 2018, section III): codes that are Gaussians, one draw of each in training and
//! their means in use, a decoder that may say how sure it is, and the negative evidence bound as the loss.
//!
//! For a stamp `x` of `D` pixels, averaged over the batch:
//!
//! `loss = −ln p(x|z) + w · KL`,
//! - equation 5, with the variance head: `−ln p(x|z) = Σ_pixels [(x − μ_x)² / (2σ²(z)) + ½ ln 2πσ²(z)]`, one variance for
//!   each stamp; without it the plain squared error `Σ_pixels (x − μ_x)²`, a Gaussian of variance ½ but for its constant;
//! - `vae`: `KL = ½ Σ_j (μ_j² + σ_j² − 1 − ln σ_j²)`;
//! - `vade`, equations 6 and 8: see [`mixture::divergence`];
//! - `w = 1`, but for the first steps, where it may grow from 0 (Sønderby et al. 2016).

use rand_distr::{Distribution, StandardNormal};

use super::conv_coder::{ConvCoder, Sizes};
use crate::nn::layers::Linear;
use crate::nn::ops::gaussian;
use crate::nn::ops::mixture::{self, Mixture};
use crate::nn::{
    Backend, Batch, Builder, Column, Decoded, Image, Made, Matrix, Network, Pass, Posterior, Scalar, Slot, Vector,
    matrix,
};

/// Values between the code and its variance.
const HEAD: usize = 36;

/// Column of a batch that brings the draws `ε [row, latent]` of its codes, in place of the pass's own; for tests.
const NOISE: &str = "noise";

/// Names of the arrays of a mixture, see [`Mixture`].
pub const MIXTURE: [&str; 3] = ["mixture.logits", "mixture.centres", "mixture.spreads"];

/// What is different in the two networks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices {
    /// Whether the decoder says how sure it is.
    pub(super) variance_head: bool,
    /// Steps over which the weight of the divergence grows to 1.
    pub(super) warm_up: usize,
    /// Components of the prior and their smallest variance; `None`: a standard normal.
    pub(super) mixture: Option<(usize, f32)>,
}

pub(super) struct Variational {
    coder: ConvCoder,
    log_var: Linear,
    head: Option<[Linear; 2]>,
    /// Slot that counts the steps, and how many there are until the divergence weighs all.
    warm_up: Option<(Slot, f32)>,
    prior: Option<Prior>,
}

/// Where the mixture is kept.
struct Prior {
    slots: [Slot; 3],
    floor: f32,
}

impl Prior {
    fn new<B: Backend>(builder: &mut Builder<B>, components: usize, latent: usize, floor: f32) -> Made<Self, B> {
        let [logits, centres, spreads] = MIXTURE.map(String::from);
        let slots = [
            builder.constant(logits, components, 0.0)?,
            builder.uniform(centres, &[components, latent], 1.0)?,
            builder.filled(spreads, &[components, latent], 0.0)?,
        ];
        Ok(Self { slots, floor })
    }

    fn mixture<B: Backend>(&self, pass: &Pass<B>) -> Mixture<B> {
        let [logits, centres, spreads] = self.slots.map(|slot| pass.weight(slot));
        Mixture { logits, centres, spreads, floor: self.floor }
    }
}

impl Variational {
    pub(super) fn new<B: Backend>(builder: &mut Builder<B>, sizes: Sizes, choices: Choices) -> Made<Self, B> {
        let coder = ConvCoder::new(builder, sizes)?;
        let log_var = Linear::new(builder, "log_var", sizes.features(), sizes.latent)?;
        let head = if choices.variance_head {
            let first = Linear::new(builder, "variance_head.0", sizes.latent, HEAD)?;
            Some([first, Linear::new(builder, "variance_head.2", HEAD, 1)?])
        } else {
            None
        };
        let warm_up = match choices.warm_up {
            0 => None,
            steps => Some((builder.statistic("warm_up_steps".into(), 1, 0.0)?, steps as f32)),
        };
        let prior = match choices.mixture {
            Some((components, floor)) => Some(Prior::new(builder, components, sizes.latent, floor)?),
            None => None,
        };
        Ok(Self { coder, log_var, head, warm_up, prior })
    }

    /// Mean and log-variance of codes, each `[n, latent]`.
    fn heads<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<[Matrix<B>; 2], B> {
        let features = self.coder.features(pass, self.coder.images(batch)?)?; // [n, 2304]
        let (features, copy) = B::fork(features);
        Ok([self.coder.mu(pass, features)?, self.log_var.forward(pass, copy)?])
    }

    /// The draws of a training pass; `None`: codes are their means.
    fn noise<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Option<Vec<f32>> {
        let random = pass.training.as_mut()?;
        let given = batch.column(NOISE);
        let count = batch.rows * self.coder.sizes.latent;
        if !given.is_empty() {
            return Some(given.to_vec());
        }
        Some((0..count).map(|_| StandardNormal.sample(random)).collect())
    }

    /// The code of each row, `[n, latent]`.
    fn code<B: Backend>(
        &self,
        pass: &mut Pass<B>,
        batch: &Batch,
        mean: Matrix<B>,
        log_variance: Matrix<B>,
    ) -> Made<Matrix<B>, B> {
        match self.noise(pass, batch) {
            Some(noise) => gaussian::draw::<B>(mean, log_variance, noise),
            None => Ok(mean),
        }
    }

    /// `−ln p(x|z)` of each row.
    fn surprise<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch, codes: Matrix<B>) -> Made<Vector<B>, B> {
        let (codes, copy) = B::fork(codes);
        let made = self.coder.decode(pass, codes)?; // [n, 21, 21, channel]
        let errors = gaussian::image_errors(made, self.coder.images(batch)?)?;
        let Some(head) = &self.head else { return Ok(errors) };
        let log_variance = log_variance(pass, copy, head)?;
        let Sizes { channels, crop, .. } = self.coder.sizes;
        gaussian::surprise::<B>(errors, log_variance, channels * crop * crop)
    }

    /// Weight of the divergence: 1 in use.
    fn weight<B: Backend>(&self, pass: &mut Pass<B>) -> f32 {
        let Some((slot, steps)) = self.warm_up.filter(|_| pass.training.is_some()) else { return 1.0 };
        let count = pass.statistic(slot)[0] + 1.0;
        pass.note(slot, vec![count]);
        (count / steps).min(1.0)
    }

    fn reconstructed<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Image<B>, B> {
        let [mean, log_variance] = self.heads(pass, batch)?;
        let codes = self.code(pass, batch, mean, log_variance)?;
        self.coder.decode(pass, codes)
    }
}

impl<B: Backend> Network<B> for Variational {
    fn columns(&self) -> Vec<Column> {
        self.coder.columns()
    }

    /// The negative evidence bound per stamp, averaged over the batch.
    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let [mean, log_variance] = self.heads(pass, batch)?;
        let ((mean, mean_copy), (log_variance, copy)) = (B::fork(mean), B::fork(log_variance));
        let (codes, draw) = B::fork(self.code(pass, batch, mean_copy, copy)?);
        let surprise = self.surprise(pass, batch, codes)?;
        let divergence = match &self.prior {
            None => gaussian::divergence::<B>(mean, log_variance)?,
            Some(prior) => mixture::divergence::<B>(draw, mean, log_variance, || prior.mixture(pass))?,
        };
        let weight = self.weight(pass);
        gaussian::mean_sum::<B>(surprise, divergence, weight)
    }

    /// The means.
    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let [mean, _] = self.heads(pass, batch)?;
        Ok(mean)
    }

    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(self.reconstructed(pass, batch)?.to_channels_first())
    }
    fn targets(&self, _: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(batch.column("stamps").to_vec())
    }

    fn posterior(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Option<Posterior>, B> {
        let [mean, log_variance] = self.heads(pass, batch)?;
        Ok(Some(Posterior { mean: mean.as_vec(), log_variance: log_variance.as_vec() }))
    }

    fn decode(&self, pass: &mut Pass<B>, codes: &[f32]) -> Made<Option<Decoded>, B> {
        let latent = self.coder.sizes.latent;
        let (codes, copy) = B::fork(matrix::<B>(codes.to_vec(), codes.len() / latent, latent)?);
        let log_variance = match &self.head {
            Some(head) => Some(log_variance(pass, copy, head)?.as_vec()),
            None => None,
        };
        Ok(Some(Decoded { images: self.coder.decode(pass, codes)?.to_channels_first(), log_variance }))
    }
}

/// `ln σ²(z)` of each row by a variance head.
fn log_variance<B: Backend>(pass: &Pass<B>, codes: Matrix<B>, [first, last]: &[Linear; 2]) -> Made<Vector<B>, B> {
    let x = B::relu(first.forward(pass, codes)?)?; // [n, 36]
    gaussian::bounded_log_variance::<B>(last.forward(pass, x)?)
}
