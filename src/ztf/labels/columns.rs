//! Which columns of a label table hold what, told by its header where that leaves no doubt. Knows no alert.

use super::notation::Rule;
use super::{LabelOptions, TableOptions};

/// Columns that may hold the label, when nobody says which one does.
const LABELS: [&str; 3] = ["label", "class", "type"];

/// How a table names what it labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By the detection: column `candid`.
    Candid,
    /// By the object: column `objectId`.
    Object,
    /// By its place on the sky: columns of right ascension and declination.
    Position,
}

/// The column or columns of the identifier.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id {
    Candid(usize),
    Object(usize),
    Position(usize, usize),
}

/// Positions of the wanted columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) id: Id,
    pub(super) label: usize,
    /// `None`: this table has no such column.
    pub(super) split: Option<usize>,
    /// The same for each rule.
    pub(super) rules: Vec<Option<usize>>,
}

/// A header line.
struct Header<'a>(Vec<&'a str>);

impl Header<'_> {
    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| *column == name)
    }

    fn any_case(&self, name: &str) -> Option<usize> {
        self.position(name).or_else(|| self.0.iter().position(|column| column.eq_ignore_ascii_case(name)))
    }

    fn among(&self) -> String {
        self.0.iter().take(30).copied().collect::<Vec<_>>().join(", ")
    }

    fn wanted(&self, name: &str) -> Result<usize, String> {
        self.position(name).ok_or_else(|| format!("no column `{name}` among {}", self.among()))
    }

    fn id(&self, identity: Option<Identity>, [ra, dec]: &[String; 2]) -> Result<Id, String> {
        let place = || self.any_case(ra).zip(self.any_case(dec)).map(|(ra, dec)| Id::Position(ra, dec));
        match identity {
            Some(Identity::Candid) => self.wanted("candid").map(Id::Candid),
            Some(Identity::Object) => self.wanted("objectId").map(Id::Object),
            Some(Identity::Position) => {
                place().ok_or_else(|| format!("no columns `{ra}` and `{dec}` among {}", self.among()))
            }
            None => {
                let candid = self.position("candid").map(Id::Candid);
                let found = candid.or_else(|| self.position("objectId").map(Id::Object)).or_else(place);
                found.ok_or_else(|| {
                    let names = format!("neither a column `candid` nor `objectId` nor both `{ra}` and `{dec}`");
                    format!("{names} among {}", self.among())
                })
            }
        }
    }

    fn label(&self, name: Option<&str>) -> Result<usize, String> {
        if let Some(name) = name {
            return self.wanted(name);
        }
        if let Some(label) = self.position(LABELS[0]) {
            return Ok(label);
        }
        let found: Vec<usize> = LABELS.iter().filter_map(|name| self.any_case(name)).collect();
        match found.as_slice() {
            [only] => Ok(*only),
            [] => {
                Err(format!("no column `label`, `class` or `type` among {}: name it with `label_column`", self.among()))
            }
            several => {
                let names: Vec<String> = several.iter().map(|column| format!("`{}`", self.0[*column])).collect();
                Err(format!("the label may be in {}: choose with `label_column`", names.join(" or ")))
            }
        }
    }
}

impl Columns {
    pub(super) fn find(header: &csv::StringRecord, own: &TableOptions, all: &LabelOptions) -> Result<Self, String> {
        let header = Header(header.iter().map(|column| column.trim_start_matches('\u{feff}')).collect());
        Ok(Self {
            id: header.id(own.identity, &all.position)?,
            label: header.label(own.label.as_deref())?,
            split: all.split.as_deref().and_then(|name| header.position(name)),
            rules: all.rules.iter().map(|Rule { column, .. }| header.position(column)).collect(),
        })
    }

    /// How evidence calls the identifier.
    pub(super) fn identity(&self) -> &'static str {
        match self.id {
            Id::Candid(_) => "candid",
            Id::Object(_) => "objectId",
            Id::Position(..) => "position",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(header: &[&str], own: &TableOptions) -> Result<(&'static str, usize), String> {
        let all = LabelOptions::default();
        Columns::find(&csv::StringRecord::from(header.to_vec()), own, &all).map(|found| (found.identity(), found.label))
    }

    #[test]
    fn headers_tell_what_leaves_no_doubt() {
        let plain = TableOptions::default();
        assert_eq!(find(&["\u{feff}candid", "objectId", "ra", "dec", "label"], &plain), Ok(("candid", 4)));
        assert_eq!(find(&["class", "label", "objectId"], &plain), Ok(("objectId", 1)));
        assert_eq!(find(&["RA", "Dec", "Type"], &plain), Ok(("position", 2)));
        let own = TableOptions { identity: Some(Identity::Position), label: Some("x".into()), ..plain };
        assert_eq!(find(&["candid", "ra", "dec", "label", "x"], &own), Ok(("position", 4)));
    }

    #[test]
    fn doubts_are_named() {
        let plain = TableOptions::default();
        let fault = |header: &[&str], own: &TableOptions| find(header, own).unwrap_err();
        assert!(fault(&["class", "type", "candid"], &plain).contains("may be in `class` or `type`"));
        assert!(fault(&["candid", "kind"], &plain).contains("no column `label`, `class` or `type` among candid, kind"));
        assert!(fault(&["ra", "label"], &plain).contains("neither a column `candid` nor `objectId` nor both `ra` and"));
        let own = TableOptions { identity: Some(Identity::Object), ..plain };
        assert!(fault(&["candid", "label"], &own).contains("no column `objectId` among candid, label"));
    }
}
