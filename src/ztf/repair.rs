//! Mends what can be mended about a packet without inventing anything, where the user asks for it; says what was done.
//! Knows no file; what can be mended, and how, is listed in `quality`.

use super::alert::{SIDE, Stamp, field, missing_before};
use super::cutout::{HUGE, oddities};
use super::dates;
use super::history::Point;
use super::packet::sign_of_number;
use super::quality::{Fault, Policies, Reason};
use super::record::Told;

/// Mends an alert's own values; `faults` are what was found about them.
pub(super) fn values(told: &mut Told, faults: &mut [Fault], policies: &Policies) {
    for fault in faults.iter_mut().filter(|fault| policies.repairs(fault.reason)) {
        let (name, value) = match fault.reason {
            Reason::OddIsdiffpos => ("isdiffpos", told.odd_isdiffpos.as_deref().and_then(sign)),
            Reason::MissingJd | Reason::WrongJd => ("jd", told.candid.and_then(dates::of_candid)),
            Reason::WrongPastJd => {
                told.history.iter_mut().for_each(Point::mend_date);
                mark(fault, "taken from candid or pid");
                continue;
            }
            _ => continue,
        };
        if let (Some(index), Some(value)) = (field(name), value) {
            told.values[index] = value;
            mark(fault, &format!("taken for {value}"));
        }
    }
}

/// The sign that a word begins with: 1 for t, 1 or +, 0 for f, 0 or -. A number is no word.
fn sign(word: &str) -> Option<f64> {
    let positive = match (word.trim().parse(), word.trim_start().chars().next()?) {
        (Ok(number), _) => sign_of_number(number)?,
        (_, 't' | 'T' | '1' | '+') => true,
        (_, 'f' | 'F' | '0' | '-') => false,
        _ => return None,
    };
    Some(f64::from(u8::from(positive)))
}

/// The stamp, mended where that is wanted, and what is odd about it; `found` before.
pub(super) fn stamp(
    mut stamp: Stamp,
    mut found: Vec<Fault>,
    values: &[f64],
    policies: &Policies,
) -> (Stamp, Vec<Fault>) {
    let mut cut = None;
    let wanted = |found: &[Fault], reason| {
        policies.repairs(reason).then(|| found.iter().position(|fault| fault.reason == reason)).flatten()
    };
    if let Some(at) = wanted(&found, Reason::Oversized) {
        stamp = centre(&stamp);
        let mut fault = found.swap_remove(at);
        mark(&mut fault, "the centre is used");
        cut = Some(fault);
        found = oddities(&stamp);
    }
    if let Some(at) = wanted(&found, Reason::HugePixels) {
        stamp.pixels.iter_mut().filter(|pixel| pixel.abs() > HUGE).for_each(|pixel| *pixel = f32::NAN);
        mark(&mut found[at], "taken for NaN");
        if stamp.pixels.iter().all(|pixel| pixel.is_nan()) {
            found.push(Fault::new(Reason::AllNan, "none is left without those above 1e10"));
        }
    }
    if let Some(at) = wanted(&found, Reason::NotSquare)
        && let Some(whole) = filled(&stamp, values)
    {
        stamp = whole;
        mark(&mut found[at], "filled up with NaN");
    }
    (stamp, cut.into_iter().chain(found).collect())
}

fn mark(fault: &mut Fault, how: &str) {
    fault.repaired = true;
    fault.detail += &format!("; {how}");
}

/// The middle of a stamp where it is longer than [`SIDE`]; of an even side, one pixel more is left out at its end.
fn centre(stamp: &Stamp) -> Stamp {
    let (rows, columns) = (stamp.rows.min(SIDE), stamp.columns.min(SIDE));
    let (down, right) = ((stamp.rows - rows) / 2, (stamp.columns - columns) / 2);
    let lines = stamp.pixels.chunks_exact(stamp.columns).skip(down).take(rows);
    let pixels = lines.flat_map(|line| line[right..right + columns].iter().copied()).collect();
    Stamp { rows, columns, pixels }
}

