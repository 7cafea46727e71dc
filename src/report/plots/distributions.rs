//! Simulated beside real in numbers: histograms of metadata and of what is measured on the pixels, every source of alerts in
//! the same bins, and how far apart they are. What is measured and how bins lie is in the files of the folder.

mod histogram;
mod pixels;

use rayon::prelude::*;

use super::scatter::thinned;
use super::stamps::distinct;
use super::{Figure, Plot, file_name};
use crate::artifacts::alerts::Alerts;
use crate::metrics::kolmogorov_smirnov::{chance_distance, ks_distance};
use crate::report::draw::axes::{Axes, Axis, Scale};
use crate::report::draw::canvas::{Anchor, Canvas, FONT, Rect, TWO_COLUMNS, shorten};
use crate::report::draw::legend::{self, Entry, Sample as Look};
use crate::report::draw::theme;
use crate::report::sources::Sources;
use crate::ztf::alert::SIDE;
use histogram::Bins;
use pixels::{BORDER, Pixels, REACH};

/// See the file.
pub struct Distributions;

/// Most alerts of a source that are looked at.
const MOST: usize = 4000;
/// With fewer values a source has no histogram.
const ENOUGH: usize = 8;
/// The survey's mark for "none".
const SENTINEL: f64 = -999.0;
const COLUMNS: usize = 4;
/// Size of a panel without its notes, points.
const PANEL: (f64, f64) = (TWO_COLUMNS / COLUMNS as f64, 84.0);
/// Height of a line of notes.
const LINE: f64 = FONT + 1.5;

/// How the axes of a panel run.
#[derive(Clone, Copy, PartialEq)]
enum Run {
    Plain,
    /// The values, where they are positive, by their logarithm.
    Log,
    /// The densities by their logarithm: most values are equal and the others are rare.
    Rare,
}

/// Candidate fields, their units, and how they run.
const FIELDS: [(&str, &str, Run); 16] = [
    ("magpsf", "mag", Run::Plain),
    ("sigmapsf", "mag", Run::Plain),
    ("diffmaglim", "mag", Run::Plain),
    ("fwhm", "px", Run::Plain),
    ("classtar", "", Run::Plain),
    ("sgscore1", "", Run::Plain),
    ("distpsnr1", "arcsec", Run::Log),
    ("distnr", "px", Run::Log),
    ("chinr", "", Run::Log),
    ("sharpnr", "", Run::Plain),
    ("chipsf", "", Run::Log),
    ("nneg", "", Run::Plain),
    ("ndethist", "", Run::Log),
    ("ncovhist", "", Run::Log),
    ("rb", "", Run::Plain),
    ("drb", "", Run::Rare),
];

/// The same of what is measured on the pixels.
const MEASURES: [(&str, &str, Run, fn(&Pixels) -> f64); 8] = [
    ("sky, science", "DN", Run::Plain, |p| p.sky[0]),
    ("noise, science", "DN", Run::Log, |p| p.noise[0]),
    ("noise, template", "DN", Run::Log, |p| p.noise[1]),
    ("noise, difference", "DN", Run::Log, |p| p.noise[2]),
    ("missing pixels", "%", Run::Rare, |p| 100.0 * p.missing),
    ("peak, science", "\u{3c3}", Run::Log, |p| p.peak[0]),
    ("peak, template", "\u{3c3}", Run::Log, |p| p.peak[1]),
    ("peak, difference", "\u{3c3}", Run::Log, |p| p.peak[2]),
];

/// What was found in one source of alerts.
struct Sample {
    name: String,
    /// Alerts looked at, and all.
    rows: usize,
    all: usize,
    /// Values that there are, by quantity: those of [`FIELDS`], then those of [`MEASURES`].
    values: Vec<Vec<f64>>,
}

/// One quantity.
struct Quantity {
    label: String,
    run: Run,
    /// Its number in [`Sample::values`].
    index: usize,
}

impl Plot for Distributions {
    fn name(&self) -> &'static str {
        "distributions"
    }

    fn needs(&self) -> &'static str {
        "at least two different alerts artifacts"
    }

    fn draw(&self, sources: &Sources) -> Vec<Figure> {
        figure(self, sources).into_iter().collect()
    }
}

