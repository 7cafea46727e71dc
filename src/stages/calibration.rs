//! Calibration of class probabilities on the validation split, for every kind that predicts. The temperature itself is in
//! [`crate::classifiers::temperature`].

use crate::choice;
use crate::classifiers::temperature::Temperature;
use crate::stage::StageError;

choice! {
    /// How probabilities are made as sure as they are right.
    pub enum Calibrate {
        /// Not at all.
        None = "none",
        /// One temperature for all classes.
        Temperature = "temperature",
    }
}

impl Calibrate {
    /// Fits to validation rows: probabilities of the classes that were learnt, and the true one of these.
    pub(super) fn fit<'a>(
        self,
        rows: impl Iterator<Item = (&'a Vec<f64>, usize)>,
    ) -> Result<Option<Temperature>, StageError> {
        if self == Self::None {
            return Ok(None);
        }
        let (rows, labels): (Vec<Vec<f64>>, Vec<usize>) = rows.map(|(row, label)| (row.clone(), label)).unzip();
        let nothing = || {
            let what = "`calibrate` needs labelled rows in the validation split; there are none";
            StageError::with_hint(what, "give the validation split more alerts, or leave `calibrate` out")
        };
        Temperature::fit(&rows, &labels).map(Some).ok_or_else(nothing)
    }
}

/// The probabilities at a temperature, if there is one.
pub(super) fn calibrated(temperature: Option<Temperature>, probabilities: Vec<f64>) -> Vec<f64> {
    temperature.map_or_else(|| probabilities.clone(), |temperature| temperature.apply(&probabilities))
}
