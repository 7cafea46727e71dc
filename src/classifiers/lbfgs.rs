//! Minimisation of a smooth function with its gradient: limited-memory BFGS. Knows nothing of what is minimised.

use std::collections::VecDeque;

/// Steps that are remembered.
const MEMORY: usize = 10;
/// Steps tried along one direction.
const TRIALS: usize = 40;
/// Sufficient decrease and curvature (Nocedal & Wright 2006, section 3.1).
const DECREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Largest component of the gradient at which it has converged.
    pub tolerance: f64,
    /// Most iterations.
    pub iterations: usize,
}

/// A point with its value and gradient.
#[derive(Clone, Debug)]
pub struct Point {
    /// Where.
    pub x: Vec<f64>,
    /// The function there.
    pub value: f64,
    /// Its gradient there.
    pub gradient: Vec<f64>,
}

/// Where it ended.
#[derive(Clone, Debug)]
pub struct Minimum {
    /// The best point.
    pub point: Point,
    /// Steps taken.
    pub iterations: usize,
    /// Whether the gradient fell below the tolerance.
    pub converged: bool,
}

/// Two-loop recursion (Nocedal & Wright 2006, algorithms 7.4 and 7.5) from `start`; `evaluate` gives value and gradient, or
/// an error that ends it.
pub fn minimise<E>(
    start: Vec<f64>,
    stop: Stop,
    mut evaluate: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
) -> Result<Minimum, E> {
    let (value, gradient) = evaluate(&start)?;
    let mut point = Point { x: start, value, gradient };
    let mut memory: VecDeque<Pair> = VecDeque::new();
    let mut iterations = 0;
    while largest(&point.gradient) > stop.tolerance && iterations < stop.iterations {
        let direction = descent(&memory, &point.gradient);
        let first = if memory.is_empty() { 1.0 / largest(&point.gradient).max(1.0) } else { 1.0 };
        let Some(next) = search(&point, &direction, first, &mut evaluate)? else { break };
        if memory.len() == MEMORY {
            memory.pop_front();
        }
        memory.extend(Pair::new(&point, &next));
        point = next;
        iterations += 1;
    }
    let converged = largest(&point.gradient) <= stop.tolerance;
    Ok(Minimum { point, iterations, converged })
}

/// Step, change of gradient, and one over their product.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    rho: f64,
}

impl Pair {
    /// `None` when the function curves the wrong way to within rounding.
    fn new(from: &Point, to: &Point) -> Option<Self> {
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
        let (step, change) = (difference(&to.x, &from.x), difference(&to.gradient, &from.gradient));
        let product = dot(&step, &change);
        (product > 0.0).then(|| Self { step, change, rho: 1.0 / product })
    }
}

fn descent(memory: &VecDeque<Pair>, gradient: &[f64]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let alpha = pair.rho * dot(&pair.step, &direction);
        add(&mut direction, -alpha, &pair.change);
        alphas.push(alpha);
    }
    if let Some(last) = memory.back() {
        let scale = 1.0 / (last.rho * dot(&last.change, &last.change));
        for d in &mut direction {
            *d *= scale;
        }
    }
    for (pair, alpha) in memory.iter().zip(alphas.into_iter().rev()) {
        let beta = pair.rho * dot(&pair.change, &direction);
        add(&mut direction, alpha - beta, &pair.step);
    }
    direction
}

/// A step along `direction` that meets the weak Wolfe conditions, by bisection (Lewis & Overton 2013, algorithm 2.6);
/// `None` when rounding leaves no such step.
fn search<E>(
    from: &Point,
    direction: &[f64],
    first: f64,
    evaluate: &mut impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
) -> Result<Option<Point>, E> {
    let slope = dot(&from.gradient, direction);
    if slope.is_nan() || slope >= 0.0 {
        return Ok(None);
    }
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, first);
    for _ in 0..TRIALS {
        let mut x = from.x.clone();
        add(&mut x, step, direction);
        let (value, gradient) = evaluate(&x)?;
        if value.is_nan() || value > from.value + DECREASE * step * slope {
            high = step;
        } else if dot(&gradient, direction) < CURVATURE * slope {
            low = step;
        } else {
            return Ok(Some(Point { x, value, gradient }));
        }
        step = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * low };
    }
    Ok(None)
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().fold(0.0, |largest, g| largest.max(g.abs()))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, x)| *to += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley: a minimum of 0 at (1, 1).
    #[test]
    fn finds_the_end_of_the_valley() {
        let evaluate = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            Ok::<_, ()>((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b]))
        };
        let found = minimise(vec![-1.2, 1.0], Stop { tolerance: 1e-9, iterations: 200 }, evaluate).unwrap();
        assert!(found.converged && found.iterations < 60, "{found:?}");
        assert!(found.point.x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{found:?}");
    }

    #[test]
    fn says_when_it_did_not_converge() {
        let evaluate = |x: &[f64]| Ok::<_, ()>((x[0].powi(4), vec![4.0 * x[0].powi(3)]));
        let found = minimise(vec![5.0], Stop { tolerance: 1e-12, iterations: 2 }, evaluate).unwrap();
        assert!(!found.converged);
        assert_eq!(found.iterations, 2);
    }
}
