//! The numbers come from the scripts in `parity.rs` and `vae.rs`, and `go(True, 3, [..names below..])`.

use super::{Expected, check};
use crate::models::entry;
use crate::nn::Kernels;

const EXPECTED: Expected = Expected {
    model: "vade",
    rate: 1e-4,
    output: (-2.912241625e+03, 4.581063726e+02),
    gradients: &[
        ("encoder.0.0.weight", -9.508764420e+04, 9.604796632e+03),
        ("mu.weight", 3.100840503e+05, 1.544930680e+05),
        ("log_var.weight", 4.867810333e+06, 1.524869222e+05),
        ("log_var.bias", 4.461459793e+03, 4.440270539e+03),
        ("expand.bias", -1.056240566e+03, 8.022194961e+03),
        ("d6.weight", -3.043857246e+06, 3.353613073e+05),
        ("variance_head.0.weight", -2.693233530e+04, 6.984878910e+05),
        ("variance_head.2.bias", 3.587344375e+05, 3.587344375e+05),
        ("mixture.logits", -2.980232239e-08, 2.346964894e-01),
        ("mixture.centres", -1.330596641e+00, 3.281308189e+00),
        ("mixture.spreads", -2.319075670e+01, 4.693141652e+00),
    ],
    statistics: &[
        ("encoder.1.1.running_mean", -1.889056293e-02, 4.929705796e-01),
        ("encoder.1.1.running_var", 2.458850119e+02, 3.076545603e+01),
    ],
    losses: [
        2.88123531e+05,
        2.72520625e+05,
        2.57100344e+05,
        2.42445562e+05,
        2.27628797e+05,
        2.13831688e+05,
        2.01012703e+05,
        1.88228438e+05,
        1.75838016e+05,
        1.63720109e+05,
    ],
    trained: &[
        ("encoder.0.0.weight", -7.326668525e-02, 2.939782591e+00),
        ("mu.weight", 1.028629889e+00, 1.555450334e+01),
        ("log_var.weight", -2.189587729e+00, 1.555433452e+01),
        ("log_var.bias", 2.474614845e-01, 3.321943671e-01),
        ("expand.bias", 8.326816308e-02, 3.391750814e+00),
        ("d6.weight", 9.700057923e-01, 2.923954191e+00),
        ("variance_head.0.weight", 1.080208607e-01, 1.942099116e+00),
        ("variance_head.2.bias", -5.904751644e-02, 5.904751644e-02),
        ("mixture.logits", -1.676663503e-01, 1.195081597e-01),
        ("mixture.centres", 6.058473431e-03, 5.572982784e-01),
        ("mixture.spreads", 2.198728686e-02, 5.616719707e-01),
    ],
};

#[test]
fn equals_pytorch() {
    let mut settings = (entry::<Kernels>(EXPECTED.model).unwrap().defaults)();
    settings["clusters"] = 3.into();
    check(&EXPECTED, &settings, &super::vae::batch());
}
