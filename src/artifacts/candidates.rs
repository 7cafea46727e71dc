//! Alerts with the probability of each class, whatever their true one: `candidates.csv` (`candid`, `objectId`, `jd`, `fid`, `ra`,
//! `dec`, `magpsf`, `label`, `predicted`, then `p_CLASS` for each class). Knows no classifier.

use std::path::Path;

use super::Result;
use super::predictions::most_probable;
use super::table::{RowWriter, number};

/// Columns before the probabilities.
const IDENTITY: [&str; 9] = ["candid", "objectId", "jd", "fid", "ra", "dec", "magpsf", "label", "predicted"];

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// Julian date (days), filter, right ascension and declination (degrees), magnitude; NaN where missing.
    pub seen: [f64; 5],
    /// What a table calls it; empty: nothing.
    pub label: String,
    /// Probability of each class; they sum to 1.
    pub probabilities: Vec<f64>,
}

impl Candidate {
    /// Position of the most probable class; the first of equals.
    pub fn predicted(&self) -> usize {
        most_probable(&self.probabilities)
    }
}

/// Writes the artifact into `folder`, in the order of `rows`.
pub fn write(folder: &Path, classes: &[String], rows: &[Candidate]) -> Result<()> {
    let probabilities = classes.iter().map(|class| format!("p_{class}"));
    let header: Vec<String> = IDENTITY.map(String::from).into_iter().chain(probabilities).collect();
    let mut table = RowWriter::create(folder.join("candidates.csv"), &header)?;
    for row in rows {
        let identity = [row.candid.to_string(), row.object_id.clone()].into_iter().chain(row.seen.map(number));
        let said = [row.label.clone(), classes[row.predicted()].clone()];
        table.push(identity.chain(said).chain(row.probabilities.iter().map(|p| number(*p))))?;
    }
    table.finish()
}
