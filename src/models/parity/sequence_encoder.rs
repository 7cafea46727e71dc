//! `sequence_autoencoder` with a stamp encoder that trains towards given codes. The numbers come from the script in `parity.rs`
//! and
//!
//! ```python
//! class Joint(nn.Module):
//!     def __init__(self, latent=8, hidden=16):
//!         super().__init__()
//!         self.autoencoder = m.ConvAutoencoder(2, latent)
//!         self.encode = nn.GRU(latent + 10, hidden, batch_first=True)
//!         self.decode = nn.GRU(hidden, hidden, batch_first=True)
//!         self.out = nn.Linear(hidden, latent + 10)
//!     def forward(self, stamps, dynamic):
//!         n, t = dynamic.shape[:2]
//!         z = self.autoencoder.mu(self.autoencoder.encoder(stamps.flatten(0, 1)).flatten(1)).view(n, t, -1)
//!         code = self.encode(torch.cat([z, dynamic], 2))[1][0]
//!         return self.out(self.decode(code.unsqueeze(1).expand(n, t, -1).contiguous())[0])
//! x = (0.5 + 0.5 * wave(3 * 4 * 2 * 441, 0.0)).float().view(3, 4, 2, 21, 21)
//! z = wave(3 * 4 * 8, 2.0).float().view(3, 4, 8); d = wave(3 * 4 * 10, 1.0).float().view(3, 4, 10)
//! run(Joint(), (x, d), lambda y: F.mse_loss(y, torch.cat([z, d], 2)), lambda y: y, [..names below..], 1e-4,
//!     ["autoencoder.encoder.1.1.running_mean", "autoencoder.encoder.1.1.running_var"])
//! ```
//!
//! The biases before a batch norm are left out: their true gradient is zero.

use super::{Expected, check, stamps, wave};
use crate::nn::Batch;

const EXPECTED: Expected = Expected {
    model: "sequence_autoencoder",
    rate: 1e-4,
    output: (6.497504935e-02, 1.451666450e+00),
    gradients: &[
        ("autoencoder.encoder.0.0.weight", 3.020849420e-04, 5.206107363e-05),
        ("autoencoder.encoder.2.0.weight", -6.719539050e-04, 4.687756452e-05),
        ("autoencoder.encoder.3.1.weight", -2.410596673e-05, 3.237807730e-05),
        ("autoencoder.mu.weight", -3.136532042e-03, 2.595689570e-03),
        ("autoencoder.mu.bias", -3.543384992e-06, 7.791852427e-05),
        ("encode.weight_ih_l0", 2.434165029e-04, 1.986539792e-03),
        ("encode.weight_hh_l0", -3.409488849e-04, 1.314997806e-04),
        ("decode.weight_ih_l0", 3.257769264e-03, 8.649396375e-03),
        ("out.weight", 1.368619187e-03, 4.783325890e-02),
    ],
    statistics: &[
        ("autoencoder.encoder.1.1.running_mean", 9.148817946e-03, 8.134326827e-02),
        ("autoencoder.encoder.1.1.running_var", 5.446555700e+02, 6.808514102e+01),
    ],
    losses: [
        5.054784417e-01,
        5.053375959e-01,
        5.052003860e-01,
        5.050662756e-01,
        5.049347878e-01,
        5.048052669e-01,
        5.046771169e-01,
        5.045499206e-01,
        5.044232011e-01,
        5.042962432e-01,
    ],
    trained: &[
        ("autoencoder.encoder.0.0.weight", 1.659853341e-01, 2.401438877e+00),
        ("autoencoder.encoder.2.0.weight", 6.674729931e-01, 1.357764537e+01),
        ("autoencoder.encoder.3.1.weight", 6.390076107e+01, 8.007834710e+00),
        ("autoencoder.mu.weight", 3.080681086e-01, 9.600235914e+00),
        ("autoencoder.mu.bias", 6.861990690e-02, 2.020009659e-01),
        ("encode.weight_ih_l0", -1.732308258e-01, 2.081526432e+00),
        ("encode.weight_hh_l0", -2.514333716e-01, 1.959485166e+00),
        ("decode.weight_ih_l0", 1.563427534e-01, 1.959234046e+00),
        ("out.weight", 6.456914276e-02, 1.198986950e+00),
    ],
};

#[test]
fn equals_pytorch() {
    let settings = serde_json::json!({
        "channels": 2, "crop": 21, "dynamic": 10, "hidden": 16, "steps": 4, "codes": 8, "maps": 64
    });
    let column = |count: usize, phase: f64| wave(count, phase).map(|w| w as f32).collect();
    let columns = [
        ("stamps", stamps(12 * 2 * 441, 0.0)),
        ("codes", column(12 * 8, 2.0)),
        ("dynamic", column(12 * 10, 1.0)),
        ("length", vec![4.0; 3]),
    ];
    check(&EXPECTED, &settings, &Batch::from_columns(3, columns));
}
