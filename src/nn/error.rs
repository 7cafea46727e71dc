//! What can go wrong with a network, in facts and numbers.

use std::path::PathBuf;

use thiserror::Error;

/// A fault of building, running, training or storing a network.
#[derive(Debug, Error)]
pub enum NnError {
    /// The device could not compute.
    #[error("the device failed: {0}")]
    Device(String),
    /// A loss that is no number.
    #[error("the loss is {loss} in epoch {epoch}, step {step}, at learning rate {rate}: lower the rate")]
    Diverged {
        /// From 1.
        epoch: usize,
        /// From 1, within the epoch.
        step: usize,
        /// Learning rate.
        rate: f64,
        /// What came out.
        loss: f64,
    },
    /// A part of a network that has no array.
    #[error("the network has no part `{part}`")]
    UnknownPart {
        /// What was asked for.
        part: String,
        /// Names of the arrays that there are.
        names: Vec<String>,
    },
    /// Training or validation data that cannot be used.
    #[error("{0}")]
    Data(String),
    /// No model of that name.
    #[error("no model `{name}`; there are: {known}")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What exists.
        known: String,
    },
    /// Settings that the model does not take.
    #[error("settings of `{model}`: {what}")]
    Settings {
        /// Name of the model.
        model: String,
        /// What is wrong.
        what: String,
    },
    /// Weights of another network.
    #[error("{path} does not fit the network: {fitting} of its {arrays} arrays do, not these:\n{}", lines(.faults))]
    Misfit {
        /// The file.
        path: PathBuf,
        /// Arrays of the network that are in the file as they must be.
        fitting: usize,
        /// Arrays of the network that are wanted.
        arrays: usize,
        /// The others, and those of the file that the network has not.
        faults: Vec<ArrayFault>,
    },
    /// A file that cannot be read or written, or does not fit the network.
    #[error("{path}: {what}")]
    File {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// An array that is not the same in a file and in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayFault {
    /// Its name.
    pub name: String,
    /// What the file has, in words; `None`: nothing.
    pub has: Option<String>,
    /// The shape that the network wants; `None`: it has no such array.
    pub wants: Option<Vec<usize>>,
}

fn lines(faults: &[ArrayFault]) -> String {
    let line = |ArrayFault { name, has, wants }: &ArrayFault| {
        let has = has.as_deref().unwrap_or("nothing");
        let wants = wants.as_ref().map_or_else(|| "nothing".into(), |shape| format!("{shape:?}"));
        format!("  {name}: the file has {has}, the network wants {wants}")
    };
    faults.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl NnError {
    /// A fault of the device, from dfdx's own type.
    pub(crate) fn device(fault: impl std::fmt::Display) -> Self {
        Self::Device(fault.to_string())
    }

    /// A fault of a file.
    pub(crate) fn file(path: &std::path::Path, what: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_path_buf(), what: what.to_string() }
    }
}
