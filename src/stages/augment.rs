//! `augment`: stamps to stamps, with altered copies of the training rows. Knows no survey and no network.

pub mod change;
pub mod colour;

use rayon::prelude::*;

use crate::artifacts::split::TRAIN;
use crate::artifacts::stamps::{StampRow, Stamps, StampsFacts, StampsWriter};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind};

use change::{Change, Recipe};
use colour::Colours;

/// Rows that are altered at once.
const CHUNK: usize = 256;

crate::keys! {
    /// Keys of `augment`. What is on by default is exact: a square stamp turned and mirrored, without interpolation.
    pub struct AugmentKeys {
        /// Altered copies of each training row, beside the row itself; 0 gives the same rows.
        copies: usize = 3, range(0, 1000);
        /// Final side, cut from the centre after turning and shifting, so that nothing is invented at the borders; 0 keeps the side.
        crop: usize = 0, range(0, 63), unit("px");
        /// Turns by 0, 90, 180 or 270 degrees.
        turns: bool = true;
        /// Mirrors left-right and up-down, each with probability one half.
        flips: bool = true;
        /// Largest shift each way, whole pixels, drawn evenly; beyond the border the border's value is repeated.
        shift: usize = 0, range(0, 31), unit("px");
        /// Largest rotation each way besides the turns, drawn evenly; bilinear, border repeated (28.8 in Neira et al. 2024).
        rotation: f64 = 0.0, range(0, 180), unit("degrees");
        /// Gaussian noise added to each channel, in units of the sky noise it has; recommended at most 0.5.
        noise: f64 = 0.0, range(0, 10), unit("sky sigma");
        /// Largest relative change of brightness above the sky, one factor for all channels, drawn evenly.
        flux: f64 = 0.0, range(0, 0.9);
        /// Standard deviation of the PCA colour shift of Krizhevsky et al. 2012 (0.1 there); breaks D = S - T.
        colour: f64 = 0.0, range(0, 10);
    }
}

/// The kind `augment`.
pub struct Augment;

impl StageKind for Augment {
    fn name(&self) -> &'static str {
        "augment"
    }
    fn summary(&self) -> &'static str {
        "Adds turned, mirrored, shifted, rotated, noisier or brighter copies of the training stamps."
    }
    fn source(&self) -> &'static str {
        "Neira et al. 2024 (arXiv:2405.15073); Krizhevsky et al. 2012, section 4.1 (crops, colour)"
    }
    fn version(&self) -> u32 {
        1
    }
    fn ports(&self) -> &'static [Port] {
        const PORTS: &[Port] =
            &[Port { name: "stamps", accepts: &[ArtifactType::Stamps], required: true, help: "Stamps to alter." }];
        PORTS
    }
    fn output(&self) -> ArtifactType {
        ArtifactType::Stamps
    }
    fn keys(&self) -> Vec<Key> {
        AugmentKeys::keys()
    }
    fn randomness(&self, params: &Params) -> Randomness {
        if params.get("copies") == Some(&Value::Int(0)) { Randomness::None } else { Randomness::PerReplicate }
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: AugmentKeys = job.keys()?;
        let stamps = Stamps::open(job.input("stamps")?)?;
        let side = final_side(stamps.facts.side, keys.crop)?;
        let colours = (keys.colour > 0.0 && keys.copies > 0).then(|| Colours::of(&stamps, &stamps.rows_of(TRAIN)));
        let sides = (stamps.facts.side, side);
        let recipe = Recipe { seed: job.seed, keys, sides, colours: colours.transpose()? };
        write(job, &stamps, &recipe)
    }
}

fn final_side(side: usize, crop: usize) -> Result<usize, StageError> {
    match crop {
        0 => Ok(side),
        crop if crop > side => Err(StageError::with_hint(
            format!("crop = {crop} from stamps of {side} x {side} pixels"),
            "make the crop of `preprocess` larger or this one smaller",
        )),
        crop if (side - crop) % 2 == 1 => Err(StageError::with_hint(
            format!("crop = {crop} has no centre in common with stamps of {side} x {side} pixels"),
            format!("take {} or {}", crop - 1, crop + 1),
        )),
        crop => Ok(crop),
    }
}

fn write(job: &Job, stamps: &Stamps, recipe: &Recipe) -> Result<(), StageError> {
    let rows = index(stamps);
    let facts = StampsFacts { side: recipe.sides.1, ..stamps.facts.clone() };
    let mut writer = StampsWriter::create(job.out, &facts, stamps.clean.is_some())?;
    for (number, chunk) in rows.chunks(CHUNK).enumerate() {
        job.progress((number * CHUNK) as u64, rows.len() as u64, "stamps")?;
        let first = number * CHUNK;
        let made: Vec<Vec<Made>> =
            chunk.par_iter().enumerate().map(|(i, row)| copies_of(stamps, first + i, row, recipe)).collect();
        for (i, copies) in made.into_iter().enumerate() {
            for made in copies {
                writer.push(&made.row, &made.image, stamps.metadata.row(first + i), made.clean.as_deref())?;
            }
        }
    }
    Ok(writer.finish()?)
}

fn index(stamps: &Stamps) -> Vec<StampRow> {
    let texts = |name| stamps.index.texts(name);
    let ints = |name| stamps.index.ints(name).unwrap_or_default();
    let (candid, fid, copy) = (ints("candid"), ints("fid"), ints("copy"));
    let jd = stamps.index.numbers("jd").unwrap_or_default();
    let (objects, labels, splits) = (texts("objectId"), texts("label"), texts("split"));
    let row = |i: usize| StampRow {
        candid: candid[i],
        object_id: objects[i].clone(),
        jd: jd[i],
        fid: fid[i],
        label: labels[i].clone(),
        split: splits[i].clone(),
        copy: copy[i],
    };
    (0..stamps.index.rows()).map(row).collect()
}

/// A row that is written.
struct Made {
    row: StampRow,
    image: Vec<f32>,
    clean: Option<Vec<f32>>,
}

/// The row itself (cropped) and, in the training split, its altered copies.
fn copies_of(stamps: &Stamps, at: usize, row: &StampRow, recipe: &Recipe) -> Vec<Made> {
    let copies = if row.split == TRAIN { recipe.keys.copies } else { 0 };
    let make = |k: usize| {
        // Copies of copies get numbers of their own.
        let row = StampRow { copy: row.copy * (recipe.keys.copies as i64 + 1) + k as i64, ..row.clone() };
        let change = if k == 0 { Change::none() } else { recipe.draw(&row) };
        let (image, clean) = recipe.apply(change, stamps.images.row(at), stamps.clean.as_ref().map(|c| c.row(at)));
        Made { row, image, clean }
    };
    (0..=copies).map(make).collect()
}

#[cfg(test)]
mod tests;