fn figure(plot: &Distributions, sources: &Sources) -> Option<Figure> {
    let wanted = |column: &str| ["rows", "columns"].contains(&column) || FIELDS.iter().any(|field| field.0 == column);
    let found = distinct(sources, wanted);
    if found.len() < 2 {
        return None;
    }
    let samples: Vec<Sample> = found.iter().map(|(name, alerts)| sample(name, alerts)).collect();
    let is_compared = |q: &Quantity| samples.iter().filter(|s| s.values[q.index].len() >= ENOUGH).count() > 1;
    let quantities: Vec<Quantity> = quantities().into_iter().filter(is_compared).collect();
    if quantities.is_empty() {
        return None;
    }
    let entry = |(index, sample): (usize, &Sample)| Entry { name: sample.title(), style: theme::style(index) };
    let entries: Vec<Entry> = samples.iter().enumerate().map(entry).collect();
    let notes: Vec<Vec<String>> = quantities.iter().map(|quantity| notes(&samples, quantity.index)).collect();
    let above = LINE * notes.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let size = (PANEL.0, PANEL.1 + above);
    let (mut canvas, rects) = legend::panels(quantities.len(), COLUMNS, size, Look::Line, &entries);
    for (number, rect) in rects.into_iter().enumerate() {
        let y = if number % COLUMNS == 0 { "density" } else { "" };
        for (line, note) in notes[number].iter().enumerate() {
            let at = (rect.right() - 6.0, rect.y + above - (notes[number].len() - line) as f64 * LINE + 0.6 * LINE);
            canvas.label(at, &shorten(note, rect.width - 6.0), Anchor::End);
        }
        let below = Rect { y: rect.y + above, height: rect.height - above, ..rect };
        panel(&mut canvas, below, &quantities[number], y, &samples);
    }
    Some(Figure { name: file_name(&[plot.name()]), caption: caption(&samples, &quantities), canvas })
}

/// The largest distances of chance in a panel without missing values and in the one with the fewest.
fn chance(samples: &[Sample], quantities: &[Quantity]) -> String {
    let largest = |count: &dyn Fn(&Sample) -> usize| {
        let counts = samples[1..].iter().map(|other| (count(&samples[0]), count(other)));
        counts.filter(|(a, b)| *a > 0 && *b > 0).map(|(a, b)| chance_distance(a, b)).fold(0.0, f64::max)
    };
    let full = format!("{:.2}", largest(&|sample| sample.rows));
    let fewest = quantities.iter().map(|q| largest(&|sample| sample.values[q.index].len())).fold(0.0, f64::max);
    let fewest = format!("{fewest:.2}");
    if fewest == full { full } else { format!("{full} (up to {fewest} in panels where values are missing)") }
}

fn caption(samples: &[Sample], quantities: &[Quantity]) -> String {
    let (first, chance) = (&samples[0], chance(samples, quantities));
    let several = if samples.len() > 2 { " (in the order of the legend)" } else { "" };
    format!(
        "Metadata and pixels of alerts, all classes together. Each line encloses the area 1 between the lowest 1st and the \
         highest 99th percentile; densities are per unit of the axis, per decade where it is logarithmic. D is the \
         Kolmogorov-Smirnov distance of all values to those of {}{several}: independent samples of one distribution and of \
         these sizes exceed {chance} once in twenty times. Missing: alerts without a value, in the order of the legend. Sky \
         and noise are median and robust standard deviation of a frame of {BORDER} pixels inside the edge of a cutout; the \
         peak is the largest deviation from the sky within {REACH} pixels of the centre, in either sense, in units of that \
         noise (\u{3c3}), of cutouts that are whole.",
        first.name
    )
}

/// All that can be drawn.
fn quantities() -> Vec<Quantity> {
    let fields = FIELDS.iter().map(|(name, unit, run)| (*name, *unit, *run));
    let measures = MEASURES.iter().map(|(name, unit, run, _)| (*name, *unit, *run));
    let quantity = |(index, (name, unit, run)): (usize, (&str, &str, Run))| {
        let label = if unit.is_empty() { name.to_string() } else { format!("{name} [{unit}]") };
        Quantity { label, run, index }
    };
    fields.chain(measures).enumerate().map(quantity).collect()
}

/// Looks at alerts spread evenly over the source, at most [`MOST`].
fn sample(name: &str, alerts: &Alerts) -> Sample {
    let rows = thinned((0..alerts.len()).collect(), MOST);
    let is_value = |value: &f64| value.is_finite() && *value != SENTINEL;
    let field = |name: &str| -> Vec<f64> {
        let column = alerts.table.numbers(name).unwrap_or_default();
        rows.iter().filter_map(|row| column.get(*row).copied()).filter(is_value).collect()
    };
    let size = |name: &str| alerts.table.numbers(name).unwrap_or_else(|| vec![SIDE as f64; alerts.len()]);
    let (heights, widths) = (size("rows"), size("columns"));
    let is_whole = |row: usize| heights[row] == SIDE as f64 && widths[row] == SIDE as f64;
    let measured: Vec<Pixels> =
        rows.par_iter().map(|row| Pixels::of(alerts.stamps.row(*row), is_whole(*row))).collect();
    let fields = FIELDS.iter().map(|(name, ..)| field(name));
    let measures = MEASURES.iter().map(|(.., of)| measured.iter().map(of).filter(is_value).collect());
    Sample { name: name.into(), rows: rows.len(), all: alerts.len(), values: fields.chain(measures).collect() }
}

