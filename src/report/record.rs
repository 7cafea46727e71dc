//! What a run leaves for its report: plain structs that the engine fills and the report reads.
//! Knows neither how steps were run nor how they are shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stage::ArtifactType;

/// One experiment, run or read back from the cache.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// Its name, also that of its folder in `results/`.
    pub experiment: String,
    /// The question that it answers, in the user's words.
    pub question: String,
    /// Name of the arm that the others are compared with.
    pub baseline: Option<String>,
    /// Seed of the pipeline.
    pub seed: u64,
    /// Number of replicates asked for.
    pub replicates: usize,
    /// Its arms in order.
    pub arms: Vec<ArmRecord>,
    /// Every stage of every arm and replicate, whatever became of it.
    pub steps: Vec<StepRecord>,
    /// Versions, commit, host, command line, inputs with digests: free-form, goes into `manifest.json`.
    pub provenance: serde_json::Value,
}

/// One arm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ArmRecord {
    /// Its name.
    pub name: String,
    /// `stage.key` and value; only keys that differ among the arms.
    pub settings: BTreeMap<String, String>,
}

/// One stage of one arm and replicate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepRecord {
    /// Name of the arm.
    pub arm: String,
    /// Number of the replicate, from 0.
    pub replicate: usize,
    /// Name of the stage in the pipeline.
    pub stage: String,
    /// Its kind.
    pub kind: String,
    /// What it makes.
    #[serde(serialize_with = "write_type", deserialize_with = "read_type")]
    pub artifact: ArtifactType,
    /// Its key; equal keys are one result.
    pub key: String,
    /// `ran`, `cached`, `failed`, `skipped` or `missing`.
    pub state: String,
    /// How long it took when it ran, seconds.
    pub seconds: Option<f64>,
    /// Folder of the artifact when there is one.
    pub folder: Option<PathBuf>,
    /// Name of the stage behind each input, by input name.
    pub inputs: BTreeMap<String, String>,
    /// What errors in pixels depend on, by key, see [`crate::stage::StageKind::scale`].
    #[serde(default)]
    pub scale: BTreeMap<String, String>,
}

impl StepRecord {
    /// Whether it has no result.
    pub fn is_missing(&self) -> bool {
        self.folder.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn write_type<S: Serializer>(artifact: &ArtifactType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(artifact.word())
}

fn read_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ArtifactType, D::Error> {
    let word = String::deserialize(deserializer)?;
    let found = ArtifactType::ALL.into_iter().find(|artifact| artifact.word() == word);
    found.ok_or_else(|| serde::de::Error::custom(format!("no artifact type is called `{word}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_reads_back() {
        let text = r#"{"arm":"a","replicate":1,"stage":"probe","kind":"classify","artifact":"predictions",
            "key":"k","state":"failed","seconds":null,"folder":null,"inputs":{"features":"codes"}}"#;
        let step: StepRecord = serde_json::from_str(text).unwrap();
        assert!(step.artifact == ArtifactType::Predictions && step.is_missing());
        assert!(serde_json::to_string(&step).unwrap().contains("\"predictions\""));
        assert!(serde_json::from_str::<StepRecord>(&text.replace("predictions", "pictures")).is_err());
    }
}
