//! Tables as HTML; every text is escaped.

use super::{Grid, Markup};
use crate::report::grid::Cell;

/// Tables of the report page.
pub struct Html;

impl Markup for Html {
    fn grid(&self, grid: &Grid) -> String {
        let header: String = grid.header.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
        let rows: String = grid.rows.iter().map(|row| self::row(row)).collect();
        let caption = escape(&grid.caption);
        format!(
            "<div class=\"wide\"><table><caption>{caption}</caption><thead><tr>{header}</tr></thead>\
             <tbody>{rows}</tbody></table></div>\n"
        )
    }

    fn sentence(&self, text: &str) -> String {
        format!("<p>{}</p>\n", escape(text))
    }
}

fn row(cells: &[Cell]) -> String {
    let cell = |cell: &Cell| {
        let (text, missing) = (escape(&cell.text), if cell.text == "missing" { " class=\"missing\"" } else { "" });
        if cell.best { format!("<td><b>{text}</b></td>") } else { format!("<td{missing}>{text}</td>") }
    };
    format!("<tr>{}</tr>", cells.iter().map(cell).collect::<String>())
}

/// Text that HTML and SVG show as it is, also inside attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 has no control characters.
            _ if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}
