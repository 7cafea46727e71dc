//! Ten steps of each rule beside PyTorch 2.15:
//!
//! ```python
//! import torch
//! def run(make, clip=None):
//!     a = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5])); b = torch.nn.Parameter(torch.tensor([3.0, -0.25]))
//!     o = make([a], [b])
//!     for _ in range(10):
//!         o.zero_grad()
//!         loss = (torch.tensor([0.5, 2.0, 8.0]) * (a - 0.3) ** 2).sum() + ((b + a[:2]) ** 4).sum() / 4
//!         loss.backward()
//!         if clip: torch.nn.utils.clip_grad_norm_([a, b], clip)
//!         o.step()
//!     return [round(v, 6) for v in a.tolist() + b.tolist()]
//! O = torch.optim
//! print("SGD", run(lambda a, b: O.SGD(a + b, 0.01)))
//! print("momentum, decay", run(lambda a, b: O.SGD(a + b, 0.01, momentum=0.8, weight_decay=0.1)))
//! print("Adam", run(lambda a, b: O.Adam(a + b, 0.1)))
//! print("Adam, all", run(lambda a, b: O.Adam(a + b, 0.1, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)))
//! print("AdamW", run(lambda a, b: O.AdamW(a + b, 0.1, weight_decay=0.1)))
//! print("AMSGrad", run(lambda a, b: O.Adam(a + b, 0.1, betas=(0.8, 0.9), weight_decay=0.1, amsgrad=True)))
//! print("clip", run(lambda a, b: O.SGD(a + b, 0.1), clip=1.0))
//! print("groups", run(lambda a, b: O.AdamW([{"params": a}, {"params": b, "lr": 0.02}], 0.1, weight_decay=0.1)))
//! ```

use super::*;
use crate::nn::{Builder, Kernels};

const START: [&[f32]; 2] = [&[1.0, -2.0, 0.5], &[3.0, -0.25]];

/// Arrays `first.weight` and `second.weight`, and a running statistic between them.
fn weights() -> Weights<Kernels> {
    let mut builder = Builder::new(0);
    builder.constant("first.weight".into(), 3, 0.0).unwrap();
    builder.statistic("first.running_mean".into(), 2, 0.0).unwrap();
    builder.constant("second.weight".into(), 2, 0.0).unwrap();
    builder.finish()
}

fn gradients(values: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let (a, b) = (&values[0], &values[1]);
    let cubes: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a + b).powi(3)).collect();
    let first = (0..3).map(|i| 2.0 * [0.5, 2.0, 8.0][i] * (a[i] - 0.3) + cubes.get(i).unwrap_or(&0.0));
    vec![first.collect(), cubes.clone()]
}

fn ten_steps(settings: &Settings) -> Vec<f32> {
    let mut optimiser = Optimiser::new(settings, &weights()).unwrap();
    let mut values = START.map(<[f32]>::to_vec).to_vec();
    for _ in 0..10 {
        let mut gradients = gradients(&values);
        optimiser.change(&mut values, &mut gradients);
    }
    values.concat()
}

#[test]
fn ten_steps_of_each_rule_equal_pytorch() {
    let new = Settings::new;
    let cases = [
        (new(Method::Sgd, 0.01), [-0.29615, -0.953_327, 0.33498, 1.6785, 0.11186]),
        (
            Settings { momentum: 0.8, weight_decay: 0.1, ..new(Method::Sgd, 0.01) },
            [-1.51555, 0.57118, 0.258_341, 0.061_454, 0.679_586],
        ),
        (new(Method::Adam, 0.1), [0.089_085, -1.07621, 0.336_068, 2.088_461, 0.561_642]),
        (
            Settings { betas: [0.8, 0.95], epsilon: 1e-4, weight_decay: 0.1, ..new(Method::Adam, 0.1) },
            [0.117_775, -1.099_041, 0.348_837, 2.116_218, 0.509_916],
        ),
        (
            Settings { weight_decay: 0.1, ..new(Method::AdamW, 0.1) },
            [0.056_849, -0.936_814, 0.335_348, 1.864_947, 0.526_022],
        ),
        (
            Settings { betas: [0.8, 0.9], weight_decay: 0.1, ..new(Method::AmsGrad, 0.1) },
            [0.121_673, -1.094_642, 0.34625, 2.119_679, 0.488_534],
        ),
        (
            Settings { clip: Some(1.0), ..new(Method::Sgd, 0.1) },
            [0.335_488, -1.692_981, 0.449_198, 2.341_546, -0.098_185],
        ),
        (
            Settings { weight_decay: 0.1, group: vec!["second".into()], group_rate: 0.2, ..new(Method::AdamW, 0.1) },
            [-0.000_951, -0.913_899, 0.335_348, 2.752_487, -0.070_583],
        ),
    ];
    for (settings, expected) in cases {
        let found = ten_steps(&settings);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 5e-6, "{settings:?}: {found} against {expected}");
        }
    }
}

#[test]
fn amsgrad_is_not_adam_where_gradients_shrink() {
    let settings = |method| Settings { betas: [0.8, 0.9], weight_decay: 0.1, ..Settings::new(method, 0.1) };
    let (adam, largest) = (ten_steps(&settings(Method::Adam)), ten_steps(&settings(Method::AmsGrad)));
    assert!(adam.iter().zip(largest).any(|(a, b)| (a - b).abs() > 1e-3));
}

#[test]
fn long_arrays_move_as_short_ones_do() {
    let long = |length: usize| {
        let mut builder = Builder::<Kernels>::new(0);
        builder.constant("w".into(), length, 0.0).unwrap();
        let mut optimiser = Optimiser::new(&Settings::new(Method::AmsGrad, 0.1), &builder.finish()).unwrap();
        let mut values = vec![(0..length).map(|i| i as f32 * 1e-3).collect::<Vec<_>>()];
        for _ in 0..3 {
            let mut gradients = vec![values[0].iter().map(|v| v - 0.5).collect()];
            optimiser.change(&mut values, &mut gradients);
        }
        values.remove(0)
    };
    let (short, all) = (long(1000), long(3 * PIECE + 17));
    let close = short.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close && all.iter().all(|value| *value != 0.0));
}

#[test]
fn the_norm_that_is_clipped_is_that_of_all_arrays() {
    for length in [3, 2 * PIECE + 5] {
        let mut gradients = vec![vec![3.0; length], vec![4.0; length]];
        clip(&mut gradients, 1.0);
        let norm = gradients.iter().flatten().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5 && (gradients[0][0] * 4.0 - gradients[1][0] * 3.0).abs() < 1e-6, "{norm}");
        let before = gradients.clone();
        clip(&mut gradients, 1.1);
        assert_eq!(gradients, before);
    }
}

#[test]
fn a_group_without_arrays_is_an_error() {
    let settings = Settings { group: vec!["secnd".into()], ..Settings::new(Method::Sgd, 0.1) };
    let message = Optimiser::new(&settings, &weights()).unwrap_err().to_string();
    assert!(message.contains("`secnd`"), "{message}");
}
