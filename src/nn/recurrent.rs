//! Layers over time, of padded rows `[step, sequence]`: recurrent units and convolutions, in stacks; and the choice between
//! them. Like all layers they hold no values.

use serde::{Deserialize, Serialize};

use super::backend::{Backend, Made, Matrix};
use super::image::matrix;
use super::ops::alive::Alive;
use super::ops::conv1d::{self, conv1d, mean_over_time};
use super::ops::rnn::rnn;
use super::pass::Pass;
use super::weights::{Builder, Slot};

/// A recurrent unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// See [`rnn`](super::ops::rnn).
    Rnn,
    /// See [`gru`](super::ops::gru).
    Gru,
    /// See [`lstm`](super::ops::lstm).
    Lstm,
}

impl Unit {
    fn gates(self) -> usize {
        match self {
            Self::Rnn => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

/// Weight and bias of the input, and of the state.
#[derive(Debug, Clone)]
struct Layer {
    input: [Slot; 2],
    recurrent: [Slot; 2],
}

/// Recurrent units, one layer on the other; all weights uniform in `±1 / √hidden`, PyTorch's default.
#[derive(Debug, Clone)]
pub struct Recurrent {
    unit: Unit,
    layers: Vec<Layer>,
    hidden: usize,
}

impl Recurrent {
    /// Weights of layer `l` with so many gates: `NAME.weight_ih_l [gates · hidden, input]`, `NAME.weight_hh_l
    /// [gates · hidden, hidden]`, `NAME.bias_ih_l`, `NAME.bias_hh_l`; names and order of gates are PyTorch's.
    pub fn new<B: Backend>(
        builder: &mut Builder<B>,
        name: &str,
        unit: Unit,
        (inputs, hidden, layers): (usize, usize, usize),
    ) -> Made<Self, B> {
        let (bound, rows) = (1.0 / (hidden as f32).sqrt(), unit.gates() * hidden);
        let mut layer = |number: usize| {
            let inputs = if number == 0 { inputs } else { hidden };
            let mut uniform =
                |kind: &str, shape: &[usize]| builder.uniform(format!("{name}.{kind}_l{number}"), shape, bound);
            let weights = [uniform("weight_ih", &[rows, inputs])?, uniform("weight_hh", &[rows, hidden])?];
            let biases = [uniform("bias_ih", &[rows])?, uniform("bias_hh", &[rows])?];
            Ok(Layer { input: [weights[0], biases[0]], recurrent: [weights[1], biases[1]] })
        };
        Ok(Self { unit, layers: (0..layers).map(&mut layer).collect::<Made<_, B>>()?, hidden })
    }

    /// States of the last layer after each step: `[step · sequence, input]` to `[step · sequence, hidden]`. They stay after a
    /// sequence's last detection.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        let gates = self.gates(pass, 0, x)?;
        self.states(pass, gates, alive)
    }

    /// The same where each sequence has one input `[sequence, input]` at every step.
    pub fn repeated<B: Backend>(&self, pass: &Pass<B>, x: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        let gates = self.gates(pass, 0, x)?; // the same at every step
        let gates = B::rows(gates, (0..alive.steps).flat_map(|_| 0..alive.batch()).collect())?;
        self.states(pass, gates, alive)
    }

    /// What comes from the input of a layer: `[row, input]` to `[row, gates · hidden]`.
    fn gates<B: Backend>(&self, pass: &Pass<B>, layer: usize, x: Matrix<B>) -> Made<Matrix<B>, B> {
        let [weight, bias] = self.layers[layer].input.map(|slot| pass.weight(slot));
        B::linear(x, weight, bias, self.unit.gates() * self.hidden)
    }

    fn states<B: Backend>(&self, pass: &Pass<B>, mut gates: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        for number in 0.. {
            let [weight, bias] = self.layers[number].recurrent.map(|slot| pass.weight(slot));
            let states = match self.unit {
                Unit::Rnn => rnn::<B>(gates, weight, bias, alive)?,
                Unit::Gru => B::gru(gates, weight, bias, alive.clone())?,
                Unit::Lstm => B::lstm(gates, weight, bias, alive.clone())?,
            };
            if number + 1 == self.layers.len() {
                return Ok(states);
            }
            gates = self.gates(pass, number + 1, states)?;
        }
        Ok(gates)
    }
}

/// Convolutions over time with ReLU, one on the other; weights start as the builder says, bias zero.
#[derive(Debug, Clone)]
pub struct Convolutions {
    layers: Vec<[Slot; 2]>,
    shape: conv1d::Shape,
}

impl Convolutions {
    /// Weights `NAME.l.weight [output, input, tap]` and `NAME.l.bias` of layer `l`.
    pub fn new<B: Backend>(
        builder: &mut Builder<B>,
        name: &str,
        (inputs, layers): (usize, usize),
        shape: conv1d::Shape,
    ) -> Made<Self, B> {
        let mut layer = |number: usize| {
            let inputs = if number == 0 { inputs } else { shape.outputs };
            let weight = builder.layer(format!("{name}.{number}.weight"), &[shape.outputs, inputs, shape.kernel])?;
            Ok([weight, builder.constant(format!("{name}.{number}.bias"), shape.outputs, 0.0)?])
        };
        Ok(Self { layers: (0..layers).map(&mut layer).collect::<Made<_, B>>()?, shape })
    }

    /// `[step · sequence, input]` to `[step · sequence, output]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, mut x: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        for slots in &self.layers {
            let [weight, bias] = slots.map(|slot| pass.weight(slot));
            x = B::relu(conv1d::<B>(x, weight, bias, self.shape, alive)?)?;
        }
        Ok(x)
    }
}

