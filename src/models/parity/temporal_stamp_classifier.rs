//! The numbers come from the script in `parity.rs` and
//!
//! ```python
//! class Temporal(torch.nn.Module):
//!     def __init__(self, cell, inputs=74, width=16, layers=2):
//!         super().__init__()
//!         self.trunk = m.StampTrunk(2, 5); self.dense1 = nn.Linear(576, 64); self.dynamic = nn.BatchNorm1d(10)
//!         if cell == "conv1d":
//!             self.reader = nn.ModuleList([nn.Conv1d(inputs if l == 0 else width, width, 2) for l in range(layers)])
//!         else: self.reader = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](inputs, width, layers)
//!         self.static = nn.BatchNorm1d(14)
//!         self.dense2 = nn.Linear(width + 14, 64); self.dense3 = nn.Linear(64, 64); self.logits = nn.Linear(64, 3)
//!     def sequence(self, x):  # [step, value] of one object
//!         if isinstance(self.reader, nn.ModuleList):
//!             for c in self.reader: x = F.relu(c(F.pad(x.T, (1, 0)))).T
//!             return x.mean(0)
//!         return self.reader(x)[0][-1]
//!     def forward(self, stamps, dynamic, static, lengths):
//!         real = torch.cat([torch.arange(l) + 3 * i for i, l in enumerate(lengths)])
//!         x = stamps.flatten(0, 1)[real]
//!         turned = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
//!         x = F.relu(self.dense1(self.trunk(turned))).view(4, len(real), 64).mean(0)
//!         x = torch.cat([x, self.dynamic(dynamic.flatten(0, 1)[real])], 1)
//!         x = torch.stack([self.sequence(part) for part in x.split(lengths)])
//!         x = torch.cat([x, self.static(static)], 1)
//!         return self.logits(F.relu(self.dense3(F.relu(self.dense2(x)))))
//! x = (0.5 + 0.5 * wave(3 * 3 * 2 * 81, 5.8)).float().view(3, 3, 2, 9, 9); y = torch.tensor([0, 2, 1])
//! d = wave(90, 1.0).float().view(3, 3, 10); s = wave(42, 2.0).float().view(3, 14)
//! for cell in ["conv1d", "rnn", "gru", "lstm"]:
//!     run(Temporal(cell), (x, d, s, [3, 1, 2]), lambda o: F.cross_entropy(o, y), lambda o: o, [..names below..], 1e-5,
//!         ["dynamic.running_mean", "dynamic.running_var", "static.running_mean", "static.running_var"])
//! ```
//!
//! There each object is read alone and without padding. The phase 5.8 keeps all activations away from zero by 2.5e-5 of
//! their mean, see `stamp_classifier.rs`.

use super::{Expected, check, stamps, wave};
use crate::models::entry;
use crate::nn::{Batch, Kernels};

