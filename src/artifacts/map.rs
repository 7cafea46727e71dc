//! A map: `map.csv` (`candid`, `objectId`, `label`, `split`, `x`, `y`), `map.json` (how it was made, how true it is).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::table::{RowWriter, Table, number};
use super::{ArtifactError, Result, facts};

/// Columns of `map.csv`.
const COLUMNS: [&str; 6] = ["candid", "objectId", "label", "split", "x", "y"];

/// How a map was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapFacts {
    /// Word of the method.
    pub method: String,
    /// The method's own keys with their values, as in TOML.
    pub parameters: BTreeMap<String, String>,
    /// How rows were scaled.
    pub norm: String,
    /// Seed; none where nothing is drawn.
    pub seed: Option<u64>,
    /// Names of the features that it was made from.
    pub features: Vec<String>,
    /// Class labels in order.
    pub classes: Vec<String>,
    /// Neighbours that the two numbers look at.
    pub k: usize,
    /// How many neighbours on the map are real; none where undefined.
    pub trustworthiness: Option<f64>,
    /// How many real neighbours are neighbours on the map; none where undefined.
    pub continuity: Option<f64>,
}

/// One row of the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRow {
    /// Detection.
    pub candid: i64,
    /// Object.
    pub object_id: String,
    /// Class, or empty.
    pub label: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// Where it lies.
    pub place: [f64; 2],
}

/// Reads or writes a map artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// How it was made.
    pub facts: MapFacts,
    /// The rows.
    pub rows: Vec<MapRow>,
}

impl Map {
    /// Reads the artifact in `folder`.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("map.csv");
        let table = Table::read(&path)?;
        let missing = |name: &str| ArtifactError::new(&path, format!("has no numbers in column `{name}`"));
        let candids = table.ints("candid").ok_or_else(|| missing("candid"))?;
        let [x, y] = ["x", "y"].map(|name| table.numbers(name).ok_or_else(|| missing(name)));
        let (x, y) = (x?, y?);
        let (objects, labels, splits) = (table.texts("objectId"), table.texts("label"), table.texts("split"));
        let row = |row: usize| MapRow {
            candid: candids[row],
            object_id: objects[row].clone(),
            label: labels[row].clone(),
            split: splits[row].clone(),
            place: [x[row], y[row]],
        };
        Ok(Self { facts: facts::read(folder.join("map.json"))?, rows: (0..candids.len()).map(row).collect() })
    }

    /// Writes the artifact into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        facts::write(folder.join("map.json"), &self.facts)?;
        let mut table = RowWriter::create(folder.join("map.csv"), &COLUMNS)?;
        for row in &self.rows {
            let identity = [row.candid.to_string(), row.object_id.clone(), row.label.clone(), row.split.clone()];
            table.push(identity.into_iter().chain(row.place.map(number)))?;
        }
        table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_reads_back_and_a_table_without_places_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let facts = MapFacts {
            method: "umap".into(),
            parameters: [("min_dist".to_string(), "0.1".to_string())].into(),
            norm: "none".into(),
            seed: Some(u64::MAX >> 1),
            features: vec!["latent_0".into()],
            classes: vec!["SN".into()],
            k: 12,
            trustworthiness: Some(0.1 + 0.2),
            continuity: None,
        };
        let row = |candid: i64, label: &str, x: f64| MapRow {
            candid,
            object_id: "ZTF".into(),
            label: label.into(),
            split: "test".into(),
            place: [x, -1e-300],
        };
        let map = Map { facts, rows: vec![row(2_752_190_653_015_010_019, "SN", 0.1), row(1, "", 3.0)] };
        map.write(folder.path()).unwrap();
        assert_eq!(Map::open(folder.path()).unwrap(), map);
        std::fs::write(folder.path().join("map.csv"), "candid,x\n1,2.0\n").unwrap();
        assert!(Map::open(folder.path()).unwrap_err().to_string().contains("column `y`"));
    }
}
