//! csv tables: labels, and artifacts with types that are inferred, which are compared with an inference column by column.

use estampa::artifacts::table::{Column, Table};
use estampa::ztf::labels::{LabelOptions, Labels, Rule, TableOptions};

use super::files::file;

/// The bytes as labels, and as a table.
pub(crate) fn csv(bytes: &[u8]) {
    let path = file("table.csv", bytes);
    let rule = Rule::parse("label = a -> b").expect("a rule");
    let classes = vec!["SN".into(), "b".into()];
    let own = TableOptions { label: Some("label".into()), ..TableOptions::default() };
    let options = LabelOptions { rules: vec![rule], classes, ..LabelOptions::default() };
    let _ = Labels::read([(path.as_path(), own)], &options).map(|labels| labels.unmatched().count());
    let Ok(table) = Table::read(&path) else { return };
    let mut reader = csv::Reader::from_reader(bytes);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("what was read before")).collect();
    assert_eq!(table.rows(), if table.names().is_empty() { 0 } else { rows.len() });
    for (i, name) in table.names().iter().enumerate() {
        if table.names().iter().position(|other| other == name) == Some(i) {
            let cells: Vec<&str> = rows.iter().map(|row| &row[i]).collect();
            assert_eq!(table.column(name).map(bits), Some(bits(&inferred(&cells))), "column {name:?}");
        }
    }
}

fn inferred(cells: &[&str]) -> Column {
    let texts = || Column::Text(cells.iter().map(|cell| (*cell).to_owned()).collect());
    if cells.iter().all(|cell| cell.is_empty()) {
        return texts();
    }
    if let Ok(whole) = cells.iter().map(|cell| cell.parse()).collect() {
        return Column::Int(whole);
    }
    let number = |cell: &&str| if cell.is_empty() { Ok(f64::NAN) } else { cell.parse() };
    cells.iter().map(number).collect::<Result<_, _>>().map_or_else(|_| texts(), Column::Number)
}

/// NaN is no equal of itself.
fn bits(column: &Column) -> String {
    match column {
        Column::Int(values) => format!("{values:?}"),
        Column::Number(values) => format!("{:?}", values.iter().map(|v| v.to_bits()).collect::<Vec<_>>()),
        Column::Text(values) => format!("{values:?}"),
    }
}
