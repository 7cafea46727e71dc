//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! import torch.nn as nn
//! class DeepHits(nn.Module):
//!     def __init__(self, channels=4, classes=2, leak=0.01):
//!         super().__init__()
//!         self.leak, self.trunk = leak, m.StampTrunk(channels, 3)
//!         self.dense1, self.dense2, self.logits = nn.Linear(4 * 2304, 64), nn.Linear(64, 64), nn.Linear(64, classes)
//!     def forward(self, x):
//!         n, t, a = len(x), self.trunk, lambda v: F.leaky_relu(v, self.leak)
//!         h = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
//!         h = F.max_pool2d(a(t.conv2(a(t.conv1(h)))), 2)
//!         h = F.max_pool2d(a(t.conv5(a(t.conv4(a(t.conv3(h)))))), 2)
//!         h = h.flatten(1).view(4, n, 2304).transpose(0, 1).flatten(1)
//!         return self.logits(a(self.dense2(a(self.dense1(h)))))
//! x = (0.5 + 0.5 * wave(4 * 4 * 441, 0.0)).float().view(4, 4, 21, 21); y = torch.tensor([0, 1, 1, 0])
//! run(DeepHits(), (x,), lambda o: F.cross_entropy(o, y), lambda o: o, [..names below..], 1e-5)
//! ```

use super::{Expected, check, stamps};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const EXPECTED: Expected = Expected {
    model: "deep_hits",
    rate: 1e-5,
    output: (8.350510657e+00, 2.998530752e+00),
    gradients: &[
        ("trunk.conv1.weight", -1.095570409e+01, 2.015462644e+01),
        ("trunk.conv3.weight", 3.146800819e+00, 1.669444781e+00),
        ("trunk.conv5.bias", -1.926904552e-02, 1.478495715e-02),
        ("dense1.weight", -4.668719996e+02, 1.126183786e+01),
        ("dense1.bias", -6.073658632e-03, 7.863211052e-03),
        ("dense2.weight", -1.964576562e+01, 1.068400620e+01),
        ("logits.weight", 2.025393769e-06, 1.333082521e+00),
    ],
    statistics: &[],
    losses: [
        0.6584212183952332,
        0.6431760191917419,
        0.6360494494438171,
        0.6219565272331238,
        0.6108443737030029,
        0.6007819771766663,
        0.5896925330162048,
        0.5813107490539551,
        0.5702125430107117,
        0.5563425421714783,
    ],
    trained: &[
        ("trunk.conv1.weight", 7.078519998e-02, 3.199392546e+00),
        ("trunk.conv3.weight", -1.521016200e-01, 9.600404832e+00),
        ("trunk.conv5.bias", -7.289354748e-02, 5.647019718e-01),
        ("dense1.weight", 1.720859482e+00, 5.430586394e+01),
        ("dense1.bias", 3.824529387e-02, 5.617281327e-01),
        ("dense2.weight", 1.534928279e-01, 4.525313045e+00),
        ("logits.weight", 2.127524186e-01, 8.048638454e-01),
    ],
};

#[test]
fn equals_pytorch() {
    let settings = (entry::<Kernels>(EXPECTED.model).unwrap().defaults)();
    let settings =
        serde_json::json!({ "channels": 4, "crop": 21, "classes": 2, "dropout": 0.0, "leak": settings["leak"] });
    let columns = [("stamps", stamps(4 * 4 * 441, 0.0)), ("class", vec![0.0, 1.0, 1.0, 0.0])];
    check(&EXPECTED, &settings, &Batch::from_columns(4, columns));
}
