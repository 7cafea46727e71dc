//! The other cells of `sequence_autoencoder`. The numbers come from the script in `parity.rs` and
//!
//! ```python
//! class Cells(nn.Module):
//!     def __init__(self, cell, hidden=16, steps=3):
//!         super().__init__()
//!         self.trunk = m.StampTrunk(2, 5); self.embed = nn.Linear(576, 64); self.steps = steps
//!         if cell == "conv1d":
//!             self.encode = nn.ModuleList([nn.Conv1d(74, hidden, 3)])
//!             self.decode = nn.ModuleList([nn.Conv1d(hidden + steps, hidden, 3, padding=1)])
//!         else: self.encode, self.decode = nn.LSTM(74, hidden, batch_first=True), nn.LSTM(hidden, hidden, batch_first=True)
//!         self.out = nn.Linear(hidden, 74)
//!     def forward(self, stamps, dynamic):
//!         n, t = dynamic.shape[:2]
//!         x = torch.cat([F.relu(self.embed(self.trunk(stamps.flatten(0, 1)))).view(n, t, 64), dynamic], 2)
//!         if isinstance(self.encode, nn.LSTM):
//!             code = self.encode(x)[1][0][0]
//!             y = self.decode(code.unsqueeze(1).expand(n, t, -1).contiguous())[0]
//!         else:
//!             code = F.relu(self.encode[0](F.pad(x.transpose(1, 2), (2, 0)))).mean(2)
//!             number = torch.eye(t).unsqueeze(0).expand(n, t, t)
//!             y = torch.cat([code.unsqueeze(1).expand(n, t, -1), number], 2)
//!             y = F.relu(self.decode[0](y.transpose(1, 2))).transpose(1, 2)
//!         return self.out(y), x.detach()
//! x = (0.5 + 0.5 * wave(3 * 3 * 2 * 81, 4.4)).float().view(3, 3, 2, 9, 9); d = wave(90, 1.0).float().view(3, 3, 10)
//! for cell in ["lstm", "conv1d"]:
//!     run(Cells(cell), (x, d), lambda o: F.mse_loss(o[0], o[1]), lambda o: o[0], [..names below..], 1e-6)
//! ```
//!
//! The phase 4.4 keeps all activations away from zero by 6.4e-5 of their mean, see `stamp_classifier.rs`; for the rate, see
//! `sequence_autoencoder.rs`.

use super::{Expected, check, stamps, wave};
use crate::nn::Batch;

const EXPECTED: [(&str, Expected); 2] = [
    (
        "lstm",
        Expected {
            model: "sequence_autoencoder",
            rate: 1e-6,
            output: (1.574659206e+00, 2.089168889e+00),
            gradients: &[
                ("trunk.conv1.weight", -2.017805720e-03, 4.584603957e-04),
                ("trunk.conv4.weight", 9.999191320e-04, 7.219892030e-05),
                ("embed.weight", -1.017273745e-03, 6.995111125e-05),
                ("out.weight", 1.626030692e-02, 7.159292257e-03),
                ("encode.weight_hh_l0", -7.989609460e-06, 4.093178479e-05),
                ("encode.bias_ih_l0", -3.433448072e-05, 1.742362755e-04),
                ("decode.weight_ih_l0", 4.729096822e-04, 1.738460059e-03),
                ("decode.bias_hh_l0", 8.330640126e-04, 5.405950445e-03),
            ],
            statistics: &[],
            losses: [
                0.131448552,
                0.133322611,
                0.135915741,
                0.138947099,
                0.141658753,
                0.143847644,
                0.144703850,
                0.144662365,
                0.144062191,
                0.143191949,
            ],
            trained: &[
                ("trunk.conv1.weight", 1.562856145e-02, 2.261959282e+00),
                ("trunk.conv4.weight", -8.045964887e-02, 2.262732909e+01),
                ("embed.weight", -2.005008998e-02, 1.357645513e+01),
                ("out.weight", -5.063738983e-02, 2.433348003e+00),
                ("encode.weight_hh_l0", -4.593329926e-02, 2.262528209e+00),
                ("encode.bias_ih_l0", -1.114731627e-01, 5.698767852e-01),
                ("decode.weight_ih_l0", 6.373723796e-02, 2.263221958e+00),
                ("decode.bias_hh_l0", -3.314408043e-02, 5.614421278e-01),
            ],
        },
    ),
    (
        "conv1d",
        Expected {
            model: "sequence_autoencoder",
            rate: 1e-6,
            output: (1.494522225e+00, 2.023183283e+00),
            gradients: &[
                ("trunk.conv1.weight", -2.983319446e-02, 6.188118034e-03),
                ("trunk.conv4.weight", 1.948058684e-02, 8.372086730e-04),
                ("embed.weight", -5.757689384e-04, 1.295506263e-04),
                ("out.weight", -1.577896674e-01, 8.917666295e-03),
                ("encode.0.weight", 1.878985922e-03, 6.857203431e-04),
                ("encode.0.bias", 6.019134480e-05, 2.950579997e-04),
                ("decode.0.weight", 1.412898663e-01, 1.119832610e-02),
                ("decode.0.bias", 2.379871017e-02, 9.163424230e-03),
            ],
            statistics: &[],
            losses: [
                0.130947530,
                0.133302525,
                0.136169359,
                0.139019415,
                0.141268954,
                0.142964199,
                0.143682048,
                0.143689990,
                0.143239334,
                0.142683625,
            ],
            trained: &[
                ("trunk.conv1.weight", 1.537541221e-02, 2.261960396e+00),
                ("trunk.conv4.weight", -1.228243631e-01, 2.262732692e+01),
                ("embed.weight", 3.580416408e-02, 1.357646407e+01),
                ("out.weight", -4.486617649e-02, 2.433357627e+00),
                ("encode.0.weight", -2.234432236e-01, 4.213446165e+00),
                ("encode.0.bias", -1.560625446e-01, 2.769181204e-01),
                ("decode.0.weight", 1.041767998e-01, 2.136187999e+00),
                ("decode.0.bias", 7.767610252e-02, 2.913360088e-01),
            ],
        },
    ),
];

#[test]
fn equals_pytorch() {
    for (cell, expected) in &EXPECTED {
        let settings = serde_json::json!({
            "channels": 2, "crop": 9, "dynamic": 10, "hidden": 16, "steps": 3, "codes": 0, "cell": cell, "taps": 3
        });
        let dynamic = wave(90, 1.0).map(|w| w as f32).collect();
        let columns = [("stamps", stamps(3 * 3 * 2 * 81, 4.4)), ("dynamic", dynamic), ("length", vec![3.0; 3])];
        check(expected, &settings, &Batch::from_columns(3, columns));
    }
}
