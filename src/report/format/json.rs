//! Every number of a comparison as one JSON object, for other programs.

use serde_json::{Value, json};

use crate::report::compare::Comparison;
use crate::report::grid;
use crate::report::notes;

/// The long table as objects: numbers as numbers, missing ones as null.
pub fn render(comparison: &Comparison) -> String {
    let grid = grid::long(comparison);
    let rows: Vec<Value> = grid.rows.iter().map(|row| object(&grid.header, row)).collect();
    let arms: Vec<Value> =
        comparison.arms.iter().map(|arm| json!({ "name": arm.name, "settings": arm.settings })).collect();
    let whole = json!({
        "experiments": comparison.experiments,
        "baseline": comparison.baseline,
        "split": comparison.split,
        "arms": arms,
        "rows": rows,
        "missing": comparison.missing,
        "notes": notes::notes(comparison),
    });
    format!("{whole:#}\n")
}

fn object(header: &[String], row: &[grid::Cell]) -> Value {
    let entries = header.iter().zip(row).map(|(name, cell)| (name.clone(), value(name, &cell.text)));
    Value::Object(entries.collect())
}

fn value(column: &str, text: &str) -> Value {
    match column {
        "arm" | "stage" | "series" | "split" | "metric" | "class" | "test" | "ci_over" => Value::from(text),
        "best" => Value::from(text == "yes"),
        "n" | "rows" | "objects" => text.parse::<u64>().map_or(Value::Null, Value::from),
        _ => text.parse::<f64>().map_or(Value::Null, Value::from),
    }
}
