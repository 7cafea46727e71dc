//! How the stamp autoencoder takes part: its codes as they are, or its encoder as a part of the network that trains on.
//!
//! The target is the same in every scheme, the standardised codes of the autoencoder as it came. Were it the codes of the
//! encoder that trains, one that gives every stamp the same code would be told without error. So errors of the schemes
//! compare, with each other and with their baselines.

use std::path::Path;

use super::rows::Scale;
use crate::models::{self, ENCODER};
use crate::nn::{Backend, Kernels, Model, NnError};
use crate::spec::keys::Keys;
use crate::spec::value::Params;
use crate::stage::StageError;
use crate::stages::training::TrainingKeys;

crate::choice! {
    /// What becomes of the encoder of `autoencoder`.
    pub(super) enum SchemeWord {
        /// It stays as it is.
        Frozen = "frozen",
        /// It trains with the rest.
        Joint = "joint",
        /// It stays as it is for some epochs, then trains with the rest.
        Staged = "staged",
    }
}

crate::keys! {
    /// Keys of how the stamp autoencoder takes part.
    pub(super) struct SchemeKeys {
        /// What becomes of the encoder of `autoencoder`: "frozen", it stays as it is; "joint", it trains with the rest from the start; "staged", it stays as it is for `frozen_epochs` and then trains with the rest. The target is the same in all three, its codes as they came, so that errors compare and none can shrink to nothing. A rate of its own: `group = ["autoencoder"]`. Its batch norms take the moments of each batch once they train, so that its codes are others and noisy ones from the first step on, unless `frozen` names them (see experiments/schemes).
        scheme: SchemeWord = SchemeWord::Frozen, added_later();
        /// Of all `epochs`, those of the first stage of `scheme = "staged"` (with `steps` they come before these). The weights of the best validation of both stages are kept.
        frozen_epochs: usize = 20, range(1, 100_000), added_later();
    }
}

impl SchemeKeys {
    /// Faults that no single key shows, as (key, message).
    pub(super) fn faults(params: &Params) -> Vec<(&'static str, String)> {
        let (Some(keys), Some(training)) = (Self::read(params), TrainingKeys::read(params)) else { return Vec::new() };
        let SchemeKeys { scheme, frozen_epochs } = keys;
        if scheme == SchemeWord::Staged && training.steps.is_none() && frozen_epochs >= training.epochs {
            let what = format!("leaves none of the {} epochs for the encoder to train in", training.epochs);
            return vec![("frozen_epochs", what)];
        }
        Vec::new()
    }

    /// Maps of the encoder that trains with the rest, that of the autoencoder in `folder`; 0: none does.
    pub(super) fn encoder_maps(&self, folder: Option<&Path>) -> Result<usize, StageError> {
        if self.scheme == SchemeWord::Frozen {
            return Ok(0);
        }
        let word = self.scheme.word();
        let folder = folder.ok_or_else(|| {
            let what = format!("scheme = \"{word}\" trains the encoder of `autoencoder`, and none is connected");
            StageError::with_hint(what, "connect `autoencoder`, or leave `scheme` out")
        })?;
        let card = Model::<Kernels>::card(folder)?;
        models::encoder_maps(&card).ok_or_else(|| {
            let what = format!("`autoencoder` is a `{}`, whose encoder cannot train with the rest", card.model);
            StageError::with_hint(what, "take conv_autoencoder, vae or vade, or `scheme = \"frozen\"`")
        })
    }
}

/// Gives the stamp encoder in `model` the weights of the autoencoder in `folder`. Its last layer is scaled, so that it begins
/// with standardised codes: the target itself, were it not for batch norms, which use the moments of the batch once they train.
pub(super) fn begin<B: Backend>(model: &mut Model<B>, folder: &Path, scale: &Scale) -> Result<(), StageError> {
    let autoencoder = models::load::<Kernels>(folder)?;
    let own: Vec<String> = model.weights.names().map(|(name, _)| name.to_owned()).collect();
    for (own, name) in own.iter().filter_map(|own| Some((own, own.strip_prefix(ENCODER)?.strip_prefix('.')?))) {
        let mut values = autoencoder.weights.named(name).unwrap_or_default();
        match name {
            "mu.weight" => scale.divide_rows(&mut values),
            "mu.bias" => scale.standardise(&mut values),
            _ => {}
        }
        if !model.weights.set_named(own, values).map_err(NnError::device)? {
            return Err(StageError::failed(format!("the autoencoder has no `{name}` of the size that its card says")));
        }
    }
    Ok(())
}