/// What may read a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Causal convolutions, whose outputs are averaged over the detections.
    Conv1d,
    /// Simple recurrent units.
    Rnn,
    /// Gated recurrent units.
    Gru,
    /// Long short-term memory.
    Lstm,
}

impl Cell {
    /// The recurrent unit; none of convolutions.
    fn unit(self) -> Option<Unit> {
        match self {
            Self::Conv1d => None,
            Self::Rnn => Some(Unit::Rnn),
            Self::Gru => Some(Unit::Gru),
            Self::Lstm => Some(Unit::Lstm),
        }
    }
}

/// Which, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// What reads.
    pub cell: Cell,
    /// Values that it makes of a sequence.
    pub width: usize,
    /// Layers, one on the other.
    pub layers: usize,
    /// Detections that a convolution sees at once; of no account for the others.
    pub kernel: usize,
}

/// What tells a sequence from one row of values.
#[derive(Debug, Clone)]
pub enum Teller {
    /// Recurrent units, fed with the values at every step.
    Units(Recurrent),
    /// Centred convolutions over the values joined with the number of the step, one column for each.
    Convolutions(Convolutions),
}

impl Teller {
    /// Weights below `name`, see [`Recurrent::new`] and [`Convolutions::new`], for sequences of at most `steps`.
    pub fn new<B: Backend>(
        builder: &mut Builder<B>,
        name: &str,
        (inputs, steps): (usize, usize),
        reading: Reading,
    ) -> Made<Self, B> {
        let Reading { width, layers, kernel, .. } = reading;
        Ok(if let Some(unit) = reading.cell.unit() {
            Self::Units(Recurrent::new(builder, name, unit, (inputs, width, layers))?)
        } else {
            let shape = conv1d::Shape { outputs: width, kernel, causal: false };
            Self::Convolutions(Convolutions::new(builder, name, (inputs + steps, layers), shape)?)
        })
    }

    /// `[sequence, input]` to `[step · sequence, width]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        match self {
            Self::Units(units) => units.repeated(pass, x, alive),
            Self::Convolutions(convolutions) => {
                let (steps, batch) = (alive.steps, alive.batch());
                let repeated = B::rows(x, (0..steps).flat_map(|_| 0..batch).collect())?;
                let number = |row: usize| (0..steps).map(move |step| f32::from(u8::from(step == row / batch)));
                let numbers = matrix::<B>((0..steps * batch).flat_map(number).collect(), steps * batch, steps)?;
                convolutions.forward(pass, B::join(repeated, numbers)?, alive)
            }
        }
    }
}

/// What reads a sequence: its values after the last detection.
#[derive(Debug, Clone)]
pub enum Reader {
    /// The state that recurrent units end with.
    Units(Recurrent),
    /// The mean over time of what convolutions make.
    Convolutions(Convolutions),
}

impl Reader {
    /// Weights below `name`, see [`Recurrent::new`] and [`Convolutions::new`].
    pub fn new<B: Backend>(builder: &mut Builder<B>, name: &str, inputs: usize, reading: Reading) -> Made<Self, B> {
        let Reading { width, layers, kernel, .. } = reading;
        Ok(if let Some(unit) = reading.cell.unit() {
            Self::Units(Recurrent::new(builder, name, unit, (inputs, width, layers))?)
        } else {
            let shape = conv1d::Shape { outputs: width, kernel, causal: true };
            Self::Convolutions(Convolutions::new(builder, name, (inputs, layers), shape)?)
        })
    }

    /// `[step · sequence, input]` to `[sequence, width]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: Matrix<B>, alive: &Alive) -> Made<Matrix<B>, B> {
        match self {
            Self::Units(units) => B::rows(units.forward(pass, x, alive)?, alive.last()),
            Self::Convolutions(convolutions) => mean_over_time::<B>(convolutions.forward(pass, x, alive)?, alive),
        }
    }
}
