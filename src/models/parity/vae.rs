//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! from torch import nn
//! class Variational(m.ConvAutoencoder):
//!     def __init__(self, head, clusters=0):
//!         super().__init__(variational=True)
//!         if head: self.variance_head = nn.Sequential(nn.Linear(21, 36), nn.ReLU(), nn.Linear(36, 1))
//!         if clusters: self.mixture = nn.ParameterDict(
//!             {"logits": torch.zeros(clusters), "centres": torch.zeros(clusters, 21), "spreads": torch.zeros(clusters, 21)})
//!         self.head, self.clusters = head, clusters
//!     def forward(self, x, noise):
//!         h = self.encoder(x).flatten(1)
//!         mu, log_var = self.mu(h), self.log_var(h)
//!         z = mu + (0.5 * log_var).exp() * noise
//!         y = self.d12(F.relu(self.expand(z)).view(-1, 64, 6, 6))
//!         y = self.d34(F.interpolate(y, size=11, mode="nearest"))
//!         y = self.d6(self.d5(F.interpolate(y, size=21, mode="nearest")))
//!         return y, z, mu, log_var
//!     def loss(self, x, y, z, mu, log_var):
//!         from torch.distributions import Normal, Independent
//!         if self.head:
//!             sd = (-2.5 * torch.sigmoid(self.variance_head(z))).exp()[:, :, None, None]
//!             fit = -Normal(y, sd.expand_as(y)).log_prob(x).flatten(1).sum(1)
//!         else: fit = ((x - y) ** 2).flatten(1).sum(1)
//!         if not self.clusters:
//!             return (fit + 0.5 * (mu ** 2 + log_var.exp() - 1 - log_var).sum(1)).mean()
//!         p, v = self.mixture, self.mixture["spreads"].exp() + 0.001
//!         log_pi = F.log_softmax(p["logits"], 0)
//!         prior = Independent(Normal(p["centres"], v.sqrt()), 1)
//!         log_gamma = F.log_softmax(log_pi + prior.log_prob(z[:, None]), 1)
//!         cross = 0.5 * (v.log() + (log_var.exp()[:, None] + (mu[:, None] - p["centres"]) ** 2) / v).sum(2)
//!         kl = (log_gamma.exp() * (log_gamma - log_pi + cross)).sum(1) - 0.5 * (1 + log_var).sum(1)
//!         return (fit + kl).mean()
//! x = (0.5 + 0.5 * wave(4 * 3 * 441, 0.0)).float().view(4, 3, 21, 21)
//! noise = (2 * wave(4 * 21, 0.4)).float().view(4, 21)
//! def go(head, clusters, names):
//!     net = Variational(head, clusters)
//!     run(net, (x, noise), lambda o: net.loss(x, *o), lambda o: o[0], names, 1e-4,
//!         ["encoder.1.1.running_mean", "encoder.1.1.running_var"])
//! go(False, 0, [..names below..]); go(True, 0, [..names below..])
//! ```
//!
//! In place of draws both get the same `noise`. The biases before a batch norm are left out, see `conv_autoencoder.rs`.

use super::{Expected, check, stamps, wave};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const PLAIN: Expected = Expected {
    model: "vae",
    rate: 1e-4,
    output: (-2.912241625e+03, 4.581063726e+02),
    gradients: &[
        ("encoder.0.0.weight", -5.070930931e+03, 4.712194192e+02),
        ("mu.weight", 5.506393018e+04, 9.326276126e+03),
        ("log_var.weight", 2.332417979e+04, 6.493411828e+03),
        ("log_var.bias", -1.300264072e+01, 1.902860325e+02),
        ("expand.bias", 2.630124799e+02, 1.519604339e+03),
        ("d6.weight", -5.682589703e+05, 6.241168136e+04),
    ],
    statistics: &[
        ("encoder.1.1.running_mean", -1.889056293e-02, 4.929705796e-01),
        ("encoder.1.1.running_var", 2.458850119e+02, 3.076545603e+01),
    ],
    losses: [
        5.37279492e+04,
        5.17968047e+04,
        5.00014922e+04,
        4.82831797e+04,
        4.64691094e+04,
        4.45770703e+04,
        4.26667930e+04,
        4.07618203e+04,
        3.88695391e+04,
        3.69914219e+04,
    ],
    trained: &[
        ("encoder.0.0.weight", -2.668660904e-01, 2.939063127e+00),
        ("mu.weight", -9.201348073e-01, 1.555373561e+01),
        ("log_var.weight", -5.494032684e-01, 1.555386079e+01),
        ("log_var.bias", 2.486340534e-01, 3.329741513e-01),
        ("expand.bias", 7.104296657e-02, 3.391906480e+00),
        ("d6.weight", 9.731428632e-01, 2.923859015e+00),
    ],
};

const WITH_HEAD: Expected = Expected {
    model: "vae",
    rate: 1e-4,
    output: (-2.912241625e+03, 4.581063726e+02),
    gradients: &[
        ("encoder.0.0.weight", -9.508750835e+04, 9.604761821e+03),
        ("mu.weight", 3.100585452e+05, 1.544922835e+05),
        ("log_var.weight", 4.867620957e+06, 1.524881247e+05),
        ("log_var.bias", 4.461267258e+03, 4.440310586e+03),
        ("expand.bias", -1.056240566e+03, 8.022194961e+03),
        ("d6.weight", -3.043857246e+06, 3.353613073e+05),
        ("variance_head.0.weight", -2.693233530e+04, 6.984878910e+05),
        ("variance_head.2.bias", 3.587344375e+05, 3.587344375e+05),
    ],
    statistics: &[
        ("encoder.1.1.running_mean", -1.889056293e-02, 4.929705796e-01),
        ("encoder.1.1.running_var", 2.458850119e+02, 3.076545603e+01),
    ],
    losses: [
        2.88122625e+05,
        2.72519625e+05,
        2.57099297e+05,
        2.42444562e+05,
        2.27628094e+05,
        2.13830594e+05,
        2.01011953e+05,
        1.88227781e+05,
        1.75836688e+05,
        1.63718359e+05,
    ],
    trained: &[
        ("encoder.0.0.weight", -7.301190808e-02, 2.939788079e+00),
        ("mu.weight", 1.029065355e+00, 1.555450328e+01),
        ("log_var.weight", -2.186974253e+00, 1.555433406e+01),
        ("log_var.bias", 2.474637760e-01, 3.321947423e-01),
        ("expand.bias", 8.318950951e-02, 3.391751569e+00),
        ("d6.weight", 9.700142221e-01, 2.923954348e+00),
        ("variance_head.0.weight", 1.080208231e-01, 1.942099039e+00),
        ("variance_head.2.bias", -5.904751644e-02, 5.904751644e-02),
    ],
};

/// Stamps with the noise of their codes.
pub(super) fn batch() -> Batch {
    let noise = wave(4 * 21, 0.4).map(|w| 2.0 * w as f32).collect();
    Batch::from_columns(4, [("stamps", stamps(4 * 3 * 441, 0.0)), ("noise", noise)])
}

#[test]
fn equals_pytorch_with_and_without_variance_head() {
    let mut settings = (entry::<Kernels>("vae").unwrap().defaults)();
    check(&WITH_HEAD, &settings, &batch());
    settings["variance_head"] = false.into();
    check(&PLAIN, &settings, &batch());
}
