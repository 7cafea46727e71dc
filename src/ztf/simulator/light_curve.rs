//! How bright an object is at each visit: one model per kind of object, each with its formula.
//! Knows no image: it speaks of magnitudes and of flux in units of magnitude zero.

use std::f64::consts::PI;

use super::chance::{Stream, chance, log_normal, normal, uniform};
use super::survey::Band;

/// A model that gives the change of flux against the template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LightCurve {
    /// Damped random walk in magnitude about `mean` (r band), Kelly, Bechtold & Siemiginowska 2009, ApJ 698, 895:
    /// `x(t + dt) = x(t) a + s sqrt(1 - a^2) N(0, 1)`, `a = exp(-dt / tau)`; its asymptotic variance is `s^2`.
    RandomWalk { mean: f64, colour: f64, sigma: f64, tau: f64, reference: f64 },
    /// Bazin et al. 2011, A&A 534, A43: `f = A exp(-(t - t0) / fall) / (1 + exp(-(t - t0) / rise))`,
    /// with a plateau of `plateau` days before the fall for type II-P.
    Explosion { peak: f64, colour: f64, t0: f64, rise: f64, fall: f64, plateau: f64, reddening: f64 },
    /// Periodic shape in magnitude about `mean`; the template is its average flux.
    Periodic { mean: f64, colour: f64, amplitude: f64, period: f64, phase: f64, shape: Shape },
    /// Rare outbursts of `amplitude` magnitudes above `mean` that rise at once and decay in `decay` days.
    Outburst { mean: f64, colour: f64, amplitude: f64, every: f64, decay: f64, phase: f64 },
    /// There once: a moving object of this magnitude.
    Single { magnitude: f64, colour: f64 },
    /// Nothing changes.
    Constant,
}

/// Shape of one period, as a function of phase in [0, 1), between 0 (bright) and 1 (faint).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Fast rise, slow linear decline (RR Lyrae of type ab).
    SawTooth,
    /// A sine (RR Lyrae of type c, spots, long-period variables).
    Sine,
    /// Two Gaussian eclipses, the second of 60 % of the depth.
    Eclipses,
}

impl Shape {
    fn value(self, phase: f64) -> f64 {
        match self {
            Self::SawTooth if phase < 0.15 => 1.0 - phase / 0.15,
            Self::SawTooth => (phase - 0.15) / 0.85,
            Self::Sine => 0.5 - 0.5 * (2.0 * PI * phase).cos(),
            Self::Eclipses => {
                let dip = |at: f64| (-0.5 * ((phase - at) / 0.045).powi(2)).exp();
                dip(0.25) + 0.6 * dip(0.75)
            }
        }
    }
}

/// Flux of magnitude `m`, in units of magnitude zero.
pub(super) fn flux(m: f64) -> f64 {
    10_f64.powf(-0.4 * m)
}

impl LightCurve {
    /// Flux of the object less its flux in the template, at each `(jd, band)` in time order.
    pub(super) fn changes(&self, visits: &[(f64, Band)], rng: &mut Stream) -> Vec<f64> {
        if let Self::RandomWalk { mean, colour, sigma, tau, reference } = *self {
            let walk = damped_random_walk(&visits.iter().map(|v| v.0).collect::<Vec<_>>(), sigma, tau, rng);
            let m = |band: Band, x: f64| flux(band.magnitude(mean, colour) + stretch(band) * x);
            return visits.iter().zip(walk).map(|((_, b), x)| m(*b, x) - m(*b, reference)).collect();
        }
        visits.iter().map(|(jd, band)| self.change(*jd, *band)).collect()
    }

