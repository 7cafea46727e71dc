//! The metadata columns of all kept rows, a few at a time: a table of alerts has a hundred columns, and memory only needs to hold
//! what comes out of them. Knows no pixels.

use rayon::prelude::*;

use crate::artifacts::split::TRAIN;
use crate::artifacts::stamps::MetadataColumn;
use crate::artifacts::table::Table;
use crate::stage::StageError;

use super::PreprocessKeys;
use super::light_curves;
use super::metadata::{clip, columns, fields_of, raw, standardise, statistics};
use super::rows::Rows;
use super::source::Source;
use super::write::Data;

/// Columns that are made at once. The tables of alerts are read anew for each so many, and each takes 16 bytes of every alert
/// meanwhile.
const AT_ONCE: usize = 6;

/// The columns with the training split's statistics, and their standardised values by column and kept row.
pub fn metadata(keys: &PreprocessKeys, data: &Data) -> Result<(Vec<MetadataColumn>, Vec<Vec<f32>>), StageError> {
    let columns = columns(&keys.metadata, &keys.clip_low, &keys.clip_high);
    let fitted = each(data.sources, data.rows, &columns, |column, values| fit(column, values, keys, data))?;
    Ok(fitted.into_iter().unzip())
}

/// What `make` makes of each column and its values by kept row.
pub fn each<T: Send>(
    sources: &[Source],
    rows: &Rows,
    columns: &[MetadataColumn],
    make: impl Fn(&MetadataColumn, Vec<f64>) -> T + Sync,
) -> Result<Vec<T>, StageError> {
    let of_light_curves = |column: &MetadataColumn| light_curves::COLUMNS.contains(&column.name.as_str());
    let mut made = Vec::with_capacity(columns.len());
    for alike in columns.chunk_by(|a, b| of_light_curves(a) == of_light_curves(b)) {
        if of_light_curves(&alike[0]) {
            let values = light_curves::values(sources, rows, alike)?;
            made.par_extend(alike.par_iter().zip(values).map(|(column, values)| make(column, values)));
            continue;
        }
        for columns in alike.chunks(AT_ONCE) {
            let fields: Vec<&str> = columns.iter().flat_map(|column| fields_of(&column.name)).collect();
            let tables = sources.iter().map(|source| source.numbers(&fields)).collect::<Result<Vec<_>, _>>()?;
            made.par_extend(columns.par_iter().map(|column| make(column, of_fields(&tables, column, rows))));
        }
    }
    Ok(made)
}

/// The values of a column by kept row, as they are.
fn of_fields(tables: &[Table], column: &MetadataColumn, rows: &Rows) -> Vec<f64> {
    let of_source: Vec<_> = tables.iter().map(|table| raw(table, &column.name)).collect();
    rows.kept.iter().map(|row| of_source[row.source as usize](row.row)).collect()
}

/// Clips the values, takes their statistics over the training split, and standardises them.
fn fit(
    column: &MetadataColumn,
    mut values: Vec<f64>,
    keys: &PreprocessKeys,
    data: &Data,
) -> (MetadataColumn, Vec<f32>) {
    for x in &mut values {
        *x = clip(*x, column, keys.sentinel);
    }
    let training = values.iter().zip(&data.rows.kept).filter(|(_, row)| data.split(row) == TRAIN).map(|(x, _)| *x);
    let (mean, std) = statistics(training);
    let standard = values.iter().map(|x| standardise(*x, mean, std)).collect();
    (MetadataColumn { mean, std, ..column.clone() }, standard)
}
