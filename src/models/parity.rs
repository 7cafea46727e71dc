//! Both networks against PyTorch 2.15: output, loss, gradients, running statistics and ten Adam steps. The numbers come from
//!
//! ```python
//! # from the folder that holds reference_models.py
//! import torch, torch.nn.functional as F, reference_models as m
//! def wave(n, phase): return torch.sin(0.7 * torch.arange(n, dtype=torch.float64) + phase)
//! def fill(net):
//!     for name, p in net.named_parameters():
//!         base = 1.0 if p.dim() == 1 and name.endswith("weight") else 0.0
//!         p.data = (base + 0.1 * wave(p.numel(), sum(name.encode()))).view(p.shape).float()
//! def show(label, t): print(label, "%.9e %.9e" % (t.double().sum(), t.double().norm()))
//! def run(net, inputs, loss_of, names, rate):
//!     fill(net)
//!     adam = torch.optim.Adam(net.parameters(), lr=rate)
//!     losses = []
//!     for step in range(10):
//!         adam.zero_grad()
//!         out = net(*inputs)
//!         loss = loss_of(out); loss.backward(); losses.append(loss.item())
//!         if step == 0:
//!             show("output", out[0].detach())
//!             for n in names: show("gradient " + n, net.get_parameter(n).grad)
//!             for n, b in net.named_buffers():
//!                 if n in ("encoder.1.1.running_mean", "encoder.1.1.running_var"): show(n, b)
//!         adam.step()
//!     print("losses", losses)
//!     for n in names: show("after 10 steps " + n, net.get_parameter(n).detach())
//! x = (0.5 + 0.5 * wave(4 * 3 * 441, 0.0)).float().view(4, 3, 21, 21)
//! run(m.ConvAutoencoder(), (x,), lambda o: ((o[0] - x) ** 2).flatten(1).sum(1).mean(), [..names below..], 1e-3)
//! x = (0.5 + 0.5 * wave(3 * 5 * 2 * 441, 0.0)).float().view(3, 5, 2, 21, 21)
//! d = wave(3 * 5 * 10, 1.0).float().view(3, 5, 10)
//! run(m.SequenceAutoencoder(), (x, d), lambda o: F.mse_loss(o[0], o[1]), [..names below..], 1e-6)
//! ```
//!
//! The sequence network's rate is small because its target moves: at 1e-4 PyTorch's own f32 and f64 runs part by 1e-3 in ten
//! steps, at 1e-6 by 8e-5. The biases before a batch norm are left out: their true gradient is zero, so Adam moves them by the sign of rounding.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{ModelCard, build, entry};
use crate::nn::optimisers::{Method, Optimiser, Settings};
use crate::nn::{Backend, Batch, Composed, Kernels, Model, Pass};

/// Sum and Euclidean norm of an array, as the script prints them.
type Printed = (&'static str, f64, f64);

struct Expected {
    model: &'static str,
    rate: f64,
    output: (f64, f64),
    gradients: &'static [Printed],
    statistics: &'static [Printed],
    losses: [f64; 10],
    trained: &'static [Printed],
}

const CONV: Expected = Expected {
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

const SEQUENCE: Expected = Expected {
    model: "sequence_autoencoder",
    rate: 1e-6,
    output: (1.251330543e+01, 1.061516803e+01),
    gradients: &[
        ("trunk.conv1.weight", -2.070974951e+00, 9.257320177e-01),
        ("trunk.conv4.weight", 9.754477849e-01, 8.672614410e-02),
        ("embed.weight", -1.575729260e+00, 1.287319019e-01),
        ("encode.weight_hh_l0", -4.107182771e-03, 3.781062150e-02),
        ("encode.bias_ih_l0", -1.362212262e-02, 5.405805084e-02),
        ("decode.weight_ih_l0", -4.736176834e-02, 2.291042518e-01),
        ("decode.bias_hh_l0", -3.913686696e-02, 7.971761482e-02),
        ("out.weight", -4.205402643e-01, 1.481160338e-01),
    ],
    statistics: &[],
    losses: [
        3.86577219e-01,
        3.81906033e-01,
        3.77913535e-01,
        3.74286562e-01,
        3.70911986e-01,
        3.67978632e-01,
        3.66177291e-01,
        3.65172088e-01,
        3.64889413e-01,
        3.65208149e-01,
    ],
    trained: &[
        ("trunk.conv1.weight", 1.533356016e-02, 2.261960151e+00),
        ("trunk.conv4.weight", -1.251580895e-01, 2.262733121e+01),
        ("embed.weight", -7.793330579e-02, 2.715283729e+01),
        ("encode.weight_hh_l0", 3.698390290e-03, 7.838408547e+00),
        ("encode.bias_ih_l0", -2.361227786e-01, 9.809501264e-01),
        ("decode.weight_ih_l0", -7.439695881e-03, 7.838338155e+00),
        ("decode.bias_hh_l0", 1.392889455e-01, 9.785448665e-01),
        ("out.weight", 6.343211548e-02, 4.866644293e+00),
    ],
};

fn wave(count: usize, phase: f64) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| (0.7 * i as f64 + phase).sin())
}

