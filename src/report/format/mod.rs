//! How a comparison looks in each format. A new format is one file and one line in [`Format::ALL`] and in `Comparison::render`.

pub mod html;
pub mod json;
pub mod latex;
pub mod markdown;
pub mod text;

use super::compare::Comparison;
use super::grid::{self, Grid};
use super::notes;

/// Formats of `estampa compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for a terminal.
    Text,
    /// Every number, unrounded.
    Csv,
    /// Markdown.
    Md,
    /// LaTeX with booktabs.
    Latex,
    /// Every number, unrounded.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Csv, Self::Md, Self::Latex, Self::Json];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Latex => "latex",
            Self::Json => "json",
        }
    }
}

/// How one grid and one paragraph look.
pub trait Markup {
    /// A grid.
    fn grid(&self, grid: &Grid) -> String;
    /// A sentence on its own.
    fn sentence(&self, text: &str) -> String;
    /// What comes first.
    fn start(&self) -> String {
        String::new()
    }
}

impl Comparison {
    /// The whole comparison in `format`.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Csv => csv(&grid::long(self)),
            Format::Json => json::render(self),
            Format::Text => document(self, &text::Text),
            Format::Md => document(self, &markdown::Markdown),
            Format::Latex => document(self, &latex::Latex),
        }
    }
}

/// Settings, tables, notes, in the order of every format for people.
fn document(comparison: &Comparison, markup: &dyn Markup) -> String {
    let grids = grid::settings(comparison).into_iter().chain(grid::wide(comparison));
    let tables = grids.map(|grid| markup.grid(&grid));
    let sentences = notes::notes(comparison).into_iter().map(|note| markup.sentence(&note));
    let parts: Vec<String> = tables.chain(sentences).collect();
    format!("{}{}", markup.start(), parts.join("\n"))
}

/// A grid as a csv file.
pub(super) fn csv(grid: &Grid) -> String {
    let quote = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
    };
    let header = grid.header.join(",");
    let rows = grid.rows.iter().map(|row| row.iter().map(|c| quote(&c.text)).collect::<Vec<_>>().join(","));
    std::iter::once(header).chain(rows).map(|line| line + "\n").collect()
}
