//! Markdown tables; the best of a column is bold.

use super::{Grid, Markup};

/// See [`super::Format::Md`].
pub struct Markdown;

impl Markup for Markdown {
    fn grid(&self, grid: &Grid) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("{}\n\n", escape(&grid.caption));
        text.push_str(&line(grid.header.iter().map(|name| escape(name)).collect()));
        text.push_str(&line(vec!["---".into(); grid.header.len()]));
        for row in &grid.rows {
            let cell = |cell: &crate::report::grid::Cell| {
                let text = escape(&cell.text);
                if cell.best { format!("**{text}**") } else { text }
            };
            text.push_str(&line(row.iter().map(cell).collect()));
        }
        text
    }

    fn sentence(&self, text: &str) -> String {
        format!("{}\n", escape(text))
    }
}

/// Text that Markdown shows as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '|' | '*' | '_' | '`' | '\\' | '[' | ']' => escaped.extend(['\\', c]),
            '<' => escaped.push_str("&lt;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::grid::Cell;

    #[test]
    fn cells_cannot_break_the_table() {
        let cell = Cell { text: "a|b".into(), best: true };
        let grid = Grid { caption: "c".into(), header: vec!["x_1".into()], rows: vec![vec![cell]] };
        assert_eq!(Markdown.grid(&grid), "c\n\n| x\\_1 |\n| --- |\n| **a\\|b** |\n");
    }
}
