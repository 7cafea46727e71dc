//! How alike two square images are: structure, noise, and the light in an aperture. Knows no stamp and no network.

/// Side of the windows of [`ssim`], pixels.
const WINDOW: usize = 7;

/// `Σ (a − b)²`.
pub fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// Largest less smallest value; `None` for a flat image or one with values that are no numbers.
fn range(image: &[f32]) -> Option<f64> {
    let (low, high) = image.iter().fold((f64::MAX, f64::MIN), |(low, high), v| {
        let v = f64::from(*v);
        (low.min(v), high.max(v))
    });
    (high > low && image.iter().all(|v| v.is_finite())).then_some(high - low)
}

/// Mean structural similarity of `made` and `image` `[side, side]` over all windows of 7 x 7 pixels that lie inside, with the
/// range of `image` as the scale (Wang et al. 2004, IEEE Trans. Image Process. 13, 600, eq. 13; uniform windows, sample
/// covariance, as scikit-image has it). `None` for images smaller than a window and for flat ones.
pub fn ssim(image: &[f32], made: &[f32], side: usize) -> Option<f64> {
    let scale = range(image).filter(|_| side >= WINDOW)?;
    let (c1, c2) = ((0.01 * scale).powi(2), (0.03 * scale).powi(2));
    let n = (WINDOW * WINDOW) as f64;
    let places = side - WINDOW + 1;
    let mut total = 0.0;
    for (top, left) in (0..places).flat_map(|top| (0..places).map(move |left| (top, left))) {
        let [mut a, mut b, mut aa, mut bb, mut ab] = [0.0; 5];
        for y in top..top + WINDOW {
            let row = y * side + left..y * side + left + WINDOW;
            for (x, y) in image[row.clone()].iter().zip(&made[row]) {
                let (x, y) = (f64::from(*x), f64::from(*y));
                (a, b, aa, bb, ab) = (a + x, b + y, aa + x * x, bb + y * y, ab + x * y);
            }
        }
        let (a, b) = (a / n, b / n);
        let covariance = |products: f64, means: f64| (products / n - means) * n / (n - 1.0);
        let (va, vb, vab) = (covariance(aa, a * a), covariance(bb, b * b), covariance(ab, a * b));
        total += (2.0 * a * b + c1) * (2.0 * vab + c2) / ((a * a + b * b + c1) * (va + vb + c2));
    }
    Some(total / (places * places) as f64)
}

/// Ratio of the range of `image` to the root mean square of the difference, decibel: `20 log10(range / rms)`. `None` for a flat
/// image and for equal ones.
pub fn psnr(image: &[f32], made: &[f32]) -> Option<f64> {
    let squares: f64 = image.iter().zip(made).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let rms = (squares / image.len() as f64).sqrt();
    range(image).filter(|_| rms > 0.0).map(|range| 20.0 * (range / rms).log10())
}

/// Sum over the pixels whose centres are within `radius` pixels of the centre of the image, less as many times the median of
/// the others. `None` where there are no others.
pub fn aperture_flux(image: &[f32], side: usize, radius: f64) -> Option<f64> {
    let centre = (side as f64 - 1.0) / 2.0;
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (index, value) in image.iter().enumerate() {
        let (y, x) = ((index / side) as f64 - centre, (index % side) as f64 - centre);
        let part = if x * x + y * y <= radius * radius { &mut inside } else { &mut outside };
        part.push(f64::from(*value));
    }
    let sky = median(&mut outside)?;
    Some(inside.iter().map(|value| value - sky).sum())
}

/// The middle value, the mean of the two middle ones of an even number; `None` of none.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let (middle, odd) = (values.len() / 2, values.len() % 2 == 1);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| !odd);
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 21;

    fn image(peak: f64, width: f64, noise: impl Fn(usize) -> usize) -> Vec<f32> {
        let pixel = |i: usize| {
            let (y, x) = ((i / SIDE) as f64 - 10.0, (i % SIDE) as f64 - 10.0);
            (peak * (-(x * x + y * y) / width).exp() + noise(i) as f64) as f32
        };
        (0..SIDE * SIDE).map(pixel).collect()
    }

    /// ```python
    /// from skimage.metrics import structural_similarity as ssim, peak_signal_noise_ratio as psnr
    /// i = np.arange(441).reshape(21, 21); y, x = np.mgrid[:21, :21] - 10; f = np.float32
    /// a = (80*np.exp(-(x*x + y*y)/9.) + (i*i % 13)).astype(f); b = (75*np.exp(-(x*x + y*y)/12.) + (i*7 % 11)).astype(f)
    /// r = float(a.max() - a.min()); a, b = a.astype(float), b.astype(float)
    /// print(ssim(a, b, data_range=r), psnr(a, b, data_range=r))
    /// inside = x*x + y*y <= 25; print(*[(im[inside] - np.median(im[~inside])).sum() for im in (a, b)])
    /// ```
    #[test]
    fn equal_scikit_image_and_numpy() {
        let (a, b) = (image(80.0, 9.0, |i| i * i % 13), image(75.0, 12.0, |i| i * 7 % 11));
        let close = |ours: Option<f64>, theirs: f64| {
            let ours = ours.unwrap();
            assert!((ours / theirs - 1.0).abs() < 1e-6, "{ours} against {theirs}");
        };
        close(ssim(&a, &b, SIDE), 0.758_572_298_566_164_9);
        close(psnr(&a, &b), 23.048_829_688_227_222);
        close(aperture_flux(&a, SIDE, 5.0), 2_225.015_040_874_481);
        close(aperture_flux(&b, SIDE, 5.0), 2_412.946_396_112_442);
    }

    #[test]
    fn equal_flat_and_small_images() {
        let a = image(80.0, 9.0, |i| i % 5);
        assert!((ssim(&a, &a, SIDE).unwrap() - 1.0).abs() < 1e-12 && psnr(&a, &a).is_none());
        let flat = vec![3.0; SIDE * SIDE];
        assert_eq!((ssim(&flat, &a, SIDE), psnr(&flat, &a), aperture_flux(&flat, SIDE, 5.0)), (None, None, Some(0.0)));
        assert_eq!((ssim(&[1.0, 2.0, 3.0, 4.0], &[1.0; 4], 2), aperture_flux(&[1.0; 4], 2, 5.0)), (None, None));
        let mut holed = a.clone();
        holed[3] = f32::NAN;
        assert_eq!((ssim(&holed, &a, SIDE), psnr(&holed, &a)), (None, None));
    }

    #[test]
    fn medians_by_hand() {
        assert_eq!(
            [median(&mut [3.0, 1.0, 2.0]), median(&mut [4.0, 1.0]), median(&mut [])],
            [Some(2.0), Some(2.5), None]
        );
    }
}