    /// The same at earlier visits, given the change at a first one after them. A random walk goes back in time as it goes forth.
    pub(super) fn changes_before(
        &self,
        visits: &[(f64, Band)],
        first: ((f64, Band), f64),
        rng: &mut Stream,
    ) -> Vec<f64> {
        let Self::RandomWalk { mean, colour, sigma, tau, reference } = *self else {
            return visits.iter().map(|(jd, band)| self.change(*jd, *band)).collect();
        };
        let light = |band: Band, x: f64| flux(band.magnitude(mean, colour) + stretch(band) * x);
        let ((mut last, band), change) = first;
        let brightness = change + light(band, reference);
        let mut x = (-2.5 * brightness.log10() - band.magnitude(mean, colour)) / stretch(band);
        let mut changes = Vec::with_capacity(visits.len());
        for &(jd, band) in visits.iter().rev() {
            x = walk_on(x, last - jd, sigma, tau, rng);
            last = jd;
            changes.push(light(band, x) - light(band, reference));
        }
        changes.reverse();
        changes
    }

    /// The template's flux of the object itself in `band`; zero for what comes and goes.
    pub(super) fn quiescent(&self, band: Band) -> f64 {
        match *self {
            Self::RandomWalk { mean, colour, reference, .. } => flux(band.magnitude(mean, colour) + reference),
            Self::Periodic { mean, colour, amplitude, shape, .. } => {
                let depth = amplitude_in(band, amplitude);
                let average =
                    (0..32).map(|i| flux(depth * shape.value((f64::from(i) + 0.5) / 32.0))).sum::<f64>() / 32.0;
                flux(band.magnitude(mean, colour)) * average
            }
            Self::Outburst { mean, colour, .. } => flux(band.magnitude(mean, colour)),
            Self::Explosion { .. } | Self::Single { .. } | Self::Constant => 0.0,
        }
    }

    fn change(&self, jd: f64, band: Band) -> f64 {
        match *self {
            Self::RandomWalk { .. } | Self::Constant => 0.0,
            Self::Explosion { peak, colour, t0, rise, fall, plateau, reddening } => {
                let t = jd - t0;
                // blue light fades first
                let colour = (colour + reddening * t).clamp(-0.3, 1.5);
                flux(band.magnitude(peak, colour)) * explosion(t, rise, fall, plateau)
            }
            Self::Periodic { mean, colour, amplitude, period, phase, shape } => {
                let phase = (jd / period + phase).rem_euclid(1.0);
                let m = band.magnitude(mean, colour) + amplitude_in(band, amplitude) * shape.value(phase);
                flux(m) - self.quiescent(band)
            }
            Self::Outburst { mean, colour, amplitude, every, decay, phase } => {
                let since = (jd / every + phase).rem_euclid(1.0) * every;
                let quiet = flux(band.magnitude(mean, colour));
                // outbursts are hot: colour goes to zero
                let burst = flux(mean - amplitude + 1.086 * since / decay);
                if burst > 0.02 * quiet { burst } else { 0.0 }
            }
            Self::Single { magnitude, colour } => flux(band.magnitude(magnitude, colour)),
        }
    }
}

/// Amplitudes are larger in the blue by about a third.
fn amplitude_in(band: Band, amplitude: f64) -> f64 {
    if band == Band::G { 1.3 * amplitude } else { amplitude }
}

/// Bazin's function with its fall put off by a plateau, scaled so that its maximum is one.
fn explosion(t: f64, rise: f64, fall: f64, plateau: f64) -> f64 {
    let shape = |t: f64| (-(t - plateau).max(0.0) / fall).exp() / (1.0 + (-t / rise).exp());
    // without a plateau the derivative vanishes at rise ln(fall / rise - 1)
    let top = (rise * (fall / rise - 1.0).max(1.0).ln()).max(plateau);
    shape(t) / shape(top)
}

/// How much more a nucleus changes in this band than in the red one, magnitudes.
fn stretch(band: Band) -> f64 {
    if band == Band::G { 1.15 } else { 1.0 }
}

