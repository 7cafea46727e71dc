//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! x = (0.5 + 0.5 * wave(4 * 3 * 441, 0.0)).float().view(4, 3, 21, 21)
//! run(m.ConvAutoencoder(), (x,), lambda o: ((o[0] - x) ** 2).flatten(1).sum(1).mean(), lambda o: o[0], [..names below..],
//!     1e-3, ["encoder.1.1.running_mean", "encoder.1.1.running_var"])
//! ```
//!
//! The biases before a batch norm are left out: their true gradient is zero, so Adam moves them by the sign of rounding.

use super::{Expected, check, stamps};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const EXPECTED: Expected = Expected {
    model: "conv_autoencoder",
    rate: 1e-3,
    output: (-2.575324311e+03, 4.554181860e+02),
    gradients: &[
        ("encoder.0.0.weight", -1.792939283e+04, 1.427561595e+03),
        ("encoder.1.0.weight", -1.725682879e+04, 1.562877918e+03),
        ("encoder.1.1.weight", 1.662821710e+01, 3.917711330e+02),
        ("mu.weight", 2.376250539e+06, 1.135693569e+05),
        ("expand.bias", -6.605959148e+02, 2.516711374e+04),
        ("d5.0.weight", -1.492906483e+06, 4.419840763e+04),
        ("d6.weight", -5.079143585e+05, 6.036607641e+04),
        ("d6.bias", -2.611366272e+03, 1.622649706e+03),
    ],
    statistics: &[
        ("encoder.1.1.running_mean", -1.889056293e-02, 4.929705796e-01),
        ("encoder.1.1.running_var", 2.458850119e+02, 3.076545603e+01),
    ],
    losses: [
        5.30096172e+04,
        3.95636445e+04,
        2.60621953e+04,
        1.87489141e+04,
        1.36678057e+04,
        1.01156582e+04,
        7.59924658e+03,
        6.07349414e+03,
        5.19217871e+03,
        4.49917969e+03,
    ],
    trained: &[
        ("encoder.0.0.weight", 6.651326253e-01, 2.944422422e+00),
        ("encoder.1.0.weight", 1.670115549e+00, 1.360166318e+01),
        ("encoder.1.1.weight", 6.384919119e+01, 8.001460269e+00),
        ("mu.weight", -1.710762129e+01, 1.557025250e+01),
        ("expand.bias", 8.625555585e-01, 3.399852556e+00),
        ("d5.0.weight", 3.371837343e+01, 1.364976251e+01),
        ("d6.weight", 4.169941341e+00, 2.796992186e+00),
        ("d6.bias", 1.460577594e-02, 9.050607338e-02),
    ],
};

#[test]
fn equals_pytorch() {
    let settings = (entry::<Kernels>(EXPECTED.model).unwrap().defaults)();
    check(&EXPECTED, &settings, &Batch::from_columns(4, [("stamps", stamps(4 * 3 * 441, 0.0))]));
}