const EXPECTED: [(&str, Expected); 4] = [
    (
        "conv1d",
        Expected {
            model: "temporal_stamp_classifier",
            rate: 1e-5,
            output: (1.724908113e+00, 6.161730065e-01),
            gradients: &[
                ("trunk.conv1.weight", -2.780145075e-03, 1.835912657e-03),
                ("trunk.conv4.bias", 1.135574082e-04, 1.192141727e-04),
                ("dense1.weight", 1.543525813e-03, 1.395037719e-04),
                ("dynamic.weight", 1.381937977e-06, 2.386989661e-05),
                ("dynamic.bias", -9.628578823e-07, 1.903768320e-05),
                ("static.weight", 2.805779237e-03, 1.796842347e-03),
                ("dense2.weight", -1.239887843e-02, 1.140825800e-01),
                ("dense3.bias", -3.312345967e-02, 3.674044407e-02),
                ("logits.weight", 2.846354619e-08, 8.654486638e-02),
                ("reader.0.weight", -1.362237484e-03, 7.486824124e-04),
                ("reader.1.bias", 3.813509782e-03, 1.650429376e-03),
            ],
            statistics: &[
                ("dynamic.running_mean", 2.351821633e-02, 5.420172147e-02),
                ("dynamic.running_var", 9.561800778e+00, 3.023991124e+00),
                ("static.running_mean", -4.923301621e-02, 7.635504058e-02),
                ("static.running_var", 1.357245386e+01, 3.630226749e+00),
            ],
            losses: [
                1.103901505,
                1.103662252,
                1.103420854,
                1.103180289,
                1.102940917,
                1.102701306,
                1.102461457,
                1.102222204,
                1.101983309,
                1.101744533,
            ],
            trained: &[
                ("trunk.conv1.weight", 1.650383376e-02, 2.261933742e+00),
                ("trunk.conv4.bias", 3.561613552e-02, 5.617146461e-01),
                ("dense1.weight", -9.339573615e-02, 1.357651433e+01),
                ("dynamic.weight", 1.006585312e+01, 3.190740754e+00),
                ("dynamic.bias", 9.618403204e-02, 2.321960278e-01),
                ("static.weight", 1.373349273e+01, 3.678991373e+00),
                ("dense2.weight", -7.199062519e-02, 3.098252496e+00),
                ("dense3.bias", 8.373953635e-02, 5.657500818e-01),
                ("logits.weight", 2.514782323e-01, 9.813181592e-01),
                ("reader.0.weight", -6.336702724e-02, 3.441719159e+00),
                ("reader.1.bias", -1.231875687e-01, 2.842320238e-01),
            ],
        },
    ),
    (
        "rnn",
        Expected {
            model: "temporal_stamp_classifier",
            rate: 1e-5,
            output: (1.717928842e+00, 6.144266478e-01),
            gradients: &[
                ("trunk.conv1.weight", 1.375350833e-03, 5.573336665e-04),
                ("trunk.conv4.bias", 1.264182873e-05, 3.328137501e-05),
                ("dense1.weight", 2.739477052e-03, 1.049789847e-04),
                ("dynamic.weight", -1.536796175e-05, 6.874564824e-06),
                ("dynamic.bias", 7.399335914e-06, 1.698668359e-05),
                ("static.weight", 2.042195425e-03, 5.568809984e-04),
                ("dense2.weight", -1.719570570e-02, 1.146093531e-01),
                ("dense3.bias", -5.668123625e-02, 4.030596055e-02),
                ("logits.weight", -1.011358108e-07, 9.087182172e-02),
                ("reader.weight_ih_l0", -1.306878795e-03, 6.760718784e-04),
                ("reader.weight_hh_l0", 5.314871668e-06, 2.031058772e-04),
                ("reader.bias_hh_l0", -9.412388488e-05, 2.817163273e-04),
                ("reader.weight_ih_l1", 4.191716353e-04, 1.827976038e-03),
                ("reader.weight_hh_l1", -2.570926665e-05, 8.720701995e-04),
            ],
            statistics: &[
                ("dynamic.running_mean", 2.351821633e-02, 5.420172147e-02),
                ("dynamic.running_var", 9.561800778e+00, 3.023991124e+00),
                ("static.running_mean", -4.923301621e-02, 7.635504058e-02),
                ("static.running_var", 1.357245386e+01, 3.630226749e+00),
            ],
            losses: [
                1.104168773,
                1.103922725,
                1.103677154,
                1.103431821,
                1.103186607,
                1.102941990,
                1.102697253,
                1.102455616,
                1.102213144,
                1.101970315,
            ],
            trained: &[
                ("trunk.conv1.weight", 1.115875469e-02, 2.261958995e+00),
                ("trunk.conv4.bias", 3.564513955e-02, 5.617324663e-01),
                ("dense1.weight", -3.127557269e-01, 1.357649014e+01),
                ("dynamic.weight", 1.006648898e+01, 3.190943155e+00),
                ("dynamic.bias", 9.593385272e-02, 2.319056146e-01),
                ("static.weight", 1.373252189e+01, 3.678724901e+00),
                ("dense2.weight", -7.987080543e-02, 3.097909746e+00),
                ("dense3.bias", 8.393152850e-02, 5.657787343e-01),
                ("logits.weight", 2.514443600e-01, 9.813624114e-01),
                ("reader.weight_ih_l0", -8.890379744e-03, 2.433940120e+00),
                ("reader.weight_hh_l0", -1.999596177e-01, 1.131346789e+00),
                ("reader.bias_hh_l0", -1.601407625e-01, 2.759269174e-01),
                ("reader.weight_ih_l1", -1.099539414e-01, 1.131683341e+00),
                ("reader.weight_hh_l1", -2.865117900e-01, 1.130737690e+00),
            ],
        },
    ),
    (
        "gru",
        Expected {
            model: "temporal_stamp_classifier",
            rate: 1e-5,
            output: (1.724491604e+00, 6.160460125e-01),
            gradients: &[
                ("trunk.conv1.weight", 4.054977094e-04, 4.766495271e-04),
                ("trunk.conv4.bias", 1.105594939e-05, 1.722926026e-05),
                ("dense1.weight", 5.141474648e-04, 4.737049525e-05),
                ("dynamic.weight", -1.996725797e-05, 9.157902457e-06),
                ("dynamic.bias", 2.907483179e-07, 6.716293640e-07),
                ("static.weight", 3.505068715e-03, 1.882585389e-03),
                ("dense2.weight", -9.404994110e-03, 1.214684993e-01),
                ("dense3.bias", -1.822335413e-02, 3.963929826e-02),
                ("logits.weight", 2.064334694e-07, 8.445899805e-02),
                ("reader.weight_ih_l0", 2.081806352e-04, 7.805738897e-04),
                ("reader.weight_hh_l0", -8.942483423e-06, 6.390357281e-05),
                ("reader.bias_hh_l0", 8.634347535e-06, 5.593671924e-05),
                ("reader.weight_ih_l1", 6.640437425e-04, 2.630942005e-03),
                ("reader.weight_hh_l1", -5.729177820e-06, 1.224536045e-04),
            ],
            statistics: &[
                ("dynamic.running_mean", 2.351821633e-02, 5.420172147e-02),
                ("dynamic.running_var", 9.561800778e+00, 3.023991124e+00),
                ("static.running_mean", -4.923301621e-02, 7.635504058e-02),
                ("static.running_var", 1.357245386e+01, 3.630226749e+00),
            ],
            losses: [
                1.103901029,
                1.103657603,
                1.103414536,
                1.103171706,
                1.102928996,
                1.102687359,
                1.102450252,
                1.102213383,
                1.101976752,
                1.101740003,
            ],
            trained: &[
                ("trunk.conv1.weight", 1.473863798e-02, 2.261972380e+00),
                ("trunk.conv4.bias", 3.562493855e-02, 5.616314997e-01),
                ("dense1.weight", -1.162344856e-01, 1.357655672e+01),
                ("dynamic.weight", 1.006632477e+01, 3.190887260e+00),
                ("dynamic.bias", 9.600011446e-02, 2.319230871e-01),
                ("static.weight", 1.373333311e+01, 3.678947476e+00),
                ("dense2.weight", -7.652283341e-02, 3.098308200e+00),
                ("dense3.bias", 8.365557482e-02, 5.657568664e-01),
                ("logits.weight", 2.510066596e-01, 9.813316020e-01),
                ("reader.weight_ih_l0", -1.715359915e-01, 4.214444992e+00),
                ("reader.weight_hh_l0", -2.184699638e-01, 1.959454282e+00),
                ("reader.bias_hh_l0", 7.898851059e-02, 4.847884080e-01),
                ("reader.weight_ih_l1", -7.280266100e-02, 1.960315428e+00),
                ("reader.weight_hh_l1", -2.734611664e-01, 1.959106825e+00),
            ],
        },
    ),
    (
        "lstm",
        Expected {
            model: "temporal_stamp_classifier",
            rate: 1e-5,
            output: (1.724643290e+00, 6.161879495e-01),
            gradients: &[
                ("trunk.conv1.weight", 3.093658413e-04, 9.495220906e-05),
                ("trunk.conv4.bias", 4.415876379e-06, 6.378861887e-06),
                ("dense1.weight", 4.738440628e-04, 1.830812826e-05),
                ("dynamic.weight", -6.447573639e-07, 2.153833778e-06),
                ("dynamic.bias", 9.794518832e-07, 2.247409426e-06),
                ("static.weight", 2.744072721e-03, 2.005727110e-03),
                ("dense2.weight", -9.675704758e-03, 1.139534397e-01),
                ("dense3.bias", -3.309150599e-02, 3.674575487e-02),
                ("logits.weight", 1.291045919e-07, 8.287309681e-02),
                ("reader.weight_ih_l0", -2.128036516e-04, 1.628640975e-04),
                ("reader.weight_hh_l0", -6.173252646e-06, 1.607911529e-05),
                ("reader.bias_hh_l0", -2.079143161e-05, 2.663821012e-05),
                ("reader.weight_ih_l1", -1.567518941e-04, 5.413693008e-04),
                ("reader.weight_hh_l1", 4.165557765e-07, 4.560890939e-05),
            ],
            statistics: &[
                ("dynamic.running_mean", 2.351821633e-02, 5.420172147e-02),
                ("dynamic.running_var", 9.561800778e+00, 3.023991124e+00),
                ("static.running_mean", -4.923301621e-02, 7.635504058e-02),
                ("static.running_var", 1.357245386e+01, 3.630226749e+00),
            ],
            losses: [
                1.103766084,
                1.103528142,
                1.103290558,
                1.103052974,
                1.102815628,
                1.102578521,
                1.102341533,
                1.102104783,
                1.101867795,
                1.101631403,
            ],
            trained: &[
                ("trunk.conv1.weight", 1.249884788e-02, 2.261976749e+00),
                ("trunk.conv4.bias", 3.582998103e-02, 5.617341890e-01),
                ("dense1.weight", -1.742521478e-01, 1.357661178e+01),
                ("dynamic.weight", 1.006588274e+01, 3.190752335e+00),
                ("dynamic.bias", 9.593763947e-02, 2.319085039e-01),
                ("static.weight", 1.373352933e+01, 3.679000871e+00),
                ("dense2.weight", -7.694437588e-02, 3.098313887e+00),
                ("dense3.bias", 8.373950655e-02, 5.657500772e-01),
                ("logits.weight", 2.511214637e-01, 9.813150672e-01),
                ("reader.weight_ih_l0", -1.942069132e-01, 4.865942263e+00),
                ("reader.weight_hh_l0", 4.502240852e-02, 2.262446573e+00),
                ("reader.bias_hh_l0", 9.781468537e-02, 5.677977152e-01),
                ("reader.weight_ih_l1", -8.299007903e-02, 2.263562028e+00),
                ("reader.weight_hh_l1", -3.048216632e-02, 2.261774488e+00),
            ],
        },
    ),
];

#[test]
fn equals_pytorch() {
    for (cell, expected) in &EXPECTED {
        let mut settings = (entry::<Kernels>(expected.model).unwrap().defaults)();
        settings["crop"] = 9.into();
        settings["dropout"] = 0.into();
        settings["reading"] = serde_json::json!({ "cell": cell, "width": 16, "layers": 2, "kernel": 2 });
        let values = |count, phase| wave(count, phase).map(|w| w as f32).collect();
        let columns = [
            ("stamps", stamps(3 * 3 * 2 * 81, 5.8)),
            ("dynamic", values(90, 1.0)),
            ("static", values(42, 2.0)),
            ("length", vec![3.0, 1.0, 2.0]),
            ("class", vec![0.0, 2.0, 1.0]),
        ];
        check(expected, &settings, &Batch::from_columns(3, columns));
    }
}
