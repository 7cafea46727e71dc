//! The small notations of labels in TOML: rules on columns of a table, names for classes, weak labels from the alert's own
//! fields. Knows no table and no file.

use super::LabelError;
use crate::ztf::alert::Alert;

/// Value of the packet for "there is none".
const SENTINEL: f64 = -999.0;

/// The two sides of `FROM -> LABEL`, neither of them empty.
fn sides<'a>(what: &str, form: &str, text: &'a str) -> Result<(&'a str, &'a str), LabelError> {
    let sides = text.rsplit_once("->").map(|(from, label)| (from.trim(), label.trim()));
    sides
        .filter(|(from, label)| !from.is_empty() && !label.is_empty())
        .ok_or_else(|| LabelError(format!("{what} `{text}` is not of the form `{form}`")))
}

/// A label for rows without one: `COLUMN = VALUE -> LABEL`. The cell, or one of its items parted by `;`, equals VALUE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) column: String,
    value: String,
    pub(super) label: String,
}

impl Rule {
    /// Reads the notation, e.g. `weak_label = bogus_drb<0.1 -> bogus`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let form = "column = value -> label";
        let (from, label) = sides("label rule", form, text)?;
        let (column, value) = from
            .split_once('=')
            .map(|(column, value)| (column.trim(), value.trim()))
            .filter(|(column, _)| !column.is_empty())
            .ok_or_else(|| LabelError(format!("label rule `{text}` is not of the form `{form}`")))?;
        Ok(Self { column: column.into(), value: value.into(), label: label.into() })
    }

    pub(super) fn fits(&self, cell: &str) -> bool {
        cell == self.value || cell.split(';').any(|item| item.trim() == self.value)
    }

    /// The condition, for evidence.
    pub(super) fn condition(&self) -> String {
        format!("{} = {}", self.column, self.value)
    }
}

/// Another name for a label of a table: `FROM -> TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// As the table says.
    pub from: String,
    /// As it is to be.
    pub to: String,
}

impl Renaming {
    /// Reads the notation, e.g. `SN Ia -> SN`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let (from, to) = sides("entry of the class map", "label of a table -> class", text)?;
        Ok(Self { from: from.into(), to: to.into() })
    }
}

/// The comparisons, longer signs before those that they begin with.
const COMPARISONS: [(&str, fn(f64, f64) -> bool); 7] = [
    ("<=", |a, b| a <= b),
    (">=", |a, b| a >= b),
    ("!=", |a, b| a != b),
    ("==", |a, b| a == b),
    ("<", |a, b| a < b),
    (">", |a, b| a > b),
    ("=", |a, b| a == b),
];

/// One comparison of a field of the candidate with a number.
#[derive(Clone, Debug)]
struct Condition {
    field: String,
    sign: &'static str,
    holds: fn(f64, f64) -> bool,
    number: f64,
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let at = text.find(['<', '>', '!', '='])?;
        let (field, rest) = (text[..at].trim(), &text[at..]);
        let (sign, holds) = COMPARISONS.into_iter().find(|(sign, _)| rest.starts_with(sign))?;
        let number = rest[sign.len()..].trim().parse().ok().filter(|number: &f64| number.is_finite())?;
        (!field.is_empty()).then(|| Self { field: field.into(), sign, holds, number })
    }

    /// Whether the alert has the field, and its value is so. What is missing never is.
    fn fits(&self, alert: &Alert) -> bool {
        let value = alert.value(&self.field);
        value.is_finite() && value != SENTINEL && (self.holds)(value, self.number)
    }
}

/// A label for alerts that no table labels: `FIELD < NUMBER and FIELD >= NUMBER -> LABEL`.
#[derive(Clone, Debug)]
pub struct WeakRule {
    conditions: Vec<Condition>,
    label: String,
}

impl WeakRule {
    /// Reads the notation, e.g. `drb < 0.1 and ndethist > 5 -> bogus`.
    ///
    /// # Errors
    /// The text is not of that form.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let form = "field < number and ... -> label";
        let (from, label) = sides("weak label", form, text)?;
        let conditions: Option<Vec<Condition>> = from.split(" and ").map(Condition::parse).collect();
        let conditions = conditions.ok_or_else(|| {
            let signs = "with <, <=, >, >=, = or !=";
            LabelError(format!("weak label `{text}` is not of the form `{form}`, {signs}"))
        })?;
        Ok(Self { conditions, label: label.into() })
    }

    /// Names of the fields that it looks at.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|condition| condition.field.as_str())
    }

    /// The label that it gives.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn fits(&self, alert: &Alert) -> bool {
        self.conditions.iter().all(|condition| condition.fits(alert))
    }

    /// The rule's conditions, for evidence.
    pub(super) fn evidence(&self) -> String {
        let shown = |c: &Condition| format!("{} {} {}", c.field, c.sign, c.number);
        format!("rule {}", self.conditions.iter().map(shown).collect::<Vec<_>>().join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ztf::writer::tests::alert;

    fn with(set: &[(&str, f64)]) -> Alert {
        let mut alert = alert(1);
        for (name, value) in set {
            alert.values[crate::ztf::alert::field(name).unwrap()] = *value;
        }
        alert
    }

    #[test]
    fn every_comparison_compares() {
        let fits = |rule: &str, drb: f64| WeakRule::parse(rule).unwrap().fits(&with(&[("drb", drb)]));
        for (rule, below, equal, above) in [
            ("drb < 0.5 -> x", true, false, false),
            ("drb<=0.5->x", true, true, false),
            ("drb > 5e-1 -> x", false, false, true),
            ("drb >= 0.5 -> x", false, true, true),
            ("drb = 0.5 -> x", false, true, false),
            ("drb == 0.5 -> x", false, true, false),
            ("drb != 0.5 -> x", true, false, true),
        ] {
            assert_eq!([0.4, 0.5, 0.6].map(|drb| fits(rule, drb)), [below, equal, above], "{rule}");
        }
    }

    #[test]
    fn all_conditions_must_hold_and_what_is_missing_never_does() {
        let rule = WeakRule::parse("drb < 0.1 and  ndethist >= 2 -> bogus").unwrap();
        assert_eq!((rule.evidence().as_str(), rule.label()), ("rule drb < 0.1 and ndethist >= 2", "bogus"));
        assert!(rule.fits(&with(&[("drb", 0.05), ("ndethist", 2.0)])));
        assert!(!rule.fits(&with(&[("drb", 0.05), ("ndethist", 1.0)])));
        for missing in [f64::NAN, -999.0] {
            assert!(!rule.fits(&with(&[("drb", missing), ("ndethist", 2.0)])));
            assert!(!WeakRule::parse("drb != 1 -> x").unwrap().fits(&with(&[("drb", missing)])));
        }
        assert!(!WeakRule::parse("nothing < 1 -> x").unwrap().fits(&with(&[])));
    }

    #[test]
    fn what_is_not_of_the_form_is_said() {
        for text in
            ["drb < 0.1", "drb < -> x", "< 1 -> x", "drb 1 -> x", "drb < 0.1 and -> x", "drb < nan -> x", "drb < 1 ->"]
        {
            assert!(WeakRule::parse(text).is_err(), "{text}");
        }
        for text in ["bogus", "=x->", "x -> y", "= x -> y"] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
        assert!(Renaming::parse("SN Ia").is_err() && Renaming::parse("-> SN").is_err());
        let renaming = Renaming::parse(" SN Ia -> SN").unwrap();
        assert_eq!((renaming.from.as_str(), renaming.to.as_str()), ("SN Ia", "SN"));
    }
}