/// The walk so many days from where it is at `x`, either way.
fn walk_on(x: f64, days: f64, sigma: f64, tau: f64, rng: &mut Stream) -> f64 {
    let a = (-days / tau).exp();
    x * a + normal(rng, 0.0, sigma * (1.0 - a * a).sqrt())
}

/// Exact samples at sorted `times`, starting from the stationary distribution.
fn damped_random_walk(times: &[f64], sigma: f64, tau: f64, rng: &mut Stream) -> Vec<f64> {
    let mut state = normal(rng, 0.0, sigma);
    let mut last = times.first().copied().unwrap_or(0.0);
    let mut walk = Vec::with_capacity(times.len());
    for &t in times {
        state = walk_on(state, t - last, sigma, tau, rng);
        last = t;
        walk.push(state);
    }
    walk
}

/// A nucleus of mean magnitude `mean`: blazars and quasars vary by 0.1 to 0.6 magnitudes over a year.
pub(super) fn nucleus(rng: &mut Stream, mean: f64) -> LightCurve {
    let (sigma, tau) = (log_normal(rng, 0.28, 0.5), log_normal(rng, 180.0, 0.7));
    let reference = normal(rng, 0.0, sigma);
    LightCurve::RandomWalk { mean, colour: normal(rng, 0.35, 0.2), sigma, tau, reference }
}

/// A supernova of peak magnitude `peak` reached about `t0`: two thirds like Ia, the rest II-P, II-L and slow ones.
pub(super) fn supernova(rng: &mut Stream, peak: f64, t0: f64) -> LightCurve {
    let colour = normal(rng, 0.05, 0.12);
    let (rise, fall, plateau, reddening) = match uniform(rng, 0.0, 1.0) {
        p if p < 0.66 => (log_normal(rng, 4.5, 0.15), log_normal(rng, 24.0, 0.15), 0.0, 0.022),
        p if p < 0.82 => (log_normal(rng, 3.0, 0.3), log_normal(rng, 25.0, 0.3), uniform(rng, 60.0, 110.0), 0.010),
        _ => (log_normal(rng, 7.0, 0.4), log_normal(rng, 45.0, 0.4), 0.0, 0.008),
    };
    LightCurve::Explosion { peak, colour, t0, rise, fall, plateau, reddening }
}

