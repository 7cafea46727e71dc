//! What codes are like. `view_similarity`: mean cosine between the code of a stamp and those of its seven turned and mirrored
//! views; `shift_similarity`: of the stamp moved by a pixel up, down, left and right (the border is repeated); `view_agreement`
//! and `shift_agreement`: how often the largest value of the code is the same one. Beside each stands the same between
//! different objects: codes with a common offset are all alike. `effective_dimensions`: `(tr C)² / tr C²` of the covariance
//! `C` of the codes, 1 when all lie on a line, the length of the code when all directions are used alike (participation ratio;
//! Gao et al. 2017, bioRxiv 214262).

use std::path::Path;

use crate::artifacts::features::FeatureRow;
use crate::artifacts::scores::Metric;
use crate::artifacts::split;
use crate::artifacts::stamps::Stamps;
use crate::models;
use crate::nn::{Kernels, Model};
use crate::stage::{Job, StageError};
use crate::stages::extract_features::likeness::{self, Likeness};
use crate::stages::train_autoencoder;
use crate::stages::views::View;

use super::splits;

/// Groups of views with the first word of what their likeness measures.
const VIEWS: [(&str, &[View]); 2] = [
    ("view", View::ALL.split_at(1).1),
    ("shift", &[View::shifted(1, 0), View::shifted(-1, 0), View::shifted(0, 1), View::shifted(0, -1)]),
];
/// Kinds of likeness with the second word.
const LIKENESS: [(&str, Likeness); 2] = [("similarity", likeness::cosine), ("agreement", likeness::agreement)];

/// Codes of all stamps that are no augmented copies.
pub(super) struct Codes<'a> {
    /// The stamps.
    pub(super) stamps: &'a Stamps,
    /// Rows of the stamps, split by split.
    pub(super) rows: Vec<usize>,
    /// `[row, latent]`.
    values: Vec<f32>,
    /// Length of a code.
    pub(super) latent: usize,
}

impl<'a> Codes<'a> {
    /// By the model in `folder`.
    pub(super) fn of(job: &Job, folder: &Path, stamps: &'a Stamps) -> Result<Self, StageError> {
        let rows: Vec<usize> = splits(stamps).into_iter().flat_map(|(_, rows)| rows).collect();
        let values = encode(job, folder, stamps, &rows, View::ALL[0])?;
        let latent = values.len() / rows.len().max(1);
        Ok(Self { stamps, rows, values, latent })
    }

    /// The code of a place in `rows`.
    pub(super) fn code(&self, place: usize) -> &[f32] {
        &self.values[place * self.latent..][..self.latent]
    }

    /// Places in `rows` that are in a split.
    pub(super) fn places(&self, split: &str) -> Vec<usize> {
        let splits = self.stamps.index.texts("split");
        (0..self.rows.len()).filter(|place| splits[self.rows[*place]] == split).collect()
    }

    /// All numbers of this file, for each split.
    pub(super) fn measure(&self, job: &Job, folder: &Path) -> Result<Vec<Metric>, StageError> {
        let series = Model::<Kernels>::card(folder)?.model;
        let rows = identities(self.stamps, &self.rows);
        let mut metrics = Vec::new();
        for (seen, views) in VIEWS {
            let mut alike = LIKENESS.map(|_| vec![0.0; rows.len()]);
            for view in views {
                let codes = encode(job, folder, self.stamps, &self.rows, *view)?;
                for (place, code) in codes.chunks_exact(self.latent).enumerate() {
                    for (alike, (_, likeness)) in alike.iter_mut().zip(LIKENESS) {
                        alike[place] += likeness(self.code(place), code) / views.len() as f64;
                    }
                }
            }
            for ((word, likeness), alike) in LIKENESS.into_iter().zip(&alike) {
                let name = format!("{seen}_{word}");
                metrics.extend(likeness::metrics((&name, likeness), &series, &rows, &self.values, alike));
            }
        }
        for split in split::ALL {
            let codes: Vec<&[f32]> = self.places(split).into_iter().map(|place| self.code(place)).collect();
            metrics.push(Metric::new(&series, split, "effective_dimensions", dimensions(&codes), codes.len()));
        }
        Ok(metrics)
    }
}

fn encode(job: &Job, folder: &Path, stamps: &Stamps, rows: &[usize], view: View) -> Result<Vec<f32>, StageError> {
    let mut codes = Vec::new();
    let model = models::load::<Kernels>(folder)?;
    train_autoencoder::encode(&model, (&stamps.images, None), rows, view, |batch, _| {
        codes.extend_from_slice(batch);
        job.progress(0, 0, "codes")
    })?;
    Ok(codes)
}

fn identities(stamps: &Stamps, rows: &[usize]) -> Vec<FeatureRow> {
    let (objects, labels, splits) =
        (stamps.index.texts("objectId"), stamps.index.texts("label"), stamps.index.texts("split"));
    let candids = stamps.index.ints("candid").unwrap_or_default();
    let row = |row: &usize| FeatureRow {
        candid: candids.get(*row).copied().unwrap_or_default(),
        object_id: objects[*row].clone(),
        label: labels[*row].clone(),
        split: splits[*row].clone(),
        copy: 0,
    };
    rows.iter().map(row).collect()
}

/// The participation ratio; `None` for fewer than two codes and for codes that are all the same.
fn dimensions(codes: &[&[f32]]) -> Option<f64> {
    let (n, latent) = (codes.len() as f64, codes.first()?.len());
    let mean: Vec<f64> = (0..latent).map(|i| codes.iter().map(|code| f64::from(code[i])).sum::<f64>() / n).collect();
    let covariance = |a: usize, b: usize| -> f64 {
        codes.iter().map(|code| (f64::from(code[a]) - mean[a]) * (f64::from(code[b]) - mean[b])).sum::<f64>() / n
    };
    let trace: f64 = (0..latent).map(|i| covariance(i, i)).sum();
    let squares: f64 =
        (0..latent).flat_map(|a| (0..latent).map(move |b| (a, b))).map(|(a, b)| covariance(a, b).powi(2)).sum();
    (squares > 0.0).then(|| trace * trace / squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `C = np.cov(codes.T, bias=True); np.trace(C)**2 / (C**2).sum()`
    #[test]
    fn dimensions_of_lines_planes_and_points() {
        let codes = |rows: &[[f32; 3]]| dimensions(&rows.iter().map(<[f32; 3]>::as_slice).collect::<Vec<_>>());
        let line = codes(&[[0.0, 0.0, 5.0], [1.0, 2.0, 5.0], [2.0, 4.0, 5.0]]).unwrap();
        assert!((line - 1.0).abs() < 1e-12, "{line}");
        let plane = codes(&[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]).unwrap();
        assert!((plane - 2.0).abs() < 1e-12, "{plane}");
        assert_eq!((codes(&[[1.0; 3]; 4]), codes(&[])), (None, None));
    }
}