/// The stamp in its place among [`SIDE`] x [`SIDE`] pixels; `None` where the packet does not say which side was cut.
fn filled(stamp: &Stamp, values: &[f64]) -> Option<Stamp> {
    let before = |length: usize, name: &str| {
        let position = values[field(name)?];
        (length == SIDE || position.is_finite()).then(|| missing_before(length, position))
    };
    let (down, right) = (before(stamp.rows, "ypos")?, before(stamp.columns, "xpos")?);
    let mut pixels = vec![f32::NAN; SIDE * SIDE];
    for (y, line) in stamp.pixels.chunks_exact(stamp.columns).enumerate() {
        let start = (y + down) * SIDE + right;
        pixels[start..start + stamp.columns].copy_from_slice(line);
    }
    Some(Stamp { rows: SIDE, columns: SIDE, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::alert::FIELDS;

    fn policies(reasons: &[Reason]) -> Policies {
        let mut policies = Policies::default();
        for reason in reasons {
            policies.repair(*reason);
        }
        policies
    }

    fn fields(set: &[(&str, f64)]) -> Vec<f64> {
        let mut values = vec![f64::NAN; FIELDS.len()];
        for (name, value) in set {
            values[field(name).unwrap()] = *value;
        }
        values
    }

    /// Each pixel tells its place: row times 100 plus column.
    fn numbered(rows: usize, columns: usize) -> Stamp {
        let pixels = (0..rows * columns).map(|i| (i / columns * 100 + i % columns) as f32).collect();
        Stamp { rows, columns, pixels }
    }

    fn stamp(stamp: Stamp, values: &[f64], policies: &Policies) -> (Stamp, Vec<Fault>) {
        let found = oddities(&stamp);
        super::stamp(stamp, found, values, policies)
    }

    fn reasons(found: &[Fault]) -> Vec<(Reason, bool)> {
        found.iter().map(|fault| (fault.reason, fault.repaired)).collect()
    }

    #[test]
    fn a_cut_stamp_is_filled_up_on_the_side_that_was_cut() {
        let wanted = policies(&[Reason::NotSquare]);
        let (low, found) = stamp(numbered(60, 61), &fields(&[("xpos", 10.0), ("ypos", 3060.0)]), &wanted);
        assert_eq!(reasons(&found), [(Reason::NotSquare, true)]);
        assert_eq!((low.rows, low.columns, low.pixels.len()), (SIDE, SIDE, SIDE * SIDE));
        assert!(low.pixels[1].is_nan() && low.pixels[60 * SIDE + 30].is_nan());
        assert_eq!((low.pixels[2], low.pixels[59 * SIDE + 62]), (0.0, 5960.0));
        // which side was cut is unknown: as it was
        let (same, found) = stamp(numbered(60, 63), &fields(&[("xpos", 10.0)]), &wanted);
        assert_eq!((same.rows, reasons(&found)), (60, vec![(Reason::NotSquare, false)]));
    }

    #[test]
    fn the_centre_of_a_large_stamp_is_used() {
        let (small, found) = stamp(numbered(65, 64), &fields(&[]), &policies(&[Reason::Oversized]));
        assert_eq!(reasons(&found), [(Reason::Oversized, true)]);
        assert_eq!((small.rows, small.columns), (SIDE, SIDE));
        assert_eq!((small.pixels[0], small.pixels[SIDE * SIDE - 1]), (100.0, 6362.0));
        let both = policies(&[Reason::Oversized, Reason::NotSquare]);
        let (narrow, found) = stamp(numbered(65, 60), &fields(&[("xpos", 5.0), ("ypos", 500.0)]), &both);
        assert_eq!(reasons(&found), [(Reason::Oversized, true), (Reason::NotSquare, true)]);
        assert!(narrow.pixels[2].is_nan());
        assert_eq!(narrow.pixels[3], 100.0);
        assert_eq!(reasons(&stamp(numbered(65, 65), &fields(&[]), &policies(&[])).1), [(Reason::Oversized, false)]);
    }

    #[test]
    fn huge_pixels_become_nan_and_nothing_else_does() {
        let mut odd = numbered(SIDE, SIDE);
        odd.pixels[7] = -f32::MAX;
        odd.pixels[8] = f32::INFINITY;
        let wanted = policies(&[Reason::HugePixels]);
        let (mended, found) = stamp(odd.clone(), &fields(&[]), &wanted);
        assert_eq!(reasons(&found), [(Reason::HugePixels, true)]);
        assert_eq!(mended.pixels.iter().filter(|pixel| pixel.is_nan()).count(), 2);
        assert_eq!((mended.pixels[6], mended.pixels[9]), (6.0, 9.0));
        odd.pixels.fill(f32::MAX);
        let found = reasons(&stamp(odd, &fields(&[]), &wanted).1);
        assert_eq!(found, [(Reason::HugePixels, true), (Reason::AllNan, false)]);
    }

    #[test]
    fn values_are_read_from_what_is_there() {
        let wanted = policies(&[Reason::OddIsdiffpos, Reason::MissingJd]);
        let mended = |word: &str, candid: i64| {
            let odd = Some(word.to_owned());
            let (candid, values) = (Some(candid), fields(&[]));
            let (object_id, faults, any_size, label) = <_>::default();
            let mut told =
                Told { candid, object_id, values, faults, odd_isdiffpos: odd, any_size, label, history: Vec::new() };
            let mut faults = vec![Fault::new(Reason::OddIsdiffpos, word), Fault::new(Reason::MissingJd, "")];
            super::values(&mut told, &mut faults, &wanted);
            let value = |name| told.values[field(name).unwrap()];
            ([value("isdiffpos"), value("jd")], [faults[0].repaired, faults[1].repaired])
        };
        let (found, repaired) = mended("True ", 1_127_174_604_415_015_005);
        assert!(found[0] == 1.0 && (found[1] - 2_458_881.674_606_5).abs() < 1e-5 && repaired == [true, true]);
        let (found, repaired) = mended("neg", 7);
        assert!(found.iter().all(|value| value.is_nan()) && repaired == [false, false]);
        assert_eq!(mended("false alarm", 7).0[0], 0.0);
        assert_eq!(mended("-1", 7).0[0], 0.0);
        for number in ["-5", "17", "-99999", "+2.5", "1e3"] {
            let (found, repaired) = mended(number, 7);
            assert!(found[0].is_nan() && !repaired[0], "a number has no first letter: {number}");
        }
    }
}
