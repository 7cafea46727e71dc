//! `sequence_autoencoder` of objects with one, two and three detections, by every cell: there each object is read alone and
//! without padding. The numbers come from the scripts in `parity.rs` and `sequence_cells.rs` and
//!
//! ```python
//! class Lengths(Cells):
//!     def __init__(self, cell):
//!         super().__init__("lstm" if cell == "gru" else cell)
//!         if cell == "gru": self.encode, self.decode = nn.GRU(74, 16, batch_first=True), nn.GRU(16, 16, batch_first=True)
//!     def one(self, stamps, dynamic):
//!         x = torch.cat([F.relu(self.embed(self.trunk(stamps))), dynamic], 1)
//!         if isinstance(self.encode, nn.ModuleList):
//!             code = F.relu(self.encode[0](F.pad(x.T, (2, 0)))).mean(1)
//!             y = torch.cat([code.expand(len(x), -1), torch.eye(len(x), self.steps)], 1)
//!             return self.out(F.relu(self.decode[0](y.T)).T), x.detach()
//!         code = self.encode(x)[0][-1]
//!         return self.out(self.decode(code.expand(len(x), -1))[0]), x.detach()
//!     def forward(self, stamps, dynamic, lengths):
//!         each = [self.one(s[:l], d[:l]) for s, d, l in zip(stamps, dynamic, lengths)]
//!         return [torch.cat([one[i] for one in each]) for i in (0, 1)]
//! x = (0.5 + 0.5 * wave(3 * 3 * 2 * 81, 0.6)).float().view(3, 3, 2, 9, 9); d = wave(90, 1.0).float().view(3, 3, 10)
//! for cell in ["gru", "lstm", "conv1d"]:
//!     run(Lengths(cell), (x, d, [3, 1, 2]), lambda o: F.mse_loss(o[0], o[1]), lambda o: o[0], [..names below..], 1e-6)
//! ```
//!
//! At the phase 0.6 changes of the stamps by a millionth move no gradient by more than 7e-6; at others by 3e-4.

use super::{Expected, Printed, check_shown, stamps, wave};
use crate::nn::Batch;

const LENGTHS: [usize; 3] = [3, 1, 2];
/// Values of a detection: embedding and dynamic columns.
const WIDTH: usize = 74;

const fn expected(
    output: (f64, f64),
    gradients: &'static [Printed],
    losses: [f64; 10],
    trained: &'static [Printed],
) -> Expected {
    Expected { model: "sequence_autoencoder", rate: 1e-6, output, gradients, statistics: &[], losses, trained }
}

