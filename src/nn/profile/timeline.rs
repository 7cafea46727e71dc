//! Whose each instant of a step is: at any time it is one row's, or the rest's, so all of them add up to the step. Knows no
//! network.

use std::cell::RefCell;

/// Tells the time, in seconds from any moment on.
pub(crate) type Clock = Box<dyn FnMut() -> f64>;

/// Where in a step a row may own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// An operation of a layer, over all of its calls.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) layer: String,
    pub(super) operation: String,
    /// Seconds, forward and backward.
    pub(super) seconds: [f64; 2],
    /// Products of two numbers that the direct sums have, forward and backward.
    pub(super) products: [f64; 2],
}

impl Row {
    pub(super) fn new(layer: &str, operation: &str) -> Self {
        Self { layer: layer.into(), operation: operation.into(), seconds: [0.0; 2], products: [0.0; 2] }
    }
}

/// Time since it was opened, row by row.
pub(super) struct Timeline {
    clock: Clock,
    since: f64,
    owner: Option<(usize, Direction)>,
    pub(super) rows: Vec<Row>,
    /// Seconds of nobody.
    pub(super) rest: f64,
    /// The layer whose weights were taken last.
    layer: String,
}

thread_local! {
    static OPEN: RefCell<Option<Timeline>> = const { RefCell::new(None) };
}

/// Begins one on this thread, in place of any other.
pub(super) fn open(mut clock: Clock) {
    let since = clock();
    let timeline = Timeline { clock, since, owner: None, rows: Vec::new(), rest: 0.0, layer: String::new() };
    OPEN.set(Some(timeline));
}

/// Ends the one of this thread.
pub(super) fn close() -> Option<Timeline> {
    hand_to(None);
    OPEN.take()
}

/// Does something with the timeline of this thread, if one is open.
fn with<T>(act: impl FnOnce(&mut Timeline) -> T) -> Option<T> {
    OPEN.with_borrow_mut(|open| open.as_mut().map(act))
}

/// From now on the time is that of `owner`.
pub(super) fn hand_to(owner: Option<(usize, Direction)>) {
    with(|timeline| {
        let now = (timeline.clock)();
        let spent = now - std::mem::replace(&mut timeline.since, now);
        match std::mem::replace(&mut timeline.owner, owner) {
            Some((row, direction)) => timeline.rows[row].seconds[direction as usize] += spent,
            None => timeline.rest += spent,
        }
    });
}

/// That `weight`, such as `trunk.conv1.weight`, is about to be used.
pub(super) fn note(weight: &str) {
    with(|timeline| timeline.layer = layer(weight).into());
}

/// The layer that a weight belongs to.
pub(super) fn layer(weight: &str) -> &str {
    weight.rsplit_once('.').map_or(weight, |(layer, _)| layer)
}

/// The row of an operation, of the layer that was noted or of none; 0 if no timeline is open.
pub(super) fn row(has_weights: bool, operation: String) -> usize {
    let find = |timeline: &mut Timeline| {
        let layer = if has_weights { timeline.layer.as_str() } else { "" };
        let same = |row: &Row| row.layer == layer && row.operation == operation;
        timeline.rows.iter().position(same).unwrap_or_else(|| {
            timeline.rows.push(Row::new(layer, &operation));
            timeline.rows.len() - 1
        })
    };
    with(find).unwrap_or(0)
}

/// That a row's operation took so many products.
pub(super) fn count(row: usize, direction: Direction, products: f64) {
    with(|timeline| timeline.rows[row].products[direction as usize] += products);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instant_is_somebodys() {
        let mut times = [10.0, 11.0, 13.0, 17.0, 25.0, 41.0].into_iter();
        open(Box::new(move || times.next().unwrap()));
        note("trunk.conv1.weight");
        let first = row(true, "convolution".into());
        let second = row(false, "pooling".into());
        assert_eq!(row(true, "convolution".into()), first);
        hand_to(Some((first, Direction::Forward))); // rest: 1
        hand_to(Some((second, Direction::Forward))); // first: 2
        hand_to(None); // second: 4
        hand_to(Some((first, Direction::Backward))); // rest: 8
        let timeline = close().unwrap(); // first, backward: 16
        let seconds: Vec<[f64; 2]> = timeline.rows.iter().map(|row| row.seconds).collect();
        assert_eq!((seconds, timeline.rest), (vec![[2.0, 16.0], [4.0, 0.0]], 9.0));
        assert_eq!((timeline.rows[0].layer.as_str(), timeline.rows[1].layer.as_str()), ("trunk.conv1", ""));
        assert!(close().is_none());
    }
}
