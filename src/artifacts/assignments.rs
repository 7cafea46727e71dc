//! Clusters of rows: `assignments.csv` (`candid`, `objectId`, `label`, `split`, `cluster`, then what else was measured of a row,
//! then `gamma_0`, `gamma_1`, .., how much it belongs to each cluster). One row for each vector or stamp without copies.

use std::path::Path;

use super::table::{RowWriter, Table, number};
use super::{ArtifactError, Result};

/// Name of the table in an artifact's folder.
pub const ASSIGNMENTS: &str = "assignments.csv";
/// Columns before what was measured.
const IDENTITY: [&str; 5] = ["candid", "objectId", "label", "split", "cluster"];
const GAMMA: &str = "gamma_";

/// The clusters of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// Class, or empty.
    pub label: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// The cluster that it belongs to most.
    pub cluster: usize,
    /// In the order of [`Assignments::measured`]; `None` where it is undefined.
    pub measured: Vec<Option<f64>>,
    /// How much it belongs to each cluster; sums to 1.
    pub gamma: Vec<f64>,
}

/// Reads or writes assignments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// Number of clusters.
    pub clusters: usize,
    /// Names of what was measured of each row beside its cluster.
    pub measured: Vec<String>,
    /// The rows.
    pub rows: Vec<Assignment>,
}

impl Assignments {
    /// Reads the table in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(ASSIGNMENTS);
        let table = Table::read(&path)?;
        let more = table.names().get(IDENTITY.len()..).unwrap_or_default();
        let (gammas, measured): (Vec<String>, Vec<String>) =
            more.iter().cloned().partition(|name| name.starts_with(GAMMA));
        let numbers = |names: &[String]| -> Vec<Vec<f64>> { names.iter().filter_map(|n| table.numbers(n)).collect() };
        let (gamma, values) = (numbers(&gammas), numbers(&measured));
        let [objects, labels, splits] = ["objectId", "label", "split"].map(|name| table.texts(name));
        let [candids, clusters] = ["candid", "cluster"].map(|name| table.ints(name).unwrap_or_default());
        if table.rows() > 0 && (candids.is_empty() || clusters.is_empty()) {
            return Err(ArtifactError::new(&path, "`candid` and `cluster` are no whole numbers"));
        }
        let mut rows = Vec::with_capacity(table.rows());
        for row in 0..table.rows() {
            let known = usize::try_from(clusters[row]).ok().filter(|cluster| *cluster < gammas.len());
            let cluster = known.ok_or_else(|| {
                ArtifactError::new(&path, format!("row {row}: cluster {} of {}", clusters[row], gammas.len()))
            })?;
            rows.push(Assignment {
                candid: candids[row],
                object_id: objects[row].clone(),
                label: labels[row].clone(),
                split: splits[row].clone(),
                cluster,
                measured: values.iter().map(|values| Some(values[row]).filter(|value| value.is_finite())).collect(),
                gamma: gamma.iter().map(|gamma| gamma[row]).collect(),
            });
        }
        Ok(Self { clusters: gammas.len(), measured, rows })
    }

    /// Writes the table into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut header: Vec<String> = IDENTITY.map(String::from).into();
        header.extend(self.measured.iter().cloned());
        header.extend((0..self.clusters).map(|cluster| format!("{GAMMA}{cluster}")));
        let mut table = RowWriter::create(folder.join(ASSIGNMENTS), &header)?;
        for row in &self.rows {
            let identity = [
                row.candid.to_string(),
                row.object_id.clone(),
                row.label.clone(),
                row.split.clone(),
                row.cluster.to_string(),
            ];
            let measured = row.measured.iter().map(|value| value.map_or_else(String::new, number));
            table.push(identity.into_iter().chain(measured).chain(row.gamma.iter().map(|gamma| number(*gamma))))?;
        }
        table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undefined_stays_empty_and_all_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let row = |cluster: usize, error| Assignment {
            candid: 2_752_190_653_015_010_019,
            object_id: "ZTF1".into(),
            label: String::new(),
            split: "test".into(),
            cluster,
            measured: vec![error],
            gamma: vec![0.25, 0.75],
        };
        let rows = vec![row(1, None), row(0, Some(0.5))];
        let assignments = Assignments { clusters: 2, measured: vec!["error".into()], rows };
        assignments.write(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(ASSIGNMENTS)).unwrap();
        assert!(text.contains("019,ZTF1,,test,1,,0.25,0.75"), "{text}");
        assert_eq!(Assignments::open(folder.path()).unwrap(), assignments);
        std::fs::write(folder.path().join(ASSIGNMENTS), text.replace("test,1", "test,2")).unwrap();
        assert!(Assignments::open(folder.path()).unwrap_err().to_string().contains("row 0: cluster 2 of 2"));
    }
}
