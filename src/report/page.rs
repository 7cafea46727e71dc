//! `report.html`: one page that needs no network: question, answer, objects to look at, tables, figures, provenance.

mod atlas;
mod examples;

use std::collections::{BTreeMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::draw::font;
use super::format::Markup;
use super::format::html::{Html, escape};
use super::grid;
use super::notes;
use super::plots::Figure;
use super::published;
use super::sources::Sources;

/// Larger pictures are put in as PNG when that is smaller.
const LARGE: usize = 60_000;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const EXPLORE: &str = include_str!("page/explore.html");

/// The page. `answer`: the answer in words; `pictures`: each figure as SVG and PNG; `problems`: what could not be read.
pub fn render(
    sources: &Sources,
    answer: &str,
    figures: &[Figure],
    pictures: &[(String, Vec<u8>)],
    problems: &[String],
) -> String {
    let record = sources.record;
    let mut body = format!("<h1>{}</h1>\n", escape(&record.experiment));
    if !record.question.is_empty() {
        body.push_str(&format!("<p class=\"question\">{}</p>\n", escape(&record.question)));
    }
    if let Some(set) = record.provenance.get("set").and_then(Value::as_str) {
        body.push_str(&format!("<p class=\"set\">Not as the file says: run with --set {}.</p>\n", escape(set)));
    }
    body.push_str(&format!("<p class=\"answer\">{}</p>\n", escape(answer)));
    body.push_str(&missing(&sources.comparison.missing, problems));
    let examples = examples::examples(sources);
    if examples.is_some() {
        body.push_str(&section("Look", EXPLORE));
    }
    body.push_str(&tables(sources));
    body.push_str(&section("Figures", &figures.iter().zip(pictures).map(|(f, p)| figure(f, p)).collect::<String>()));
    body.push_str(&section("Run", &run(sources)));
    body.push_str(&section("Provenance", &provenance(&record.provenance)));
    let font = STANDARD.encode(font::BYTES);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n\
         @font-face {{ font-family: 'DejaVu Sans'; src: url(data:font/ttf;base64,{font}); }}\n{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{body}</main>\n{}<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(&record.experiment),
        examples.map_or_else(String::new, |examples| data(&examples))
    )
}

/// What the script reads; nothing in it can end the element.
fn data(examples: &Value) -> String {
    let json = examples.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"data\">{json}</script>\n")
}

fn section(title: &str, content: &str) -> String {
    if content.is_empty() { String::new() } else { format!("<h2>{title}</h2>\n{content}\n") }
}

fn missing(steps: &[String], problems: &[String]) -> String {
    let items: Vec<String> = steps.iter().chain(problems).map(|text| escape(text)).collect();
    if items.is_empty() {
        return String::new();
    }
    let list = format!("<ul><li>{}</li></ul>", items.join("</li><li>"));
    format!("<details class=\"missing\" open><summary>Missing from this report</summary>{list}</details>\n")
}

fn tables(sources: &Sources) -> String {
    let settings = grid::settings(sources.comparison).map_or_else(String::new, |grid| Html.grid(&grid));
    let wide: String = grid::wide(sources.comparison).iter().map(|grid| Html.grid(grid)).collect();
    let notes: String = notes::notes(sources.comparison).iter().map(|note| Html.sentence(note)).collect();
    let published = published::beside_ours(sources).map_or_else(String::new, |grid| Html.grid(&grid));
    let comparison = section("Comparison", &format!("{wide}<div class=\"notes\">{notes}</div>"));
    format!("{}{comparison}{}", section("Arms", &settings), section("Published figures", &published))
}

fn figure(figure: &Figure, (vector, bitmap): &(String, Vec<u8>)) -> String {
    let caption = escape(&figure.caption);
    // Base64 takes four bytes for three.
    let picture = if vector.len() <= LARGE || vector.len() <= bitmap.len() * 4 / 3 {
        vector.clone()
    } else {
        let (width, bytes) = (figure.canvas.width, STANDARD.encode(bitmap));
        format!("<img alt=\"{caption}\" style=\"width:{width:.0}pt\" src=\"data:image/png;base64,{bytes}\">")
    };
    format!("<figure id=\"{}\">{picture}<figcaption>{caption}</figcaption></figure>\n", escape(&figure.name))
}

/// How often each stage ran and how long it took.
fn run(sources: &Sources) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stages: Vec<(&str, usize, f64)> = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    for step in &sources.record.steps {
        // What arms and replicates share ran once.
        if !step.key.is_empty() && !known.insert(&step.key) {
            continue;
        }
        // Whether a result was computed by the last run or before it is told by `arms.csv`, which is written every time.
        *states.entry(if step.is_missing() { &step.state } else { "with a result" }).or_default() += 1;
        let Some(seconds) = step.seconds else { continue };
        match stages.iter_mut().find(|s| s.0 == step.stage) {
            Some(stage) => (stage.1, stage.2) = (stage.1 + 1, stage.2 + seconds),
            None => stages.push((&step.stage, 1, seconds)),
        }
    }
    let counts: Vec<String> = states.iter().map(|(state, count)| format!("{count} {}", escape(state))).collect();
    let record = sources.record;
    let sentence = format!(
        "<p>{} arms, {} replicates, pipeline seed {}. Steps: {}.</p>\n",
        record.arms.len(),
        record.replicates,
        record.seed,
        if counts.is_empty() { "none".into() } else { counts.join(", ") }
    );
    let cell = |text: String| grid::Cell { text, best: false };
    let row = |(stage, runs, seconds): &(&str, usize, f64)| {
        let mean = seconds / *runs as f64;
        vec![cell((*stage).into()), cell(runs.to_string()), cell(format!("{seconds:.1}")), cell(format!("{mean:.2}"))]
    };
    let header = ["stage", "timed", "seconds", "mean"].map(String::from).into();
    let times = grid::Grid {
        caption: "Run times, of what arms and replicates share once.".into(),
        header,
        rows: stages.iter().map(row).collect(),
    };
    if stages.is_empty() { sentence } else { format!("{sentence}{}", Html.grid(&times)) }
}

fn provenance(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Object(entries) => {
            let row = |(name, value): (&String, &Value)| {
                format!("<tr><td>{}</td><td>{}</td></tr>", escape(name), provenance(value))
            };
            let rows: String = entries.iter().map(row).collect();
            format!("<table class=\"facts\"><tbody>{rows}</tbody></table>")
        }
        Value::Array(items) => items.iter().map(provenance).collect::<Vec<_>>().join("<br>"),
        Value::String(text) => format!("<code>{}</code>", escape(text)),
        other => format!("<code>{}</code>", escape(&other.to_string())),
    }
}

#[cfg(test)]
mod tests;
