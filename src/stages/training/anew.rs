//! Training stamps that are changed anew in each epoch, as `augment` changes copies (braai and `BTSbot` turn and mirror so).
//! What happens to a row depends on the seed, the epoch, the row and how often the epoch has shown it, nothing else. Knows no
//! network; validation rows and all use of a network see stamps as they are.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::artifacts::stamps::StampsFacts;
use crate::nn::{Column, Rows, Visit};
use crate::stage::{ArtifactType, Job, Port, StageError};
use crate::stages::augment::change::{Change, ChangeKeys, Recipe};

/// Name of the column that is changed.
const STAMPS: &str = "stamps";
/// Name of the input with larger stamps.
const WIDE: &str = "wide";

/// The input of a kind that trains on artifacts like these.
pub(in crate::stages) const fn wide(accepts: &'static [ArtifactType]) -> Port {
    let help = "The same with a larger side, from which shifted and rotated training stamps are cut; without it the border's value is repeated beyond the border.";
    Port { name: WIDE, accepts, required: false, help }
}

/// Opens the input `wide`, if it is connected.
pub(in crate::stages) fn open_wide<T>(
    job: &Job,
    open: impl FnOnce(&std::path::Path) -> Result<T, StageError>,
) -> Result<Option<T>, StageError> {
    let explain = |fault: StageError| {
        let hint = "connect as `wide` the same kind of artifact as what is learned, with a larger side";
        StageError::with_hint(format!("`wide`: {fault}"), hint)
    };
    job.optional_input(WIDE).map(open).transpose().map_err(explain)
}

/// Rows that show stamps.
pub(in crate::stages) struct Shown<'a> {
    /// With a column `stamps` of one or several stamps after each other, or without.
    pub(in crate::stages) rows: Box<dyn Rows + 'a>,
    /// What the stamps are.
    pub(in crate::stages) facts: &'a StampsFacts,
}

/// `shown` as training sees it: changed anew at each visit as the keys say, cut from `wide` if there is such; as it is where
/// they say nothing. `reads`: what the network reads of a row.
pub(in crate::stages) fn anew<'a>(
    job: &Job,
    seed: u64,
    reads: &[Column],
    shown: Shown<'a>,
    wide: Option<Shown<'a>>,
) -> Result<Box<dyn Rows + 'a>, StageError> {
    let keys: ChangeKeys = job.keys()?;
    if !keys.change_anything() {
        return Ok(shown.rows);
    }
    if reads.iter().all(|column| column.name != STAMPS) {
        let hint = "leave out `turns`, `flips`, `shift`, `rotation`, `noise` and `flux`";
        return Err(StageError::with_hint(
            "stamps shall be changed anew in each epoch, and the network reads none",
            hint,
        ));
    }
    let to = shown.facts.side;
    if 2 * keys.shift >= to {
        let what = format!("shift = {} moves the source out of stamps of {to} x {to} pixels", keys.shift);
        return Err(StageError::with_hint(what, format!("take at most {}", (to - 1) / 2)));
    }
    let from = wide.as_ref().map_or(to, |wide| wide.facts.side);
    let recipe = Recipe { keys, sides: (from, to), colours: None };
    let column = |rows: &dyn Rows| rows.columns().iter().position(|column| column.name == STAMPS).unwrap_or(0);
    let (at, channels) = (column(&*shown.rows), shown.facts.channels.len());
    let anew = Anew { rows: shown.rows, wide: wide.map(|wide| wide.rows), at, channels, recipe, seed };
    anew.check()?;
    Ok(Box::new(anew))
}

/// Rows whose stamps are changed at each visit.
struct Anew<'a> {
    rows: Box<dyn Rows + 'a>,
    /// The same with larger stamps.
    wide: Option<Box<dyn Rows + 'a>>,
    /// Position of the column of stamps.
    at: usize,
    channels: usize,
    recipe: Recipe,
    seed: u64,
}

impl Anew<'_> {
    /// That `wide` shows what the rows show, with more around it.
    fn check(&self) -> Result<(), StageError> {
        let Some(wide) = &self.wide else { return Ok(()) };
        let (from, to) = self.recipe.sides;
        let advice = "make the larger stamps with `preprocess`, and cut these from them by `augment` with copies = 0 and `crop`, so that both have one scaling";
        let detections =
            |rows: &dyn Rows, side: usize| rows.columns()[self.at].width / (self.channels * side * side).max(1);
        let is_alike = wide.len() == self.rows.len()
            && from >= to
            && (from - to).is_multiple_of(2)
            && detections(&**wide, from) * self.channels * from * from == wide.columns()[self.at].width
            && detections(&**wide, from) == detections(&*self.rows, to);
        if !is_alike {
            let what = format!(
                "`wide` has {} training rows of {from} x {from} pixels, and {} of {to} x {to} are learned: rows and channels must agree, and sides be both even or both odd",
                wide.len(),
                self.rows.len()
            );
            return Err(StageError::with_hint(what, advice));
        }
        let mut cut = vec![0.0; self.rows.columns()[self.at].width];
        for row in 0..self.rows.len() {
            let mut own = vec![0.0; cut.len()]; // a row may fill but the first detections
            self.rows.copy_row(row, self.at, &mut own);
            self.changed(row, &mut Change::none(), &mut cut);
            if own.iter().zip(&cut).any(|(own, cut)| own.to_bits() != cut.to_bits()) {
                let what = format!("the middle of training row {row} of `wide` is not the stamp that is learned");
                return Err(StageError::with_hint(what, advice));
            }
        }
        Ok(())
    }

    /// The stamps of a row, all changed alike.
    fn changed(&self, row: usize, change: &mut Change, into: &mut [f32]) {
        let (from, to) = self.recipe.sides;
        let (from, to) = (self.channels * from * from, self.channels * to * to);
        let mut stamps = vec![0.0; into.len() / to * from];
        self.wide.as_ref().unwrap_or(&self.rows).copy_row(row, self.at, &mut stamps);
        for (stamp, into) in stamps.chunks_exact(from).zip(into.chunks_exact_mut(to)) {
            into.copy_from_slice(&self.recipe.apply(change, stamp, None).0);
        }
    }

    fn random(&self, Visit { row, epoch, again }: Visit) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes());
        for number in [epoch, row, again] {
            hasher.update(&(number as u64).to_le_bytes());
        }
        ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
    }
}

impl Rows for Anew<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn columns(&self) -> Vec<Column> {
        self.rows.columns()
    }
    fn copy_row(&self, row: usize, column: usize, into: &mut [f32]) {
        self.rows.copy_row(row, column, into);
    }
    fn copy_visit(&self, visit: Visit, column: usize, into: &mut [f32]) {
        if column == self.at {
            self.changed(visit.row, &mut self.recipe.draw(self.random(visit)), into);
        } else {
            self.rows.copy_row(visit.row, column, into);
        }
    }
    fn class(&self, row: usize) -> Option<usize> {
        self.rows.class(row)
    }
}

#[cfg(test)]
mod tests;
