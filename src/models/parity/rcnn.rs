//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! class Renorm(nn.Module):
//!     def __init__(self, columns, r_max=3.0, d_max=5.0, warm_up=4):
//!         super().__init__()
//!         self.weight = nn.Parameter(torch.ones(columns)); self.bias = nn.Parameter(torch.zeros(columns))
//!         self.register_buffer("running_mean", torch.zeros(columns))
//!         self.register_buffer("running_var", torch.ones(columns))
//!         self.steps, self.r_max, self.d_max, self.warm_up = 0, r_max, d_max, warm_up
//!     def forward(self, x):  # [image, channel, y, x]
//!         mean, var, n = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False), x.numel() / x.shape[1]
//!         open = min(1.0, self.steps / self.warm_up); r_max, d_max = 1 + open * (self.r_max - 1), open * self.d_max
//!         run = (self.running_var + 1e-5).sqrt()
//!         r = ((var + 1e-5).sqrt() / run).clamp(1 / r_max, r_max).detach()
//!         d = ((mean - self.running_mean) / run).clamp(-d_max, d_max).detach()
//!         shape = lambda v: v.view(1, -1, 1, 1)
//!         y = (x - shape(mean)) / shape((var + 1e-5).sqrt()) * shape(r) + shape(d)
//!         self.running_mean = 0.9 * self.running_mean + 0.1 * mean.detach()
//!         self.running_var = 0.9 * self.running_var + 0.1 * var.detach() * n / (n - 1)
//!         self.steps += 1
//!         return y * shape(self.weight) + shape(self.bias)
//! class Rcnn(nn.Module):
//!     def __init__(self, maps=10, dense=14, hidden=10, classes=4, window=2, channels=2):
//!         super().__init__()
//!         self.window, self.input = window, Renorm(window * channels)
//!         for i in range(1, 7):
//!             setattr(self, "conv%d" % i, nn.Conv2d(window * channels if i == 1 else maps, maps, 3, padding=1))
//!             setattr(self, "norm%d" % i, Renorm(maps))
//!         self.dense = nn.Linear(maps * 9, dense)
//!         self.lstm = nn.LSTM(dense + window, hidden); self.logits = nn.Linear(hidden, classes)
//!     def forward(self, stamps, times, lengths):  # [object, step, channel, y, x], [object, step]
//!         x, t = [], []
//!         for s, d, l in zip(stamps, times, lengths):
//!             for step in range(l):
//!                 seen = [max(step - back, 0) for back in reversed(range(self.window))]
//!                 x.append(s[seen].flatten(0, 1)); t.append(d[seen])
//!         x = self.input(torch.stack(x))
//!         for i in range(1, 7):
//!             x = getattr(self, "norm%d" % i)(F.relu(getattr(self, "conv%d" % i)(x)))
//!             if i % 3 == 0: x = F.max_pool2d(x, 2, ceil_mode=True)
//!         x = torch.cat([F.relu(self.dense(x.flatten(1))), torch.stack(t)], 1)
//!         return [self.logits(self.lstm(part)[0]) for part in x.split(lengths)]
//! x = (0.5 + 0.5 * wave(3 * 3 * 2 * 81, 0.6)).float().view(3, 3, 2, 9, 9); y = torch.tensor([0, 2, 3])
//! t = (0.5 + 0.5 * wave(9, 1.0)).float().view(3, 3)
//! run(Rcnn(), (x, t, [3, 1, 2]),
//!     lambda o: sum(F.cross_entropy(s, c.repeat(len(s)), reduction="sum") for s, c in zip(o, y)) / 3,
//!     lambda o: torch.cat([torch.cat([s, s[-1:].expand(3 - len(s), 4)]) for s in o]), [..names below..], 1e-6,
//!     ["input.running_mean", "input.running_var", "norm1.running_mean", "norm1.running_var", "norm6.running_mean",
//!      "norm6.running_var"])
//! ```
//!
//! There each object is read alone and without padding. At the phase 0.6 PyTorch's own gradients in f32 and f64 agree to
//! 7e-7; at others a pixel that nearly wins its pooling parts them by 1e-3.

use super::{Expected, check, stamps};
use crate::nn::Batch;

const EXPECTED: Expected = Expected {
    model: "rcnn",
    rate: 1e-6,
    output: (2.974208409e+00, 5.359741274e-01),
    gradients: &[
        ("conv1.weight", -1.107899755e-01, 1.657012316e-02),
        ("norm1.weight", 1.176717342e-05, 3.889859067e-04),
        ("norm3.bias", 4.715420539e-03, 1.491214230e-03),
        ("conv4.weight", 1.396656995e-01, 1.323782852e-02),
        ("norm6.weight", -5.719035136e-03, 1.855491996e-03),
        ("dense.weight", -1.919905053e-01, 2.273369924e-02),
        ("lstm.weight_ih_l0", 3.291300424e-01, 2.037121799e-01),
        ("lstm.weight_hh_l0", -1.596671867e-03, 7.751639589e-03),
        ("lstm.bias_ih_l0", -1.301256806e-02, 3.877298630e-02),
        ("logits.weight", 9.313225746e-10, 3.165065867e-01),
    ],
    statistics: &[
        ("input.running_mean", 2.003718242e-01, 1.001859124e-01),
        ("input.running_var", 3.650105655e+00, 1.825052828e+00),
        ("norm1.running_mean", 8.522875654e-02, 2.928027929e-02),
        ("norm1.running_var", 9.039491475e+00, 2.858538571e+00),
        ("norm6.running_mean", 1.058605373e+00, 3.355396958e-01),
        ("norm6.running_var", 1.176165366e+01, 3.719771872e+00),
    ],
    losses: [
        2.794111013,
        2.787465334,
        2.784504175,
        2.789962769,
        2.790186644,
        2.789387941,
        2.788936377,
        2.788809538,
        2.788963079,
        2.789235353,
    ],
    trained: &[
        ("input.weight", 3.712654293e+00, 1.856853734e+00),
        ("conv1.weight", -2.348524213e-02, 1.340067933e+00),
        ("norm1.weight", 9.949716985e+00, 3.153854270e+00),
        ("norm3.bias", 8.404224832e-02, 2.275633139e-01),
        ("conv4.weight", -2.543830829e-02, 2.119560661e+00),
        ("norm6.weight", 9.900393903e+00, 3.139326901e+00),
        ("dense.weight", 6.801961217e-02, 2.509026706e+00),
        ("lstm.weight_ih_l0", 2.142336236e-01, 1.790185320e+00),
        ("lstm.weight_hh_l0", 2.342444493e-01, 1.413853373e+00),
        ("lstm.bias_ih_l0", 2.576677151e-01, 4.486105836e-01),
        ("logits.weight", 2.337750541e-01, 4.479413423e-01),
    ],
};

#[test]
fn equals_pytorch() {
    let settings = serde_json::json!({
        "channels": 2, "crop": 9, "window": 2, "classes": 4, "steps": 3, "maps": 10, "dense": 14, "hidden": 10,
        "dropout": 0.0, "r_max": 3.0, "d_max": 5.0, "renorm_steps": 4
    });
    let columns = [
        ("stamps", stamps(3 * 3 * 2 * 81, 0.6)),
        ("times", stamps(9, 1.0)),
        ("length", vec![3.0, 1.0, 2.0]),
        ("class", vec![0.0, 2.0, 3.0]),
    ];
    check(&EXPECTED, &settings, &Batch::from_columns(3, columns));
}
