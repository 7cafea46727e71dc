//! What a reader must know to read the tables: tests, counts, marks, what is missing; and the answer in one sentence.

use super::compare::{Comparison, ComparisonRow, Measure};
use super::grid::SIGNIFICANT;
use super::words;
use crate::metrics::accuracy::ACCURACY;
use crate::metrics::paired_objects::DRAWS;
use crate::metrics::recall::RECALL;

/// Sentences below the tables.
pub fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = vec![
        "Best (bold, or < in plain text): highest mean, lowest for errors and losses; it says nothing of significance."
            .to_string(),
        "n counts replicates; where all of an arm have the same numbers of a series, no seed changes them and they count once."
            .to_string(),
    ];
    if let Some(shared) = shared(comparison) {
        notes.push(format!(
            "Each replicate divides the same objects anew, so replicates are not independent: intervals and p over replicates \
             take the variance of their mean as s^2 (1/n + objects tested / objects trained on) (Nadeau and Bengio 2003): of a \
             class its own objects, of several classes those of the class with the largest ratio, here s^2 (1/n + {shared:.2}). \
             More replicates cannot make up for few objects."
        ));
    }
    if let Some(baseline) = &comparison.baseline
        && comparison.arms.len() > 1
    {
        notes.extend(test_notes(comparison, baseline));
    }
    if comparison.rows.iter().any(|row| row.other_scale) {
        let what = "Other scale: errors in pixels of arms that scale or crop them or choose channels each in its own way are not \
                    compared; of these no mean is the best.";
        notes.push(what.into());
    }
    if !comparison.missing.is_empty() {
        notes.push(format!("Missing: {}.", comparison.missing.join("; ")));
    }
    notes
}

fn test_notes(comparison: &Comparison, baseline: &str) -> Vec<String> {
    let mut notes = replicates_notes(comparison, baseline);
    let luck = if shared(comparison).is_some() { "seed and split do" } else { "the seed does" };
    if comparison.rows.iter().any(|row| row.objects.is_some()) {
        notes.push(format!(
            "Over test objects: the replicates of both arms on the same objects, 95 % interval of Tango's score for accuracies \
             and from {DRAWS} resamples of the objects for other numbers, p of a permutation test that exchanges the arms object by object, * for p < {SIGNIFICANT} after Holm's \
             correction over the arms. It says how far the choice of test objects matters for these trained networks, the \
             test over replicates how far {luck}. McNemar: exact test of accuracy; with several replicates of the \
             objects for which one arm is right more often."
        ));
    }
    if !comparison.effects.is_empty() {
        notes.push(
            "Effect of a setting: mean difference of all pairs of arms that differ in it alone (of errors in pixels, of pairs \
             that have the baseline's scale), paired over replicates; p of a t-test, corrected for nothing."
                .into(),
        );
    }
    notes
}

/// What replicates share at most, where they divide the same objects anew.
fn shared(comparison: &Comparison) -> Option<f64> {
    let whole = comparison.rows.iter().filter(|row| row.measure.class.is_empty());
    let shared = whole.filter_map(|row| Some(row.summary?.shared)).fold(0.0, f64::max);
    (shared > 0.0).then_some(shared)
}

fn replicates_notes(comparison: &Comparison, baseline: &str) -> Vec<String> {
    let deltas: Vec<_> = comparison.rows.iter().filter_map(|row| row.delta).collect();
    let pairs = deltas.iter().map(|d| d.summary.n).max().unwrap_or(0);
    if pairs == 0 && comparison.rows.iter().any(|row| row.other_scale) {
        return Vec::new(); // the note on scales says why
    }
    if pairs == 0 {
        return vec![format!(
            "No arm has a result in a replicate in which {baseline} has one: no difference can be given."
        )];
    }
    if pairs == 1 {
        return vec![format!(
            "One replicate: no interval and no p over replicates. Differences from {baseline} cannot be told from the luck \
             of a seed; set replicates."
        )];
    }
    let mut notes = vec![format!(
        "Differences from {baseline}: paired t-test over replicates, two-sided, 95 % interval of Student's t; * marks \
         p < {SIGNIFICANT} after Holm's correction over the arms."
    )];
    let are_equal = |row: &&ComparisonRow| {
        let summary = row.delta.filter(|_| !row.untouched).map(|delta| delta.summary);
        summary.is_some_and(|summary| summary.n > 1 && summary.std == Some(0.0))
    };
    if comparison.rows.iter().any(|row| are_equal(&row)) {
        notes.push(
            "A difference that is the same in all replicates but for rounding has no interval and no p of the t-test: without \
             scatter nothing says how far it could be off."
                .into(),
        );
    }
    if shared(comparison).is_some() {
        return notes;
    }
    notes[0].push_str(" comparison.csv also holds the exact sign-flip p.");
    let smallest = deltas.iter().map(|d| d.smallest_sign_flip).fold(1.0, f64::min);
    if smallest >= SIGNIFICANT {
        notes.push(format!(
            "With {pairs} pairs the sign-flip test, which assumes no normal distribution, cannot give p below {smallest}: so \
             few replicates cannot show a difference beyond doubt."
        ));
    }
    notes
}

