//! `augment`: stamps to stamps, with altered copies of the training rows. Knows no survey and no network.

pub mod change;
pub mod colour;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::artifacts::split::TRAIN;
use crate::artifacts::stamps::{StampRow, Stamps, StampsFacts, StampsWriter};
use crate::spec::keys::{Key, Keys};
use crate::spec::value::{Params, Value};
use crate::stage::{ArtifactType, Job, Port, Randomness, StageError, StageKind};

use change::{Change, ChangeKeys, Recipe};
use colour::Colours;

/// Rows that are altered at once.
const CHUNK: usize = 256;

crate::keys! {
    /// Keys of `augment` beside those of the changes, see [`ChangeKeys`].
    pub struct AugmentKeys {
        /// Altered copies of each training row, beside the row itself; 0 gives the same rows.
        copies: usize = 3, range(0, 1000);
        /// Final side, cut from the centre after turning and shifting, so that nothing is invented at the borders; 0 keeps the side.
        crop: usize = 0, range(0, 63), unit("px");
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
        [AugmentKeys::keys(), ChangeKeys::keys()].concat()
    }
    fn scale(&self, params: &Params) -> Vec<(&'static str, String)> {
        let cut = AugmentKeys::read(params).map_or(0, |keys| keys.crop);
        if cut == 0 { Vec::new() } else { vec![("crop", cut.to_string())] }
    }
    fn randomness(&self, params: &Params) -> Randomness {
        if params.get("copies") == Some(&Value::Int(0)) { Randomness::None } else { Randomness::PerReplicate }
    }

    fn run(&self, job: &Job) -> Result<(), StageError> {
        let keys: AugmentKeys = job.keys()?;
        let stamps = Stamps::open(job.input("stamps")?)?;
        let side = final_side(stamps.facts.side, keys.crop)?;
        let is_coloured = keys.colour > 0.0 && keys.copies > 0;
        let colours = is_coloured.then(|| Colours::of(&stamps, &stamps.rows_of(TRAIN), keys.colour));
        let recipe = Recipe { keys: job.keys()?, sides: (stamps.facts.side, side), colours: colours.transpose()? };
        write(job, &stamps, &Copies { number: keys.copies, seed: job.seed, recipe })
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

fn write(job: &Job, stamps: &Stamps, copies: &Copies) -> Result<(), StageError> {
    let rows = index(stamps);
    let facts = StampsFacts { side: copies.recipe.sides.1, ..stamps.facts.clone() };
    let mut writer = StampsWriter::create(job.out, &facts, stamps.clean.is_some())?;
    for (number, chunk) in rows.chunks(CHUNK).enumerate() {
        job.progress((number * CHUNK) as u64, rows.len() as u64, "stamps")?;
        let first = number * CHUNK;
        let made: Vec<Vec<Made>> =
            chunk.par_iter().enumerate().map(|(i, row)| copies.of(stamps, first + i, row)).collect();
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

/// Altered copies of each training row.
struct Copies {
    number: usize,
    seed: u64,
    recipe: Recipe,
}

impl Copies {
    /// The row itself (cropped) and, in the training split, its altered copies.
    fn of(&self, stamps: &Stamps, at: usize, row: &StampRow) -> Vec<Made> {
        let copies = if row.split == TRAIN { self.number } else { 0 };
        let make = |k: usize| {
            // Copies of copies get numbers of their own.
            let row = StampRow { copy: row.copy * (self.number as i64 + 1) + k as i64, ..row.clone() };
            let mut change = if k == 0 { Change::none() } else { self.recipe.draw(stream(self.seed, &row)) };
            let clean = stamps.clean.as_ref().map(|clean| clean.row(at));
            let (image, clean) = self.recipe.apply(&mut change, stamps.images.row(at), clean);
            Made { row, image, clean }
        };
        (0..=copies).map(make).collect()
    }
}

/// The random numbers of one copy, whatever its place in the file.
fn stream(seed: u64, row: &StampRow) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&row.candid.to_le_bytes()).update(&row.copy.to_le_bytes());
    hasher.update(row.object_id.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests;
