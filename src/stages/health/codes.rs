//! What codes are like. `view_similarity`: mean cosine between the code of a stamp and those of its seven turned and mirrored
//! views; `shift_similarity`: of the stamp moved by a pixel up, down, left and right (the border is repeated). Beside each
//! stands the same between different objects: codes with a common offset are all alike. `effective_dimensions`:
//! `(tr C)² / tr C²` of the covariance `C` of the codes, 1 when all lie on a line, the length of the code when all directions
//! are used alike (participation ratio; Gao et al. 2017, bioRxiv 214262).

use std::path::Path;

use crate::artifacts::features::FeatureRow;
use crate::artifacts::scores::Metric;
use crate::artifacts::stamps::Stamps;
use crate::nn::{Kernels, Model};
use crate::stage::{Job, StageError};
use crate::stages::extract_features::likeness;
use crate::stages::train_autoencoder;
use crate::stages::views::View;

use super::{number, splits};

/// Groups of views with the name of what their likeness measures.
const LIKENESS: [(&str, &[View]); 2] = [
    ("view_similarity", View::ALL.split_at(1).1),
    ("shift_similarity", &[View::shifted(1, 0), View::shifted(-1, 0), View::shifted(0, 1), View::shifted(0, -1)]),
];

/// All of it, for each split.
pub(super) fn measure(job: &Job, folder: &Path, stamps: &Stamps) -> Result<Vec<Metric>, StageError> {
    let series = Model::<Kernels>::card(folder)?.model;
    let all: Vec<usize> = splits(stamps).into_iter().flat_map(|(_, rows)| rows).collect();
    let rows = identities(stamps, &all);
    let codes = |view: View| -> Result<Vec<f32>, StageError> {
        let mut codes = Vec::new();
        train_autoencoder::encode(folder, &stamps.images, &all, view, |batch, _| {
            codes.extend_from_slice(batch);
            job.progress(0, 0, "codes")
        })?;
        Ok(codes)
    };
    let own = codes(View::ALL[0])?;
    let latent = own.len() / rows.len().max(1);
    let mut metrics = Vec::new();
    for (name, views) in LIKENESS {
        let mut alike = vec![0.0; rows.len()];
        for view in views {
            let seen = codes(*view)?;
            let pairs = own.chunks_exact(latent).zip(seen.chunks_exact(latent));
            alike.iter_mut().zip(pairs).for_each(|(alike, (own, seen))| {
                *alike += likeness::cosine(own, seen) / views.len() as f64;
            });
        }
        metrics.extend(likeness::metrics(name, &series, &rows, &own, &alike));
    }
    for (split, _) in splits(stamps) {
        let of_split = own.chunks_exact(latent).zip(&rows).filter(|(_, row)| row.split == split);
        let codes: Vec<&[f32]> = of_split.map(|(code, _)| code).collect();
        metrics.push(number(&series, split, "effective_dimensions", "", dimensions(&codes), codes.len()));
    }
    Ok(metrics)
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