/// The measure that answers the question: the last stage that has the most important metric of all classes, of those by which
/// arms can be told apart.
pub fn headline(comparison: &Comparison) -> Option<Measure> {
    let merits = |m: &&Measure| {
        m.class.is_empty() && words::direction(&m.metric) != words::Direction::Neither && comparison.is_of_one_scale(m)
    };
    let measures = comparison.measures().into_iter().filter(merits);
    let known = |m: &&Measure| comparison.rows_of(m).iter().any(|row| row.summary.is_some());
    let measures: Vec<&Measure> = measures.filter(known).collect();
    let rank = measures.iter().map(|m| words::rank(&m.metric)).min()?;
    let stage = &measures.iter().rev().find(|m| words::rank(&m.metric) == rank)?.stage;
    let at_stage = measures.iter().filter(|m| m.stage == *stage && words::rank(&m.metric) == rank);
    // Of several series the first whose arms differ: baselines such as the majority class do not.
    let differs = |m: &&Measure| comparison.rows_of(m).iter().any(|row| row.best);
    let mut candidates = at_stage.copied();
    candidates.clone().find(differs).or_else(|| candidates.next()).cloned()
}

/// The answer in one sentence, from the numbers. `validation` chooses the arm where it has the measure, so that the
/// test split chooses nothing.
pub fn answer(test: &Comparison, validation: &Comparison) -> String {
    let Some(measure) = headline(test) else { return without_headline(test).into() };
    if test.arms.len() < 2 {
        return among_series(test, validation, &measure);
    }
    let chooser = Measure { split: validation.split.clone(), ..measure.clone() };
    let by_validation = best(validation, &chooser);
    let (chosen, rule) = match by_validation {
        Some(row) => (test.row(&row.arm, &measure), "validation"),
        None => (best(test, &measure), measure.split.as_str()),
    };
    let Some(row) = chosen else { return "No arm has a result, so there is no answer yet.".into() };
    let about = about(&measure);
    let direction = words::direction(&measure.metric).word();
    let first = format!("{}: {about} {}, {direction} mean by the {rule} split", row.arm, spread(row));
    format!("{first}. {}{}{}", absent(test, row), against(test, row, &measure), over_objects(test, row))
}

/// Why there is no answer.
fn without_headline(comparison: &Comparison) -> &'static str {
    if comparison.rows.iter().any(|row| row.other_scale) {
        return "Errors in pixels of the arms cannot be compared, for their pixels are scaled, cut or chosen in several ways, and no \
                other number tells them apart: add a stage that judges them all alike, such as a classifier of the codes.";
    }
    "No metric of which one value is better was computed, so there is no answer yet."
}

/// With one arm the question is which of its series does best; the validation split chooses where it has the measure.
fn among_series(test: &Comparison, validation: &Comparison, measure: &Measure) -> String {
    let same = |m: &&Measure| m.stage == measure.stage && m.metric == measure.metric && m.class.is_empty();
    let rows = |of: &'_ Comparison| -> Vec<(String, f64)> {
        let measures = of.measures().into_iter().filter(same).cloned().collect::<Vec<_>>();
        let known = measures.iter().filter_map(|m| Some((m.series.clone(), of.rows_of(m).first()?.summary?.mean)));
        known.collect()
    };
    let direction = words::direction(&measure.metric);
    let (by_validation, by_test) = (rows(validation), rows(test));
    let (list, rule) = if by_validation.is_empty() {
        (&by_test, measure.split.as_str())
    } else {
        (&by_validation, validation.split.as_str())
    };
    let better = |a: &(String, f64), b: &(String, f64)| direction.better(a.1, b.1);
    let best = list.iter().fold(None, |best: Option<&(String, f64)>, row| match best {
        Some(best) if !better(row, best) => Some(best),
        _ => Some(row),
    });
    let chosen =
        Measure { series: best.map_or_else(|| measure.series.clone(), |best| best.0.clone()), ..measure.clone() };
    let Some(row) = test.rows_of(&chosen).into_iter().find(|row| row.summary.is_some()) else {
        return "No arm has a result, so there is no answer yet.".into();
    };
    let first = format!("{}: {} {}", row.arm, about(&chosen), spread(row));
    let absent = absent(test, row);
    match list.len() {
        0 | 1 => format!("{first}. {absent}"),
        series => format!("{first}, {} of {series} series by the {rule} split. {absent}", direction.word()),
    }
    .trim_end()
    .into()
}

