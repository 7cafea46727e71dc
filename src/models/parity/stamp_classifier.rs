//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! x = (0.5 + 0.5 * wave(4 * 3 * 441, 0.0)).float().view(4, 3, 21, 21)
//! d = wave(4 * 23, 1.0).float().view(4, 23); y = torch.tensor([0, 3, 1, 4])
//! run(m.StampClassifier(dropout=0.0), (x, d), lambda o: m.entropy_regularised(o, y), lambda o: o, [..names below..], 1e-5,
//!     ["norm.running_mean", "norm.running_var"])
//! ```

use super::{Expected, check, stamps, wave};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const EXPECTED: Expected = Expected {
    model: "stamp_classifier",
    rate: 1e-5,
    output: (2.505728561e+00, 7.706065815e-01),
    gradients: &[
        ("trunk.conv1.weight", -3.308925531e-01, 1.714757088e-01),
        ("trunk.conv3.weight", -3.966359993e-01, 3.878571837e-02),
        ("trunk.conv5.bias", 7.100803531e-04, 4.601851406e-04),
        ("dense1.weight", -1.807791176e-01, 2.495779068e-02),
        ("norm.weight", 8.863636955e-03, 3.434072683e-03),
        ("norm.bias", -2.194962639e-03, 2.587752113e-03),
        ("dense2.weight", 3.140963140e-02, 2.916624406e-01),
        ("dense3.bias", 1.741710925e-01, 9.774600506e-02),
        ("logits.weight", -1.025837264e-07, 2.971279284e-01),
    ],
    statistics: &[
        ("norm.running_mean", 5.100495461e-02, 6.027482481e-02),
        ("norm.running_var", 2.220980215e+01, 4.633731513e+00),
    ],
    losses: [
        0.8529649972915649,
        0.8520866632461548,
        0.8512975573539734,
        0.8506219387054443,
        0.8498687148094177,
        0.8491224050521851,
        0.8483380079269409,
        0.847795844078064,
        0.846967339515686,
        0.846108078956604,
    ],
    trained: &[
        ("trunk.conv1.weight", 3.646998627e-02, 2.770501423e+00),
        ("trunk.conv3.weight", 2.974298577e-01, 1.600000057e+01),
        ("trunk.conv5.bias", -7.317339402e-02, 5.647591916e-01),
        ("dense1.weight", -2.087880875e-01, 2.715303689e+01),
        ("norm.weight", 2.323672158e+01, 4.856673266e+00),
        ("norm.bias", 2.855985016e-01, 3.349204847e-01),
        ("dense2.weight", 1.504810974e-01, 5.276252339e+00),
        ("dense3.bias", 8.325336454e-02, 5.655540113e-01),
        ("logits.weight", 8.434178519e-02, 1.266822165e+00),
    ],
};

#[test]
fn equals_pytorch() {
    let mut settings = (entry::<Kernels>(EXPECTED.model).unwrap().defaults)();
    settings["dropout"] = 0.into();
    let metadata = wave(4 * 23, 1.0).map(|w| w as f32).collect();
    let columns = [("stamps", stamps(4 * 3 * 441)), ("metadata", metadata), ("class", vec![0.0, 3.0, 1.0, 4.0])];
    check(&EXPECTED, &settings, &Batch::from_columns(4, columns));
}
