//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! x = (0.5 + 0.5 * wave(3 * 5 * 2 * 441, 0.0)).float().view(3, 5, 2, 21, 21)
//! d = wave(3 * 5 * 10, 1.0).float().view(3, 5, 10)
//! run(m.SequenceAutoencoder(), (x, d), lambda o: F.mse_loss(o[0], o[1]), lambda o: o[0], [..names below..], 1e-6)
//! ```
//!
//! The rate is small because the target moves: at 1e-4 PyTorch's own f32 and f64 runs part by 1e-3 in ten steps, at 1e-6 by
//! 8e-5.

use super::{Expected, check, stamps, wave};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const EXPECTED: Expected = Expected {
    model: "sequence_autoencoder",
    rate: 1e-6,
    output: (1.251330543e+01, 1.061516803e+01),
    gradients: &[
        ("trunk.conv1.weight", -2.070974951e+00, 9.257320177e-01),
        ("trunk.conv4.weight", 9.754477849e-01, 8.672614410e-02),
        ("embed.weight", -1.575729260e+00, 1.287319019e-01),
        ("encode.weight_hh_l0", -4.107182771e-03, 3.781062150e-02),
        ("encode.bias_ih_l0", -1.362212262e-02, 5.405805084e-02),
        ("decode.weight_ih_l0", -4.736176834e-02, 2.291042518e-01),
        ("decode.bias_hh_l0", -3.913686696e-02, 7.971761482e-02),
        ("out.weight", -4.205402643e-01, 1.481160338e-01),
    ],
    statistics: &[],
    losses: [
        3.86577219e-01,
        3.81906033e-01,
        3.77913535e-01,
        3.74286562e-01,
        3.70911986e-01,
        3.67978632e-01,
        3.66177291e-01,
        3.65172088e-01,
        3.64889413e-01,
        3.65208149e-01,
    ],
    trained: &[
        ("trunk.conv1.weight", 1.533356016e-02, 2.261960151e+00),
        ("trunk.conv4.weight", -1.251580895e-01, 2.262733121e+01),
        ("embed.weight", -7.793330579e-02, 2.715283729e+01),
        ("encode.weight_hh_l0", 3.698390290e-03, 7.838408547e+00),
        ("encode.bias_ih_l0", -2.361227786e-01, 9.809501264e-01),
        ("decode.weight_ih_l0", -7.439695881e-03, 7.838338155e+00),
        ("decode.bias_hh_l0", 1.392889455e-01, 9.785448665e-01),
        ("out.weight", 6.343211548e-02, 4.866644293e+00),
    ],
};

#[test]
fn equals_pytorch() {
    let settings = (entry::<Kernels>(EXPECTED.model).unwrap().defaults)();
    let dynamic = wave(150, 1.0).map(|w| w as f32).collect();
    let columns = [("stamps", stamps(15 * 2 * 441, 0.0)), ("dynamic", dynamic), ("length", vec![5.0; 3])];
    check(&EXPECTED, &settings, &Batch::from_columns(3, columns));
}
