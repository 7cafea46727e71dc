//! How a stamp is looked at when nothing is learned: as it is, or in its eight turned and mirrored views, the symmetries of a
//! square, over which what is found is averaged. Exact: no pixel is interpolated. Knows no network.

use crate::choice;
use crate::geometry::Geometry;

choice! {
    /// Over which views of a stamp is averaged.
    pub enum Views {
        /// The stamp as it is.
        One = "one",
        /// Its eight turned and mirrored views.
        Dihedral = "dihedral",
    }
}

impl Views {
    /// These views, the stamp as it is first.
    pub(super) fn list(self) -> &'static [View] {
        match self {
            Self::One => &View::ALL[..1],
            Self::Dihedral => &View::ALL,
        }
    }
}

/// How a stamp is turned and mirrored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View(Geometry);

impl View {
    /// All eight, the stamp as it is first.
    pub(super) const ALL: [Self; 8] = {
        const fn view(turns: u8, flip: bool) -> View {
            View(Geometry { turns, flips: [false, flip], shift: [0.0; 2], degrees: 0.0 })
        }
        [
            view(0, false),
            view(1, false),
            view(2, false),
            view(3, false),
            view(0, true),
            view(1, true),
            view(2, true),
            view(3, true),
        ]
    };

    /// Moved down and right by whole pixels; the border is repeated.
    pub(super) const fn shifted(down: i8, right: i8) -> Self {
        Self(Geometry { turns: 0, flips: [false; 2], shift: [down as f64, right as f64], degrees: 0.0 })
    }

    /// `images [.., side, side]` seen so.
    pub(super) fn copy(self, images: &[f32], side: usize, into: &mut [f32]) {
        if self == Self::ALL[0] {
            return into.copy_from_slice(images);
        }
        let mut seen = Vec::with_capacity(into.len());
        images.chunks_exact(side * side).for_each(|plane| self.0.apply(plane, side, side, &mut seen));
        into.copy_from_slice(&seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two planes of 5 x 5 pixels.
    fn seen(view: View, images: &[f32]) -> Vec<f32> {
        let mut into = vec![0.0; images.len()];
        view.copy(images, 5, &mut into);
        into
    }

    #[test]
    fn the_views_are_the_eight_symmetries_and_a_group() {
        let images: Vec<f32> = (0..50).map(|i| (i * i % 53) as f32).collect();
        let all: Vec<Vec<f32>> = View::ALL.iter().map(|view| seen(*view, &images)).collect();
        assert_eq!(all[0], images);
        for (i, image) in all.iter().enumerate() {
            assert!(!all[..i].contains(image), "view {i} is not new");
            for view in View::ALL {
                assert!(all.contains(&seen(view, image)), "a view of view {i} is none of the eight");
            }
        }
    }
}
