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
use super::write::Data;

/// Columns that are made at once. The tables of alerts are read anew for each so many, and each takes 16 bytes of every alert
/// meanwhile.
const AT_ONCE: usize = 6;

/// The columns with the training split's statistics, and their standardised values by column and kept row.
pub fn metadata(keys: &PreprocessKeys, data: &Data) -> Result<(Vec<MetadataColumn>, Vec<Vec<f32>>), StageError> {
    let columns = columns(&keys.metadata, &keys.clip_low, &keys.clip_high);
    let of_light_curves = |column: &MetadataColumn| light_curves::COLUMNS.contains(&column.name.as_str());
    let fit = |column: &MetadataColumn, values| fit(column, values, keys, data);
    let mut fitted = Vec::with_capacity(columns.len());
    for alike in columns.chunk_by(|a, b| of_light_curves(a) == of_light_curves(b)) {
        if of_light_curves(&alike[0]) {
            let values = light_curves::values(data.sources, data.rows, alike)?;
            fitted.par_extend(alike.par_iter().zip(values).map(|(column, values)| fit(column, values)));
            continue;
        }
        for columns in alike.chunks(AT_ONCE) {
            let fields: Vec<&str> = columns.iter().flat_map(|column| fields_of(&column.name)).collect();
            let tables = data.sources.iter().map(|source| source.numbers(&fields)).collect::<Result<Vec<_>, _>>()?;
            fitted.par_extend(columns.par_iter().map(|column| fit(column, of_fields(&tables, column, data))));
        }
    }
    Ok(fitted.into_iter().unzip())
}

/// The values of a column by kept row, as they are.
fn of_fields(tables: &[Table], column: &MetadataColumn, data: &Data) -> Vec<f64> {
    let of_source: Vec<_> = tables.iter().map(|table| raw(table, &column.name)).collect();
    data.rows.kept.iter().map(|row| of_source[row.source as usize](row.row)).collect()
}

/// Clips the values, takes their statistics over the training split, and standardises them.
fn fit(
    column: &MetadataColumn,
    mut values: Vec<f64>,
    keys: &PreprocessKeys,
    data: &Data,
) -> (MetadataColumn, Vec<f32>) {
    values.iter_mut().for_each(|x| *x = clip(*x, column, keys.sentinel));
    let training = values.iter().zip(&data.rows.kept).filter(|(_, row)| data.split(row) == TRAIN).map(|(x, _)| *x);
    let (mean, std) = statistics(training);
    let standard = values.iter().map(|x| standardise(*x, mean, std)).collect();
    (MetadataColumn { mean, std, ..column.clone() }, standard)
}
