//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! x = (0.5 + 0.5 * wave(3 * 3 * 441, 2.7)).float().view(3, 3, 21, 21)
//! d = wave(3 * 23, 1.0).float().view(3, 23); y = torch.tensor([0, 3, 1])
//! run(m.StampClassifier(dropout=0.0), (x, d), lambda o: m.entropy_regularised(o, y), lambda o: o, [..names below..], 1e-6,
//!     ["norm.running_mean", "norm.running_var"])
//! ```
//!
//! The phase 2.7 keeps all activations away from zero by 8e-6 of their mean: where one is nearer, rounding decides whether
//! its gradient passes, and two right programs part by 1e-3. The rate is small because Adam's first steps are as long for the
//! smallest gradients, which are rounding, as for the largest.

use super::{Expected, check, stamps, wave};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const EXPECTED: Expected = Expected {
    model: "stamp_classifier",
    rate: 1e-6,
    output: (1.893483467e+00, 6.727538941e-01),
    gradients: &[
        ("trunk.conv1.weight", -1.048802433e+00, 3.537319405e-01),
        ("trunk.conv3.weight", -1.290166548e+00, 9.492403100e-02),
        ("trunk.conv5.bias", 8.724224426e-05, 9.816657849e-04),
        ("dense1.weight", 8.597059737e-01, 3.225710754e-02),
        ("norm.weight", 1.413608303e-02, 3.203573886e-03),
        ("norm.bias", -9.278652724e-04, 2.532778975e-03),
        ("dense2.weight", 4.458274102e-01, 3.186048587e-01),
        ("dense3.bias", -1.387072727e-02, 1.302309647e-01),
        ("logits.weight", -2.376982593e-07, 4.076264308e-01),
    ],
    statistics: &[
        ("norm.running_mean", 2.641869138e-02, 9.685454648e-02),
        ("norm.running_var", 2.231246668e+01, 4.656151791e+00),
    ],
    losses: [
        0.8028383255004883,
        0.8025674223899841,
        0.8024699091911316,
        0.8023440837860107,
        0.8022038340568542,
        0.8020840287208557,
        0.8019694089889526,
        0.801838219165802,
        0.8017446398735046,
        0.8016377687454224,
    ],
    trained: &[
        ("trunk.conv1.weight", 3.661180771e-02, 2.770505323e+00),
        ("trunk.conv3.weight", 7.948282779e-02, 1.600001657e+01),
        ("trunk.conv5.bias", -7.345698649e-02, 5.647160374e-01),
        ("dense1.weight", 1.922132902e-02, 2.715301657e+01),
        ("norm.weight", 2.323758876e+01, 4.856855207e+00),
        ("norm.bias", 2.854011161e-01, 3.347587982e-01),
        ("dense2.weight", 1.556210733e-01, 5.276226321e+00),
        ("dense3.bias", 8.387909504e-02, 5.659196591e-01),
        ("logits.weight", 8.418434050e-02, 1.266867811e+00),
    ],
};

#[test]
fn equals_pytorch() {
    let mut settings = (entry::<Kernels>(EXPECTED.model).unwrap().defaults)();
    settings["dropout"] = 0.into();
    let metadata = wave(3 * 23, 1.0).map(|w| w as f32).collect();
    let columns = [("stamps", stamps(3 * 3 * 441, 2.7)), ("metadata", metadata), ("class", vec![0.0, 3.0, 1.0])];
    check(&EXPECTED, &settings, &Batch::from_columns(3, columns));
}
