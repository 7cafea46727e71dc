//! Aligned columns for a terminal; the best of a column carries `<`.

use super::{Grid, Markup};

/// See [`super::Format::Text`].
pub struct Text;

impl Markup for Text {
    fn grid(&self, grid: &Grid) -> String {
        let mark = |cell: &crate::report::grid::Cell| format!("{}{}", cell.text, if cell.best { " <" } else { "" });
        let mut lines: Vec<Vec<String>> = vec![grid.header.clone()];
        lines.extend(grid.rows.iter().map(|row| row.iter().map(mark).collect()));
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..grid.header.len()).map(width).collect();
        let mut text = format!("{}\n", grid.caption);
        for line in lines {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(format!("  {}", cells.join("  ")).trim_end());
            text.push('\n');
        }
        text
    }

    fn sentence(&self, text: &str) -> String {
        format!("{text}\n")
    }
}