impl Sample {
    /// For the legend.
    fn title(&self) -> String {
        let all = if self.rows < self.all { format!(" of {}", self.all) } else { String::new() };
        format!("{} ({}{all} alerts)", self.name, self.rows)
    }

    /// Percent of alerts without this value.
    fn missing(&self, index: usize) -> f64 {
        100.0 * (self.rows - self.values[index].len()) as f64 / self.rows.max(1) as f64
    }
}

/// Distances from the first source, and what is missing where that is half a percent or more; of two sources in one line.
fn notes(samples: &[Sample], index: usize) -> Vec<String> {
    let distance = |other: &Sample| {
        let distance = ks_distance(&samples[0].values[index], &other.values[index]);
        distance.map_or_else(|| "none".into(), |distance| format!("{distance:.2}"))
    };
    let distances: Vec<String> = samples[1..].iter().map(distance).collect();
    let mut notes = vec![format!("D {}", distances.join("/"))];
    let missing: Vec<f64> = samples.iter().map(|sample| sample.missing(index)).collect();
    if missing.iter().any(|percent| *percent >= 0.5) {
        let percents: Vec<String> = missing.iter().map(|percent| format!("{percent:.0}")).collect();
        notes.insert(0, format!("missing {} %", percents.join("/")));
    }
    if samples.len() == 2 { vec![notes.join(", ")] } else { notes }
}

fn panel(canvas: &mut Canvas, rect: Rect, quantity: &Quantity, y: &str, samples: &[Sample]) {
    let drawn: Vec<(usize, &[f64])> = samples
        .iter()
        .enumerate()
        .map(|(number, sample)| (number, sample.values[quantity.index].as_slice()))
        .filter(|(_, values)| values.len() >= ENOUGH)
        .collect();
    let bins = Bins::over(&drawn.iter().map(|d| d.1).collect::<Vec<_>>(), quantity.run == Run::Log);
    let densities: Vec<Vec<f64>> = drawn.iter().map(|(_, values)| bins.densities(values)).collect();
    let highest = densities.iter().flatten().copied().fold(0.0, f64::max);
    let lowest = densities.iter().flatten().copied().filter(|d| *d > 0.0).fold(highest, f64::min);
    let up = match quantity.run {
        _ if highest <= 0.0 => Scale::Linear(0.0, 1.0),
        Run::Rare => Scale::Log(0.5 * lowest, 2.0 * highest),
        Run::Plain | Run::Log => Scale::Linear(0.0, 1.08 * highest),
    };
    let axes = Axes::draw(canvas, rect, "", Axis::new(quantity.label.clone(), bins.scale()), Axis::new(y, up));
    let lines: Vec<_> = densities.iter().map(|densities| axes.places(&bins.steps(densities))).collect();
    for ((number, _), line) in drawn.iter().zip(&lines) {
        let style = theme::style(*number);
        if *number == 0 {
            canvas.area(line.clone(), style.colour, 0.18);
        }
        canvas.line(line.clone(), style.colour, 1.0, style.dash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[&[f64]]) -> Vec<Sample> {
        let sample = |values: &&[f64]| Sample { name: "s".into(), rows: 8, all: 80, values: vec![values.to_vec()] };
        values.iter().map(sample).collect()
    }

    #[test]
    fn notes_tell_distance_and_what_is_missing() {
        let (low, high) = ([1.0; 8], [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(notes(&samples(&[&low, &high]), 0), ["D 0.62"]);
        assert_eq!(notes(&samples(&[&low, &high[..4]]), 0), ["missing 0/50 %, D 0.25"]);
        assert_eq!(notes(&samples(&[&low, &high, &[]]), 0), ["missing 0/0/100 %", "D 0.62/none"]);
        assert_eq!(samples(&[&low])[0].title(), "s (8 of 80 alerts)");
    }

    /// `c(a, b) = 1.358102 \sqrt{(a + b) / (a b)}`: c(8, 8) = 0.68, c(8, 4) = 0.83, c(8, 2) = 1.07.
    #[test]
    fn the_caption_tells_the_distance_of_chance_of_panels_with_few_values() {
        let quantity = |index| Quantity { label: String::new(), run: Run::Plain, index };
        let of = |values: &[&[f64]]| chance(&samples(values), &[quantity(0)]);
        assert_eq!(of(&[&[1.0; 8], &[1.0; 8]]), "0.68");
        assert_eq!(of(&[&[1.0; 8], &[1.0; 4]]), "0.68 (up to 0.83 in panels where values are missing)");
        assert_eq!(of(&[&[1.0; 8], &[1.0; 2], &[]]), "0.68 (up to 1.07 in panels where values are missing)");
    }

    #[test]
    fn every_field_is_one_of_an_alert() {
        assert!(FIELDS.iter().all(|(name, ..)| crate::ztf::alert::FIELDS.contains(name)));
        assert!(quantities().iter().enumerate().all(|(place, quantity)| quantity.index == place));
    }
}
