//! What a simulation is asked for: classes with shares, detections per object, chip edges.
//! Knows no pixel and no light curve.

/// The five classes of the stamp classifier (Carrasco-Davis et al. 2021, AJ 162, 231), in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Active galactic nucleus: stochastic, at the centre of its host.
    Agn,
    /// Supernova: one rise and decline, beside or on its host.
    Supernova,
    /// Variable star of the Galaxy.
    VariableStar,
    /// Moving object, seen at one place once.
    Asteroid,
    /// Not an astrophysical change.
    Bogus,
}

impl Class {
    /// All classes, in the order of every share and confusion matrix.
    pub const ALL: [Self; 5] = [Self::Agn, Self::Supernova, Self::VariableStar, Self::Asteroid, Self::Bogus];

    /// The label written to tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agn => "AGN",
            Self::Supernova => "SN",
            Self::VariableStar => "VS",
            Self::Asteroid => "asteroid",
            Self::Bogus => "bogus",
        }
    }
}

/// What to simulate; every number is valid after [`Recipe::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Relative share of each class, in the order of [`Class::ALL`]; need not sum to one.
    pub shares: [f64; 5],
    /// Fewest alerts of an object that can repeat (asteroids always have one, bogus one at least).
    pub min_detections: usize,
    /// Most alerts of an object.
    pub max_detections: usize,
    /// Shortest time between two alerts of an object, days.
    pub min_gap_days: f64,
    /// Share of objects placed on purpose within half a stamp of a chip edge.
    pub edge_fraction: f64,
}

impl Default for Recipe {
    /// Equal shares, one alert per object, edges as often as chance puts objects there.
    fn default() -> Self {
        Self { shares: [1.0; 5], min_detections: 1, max_detections: 1, min_gap_days: 0.02, edge_fraction: 0.0 }
    }
}

/// Why a recipe cannot be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// Shares that give no class, or a negative or non-finite one.
    #[error("shares {0:?} must be finite, not negative, and at least one above 0")]
    Shares([f64; 5]),
    /// A range of detections that holds no number.
    #[error("detections from {min} to {max}: need 1 <= least <= most <= {most}", most = Recipe::MOST_DETECTIONS)]
    Detections {
        /// Fewest alerts asked for.
        min: usize,
        /// Most alerts asked for.
        max: usize,
    },
    /// A gap that leaves no night.
    #[error("gap of {0} days between alerts: need 0 to 60 days")]
    Gap(f64),
    /// Not a fraction.
    #[error("edge fraction {0}: need 0 to 1")]
    EdgeFraction(f64),
}

impl Recipe {
    /// The most alerts one object may be asked for: about what five hundred visits can give.
    pub const MOST_DETECTIONS: usize = 100;

    /// Names the first number that makes no sense.
    pub fn check(&self) -> Result<(), RecipeError> {
        if self.shares.iter().any(|s| !s.is_finite() || *s < 0.0) || self.shares.iter().sum::<f64>() <= 0.0 {
            return Err(RecipeError::Shares(self.shares));
        }
        let (min, max) = (self.min_detections, self.max_detections);
        if min == 0 || max < min || max > Self::MOST_DETECTIONS {
            return Err(RecipeError::Detections { min, max });
        }
        if !(0.0..=60.0).contains(&self.min_gap_days) {
            return Err(RecipeError::Gap(self.min_gap_days));
        }
        if !(0.0..=1.0).contains(&self.edge_fraction) {
            return Err(RecipeError::EdgeFraction(self.edge_fraction));
        }
        Ok(())
    }

    /// The class of object `index`: a golden-ratio sequence, so every stretch of objects has the shares asked for.
    #[must_use]
    pub fn class_of(&self, seed: u64, index: usize) -> Class {
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let start = (seed % 1_000_003) as f64 / 1_000_003.0;
        let mut position = (start + index as f64 * GOLDEN).fract() * self.shares.iter().sum::<f64>();
        for (class, share) in Class::ALL.into_iter().zip(self.shares) {
            if position < share {
                return class;
            }
            position -= share;
        }
        Class::Bogus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stretch_of_objects_has_the_shares() {
        let recipe = Recipe { shares: [0.5, 0.25, 0.0, 0.125, 0.125], ..Recipe::default() };
        let mut counts = [0_usize; 5];
        for index in 1000..1800 {
            counts[recipe.class_of(7, index) as usize] += 1;
        }
        for (count, share) in counts.iter().zip(recipe.shares) {
            assert!((*count as f64 - share * 800.0).abs() < 6.0, "{counts:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let shares = Recipe { shares: [0.0; 5], ..Recipe::default() };
        assert_eq!(shares.check(), Err(RecipeError::Shares([0.0; 5])));
        let range = Recipe { min_detections: 3, max_detections: 2, ..Recipe::default() };
        assert_eq!(range.check(), Err(RecipeError::Detections { min: 3, max: 2 }));
        assert_eq!(Recipe::default().check(), Ok(()));
    }
}
