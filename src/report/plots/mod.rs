//! The list of plots. A new plot is one file here and one line in [`PLOTS`].

pub mod ablation;
pub mod bars;
pub mod centres;
pub mod confusion;
pub mod det;
pub mod detections;
pub mod distributions;
pub mod label_efficiency;
pub mod latent;
pub mod loss;
pub mod map;
pub mod neighbours;
mod rates;
pub mod reconstructions;
pub mod reliability;
pub mod roc;
mod scatter;
pub mod stamps;
mod strips;
pub mod traversals;

use super::compare::ComparisonRow;
use super::draw::canvas::{Canvas, FONT, shorten};
use super::draw::font;
use super::sources::Sources;

/// One picture.
pub struct Figure {
    /// Name of its files, without ending.
    pub name: String,
    /// What it shows, for the reader.
    pub caption: String,
    /// The picture.
    pub canvas: Canvas,
}

/// A kind of picture.
pub trait Plot: Sync {
    /// Its name, first part of the names of its files.
    fn name(&self) -> &'static str;
    /// What it is made from, one sentence.
    fn needs(&self) -> &'static str;
    /// The pictures; none when the experiment lacks what it needs.
    fn draw(&self, sources: &Sources) -> Vec<Figure>;
}

/// Every plot, in the order of the report.
pub static PLOTS: &[&dyn Plot] = &[
    &ablation::Ablation,
    &bars::Bars,
    &confusion::Confusion,
    &roc::Roc,
    &det::Det,
    &reliability::Reliability,
    &detections::Detections,
    &label_efficiency::LabelEfficiency,
    &loss::Loss,
    &reconstructions::Reconstructions,
    &centres::Centres,
    &neighbours::Neighbours,
    &traversals::Traversals,
    &latent::Latent,
    &map::Maps,
    &stamps::Stamps,
    &distributions::Distributions,
];

/// What a caption says of intervals that end where a share does.
fn cut<'a>(mut rows: impl Iterator<Item = &'a ComparisonRow>) -> &'static str {
    let is_cut = rows.any(|row| row.drawn_interval() != row.interval());
    if is_cut { " Intervals of shares are drawn from 0 to 1 only; comparison.csv has the whole." } else { "" }
}

/// Name of a cutout or channel, abbreviated where the whole does not fit.
fn short_cutout(name: &str, width: f64) -> String {
    if font::width(name, FONT) <= width {
        return name.into();
    }
    let abbreviations = [("science", "sci."), ("template", "templ."), ("difference", "diff."), ("channel ", "ch. ")];
    let short = abbreviations.iter().fold(name.to_string(), |short, (word, brief)| short.replace(word, brief));
    if font::width(&short, FONT) <= width {
        return short;
    }
    let initials = abbreviations.iter().find_map(|(word, _)| name.strip_prefix(word).map(|rest| (&word[..1], rest)));
    initials.map_or_else(|| shorten(&short, width), |(initial, rest)| format!("{}{rest}", initial.to_uppercase()))
}

/// `plot-stage-series`, fit for a file name.
pub(super) fn file_name(parts: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.=+".contains(c) { c } else { '_' };
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.map(|part| part.chars().map(plain).collect::<String>()).collect::<Vec<_>>().join("-")
}
