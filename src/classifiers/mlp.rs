//! Multilayer perceptron: one or more hidden layers with ReLU and dropout, trained by Adam with the loop of [`crate::nn`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scale::Scale;
use super::written::{self, Shape, ensure, ensure_classes};
use super::{Classifier, ClassifierError, Fitted, Labelled, Task, read};
use crate::keys;
use crate::nn::layers::{Dropout, Linear};
use crate::nn::ops::cross_entropy::cross_entropy;
use crate::nn::optimisers::{Method, Settings};
use crate::nn::train::{Balance, Decay, Length, Progress, Schedule, train};
use crate::nn::{
    Backend, Batch, Builder, Column, Kernels, Made, Matrix, Model, ModelCard, Network, NnError, Pass, Rows, Scalar,
    Start, matrix, softmax,
};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::Params;

/// Rows that are judged at a time.
const CHUNK: usize = 256;

keys! {
    /// Keys of [`Mlp`].
    pub struct MlpKeys {
        /// Hidden layers, one after the other.
        layers: usize = 1, range(1, 8);
        /// Values of each hidden layer.
        hidden: usize = 128, range(1, 65_536);
        /// Share of hidden values that training drops.
        dropout: f64 = 0.2, range(0, 0.99);
        /// Learning rate of Adam.
        rate: f64 = 1e-3, range(1e-9, 1);
        /// L2 penalty: added to the gradient as this times the weights, as in PyTorch's Adam.
        weight_decay: f64 = 0.0, at_least(0);
        /// Rows per step.
        batch: usize = 64, range(1, 1_000_000);
        /// Most passes over the training rows; the weights of the pass with the lowest loss on the validation split are kept, or on the training rows where that has none.
        epochs: usize = 100, range(1, 1_000_000);
        /// Passes without a lower loss after which training stops.
        patience: usize = 20, at_least(1);
        /// Standardise the features with the mean and deviation of the training rows.
        standardise: bool = true;
    }
}

/// A small network on feature vectors.
#[derive(Clone, Copy, Debug)]
pub struct Mlp;

impl Classifier for Mlp {
    fn name(&self) -> &'static str {
        "mlp"
    }
    fn summary(&self) -> &'static str {
        "Multilayer perceptron: hidden layers with ReLU and dropout, trained by Adam."
    }
    fn source(&self) -> &'static str {
        "Rumelhart et al. 1986; dropout: Srivastava et al. 2014; Adam: Kingma & Ba 2015; start: He et al. 2015"
    }
    fn keys(&self) -> Vec<Key> {
        MlpKeys::keys()
    }
    fn is_random(&self) -> bool {
        true
    }
    fn fit(&self, params: &Params, task: &Task) -> Result<Box<dyn Fitted>, ClassifierError> {
        let keys: MlpKeys = read(params)?;
        Ok(Box::new(Trained::fit(&keys, task)?))
    }
    fn read(&self, text: &str, shape: Shape) -> Result<Box<dyn Fitted>, ClassifierError> {
        Ok(Box::new(Trained::read(written::parse(text)?, shape)?))
    }
}

/// Sizes of the layers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sizes {
    inputs: usize,
    layers: usize,
    hidden: usize,
    classes: usize,
}

impl Sizes {
    /// Weights and biases; `None`: more than can be counted.
    fn values(&self) -> Option<usize> {
        let layer = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
        let inner = layer(self.hidden, self.hidden)?.checked_mul(self.layers.checked_sub(1)?)?;
        layer(self.inputs, self.hidden)?.checked_add(inner)?.checked_add(layer(self.hidden, self.classes)?)
    }
}

/// The layers.
struct Layers {
    hidden: Vec<Linear>,
    scores: Linear,
    dropout: Dropout,
    inputs: usize,
}

impl Layers {
    fn new<B: Backend>(builder: &mut Builder<B>, sizes: Sizes, dropout: f64) -> Made<Self, B> {
        builder.start(Start::He);
        let width = |layer: usize| if layer == 0 { sizes.inputs } else { sizes.hidden };
        let hidden = (0..sizes.layers)
            .map(|layer| Linear::new(builder, &format!("hidden{}", layer + 1), width(layer), sizes.hidden))
            .collect::<Made<_, B>>()?;
        let scores = Linear::new(builder, "logits", sizes.hidden, sizes.classes)?;
        Ok(Self { hidden, scores, dropout: Dropout { rate: dropout as f32 }, inputs: sizes.inputs })
    }

    /// The last values before the scores.
    fn judged<B: Backend>(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        let mut x = matrix::<B>(batch.column("features").to_vec(), batch.rows, self.inputs)?; // [n, input]
        for layer in &self.hidden {
            x = B::relu(layer.forward(pass, x)?)?; // [n, hidden]
            x = self.dropout.forward(pass, x)?;
        }
        Ok(x)
    }
}

