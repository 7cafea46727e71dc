//! What the keys of `load` say about labels, checked and put in the words of `ztf::labels`.
//! Knows no alert.

use std::fs::File;
use std::path::Path;

use super::{LoadKeys, Unlabelled};
use crate::spec::faults::suggest;
use crate::stage::{ExternalFile, Job, StageError};
use crate::ztf::alert::{FIELDS, field};
use crate::ztf::labels::{LabelError, LabelOptions, Labels, Renaming, Rule, TableOptions, WeakRule};

type Parsed<T> = Result<Vec<T>, LabelError>;

fn parsed<T>(texts: &[String], parse: impl Fn(&str) -> Result<T, LabelError>) -> Parsed<T> {
    texts.iter().map(|text| parse(text)).collect()
}

/// Everything that the checker has to say about the keys of labels.
pub(super) fn faults(keys: &LoadKeys) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let (tables, weak) = (keys.labels.0.len(), parsed(&keys.weak_labels, WeakRule::parse));
    let renamings = parsed(&keys.class_map, Renaming::parse);
    let errors = [
        ("label_rules", parsed(&keys.label_rules, Rule::parse).err()),
        ("class_map", renamings.as_ref().err().cloned()),
        ("weak_labels", weak.as_ref().err().cloned()),
    ];
    faults.extend(errors.into_iter().filter_map(|(key, error)| Some((key, error?.to_string()))));
    let targets = |rules: &[WeakRule]| rules.iter().map(|rule| rule.label().to_owned()).collect::<Vec<_>>();
    faults.extend(weak.iter().flatten().flat_map(WeakRule::fields).filter(|name| field(name).is_none()).map(|name| {
        let hint = suggest(name, FIELDS).map(|hint| format!("; {hint}")).unwrap_or_default();
        ("weak_labels", format!("`{name}` is no field of an alert that is kept{hint}"))
    }));
    faults.extend(strangers("weak_labels", &targets(weak.as_deref().unwrap_or_default()), keys));
    let renamings = renamings.unwrap_or_default();
    faults.extend(strangers("class_map", &renamings.iter().map(|r| r.to.clone()).collect::<Vec<_>>(), keys));
    let twice = |(i, r): &(usize, &Renaming)| renamings[..*i].iter().any(|before| before.from == r.from);
    faults.extend(
        renamings
            .iter()
            .enumerate()
            .filter(twice)
            .map(|(_, r)| ("class_map", format!("`{}` has two names in `class_map`", r.from))),
    );
    for (key, given, serves) in [
        ("match_by", keys.match_by.0.len(), keys.match_by.serves(tables)),
        ("label_column", keys.label_column.0.len(), keys.label_column.serves(tables)),
    ] {
        if !serves {
            faults.push((key, format!("{given} values for {tables} label tables: give one for all or one for each")));
        }
    }
    if keys.position_columns.len() != 2 {
        faults.push(("position_columns", "two names are needed: right ascension and declination".into()));
    }
    let none = tables == 0 && keys.weak_labels.is_empty() && keys.table.is_none();
    if keys.unlabelled == Unlabelled::Drop && none {
        faults.push(("unlabelled", "`drop` without `labels`, `weak_labels` or `table` would leave no alert".into()));
    }
    if keys.table.is_some() && tables == 0 && !keys.label_rules.is_empty() {
        faults.push(("label_rules", "they read `labels`; name a csv there too".into()));
    }
    faults
}

/// Labels that a key gives although they do not count.
fn strangers(key: &'static str, labels: &[String], keys: &LoadKeys) -> Option<(&'static str, String)> {
    let known: Vec<&str> = keys.classes.iter().map(String::as_str).collect();
    let stranger = labels.iter().find(|label| !known.is_empty() && !known.contains(&label.as_str()))?;
    let hint = suggest(stranger, &known).map(|hint| format!("; {hint}")).unwrap_or_default();
    Some((key, format!("`{stranger}` is not among `classes`, so it would count as unlabelled{hint}")))
}

/// All that labels alerts; `None` when nothing does.
pub(super) fn labels(job: &Job, keys: &LoadKeys) -> Result<Option<Labels>, StageError> {
    let files = job.files.get("labels").map(Vec::as_slice).unwrap_or_default();
    if files.is_empty() && keys.weak_labels.is_empty() && keys.table.is_none() {
        return Ok(None);
    }
    if !keys.match_by.serves(files.len()) || !keys.label_column.serves(files.len()) {
        let what = format!("`labels` means {} files, but `match_by` or `label_column` has another number", files.len());
        return Err(StageError::with_hint(what, "give one for all or one for each file"));
    }
    let failed = |e: LabelError| StageError::failed(format!("labels: {e}"));
    let options = options(keys).map_err(failed)?;
    Labels::read(tables(files, keys), &options).map(Some).map_err(failed)
}

/// The columns that label tables lack.
pub(super) fn faults_of_columns(files: &[ExternalFile], keys: &LoadKeys) -> Option<(&'static str, String)> {
    // What cannot be read is told by the run, which hashes it first.
    if files.iter().any(|file| File::open(&file.path).is_err()) {
        return None;
    }
    let checked = Labels::check_columns(tables(files, keys), &options(keys).ok()?);
    checked.err().map(|error| ("labels", error.to_string()))
}

/// Each file with what is special about it.
fn tables<'a>(files: &'a [ExternalFile], keys: &LoadKeys) -> impl Iterator<Item = (&'a Path, TableOptions)> {
    let own = move |i: usize| TableOptions {
        name: name(files, i),
        label: keys.label_column.of(i).cloned(),
        identity: keys.match_by.of(i).copied().map(Into::into),
    };
    files.iter().enumerate().map(move |(i, file)| (Path::new(&file.path), own(i)))
}

/// What evidence calls the `i`-th file: its name, with a number when one before it is called the same.
fn name(files: &[ExternalFile], i: usize) -> String {
    let label = &files[i].label;
    match files[..i].iter().filter(|file| file.label == *label).count() {
        0 => label.clone(),
        before => format!("{label} ({})", before + 1),
    }
}

fn options(keys: &LoadKeys) -> Result<LabelOptions, LabelError> {
    let column = |i: usize| keys.position_columns.get(i).cloned().unwrap_or_default();
    Ok(LabelOptions {
        split: keys.split_column.clone(),
        rules: parsed(&keys.label_rules, Rule::parse)?,
        renamings: parsed(&keys.class_map, Renaming::parse)?,
        classes: keys.classes.clone(),
        position: [column(0), column(1)],
        radius: keys.match_radius,
        weak: parsed(&keys.weak_labels, WeakRule::parse)?,
    })
}
