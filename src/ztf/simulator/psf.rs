//! The point-spread function: an elliptical Moffat profile integrated over pixels.
//! Knows no source and no noise.

use super::image::Image;

/// Half side of the kernel that blurs extended sources, pixels.
pub(super) const KERNEL_HALF: usize = 6;

/// Distance from the centre within which pixels are integrated rather than sampled, pixels.
const CORE: f64 = 4.0;

/// Three-point Gauss-Legendre nodes and weights on one pixel.
const GAUSS: [(f64, f64); 3] =
    [(-0.387_298_334_620_741_7, 5.0 / 18.0), (0.0, 8.0 / 18.0), (0.387_298_334_620_741_7, 5.0 / 18.0)];

/// Moffat (1969, A&A 3, 455) profile `(beta - 1) / (pi alpha^2) (1 + (r / alpha)^2)^-beta` with `beta = 3`
/// and `r^2` an ellipse of unit determinant, so that its flux is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Psf {
    /// Full width at half maximum of the circle of equal area, pixels.
    pub(super) fwhm: f64,
    /// Quadratic form of the ellipse over alpha squared: `xx x^2 + 2 xy x y + yy y^2`.
    form: [f64; 3],
    peak: f64,
    alpha: f64,
}

impl Psf {
    /// A profile of width `fwhm` pixels, axis ratio `ratio` in (0, 1], major axis at `angle` radians from +x.
    pub(super) fn new(fwhm: f64, ratio: f64, angle: f64) -> Self {
        // fwhm = 2 alpha sqrt(2^(1/3) - 1)
        let alpha = fwhm / (2.0 * (2_f64.cbrt() - 1.0).sqrt());
        let (major, minor) = (1.0 / ratio.sqrt(), ratio.sqrt());
        let (sin, cos) = angle.sin_cos();
        let (p, q) = (1.0 / (alpha * major).powi(2), 1.0 / (alpha * minor).powi(2));
        let form = [p * cos * cos + q * sin * sin, (p - q) * sin * cos, p * sin * sin + q * cos * cos];
        Self { fwhm, form, peak: 2.0 / (std::f64::consts::PI * alpha * alpha), alpha }
    }

    /// Surface brightness at `(x, y)` pixels from the centre, per pixel area and unit flux.
    pub(super) fn value(&self, x: f64, y: f64) -> f64 {
        let u = 1.0 + self.form[0] * x * x + 2.0 * self.form[1] * x * y + self.form[2] * y * y;
        self.peak / (u * u * u)
    }

    /// Flux in the pixel centred `(x, y)` from the centre of a unit source.
    pub(super) fn pixel(&self, x: f64, y: f64) -> f64 {
        if x * x + y * y > CORE * CORE {
            return self.value(x, y);
        }
        let mut sum = 0.0;
        for (dy, wy) in GAUSS {
            for (dx, wx) in GAUSS {
                sum += wx * wy * self.value(x + dx, y + dy);
            }
        }
        sum
    }

    /// Pixels over which a background-limited fit spreads its noise, `1 / sum P^2 = pi alpha^2 (2 beta - 1) / (beta - 1)^2`.
    pub(super) fn noise_pixels(&self) -> f64 {
        std::f64::consts::PI * self.alpha * self.alpha * 1.25
    }

    /// Adds a source of `flux` at column `x`, row `y`, out to where it falls below `floor` per pixel.
    pub(super) fn add(&self, image: &mut Image, x: f64, y: f64, flux: f64, floor: f64) {
        let reach = (flux.abs() * self.peak / floor).cbrt() - 1.0;
        // the ellipse's major axis is at most a third longer than the circle
        let radius = 1.3 * self.alpha * reach.max(0.0).sqrt() + 1.5;
        let range = |centre: f64| {
            let low = (centre - radius).ceil().max(0.0);
            let high = (centre + radius).floor().min(image.side as f64 - 1.0);
            if high < low { 0..0 } else { low as usize..high as usize + 1 }
        };
        let (rows, columns) = (range(y), range(x));
        for row in rows {
            let dy = row as f64 - y;
            let line = &mut image.pixels[row * image.side..][columns.clone()];
            if dy.abs() > CORE {
                self.add_wing(line, columns.start as f64 - x, dy, flux);
            } else {
                for (column, pixel) in columns.clone().zip(line) {
                    *pixel += (flux * self.pixel(column as f64 - x, dy)) as f32;
                }
            }
        }
    }

    /// One row outside the core, in single precision so that it vectorises.
    fn add_wing(&self, line: &mut [f32], first: f64, dy: f64, flux: f64) {
        let constant = (1.0 + self.form[2] * dy * dy) as f32;
        let (linear, square) = ((2.0 * self.form[1] * dy) as f32, self.form[0] as f32);
        let (peak, first) = ((flux * self.peak) as f32, first as f32);
        for (i, pixel) in line.iter_mut().enumerate() {
            let x = first + i as f32;
            let u = constant + x * (linear + square * x);
            *pixel += peak / (u * u * u);
        }
    }

    /// The kernel that blurs and shifts an extended source by `(dx, dy)` pixels, normalised to one.
    pub(super) fn kernel(&self, dx: f64, dy: f64) -> Image {
        let side = 2 * KERNEL_HALF + 1;
        let mut kernel = Image::filled(side, 0.0);
        for (i, pixel) in kernel.pixels.iter_mut().enumerate() {
            // correlation: the kernel is mirrored
            let (x, y) = ((i % side) as f64 - KERNEL_HALF as f64, (i / side) as f64 - KERNEL_HALF as f64);
            *pixel = self.pixel(-x - dx, -y - dy) as f32;
        }
        let sum = kernel.sum() as f32;
        kernel.pixels.iter_mut().for_each(|p| *p /= sum);
        kernel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flux_is_conserved() {
        for (ratio, angle, x, y) in [(1.0, 0.0, 50.0, 50.0), (0.8, 0.7, 50.3, 49.6)] {
            let psf = Psf::new(2.2, ratio, angle);
            let mut image = Image::filled(101, 0.0);
            psf.add(&mut image, x, y, 1000.0, 1e-6);
            // sampling the convex wings instead of integrating them loses 0.2 %
            assert!((image.sum() - 1000.0).abs() < 3.0, "{}", image.sum());
        }
    }

    #[test]
    fn half_maximum_is_at_half_the_width() {
        let psf = Psf::new(3.0, 1.0, 0.0);
        assert!((psf.value(1.5, 0.0) / psf.value(0.0, 0.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn noise_pixels_are_one_over_the_sum_of_squares() {
        let psf = Psf::new(4.0, 1.0, 0.0);
        let mut image = Image::filled(61, 0.0);
        psf.add(&mut image, 30.0, 30.0, 1.0, 1e-9);
        let squares: f64 = image.pixels.iter().map(|p| f64::from(*p).powi(2)).sum();
        assert!((psf.noise_pixels() * squares - 1.0).abs() < 0.05);
    }

    #[test]
    fn the_kernel_moves_light_the_way_it_says() {
        let mut dot = Image::filled(33, 0.0);
        dot.pixels[16 * 33 + 16] = 1.0;
        let out = dot.filtered(&Psf::new(2.0, 1.0, 0.0).kernel(0.4, -0.3));
        let moment = |f: fn(usize, usize) -> usize| {
            out.pixels.iter().enumerate().map(|(i, p)| f(i, out.side) as f64 * f64::from(*p)).sum::<f64>() / out.sum()
        };
        assert!(moment(|i, s| i % s) > 10.2, "right of column 10");
        assert!(moment(|i, s| i / s) < 9.9, "above row 10");
    }
}
