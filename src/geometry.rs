//! Moving the pixels of one square image: mirror, turn, rotation, shift and crop as one mapping, so that pixels are
//! interpolated at most once. Draws nothing.

/// A movement of the image about its centre, in this order: rotation, quarter turns, mirrors; after a shift.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Geometry {
    /// Quarter turns, counted like those of `numpy.rot90`.
    pub turns: u8,
    /// Mirrors up-down and left-right.
    pub flips: [bool; 2],
    /// Shift down and right, whole pixels.
    pub shift: [f64; 2],
    /// Rotation besides the turns, in the same sense, degrees.
    pub degrees: f64,
}

impl Geometry {
    /// Appends the centre `to * to` pixels of the moved image of `from * from` pixels; both sides even or both odd.
    /// Exact unless there is a rotation, which is bilinear; beyond the border the border's value is repeated.
    pub fn apply(&self, image: &[f32], from: usize, to: usize, out: &mut Vec<f32>) {
        let (centre_in, centre_out) = ((from as f64 - 1.0) / 2.0, (to as f64 - 1.0) / 2.0);
        let (sin, cos) = if self.degrees == 0.0 { (0.0, 1.0) } else { self.degrees.to_radians().sin_cos() };
        for y in 0..to {
            for x in 0..to {
                let (v, u) = self.unturned(y as f64 - centre_out, x as f64 - centre_out);
                let (v, u) = (cos * v + sin * u, cos * u - sin * v);
                let (v, u) = (v - self.shift[0] + centre_in, u - self.shift[1] + centre_in);
                out.push(sample(image, from, v, u));
            }
        }
    }

    /// Where a point, relative to the centre, was before mirrors and turns.
    fn unturned(&self, v: f64, u: f64) -> (f64, f64) {
        let v = if self.flips[0] { -v } else { v };
        let u = if self.flips[1] { -u } else { u };
        match self.turns % 4 {
            0 => (v, u),
            1 => (u, -v),
            2 => (-v, -u),
            _ => (-u, v),
        }
    }
}

/// The image at a point between pixels.
fn sample(image: &[f32], side: usize, y: f64, x: f64) -> f32 {
    let last = (side - 1) as f64;
    let (y, x) = (y.clamp(0.0, last), x.clamp(0.0, last));
    let (top, left) = (y as usize, x as usize);
    let (fy, fx) = ((y - top as f64) as f32, (x - left as f64) as f32);
    let (bottom, right) = ((top + 1).min(side - 1), (left + 1).min(side - 1));
    let at = |y: usize, x: usize| image[y * side + x];
    let row = |y: usize| if fx == 0.0 { at(y, left) } else { at(y, left) * (1.0 - fx) + at(y, right) * fx };
    if fy == 0.0 { row(top) } else { row(top) * (1.0 - fy) + row(bottom) * fy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(geometry: Geometry, from: usize, to: usize) -> Vec<f32> {
        let image: Vec<f32> = (0..from * from).map(|i| i as f32).collect();
        let mut out = Vec::new();
        geometry.apply(&image, from, to, &mut out);
        out
    }

    /// `a = np.arange(9).reshape(3, 3); np.rot90(a, 1), np.rot90(a, -1), a[::-1], a[:, ::-1]`
    #[test]
    fn turns_and_mirrors_are_those_of_numpy() {
        let turned = |turns| moved(Geometry { turns, ..Geometry::default() }, 3, 3);
        assert_eq!(turned(1), [2.0, 5.0, 8.0, 1.0, 4.0, 7.0, 0.0, 3.0, 6.0]);
        assert_eq!(turned(3), [6.0, 3.0, 0.0, 7.0, 4.0, 1.0, 8.0, 5.0, 2.0]);
        assert_eq!(turned(2), [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]);
        let mirrored = |flips| moved(Geometry { flips, ..Geometry::default() }, 3, 3);
        assert_eq!(mirrored([true, false]), [6.0, 7.0, 8.0, 3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        assert_eq!(mirrored([false, true]), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0, 8.0, 7.0, 6.0]);
    }

    #[test]
    fn shift_repeats_the_border_and_the_crop_is_central() {
        let shifted = moved(Geometry { shift: [1.0, 0.0], ..Geometry::default() }, 3, 3);
        assert_eq!(shifted, [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(moved(Geometry::default(), 5, 3), [6.0, 7.0, 8.0, 11.0, 12.0, 13.0, 16.0, 17.0, 18.0]);
        assert_eq!(moved(Geometry { shift: [0.0, -1.0], ..Geometry::default() }, 5, 1), [13.0]);
        assert_eq!(moved(Geometry::default(), 4, 2), [5.0, 6.0, 9.0, 10.0]);
    }

    /// `scipy.ndimage.rotate(np.arange(9.).reshape(3, 3) ** 2, 30, reshape=False, order=1, mode="nearest")`
    #[test]
    fn rotation_agrees_with_scipy() {
        let image: Vec<f32> = (0..9_u8).map(|i| f32::from(i * i)).collect();
        let mut ours = Vec::new();
        Geometry { degrees: 30.0, ..Geometry::default() }.apply(&image, 3, 3, &mut ours);
        let scipy: [f32; 9] =
            [0.633_975, 4.911_543, 17.313_467, 5.035_898, 16.000_000, 42.892_305, 18.882_686, 38.480_762, 54.490_38];
        for (ours, theirs) in ours.iter().zip(scipy) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} instead of {theirs}");
        }
    }

    #[test]
    fn rotation_by_a_right_angle_is_a_turn() {
        let rotated = moved(Geometry { degrees: 90.0, ..Geometry::default() }, 5, 5);
        let turned = moved(Geometry { turns: 1, ..Geometry::default() }, 5, 5);
        assert!(rotated.iter().zip(turned).all(|(a, b)| (a - b).abs() < 1e-4), "{rotated:?}");
    }
}