const EXPECTED: [(&str, Expected); 3] = [
    (
        "gru",
        expected(
            (9.927747641e-01, 1.910068203e+00),
            &[
                ("trunk.conv1.weight", 4.335942143e-03, 1.383768813e-03),
                ("trunk.conv4.weight", -4.123121064e-03, 2.586286406e-04),
                ("embed.weight", -8.154005016e-04, 2.367859637e-04),
                ("out.weight", 9.157027488e-03, 1.492276179e-02),
                ("encode.weight_hh_l0", 3.888560271e-05, 1.349746223e-04),
                ("encode.bias_ih_l0", -1.183266351e-04, 5.816879996e-04),
                ("decode.weight_ih_l0", 2.113028935e-03, 1.133492228e-02),
                ("decode.bias_hh_l0", -4.777307991e-03, 7.768507393e-03),
            ],
            [
                0.156562209,
                0.155579761,
                0.155332610,
                0.155553520,
                0.155946031,
                0.156441033,
                0.156979084,
                0.157531843,
                0.158180237,
                0.158932254,
            ],
            &[
                ("trunk.conv1.weight", 1.429230011e-02, 2.261964371e+00),
                ("trunk.conv4.weight", -7.969282877e-02, 2.262732925e+01),
                ("embed.weight", -1.699917644e-02, 1.357646172e+01),
                ("out.weight", -5.061565289e-02, 2.433333683e+00),
                ("encode.weight_hh_l0", -2.366088161e-01, 1.959300358e+00),
                ("encode.bias_ih_l0", -2.383024059e-01, 4.943596028e-01),
                ("decode.weight_ih_l0", 1.494830214e-01, 1.959939677e+00),
                ("decode.bias_hh_l0", 1.001724650e-01, 4.853197523e-01),
            ],
        ),
    ),
    (
        "lstm",
        expected(
            (1.054864503e+00, 1.674562618e+00),
            &[
                ("trunk.conv1.weight", 5.441399506e-04, 2.521954510e-04),
                ("trunk.conv4.weight", -6.748893071e-04, 4.015538504e-05),
                ("embed.weight", -4.731688290e-04, 6.765026334e-05),
                ("out.weight", 2.076792062e-02, 8.783578007e-03),
                ("encode.weight_hh_l0", -1.594321340e-05, 3.378574045e-05),
                ("encode.bias_ih_l0", -4.072613922e-05, 1.233751941e-04),
                ("decode.weight_ih_l0", 5.706182943e-04, 1.927160676e-03),
                ("decode.bias_hh_l0", 7.986171144e-04, 4.682937505e-03),
            ],
            [
                0.154624671,
                0.153735027,
                0.153464556,
                0.153716266,
                0.154210404,
                0.154839486,
                0.155568719,
                0.156365678,
                0.157016411,
                0.157552734,
            ],
            &[
                ("trunk.conv1.weight", 1.532140436e-02, 2.261961570e+00),
                ("trunk.conv4.weight", -8.597200299e-02, 2.262732912e+01),
                ("embed.weight", 2.069452194e-06, 1.357646148e+01),
                ("out.weight", -5.042156278e-02, 2.433352349e+00),
                ("encode.weight_hh_l0", -4.618059588e-02, 2.262533099e+00),
                ("encode.bias_ih_l0", -1.115053091e-01, 5.698813453e-01),
                ("decode.weight_ih_l0", 6.593042465e-02, 2.263215158e+00),
                ("decode.bias_hh_l0", -3.319442843e-02, 5.614435667e-01),
            ],
        ),
    ),
    (
        "conv1d",
        expected(
            (9.967413982e-01, 1.651956804e+00),
            &[
                ("trunk.conv1.weight", -5.665075744e-02, 1.375802308e-02),
                ("trunk.conv4.weight", 5.982433499e-02, 2.620155361e-03),
                ("embed.weight", 1.074935012e-03, 2.164390890e-04),
                ("out.weight", -2.233748081e-01, 1.264753630e-02),
                ("encode.0.weight", -3.119407139e-03, 1.845301091e-03),
                ("encode.0.bias", -9.002044135e-05, 5.747634653e-04),
                ("decode.0.weight", 1.267736527e-01, 1.062875717e-02),
                ("decode.0.bias", 2.170662869e-02, 8.829676382e-03),
            ],
            [
                0.154435053,
                0.155952185,
                0.157742426,
                0.158092812,
                0.157859892,
                0.157984108,
                0.158324599,
                0.158837914,
                0.159496874,
                0.160484210,
            ],
            &[
                ("trunk.conv1.weight", 1.542602397e-02, 2.261960915e+00),
                ("trunk.conv4.weight", -1.060675231e-01, 2.262733025e+01),
                ("embed.weight", 1.502765290e-02, 1.357646591e+01),
                ("out.weight", -4.425670225e-02, 2.433357903e+00),
                ("encode.0.weight", -2.203450549e-01, 4.213441438e+00),
                ("encode.0.bias", -1.560459866e-01, 2.769137968e-01),
                ("decode.0.weight", 1.043600199e-01, 2.136190933e+00),
                ("decode.0.bias", 7.769740745e-02, 2.913305664e-01),
            ],
        ),
    ),
];

/// What is said of real detections; what is said of padding is nobody's business.
fn real(output: &[f32]) -> Vec<f32> {
    let objects = output.chunks_exact(3 * WIDTH).zip(LENGTHS);
    objects.flat_map(|(object, length)| object[..length * WIDTH].to_vec()).collect()
}

#[test]
fn equals_pytorch() {
    for (cell, expected) in &EXPECTED {
        let settings = serde_json::json!({
            "channels": 2, "crop": 9, "dynamic": 10, "hidden": 16, "steps": 3, "codes": 0, "cell": cell, "taps": 3
        });
        let dynamic = wave(90, 1.0).map(|w| w as f32).collect();
        let columns = [
            ("stamps", stamps(3 * 3 * 2 * 81, 0.6)),
            ("dynamic", dynamic),
            ("length", LENGTHS.map(|length| length as f32).to_vec()),
        ];
        check_shown(expected, &settings, &Batch::from_columns(3, columns), |output| real(&output));
    }
}
