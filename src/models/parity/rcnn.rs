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
//!     def __init__(self, maps=12, dense=14, hidden=10, classes=4, window=2, channels=2):
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
//! x = (0.5 + 0.5 * wave(3 * 3 * 2 * 81, 2.4)).float().view(3, 3, 2, 9, 9); y = torch.tensor([0, 2, 3])
//! t = (0.5 + 0.5 * wave(9, 1.0)).float().view(3, 3)
//! run(Rcnn(), (x, t, [3, 1, 2]),
//!     lambda o: sum(F.cross_entropy(s, c.repeat(len(s)), reduction="sum") for s, c in zip(o, y)) / 3,
//!     lambda o: torch.cat([torch.cat([s, s[-1:].expand(3 - len(s), 4)]) for s in o]), [..names below..], 1e-5,
//!     ["input.running_mean", "input.running_var", "norm1.running_mean", "norm1.running_var", "norm6.running_mean",
//!      "norm6.running_var"])
//! ```
//!
//! There each object is read alone and without padding. The phase 2.4 keeps all activations away from zero by 2.6e-4 of
//! their mean, see `stamp_classifier.rs`.

use super::{Expected, check, stamps};
use crate::nn::Batch;

const EXPECTED: Expected = Expected {
    model: "rcnn",
    rate: 1e-5,
    output: (2.781119442e+00, 4.967098442e-01),
    gradients: &[
        ("input.weight", -2.561672591e-05, 4.717028668e-04),
        ("conv1.weight", -3.261313705e-02, 1.220348578e-02),
        ("norm1.weight", -5.445993156e-05, 3.490356341e-04),
        ("norm3.bias", -1.125222770e-03, 3.248425535e-04),
        ("conv4.weight", -3.920759470e-02, 4.710783041e-03),
        ("norm6.weight", -2.744477591e-03, 2.114660169e-03),
        ("dense.weight", -3.641619562e-02, 3.277662194e-02),
        ("lstm.weight_ih_l0", 2.507510193e-01, 2.134274554e-01),
        ("lstm.weight_hh_l0", -4.406483199e-03, 7.898713177e-03),
        ("lstm.bias_ih_l0", -1.854781117e-02, 3.508860930e-02),
        ("logits.weight", 1.210719347e-08, 3.275796488e-01),
    ],
    statistics: &[
        ("input.running_mean", 2.000352293e-01, 1.000176168e-01),
        ("input.running_var", 3.650088668e+00, 1.825044334e+00),
        ("norm1.running_mean", 1.040022140e-01, 3.227943107e-02),
        ("norm1.running_var", 1.085045201e+01, 3.132256184e+00),
        ("norm6.running_mean", 1.486599386e+00, 4.308308084e-01),
        ("norm6.running_var", 1.406989872e+01, 4.062372233e+00),
    ],
    losses: [
        2.790734053,
        2.783534288,
        2.794039965,
        2.793084860,
        2.791558504,
        2.791399002,
        2.791237116,
        2.791088820,
        2.790920496,
        2.790644407,
    ],
    trained: &[
        ("input.weight", 3.712507784e+00, 1.856782281e+00),
        ("conv1.weight", -2.933588866e-02, 1.468050799e+00),
        ("norm1.weight", 1.204707634e+01, 3.485383340e+00),
        ("norm3.bias", 2.541817939e-01, 2.580006220e-01),
        ("conv4.weight", -1.104351403e-01, 2.544552413e+00),
        ("norm6.weight", 1.177370834e+01, 3.407528057e+00),
        ("dense.weight", 7.194605059e-03, 2.749075030e+00),
        ("lstm.weight_ih_l0", 2.206601763e-01, 1.790232909e+00),
        ("lstm.weight_hh_l0", 2.349214988e-01, 1.413821863e+00),
        ("lstm.bias_ih_l0", 2.586624952e-01, 4.485887999e-01),
        ("logits.weight", 2.336965362e-01, 4.479829598e-01),
    ],
};

#[test]
fn equals_pytorch() {
    let settings = serde_json::json!({
        "channels": 2, "crop": 9, "window": 2, "classes": 4, "steps": 3, "maps": 12, "dense": 14, "hidden": 10,
        "dropout": 0.0, "r_max": 3.0, "d_max": 5.0, "renorm_steps": 4
    });
    let columns = [
        ("stamps", stamps(3 * 3 * 2 * 81, 2.4)),
        ("times", stamps(9, 1.0)),
        ("length", vec![3.0, 1.0, 2.0]),
        ("class", vec![0.0, 2.0, 3.0]),
    ];
    check(&EXPECTED, &settings, &Batch::from_columns(3, columns));
}
