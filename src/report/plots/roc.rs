//! Receiver operating characteristic: true over false positive rate.

use super::rates::Curves;
use super::{Figure, Plot};
use crate::report::draw::axes::{Axis, Scale};
use crate::report::sources::Sources;

/// See the file.
pub struct Roc;

const ROC: Curves = Curves {
    name: "roc",
    title: "ROC",
    axis: || Axis::new("true positive rate", Scale::Linear(0.0, 1.0)),
    value: |rate, _| Some(rate),
};

impl Plot for Roc {
    fn name(&self) -> &'static str {
        ROC.name
    }

    fn needs(&self) -> &'static str {
        "predictions"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        ROC.draw(sources)
    }
}
