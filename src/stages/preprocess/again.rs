//! Stamps of other alerts, made as those of an artifact were: its channels, crop and scaling, the clips of its metadata and the
//! statistics of its training split. Writes down what that takes, and reads it back. Knows no split and no file.

use std::collections::BTreeMap;

use crate::artifacts::stamps::{MetadataColumn, StampsFacts};
use crate::spec::keys::KeyType;
use crate::spec::value::Value;
use crate::stage::StageError;
use crate::ztf::alert::SIDE;

use super::PreprocessKeys;
use super::metadata::Sentinel;
use super::pixels::{Recipe, centre};
use super::rows::{LabelFrom, Reading, ShapePolicy, Sign};

/// What to do about stamps that nobody can make again.
const BY_PREPROCESS: &str = "let them be made by a stage of kind `preprocess`";

impl PreprocessKeys {
    /// What pixels and metadata depend on beside the other facts, as [`StampsFacts::recipe`] has it.
    pub(super) fn written(&self) -> BTreeMap<String, String> {
        let words = [
            ("crop", self.crop.to_string()),
            ("nan", self.nan.word().into()),
            ("shape", self.shape.word().into()),
            ("sign", self.sign.word().into()),
            ("softening", self.softening.to_string()),
            ("sentinel", self.sentinel.word().into()),
        ];
        words.into_iter().map(|(key, word)| (key.to_string(), word)).collect()
    }
}

/// How stamps were made, for making more.
pub struct Again {
    /// Of the pixels.
    pub recipe: Recipe,
    /// Truncated cutouts.
    pub shape: ShapePolicy,
    /// Metadata columns with their statistics.
    pub columns: Vec<MetadataColumn>,
    /// What -999 means.
    pub sentinel: Sentinel,
    /// Side of what is shown of them, pixels.
    pub side: usize,
    sign: Sign,
}

impl Again {
    /// As the stamps with these facts were made.
    pub fn like(facts: &StampsFacts) -> Result<Self, StageError> {
        let channels: Vec<_> =
            facts.channels.iter().map(|channel| read("channels", channel)).collect::<Result<_, _>>()?;
        let crop = number(facts, "crop")?;
        if channels.is_empty() || !(1..=SIDE).contains(&crop) || !(1..=crop).contains(&facts.side) {
            let (side, channels) = (facts.side, channels.len());
            let what = format!("no stamps have {channels} channels of {side} px cut from {crop} px");
            return Err(StageError::with_hint(what, BY_PREPROCESS));
        }
        Ok(Self {
            recipe: Recipe {
                channels,
                crop,
                nan: word(facts, "nan")?,
                normalise: read("normalise", &facts.normalise)?,
                softening: number(facts, "softening")?,
            },
            shape: word(facts, "shape")?,
            columns: facts.metadata.clone(),
            sentinel: word(facts, "sentinel")?,
            sign: word(facts, "sign")?,
            side: facts.side,
        })
    }

    /// How alerts are read.
    pub fn reading(&self) -> Reading<'static> {
        Reading { label_from: LabelFrom::Label, shape: self.shape, sign: self.sign, group_by: None }
    }

    /// The part of a prepared image that is shown: where `augment` cropped the stamps once more, the same centre of each channel.
    pub fn shown(&self, image: Vec<f32>) -> Vec<f32> {
        let crop = self.recipe.crop;
        if self.side == crop {
            return image;
        }
        image.chunks_exact(crop * crop).flat_map(|plane| centre(plane, crop, self.side)).collect()
    }
}

fn written<'a>(facts: &'a StampsFacts, key: &str) -> Result<&'a str, StageError> {
    facts.recipe.get(key).map(String::as_str).ok_or_else(|| {
        let what = format!("the stamps that the model learned from do not tell their `{key}`");
        StageError::with_hint(what, BY_PREPROCESS)
    })
}

fn word<T: KeyType>(facts: &StampsFacts, key: &str) -> Result<T, StageError> {
    read(key, written(facts, key)?)
}

fn read<T: KeyType>(key: &str, word: &str) -> Result<T, StageError> {
    T::read(&Value::Text(word.into())).ok_or_else(|| unknown(key, word))
}

fn number<T: std::str::FromStr>(facts: &StampsFacts, key: &str) -> Result<T, StageError> {
    let text = written(facts, key)?;
    text.parse().map_err(|_| unknown(key, text))
}

fn unknown(key: &str, word: &str) -> StageError {
    let what =
        format!("the stamps that the model learned from say {key} = \"{word}\", which `preprocess` does not know");
    StageError::with_hint(what, BY_PREPROCESS)
}