fn filled<B: Backend>(name: &str) -> Model<B> {
    let settings = (entry::<B>(name).unwrap().defaults)();
    let mut model = build::<B>(ModelCard { model: name.into(), settings }, 0).unwrap();
    for entry in model.weights.entries.iter_mut().filter(|entry| entry.trained) {
        let base = f64::from(u8::from(entry.shape.len() == 1 && entry.name.ends_with("weight")));
        let phase = entry.name.bytes().map(f64::from).sum();
        entry.set(wave(entry.shape.iter().product(), phase).map(|w| (base + 0.1 * w) as f32).collect()).unwrap();
    }
    model
}

fn batch(model: &str) -> Batch {
    let stamps = |count| wave(count, 0.0).map(|w| (0.5 + 0.5 * w) as f32).collect();
    if model == "conv_autoencoder" {
        Batch::from_columns(4, [("stamps", stamps(4 * 3 * 441))])
    } else {
        let dynamic = wave(150, 1.0).map(|w| w as f32).collect();
        let columns = [("stamps", stamps(15 * 2 * 441)), ("dynamic", dynamic), ("length", vec![5.0; 3])];
        Batch::from_columns(3, columns)
    }
}

fn assert_agrees(what: &str, values: &[f32], (sum, norm): (f64, f64)) {
    let (own_sum, squares) = values.iter().fold((0.0, 0.0), |(s, q), v| (s + f64::from(*v), q + f64::from(*v).powi(2)));
    assert!((squares.sqrt() - norm).abs() < 1e-4 * norm, "{what}: norm {} against {norm}", squares.sqrt());
    assert!((own_sum - sum).abs() < 1e-4 * sum.abs().max(norm), "{what}: sum {own_sum} against {sum}");
}

/// Output, and gradients of every trained array by name.
fn first_pass<B: Backend>(model: &Model<B>, batch: &Batch) -> (f64, Vec<(String, Vec<f32>)>) {
    let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(0));
    let loss = model.network.loss(&mut pass, batch).unwrap();
    let value = f64::from(loss.as_vec()[0]);
    let mut gradients = crate::nn::backward(loss).unwrap();
    let trained = model.weights.entries.iter().filter(|entry| entry.trained);
    (value, trained.map(|entry| (entry.name.clone(), entry.gradient(&mut gradients).unwrap())).collect())
}

fn check(expected: &Expected) {
    let mut model = filled::<Kernels>(expected.model);
    let batch = batch(expected.model);
    let mut pass = Pass::training(&model.weights, ChaCha8Rng::seed_from_u64(0));
    assert_agrees("output", &model.network.reconstruct(&mut pass, &batch).unwrap(), expected.output);
    let (_, gradients) = first_pass(&model, &batch);
    for (name, sum, norm) in expected.gradients {
        let gradient = &gradients.iter().find(|(own, _)| own == name).unwrap().1;
        assert_agrees(name, gradient, (*sum, *norm));
    }
    let mut adam = Optimiser::new(&Settings::new(Method::Adam, expected.rate), &model.weights).unwrap();
    for (step, loss) in expected.losses.into_iter().enumerate() {
        let own = model.train_step(&mut adam, &batch, ChaCha8Rng::seed_from_u64(0)).unwrap();
        assert!((own - loss).abs() < 1e-4 * loss, "step {step}: loss {own} against {loss}");
        if step == 0 {
            assert_arrays(&model, expected.statistics);
        }
    }
    assert_arrays(&model, expected.trained);
}

fn assert_arrays(model: &Model<Kernels>, expected: &[Printed]) {
    for (name, sum, norm) in expected {
        let entry = model.weights.entries.iter().find(|entry| entry.name == *name).unwrap();
        assert_agrees(name, &entry.values(), (*sum, *norm));
    }
}

#[test]
fn the_stamp_autoencoder_equals_pytorch() {
    check(&CONV);
}

#[test]
fn the_sequence_autoencoder_equals_pytorch() {
    check(&SEQUENCE);
}

/// Loss and every gradient of a network by the loops of our own and by dfdx's operations.
#[test]
fn both_paths_agree_on_whole_networks() {
    for expected in [CONV, SEQUENCE] {
        let batch = batch(expected.model);
        let (loss, gradients) = first_pass(&filled::<Kernels>(expected.model), &batch);
        let (composed_loss, composed) = first_pass(&filled::<Composed<crate::nn::Cpu>>(expected.model), &batch);
        assert!((loss - composed_loss).abs() < 1e-4 * loss, "{loss} against {composed_loss}");
        for ((name, own), (_, other)) in gradients.iter().zip(&composed) {
            let norm = own.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let apart = own.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
            assert!(apart < 1e-3 * norm + 0.1, "{name}: {apart} apart of {norm}");
        }
    }
}
