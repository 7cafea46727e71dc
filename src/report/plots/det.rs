//! Detection error trade-off: false negative over false positive rate, both logarithmic, as Cabrera-Vives et al. 2017
//! (figure 6) show real against bogus. Rates below one missed row are not drawn: they are not known.

use super::rates::Curves;
use super::{Figure, Plot};
use crate::report::draw::axes::{Axis, Scale};
use crate::report::sources::Sources;

/// See the file.
pub struct Det;

/// Lowest false negative rate that is shown.
const LOWEST: f64 = 1e-3;

pub(super) const DET: Curves = Curves {
    name: "det",
    title: "Detection error trade-off",
    axis: || Axis::new("false negative rate", Scale::Log(LOWEST, 1.0)),
    value: |rate, one| Some(1.0 - rate).filter(|missed| *missed >= one.max(LOWEST) - 1e-9),
};

impl Plot for Det {
    fn name(&self) -> &'static str {
        DET.name
    }

    fn needs(&self) -> &'static str {
        "predictions"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        DET.draw(sources)
    }
}
