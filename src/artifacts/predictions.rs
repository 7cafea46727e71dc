//! Class probabilities: `predictions.csv` (`candid`, `objectId`, `label`, `split`, `predicted`, then `p_CLASS` for each
//! class), `predictions.json`. One row for each labelled row of the validation and test splits.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::table::{RowWriter, Table, number};
use super::{ArtifactError, Result, facts};

/// Who predicted what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionsFacts {
    /// Class labels in order.
    pub classes: Vec<String>,
    /// Word of the classifier.
    pub classifier: String,
    /// Labelled rows of the training split per class, in the order of `classes`: what the majority class is taken from.
    pub train_counts: Vec<usize>,
    /// What the classifier got of these labels, where it did not get all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelsTaken>,
    /// By what the probabilities were calibrated, see [`crate::classifiers::temperature`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// Labels that were taken from the training split, and from the validation split for what is chosen there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelsTaken {
    /// Training rows per class without copies, in the order of the classes.
    pub per_class: Vec<usize>,
    /// Validation rows per class.
    #[serde(default)]
    pub validation: Vec<usize>,
    /// Classes that have fewer labels than were asked for: these keep all.
    pub short: Vec<String>,
}

/// Prediction for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// True class: position in the list of classes.
    pub label: usize,
    /// `validation` or `test`.
    pub split: String,
    /// Probability of each class; they sum to 1.
    pub probabilities: Vec<f64>,
}

impl Prediction {
    /// The most probable class; the first of equals.
    pub fn predicted(&self) -> usize {
        most_probable(&self.probabilities)
    }
}

/// Position of the largest; the first of equals.
pub fn most_probable(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (class, p) in probabilities.iter().enumerate() {
        if *p > probabilities[best] {
            best = class;
        }
    }
    best
}

/// Reads or writes a predictions artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Who predicted what.
    pub facts: PredictionsFacts,
    /// The rows.
    pub rows: Vec<Prediction>,
}

impl Predictions {
    /// Reads the artifact in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let facts: PredictionsFacts = facts::read(folder.join("predictions.json"))?;
        let path = folder.join("predictions.csv");
        let table = Table::read(&path)?;
        let candids = table.ints("candid").unwrap_or_default();
        let (objects, labels, splits) = (table.texts("objectId"), table.texts("label"), table.texts("split"));
        let columns: Vec<Vec<f64>> =
            facts.classes.iter().map(|c| table.numbers(&format!("p_{c}")).unwrap_or_default()).collect();
        let mut rows = Vec::with_capacity(table.rows());
        for (row, candid) in candids.iter().enumerate() {
            let label = facts.classes.iter().position(|c| *c == labels[row]);
            let probabilities: Option<Vec<f64>> = columns.iter().map(|c| c.get(row).copied()).collect();
            let (Some(label), Some(probabilities)) = (label, probabilities) else {
                return Err(ArtifactError::new(
                    &path,
                    format!("row {row} does not fit the classes {:?}", facts.classes),
                ));
            };
            let (object_id, split) = (objects[row].clone(), splits[row].clone());
            rows.push(Prediction { candid: *candid, object_id, label, split, probabilities });
        }
        Ok(Self { facts, rows })
    }

    /// Writes the artifact into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        facts::write(folder.join("predictions.json"), &self.facts)?;
        let classes = &self.facts.classes;
        let mut header: Vec<String> = ["candid", "objectId", "label", "split", "predicted"].map(String::from).into();
        header.extend(classes.iter().map(|c| format!("p_{c}")));
        let mut table = RowWriter::create(folder.join("predictions.csv"), &header)?;
        for row in &self.rows {
            let identity = [
                row.candid.to_string(),
                row.object_id.clone(),
                classes[row.label].clone(),
                row.split.clone(),
                classes[row.predicted()].clone(),
            ];
            table.push(identity.into_iter().chain(row.probabilities.iter().map(|p| number(*p))))?;
        }
        table.finish()
    }
}