/// A variable star of mean magnitude `mean`: RR Lyrae, eclipsing, rotating, long-period, outbursts and flares.
pub(super) fn variable_star(rng: &mut Stream, mean: f64) -> LightCurve {
    let phase = uniform(rng, 0.0, 1.0);
    let periodic = |colour: f64, amplitude: f64, period: f64, shape| LightCurve::Periodic {
        mean,
        colour,
        amplitude,
        period,
        phase,
        shape,
    };
    match uniform(rng, 0.0, 1.0) {
        p if p < 0.24 => periodic(0.25, uniform(rng, 0.4, 1.0), uniform(rng, 0.45, 0.75), Shape::SawTooth),
        p if p < 0.32 => periodic(0.2, uniform(rng, 0.25, 0.45), uniform(rng, 0.25, 0.4), Shape::Sine),
        p if p < 0.62 => {
            periodic(normal(rng, 0.6, 0.25), uniform(rng, 0.2, 0.9), log_normal(rng, 0.6, 0.8), Shape::Eclipses)
        }
        p if p < 0.76 => {
            periodic(normal(rng, 0.9, 0.3), log_normal(rng, 0.12, 0.4), log_normal(rng, 3.0, 1.0), Shape::Sine)
        }
        p if p < 0.92 => {
            periodic(normal(rng, 1.4, 0.4), log_normal(rng, 0.7, 0.7), log_normal(rng, 170.0, 0.5), Shape::Sine)
        }
        _ => {
            let (flare, amplitude) = (chance(rng, 0.2), uniform(rng, 1.0, 4.0));
            let (every, decay) =
                if flare { (4.0, 0.15) } else { (log_normal(rng, 60.0, 0.5), log_normal(rng, 5.0, 0.4)) };
            let colour = if flare { 1.4 } else { 0.3 };
            LightCurve::Outburst { mean: mean + 2.0, colour, amplitude, every, decay, phase }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::stream;
    use super::*;

    #[test]
    fn random_walk_has_its_asymptotic_variance_and_correlation() {
        // Var x = sigma^2 and Cov(x(t), x(t + dt)) = sigma^2 exp(-dt / tau) (Kelly et al. 2009, eq. 4)
        let times: Vec<f64> = (0..60_000).map(|i| f64::from(i) * 10.0).collect();
        let x = damped_random_walk(&times, 0.3, 50.0, &mut stream(8, 0));
        let n = x.len() as f64;
        let variance = x.iter().map(|v| v * v).sum::<f64>() / n;
        let lagged = x.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
        // relative error of the variance: sqrt(2 (2 tau / T)) = 0.018
        assert!((variance / 0.09 - 1.0).abs() < 0.055, "{variance}");
        assert!((lagged / variance - (-0.2_f64).exp()).abs() < 0.01);
    }

    #[test]
    fn a_walk_back_in_time_is_the_same_walk() {
        let nucleus = LightCurve::RandomWalk { mean: 17.0, colour: 0.3, sigma: 0.3, tau: 50.0, reference: 0.1 };
        let LightCurve::RandomWalk { sigma, tau, .. } = nucleus else { unreachable!() };
        let (rng, first) = (&mut stream(4, 0), (0.0, Band::G));
        let magnitude = |band: Band, change: f64| {
            -2.5 * (change + flux(band.magnitude(17.0, 0.3) + stretch(band) * 0.1)).log10() - band.magnitude(17.0, 0.3)
        };
        let (n, mut sum, mut squares, mut products) = (20_000, 0.0, 0.0, 0.0);
        for _ in 0..n {
            let change = nucleus.changes(&[first], rng)[0];
            let x = magnitude(Band::G, change) / 1.15;
            let before = nucleus.changes_before(&[(-40.0, Band::R), (-20.0, Band::R)], (first, change), rng);
            let [far, near] = [before[0], before[1]].map(|change| magnitude(Band::R, change));
            (sum, squares, products) = (sum + near * x, squares + far * far, products + far * near);
        }
        // the covariances of the walk, within 4 standard errors of products of Gaussians, sigma^2 sqrt((1 + r^2) / n)
        let error = 4.0 * sigma * sigma * (2.0 / f64::from(n)).sqrt();
        let close = |found: f64, days: f64| (found / f64::from(n) - sigma * sigma * (-days / tau).exp()).abs() < error;
        assert!(close(sum, 20.0) && close(squares, 0.0) && close(products, 20.0));
    }

    #[test]
    fn explosions_peak_at_one() {
        for (rise, fall, plateau) in [(4.5, 24.0, 0.0), (3.0, 25.0, 80.0), (7.0, 45.0, 0.0)] {
            let top = (-400..2000).map(|i| explosion(f64::from(i) * 0.1, rise, fall, plateau)).fold(0.0, f64::max);
            assert!((top - 1.0).abs() < 0.01, "{top}");
            assert!(explosion(-60.0, rise, fall, plateau) < 1e-3);
            assert!(explosion(300.0, rise, fall, plateau) < 0.01);
        }
    }

    #[test]
    fn periodic_change_averages_to_nothing() {
        let star = LightCurve::Periodic {
            mean: 16.0,
            colour: 0.5,
            amplitude: 0.8,
            period: 0.5,
            phase: 0.1,
            shape: Shape::SawTooth,
        };
        let visits: Vec<_> = (0..5000).map(|i| (f64::from(i) * 0.0437, Band::R)).collect();
        let mean = star.changes(&visits, &mut stream(1, 0)).iter().sum::<f64>() / 5000.0;
        assert!(mean.abs() < 0.01 * star.quiescent(Band::R));
    }
}
