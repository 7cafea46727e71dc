//! A square single-precision image and the few operations that rendering needs.
//! Knows no units: whoever holds one says what its pixels are.

/// Square image, row-major `[y, x]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Image {
    /// Rows and columns.
    pub(super) side: usize,
    /// `side * side` values.
    pub(super) pixels: Vec<f32>,
}

impl Image {
    /// All pixels equal to `value`.
    pub(super) fn filled(side: usize, value: f32) -> Self {
        Self { side, pixels: vec![value; side * side] }
    }

    /// Pixel at row `y`, column `x`.
    pub(super) fn at(&self, y: usize, x: usize) -> f32 {
        self.pixels[y * self.side + x]
    }

    /// Adds `scale * other` pixel by pixel.
    pub(super) fn add_scaled(&mut self, other: &Self, scale: f32) {
        for (a, b) in self.pixels.iter_mut().zip(&other.pixels) {
            *a += scale * b;
        }
    }

    /// Sum of all pixels in double precision.
    pub(super) fn sum(&self) -> f64 {
        self.pixels.iter().map(|p| f64::from(*p)).sum()
    }

    /// Correlation with a square kernel of odd side, kept where the kernel fits: side shrinks by `kernel.side - 1`.
    pub(super) fn filtered(&self, kernel: &Self) -> Self {
        let side = self.side + 1 - kernel.side;
        let mut out = Self::filled(side, 0.0);
        for ky in 0..kernel.side {
            for kx in 0..kernel.side {
                let weight = kernel.at(ky, kx);
                for y in 0..side {
                    let from = &self.pixels[(y + ky) * self.side + kx..][..side];
                    for (o, f) in out.pixels[y * side..][..side].iter_mut().zip(from) {
                        *o += weight * f;
                    }
                }
            }
        }
        out
    }

    /// Filter by the outer product of a symmetric odd-length `taps` with itself, mirror at the borders, same side.
    pub(super) fn smoothed(&self, taps: &[f32]) -> Self {
        let half = taps.len() / 2;
        let along_rows = self.smoothed_rows(taps, half);
        let mut out = Self::filled(self.side, 0.0);
        for y in 0..self.side {
            for (k, tap) in taps.iter().enumerate() {
                let row = mirror(y + k, half, self.side);
                let from = &along_rows.pixels[row * self.side..][..self.side];
                for (o, f) in out.pixels[y * self.side..][..self.side].iter_mut().zip(from) {
                    *o += tap * f;
                }
            }
        }
        out
    }

    fn smoothed_rows(&self, taps: &[f32], half: usize) -> Self {
        let mut out = Self::filled(self.side, 0.0);
        let mut padded = vec![0.0_f32; self.side + 2 * half];
        for (row, target) in self.pixels.chunks(self.side).zip(out.pixels.chunks_mut(self.side)) {
            for (x, p) in padded.iter_mut().enumerate() {
                *p = row[mirror(x, half, self.side)];
            }
            for (k, tap) in taps.iter().enumerate() {
                for (o, f) in target.iter_mut().zip(&padded[k..]) {
                    *o += tap * f;
                }
            }
        }
        out
    }
}

/// Index `shifted - half` reflected into `0..side`.
fn mirror(shifted: usize, half: usize, side: usize) -> usize {
    if shifted < half {
        half - shifted
    } else if shifted - half >= side {
        2 * side - 2 - (shifted - half)
    } else {
        shifted - half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_keep_a_constant() {
        let flat = Image::filled(9, 2.0);
        let kernel = Image::filled(3, 1.0 / 9.0);
        let filtered = flat.filtered(&kernel);
        assert_eq!(filtered.side, 7);
        assert!(filtered.pixels.iter().all(|p| (p - 2.0).abs() < 1e-6));
        assert!(flat.smoothed(&[0.25, 0.5, 0.25]).pixels.iter().all(|p| (p - 2.0).abs() < 1e-6));
    }
}