/// Classes of which the split has no row, as a sentence: a mean over the others says nothing of them.
fn absent(comparison: &Comparison, row: &ComparisonRow) -> String {
    let here = |other: &&ComparisonRow| {
        let (ours, theirs) = (&row.measure, &other.measure);
        (&ours.stage, &ours.series, &ours.split) == (&theirs.stage, &theirs.series, &theirs.split)
            && (other.arm == row.arm && theirs.metric == RECALL.name && other.summary.is_none())
    };
    let classes: Vec<&str> = comparison.rows.iter().filter(here).map(|row| row.measure.class.as_str()).collect();
    match classes.as_slice() {
        [] => String::new(),
        classes => format!("No {} row is of {}. ", row.measure.split, classes.join(", ")),
    }
}

fn about(measure: &Measure) -> String {
    let series = if measure.series.is_empty() { String::new() } else { format!(" of {}", measure.series) };
    let split = if measure.split.is_empty() { String::new() } else { format!(" on the {} split", measure.split) };
    format!("{}{series}{split} (stage {})", words::title(&measure.metric), measure.stage)
}

fn spread(row: &ComparisonRow) -> String {
    let Some(summary) = row.summary else { return "missing".into() };
    let rows = row.rows.filter(|rows| *rows > 0);
    let rows = rows.map_or_else(String::new, |rows| format!(", {rows} row{}", if rows == 1 { "" } else { "s" }));
    format!("{} (n = {}{rows})", words::spread(summary.mean, summary.std), summary.n)
}

/// Of the arms the one with the best mean; the first of equals.
fn best<'a>(comparison: &'a Comparison, measure: &Measure) -> Option<&'a ComparisonRow> {
    let direction = words::direction(&measure.metric);
    let mut best: Option<(&ComparisonRow, f64)> = None;
    for row in comparison.rows_of(measure) {
        if let Some(summary) = row.summary
            && best.is_none_or(|(_, mean)| direction.better(summary.mean, mean))
        {
            best = Some((row, summary.mean));
        }
    }
    best.map(|(row, _)| row)
}

/// How far the arms are from the baseline, and whether that is more than noise.
fn against(comparison: &Comparison, chosen: &ComparisonRow, measure: &Measure) -> String {
    let Some(baseline) = &comparison.baseline else { return "There is no baseline arm to compare with.".into() };
    let rows = comparison.rows_of(measure);
    let significant: Vec<&str> =
        rows.iter().filter(|row| row.p_holm.is_some_and(|p| p < SIGNIFICANT)).map(|row| row.arm.as_str()).collect();
    let pairs = rows.iter().filter_map(|row| row.delta).map(|delta| delta.summary.n).max().unwrap_or(0);
    let delta = match chosen.delta {
        _ if chosen.arm == *baseline => "It is the baseline.".to_string(),
        None => format!("Its difference from {baseline} is missing."),
        Some(delta) => format!("Its difference from {baseline} is {}.", words::difference(&delta)),
    };
    let metric = words::title(&measure.metric);
    let verdict = match (pairs, significant.is_empty()) {
        (0, _) => format!("No arm has a result in a replicate in which {baseline} has one."),
        (1, _) => "With one replicate nothing can be said about noise.".to_string(),
        (_, true) => format!("No arm differs from {baseline} in {metric} beyond noise (paired t, Holm, 5 %)."),
        (_, false) => {
            let arms = significant.join(", ");
            format!("Beyond noise (paired t, Holm, 5 %) these differ from {baseline} in {metric}: {arms}.")
        }
    };
    format!("{delta} {verdict}")
}

/// The chosen arm's difference in accuracy over the test objects, as a sentence; nothing where it is not known.
fn over_objects(comparison: &Comparison, chosen: &ComparisonRow) -> String {
    let accuracy = Measure { metric: ACCURACY.name.into(), ..chosen.measure.clone() };
    let known = comparison.row(&chosen.arm, &accuracy).and_then(|row| row.objects);
    let (Some(difference), Some(baseline)) = (known, &comparison.baseline) else { return String::new() };
    format!(
        " Over the {} objects of the {} split its accuracy differs from that of {baseline} by {}, {} (permutation).",
        difference.objects,
        accuracy.split,
        words::estimate(difference.mean, difference.interval),
        words::p_value(difference.permutation)
    )
}
