//! LaTeX tables to be `\input` into an article, with or without the package booktabs; the best of a column is bold.

use super::{Grid, Markup};

/// See [`super::Format::Latex`].
pub struct Latex;

/// Rules of booktabs, or plain lines where it is not loaded.
const START: &str = "% \\input this file; looks best with \\usepackage{booktabs}\n\
    \\providecommand{\\toprule}{\\hline}\n\\providecommand{\\midrule}{\\hline}\n\\providecommand{\\bottomrule}{\\hline}\n";

impl Markup for Latex {
    fn grid(&self, grid: &Grid) -> String {
        let columns = "l".repeat(grid.header.len());
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let mut text = format!("\\begin{{table}}[htbp]\n\\centering\\small\n\\caption{{{}}}\n", escape(&grid.caption));
        text.push_str(&format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n"));
        text.push_str(&line(grid.header.iter().map(|name| escape(name)).collect()));
        text.push_str("\\midrule\n");
        for row in &grid.rows {
            let cell = |cell: &crate::report::grid::Cell| {
                let text = escape(&cell.text);
                if cell.best { format!("\\textbf{{{text}}}") } else { text }
            };
            text.push_str(&line(row.iter().map(cell).collect()));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        text
    }

    fn sentence(&self, text: &str) -> String {
        format!("\\noindent {}\n", escape(text))
    }

    fn start(&self) -> String {
        START.into()
    }
}

/// Text that LaTeX sets as it is. Every symbol becomes a command, so no input encoding is asked for; what has no
/// command becomes `?`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            // Without braces LaTeX takes a bracket after `\\` for its optional argument.
            '[' => escaped.push_str("{[}"),
            ']' => escaped.push_str("{]}"),
            '<' => escaped.push_str("$<$"),
            '>' => escaped.push_str("$>$"),
            '\u{b1}' => escaped.push_str("$\\pm$"),
            '\u{2212}' => escaped.push_str("$-$"),
            '\u{394}' => escaped.push_str("$\\Delta$"),
            '\u{2192}' => escaped.push_str("$\\rightarrow$"),
            '\u{d7}' => escaped.push_str("$\\times$"),
            '\u{2013}' => escaped.push_str("--"),
            '\n' | '\r' => escaped.push(' '),
            _ if c.is_ascii() => escaped.push(c),
            _ => escaped.push_str(&letter(c)),
        }
    }
    escaped
}

/// Accented letters of Western languages and Greek letters used in astronomy.
fn letter(c: char) -> String {
    const ACCENTS: [(&str, &str, &str); 6] = [
        ("\u{e1}\u{e9}\u{ed}\u{f3}\u{fa}\u{c1}\u{c9}\u{cd}\u{d3}\u{da}", "aeiouAEIOU", "'"),
        ("\u{e0}\u{e8}\u{ec}\u{f2}\u{f9}", "aeiou", "`"),
        ("\u{e4}\u{eb}\u{ef}\u{f6}\u{fc}\u{c4}\u{d6}\u{dc}", "aeiouAOU", "\""),
        ("\u{e2}\u{ea}\u{ee}\u{f4}\u{fb}", "aeiou", "^"),
        ("\u{f1}\u{d1}\u{e3}\u{f5}", "nNao", "~"),
        ("\u{e7}\u{c7}", "cC", "c"),
    ];
    const GREEK: [(char, &str); 8] = [
        ('\u{3b1}', "alpha"),
        ('\u{3b2}', "beta"),
        ('\u{3b3}', "gamma"),
        ('\u{3b8}', "theta"),
        ('\u{3bb}', "lambda"),
        ('\u{3bc}', "mu"),
        ('\u{3c3}', "sigma"),
        ('\u{3c7}', "chi"),
    ];
    for (letters, plain, accent) in ACCENTS {
        if let Some(base) = letters.chars().position(|l| l == c).and_then(|at| plain.chars().nth(at)) {
            return format!("\\{accent}{{{base}}}");
        }
    }
    GREEK.iter().find(|(l, _)| *l == c).map_or_else(|| "?".into(), |(_, name)| format!("$\\{name}$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escape("a_b & 5 % \u{b1} [\u{2212}1]"), "a\\_b \\& 5 \\% $\\pm$ {[}$-$1{]}");
        assert_eq!(escape("\u{bf}Cu\u{e1}ntas \u{3c3}?"), "?Cu\\'{a}ntas $\\sigma$?");
        assert!(escape("\u{4e2d}").is_ascii());
    }
}