impl<B: Backend> Network<B> for Layers {
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "features", width: self.inputs }, Column { name: "class", width: 1 }]
    }

    fn loss(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Scalar<B>, B> {
        let x = self.judged(pass, batch)?;
        let scores = self.scores.forward(pass, x)?; // [n, class]
        let classes: Vec<usize> = batch.column("class").iter().map(|class| *class as usize).collect();
        cross_entropy::<B>(scores, &classes, vec![1.0 / batch.rows as f32; batch.rows], 0.0)
    }

    fn encode(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Matrix<B>, B> {
        self.judged(pass, batch)
    }

    fn output(&self, pass: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        let x = self.judged(pass, batch)?;
        Ok(self.scores.forward(pass, x)?.as_vec()) // [n, class]
    }

    fn targets(&self, _: &mut Pass<B>, batch: &Batch) -> Made<Vec<f32>, B> {
        Ok(batch.column("class").to_vec())
    }
}

/// Scaled vectors with their classes, on their way into the network.
struct Scaled {
    values: Vec<f32>,
    labels: Vec<usize>,
    columns: usize,
}

impl Scaled {
    fn new(scale: &Scale, rows: &Labelled, columns: usize) -> Self {
        let values = rows.rows.iter().flat_map(|row| scale.apply(row)).map(|x| x as f32).collect();
        Self { values, labels: rows.labels.clone(), columns }
    }
}

impl Rows for Scaled {
    fn len(&self) -> usize {
        self.labels.len()
    }
    fn columns(&self) -> Vec<Column> {
        vec![Column { name: "features", width: self.columns }, Column { name: "class", width: 1 }]
    }
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        match column {
            0 => into.copy_from_slice(&self.values[row * self.columns..][..self.columns]),
            _ => into[0] = self.labels[row] as f32,
        }
    }
}

/// The network as it is kept.
#[derive(Serialize, Deserialize)]
struct Written {
    scale: Scale,
    sizes: Sizes,
    epochs: usize,
    best: usize,
    /// By name; a weight is `[output, input]`.
    weights: BTreeMap<String, Vec<f32>>,
}

/// The network with its weights.
struct Trained {
    model: Model<Kernels>,
    scale: Scale,
    sizes: Sizes,
    epochs: usize,
    best: usize,
}

impl Trained {
    fn fit(keys: &MlpKeys, task: &Task) -> Result<Self, ClassifierError> {
        task.keep_going()?;
        let columns = task.training.columns();
        let scale = if keys.standardise { Scale::fit(&task.training.rows) } else { Scale::identity(columns) };
        let sizes = Sizes { inputs: columns, layers: keys.layers, hidden: keys.hidden, classes: task.classes };
        let mut model = network(sizes, keys.dropout, task.seed)?;
        let optimiser = Settings { weight_decay: keys.weight_decay, ..Settings::new(Method::Adam, keys.rate) };
        let schedule = Schedule {
            length: Length::Epochs(keys.epochs),
            patience: Some(keys.patience),
            batch: keys.batch,
            optimiser,
            decay: Decay::Constant,
            warm_up: 0,
            balance: Balance::None,
            seed: task.seed,
        };
        let rows = |rows| Scaled::new(&scale, rows, columns);
        let mut watch = |_: Progress| if (task.cancelled)() { Err(NnError::Interrupted) } else { Ok(()) };
        let trained = train(&mut model, &rows(&task.training), &rows(&task.validation), &schedule, None, &mut watch)?;
        Ok(Self { model, scale, sizes, epochs: trained.history.len(), best: trained.best })
    }

    fn read(kept: Written, shape: Shape) -> Result<Self, ClassifierError> {
        let Written { scale, sizes, epochs, best, weights } = kept;
        ensure_classes(sizes.classes, shape)?;
        scale.check(shape.features)?;
        // before anything of that size is made
        let found: usize = weights.values().map(Vec::len).sum();
        ensure(sizes.inputs == shape.features && sizes.hidden > 0 && sizes.values() == Some(found), || {
            format!("{found} weights are not those of {sizes:?} on {} features", shape.features)
        })?;
        ensure(weights.values().flatten().all(|weight| weight.is_finite()), || "a weight is not a number".into())?;
        let mut model = network(sizes, 0.0, 0)?;
        for (name, values) in weights {
            let fits = model.weights.set_named(&name, values).map_err(NnError::device)?;
            ensure(fits, || format!("weights `{name}` do not fit {sizes:?}"))?;
        }
        Ok(Self { model, scale, sizes, epochs, best })
    }
}

/// The network with its starting weights.
fn network(sizes: Sizes, dropout: f64, seed: u64) -> Result<Model<Kernels>, ClassifierError> {
    let mut builder = Builder::new(seed);
    let layers = Layers::new(&mut builder, sizes, dropout).map_err(NnError::device)?;
    let card = ModelCard { model: "mlp".into(), settings: serde_json::Value::Null };
    Ok(Model { card, network: Box::new(layers), weights: builder.finish() })
}

impl Fitted for Trained {
    fn probabilities(&self, rows: &[&[f32]]) -> Result<Vec<Vec<f64>>, ClassifierError> {
        let labelled = Labelled { rows: rows.to_vec(), labels: vec![0; rows.len()] };
        let mut all = Vec::with_capacity(rows.len());
        self.model.outputs(&Scaled::new(&self.scale, &labelled, self.sizes.inputs), CHUNK, |_, scores| {
            all.extend(softmax(&scores, self.sizes.classes).chunks_exact(self.sizes.classes).map(<[f64]>::to_vec));
            Ok(())
        })?;
        Ok(all)
    }

    fn written(&self) -> Result<String, ClassifierError> {
        let weights = &self.model.weights;
        let named = |(name, _): (&str, _)| (name.to_owned(), weights.named(name).unwrap_or_default());
        written::write(&Written {
            scale: self.scale.clone(),
            sizes: self.sizes,
            epochs: self.epochs,
            best: self.best,
            weights: weights.names().map(named).collect(),
        })
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        vec![("epochs", self.epochs as f64), ("best_epoch", self.best as f64)]
    }
}

impl From<NnError> for ClassifierError {
    fn from(error: NnError) -> Self {
        if matches!(error, NnError::Interrupted) { Self::Interrupted } else { Self::Network(error.to_string()) }
    }
}
