//! What can be wrong with an alert: one list of reasons, what is done about each, and the record of one occurrence.
//! Knows no file format; the readers say which reason applies.

mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use policy::{Policies, Policy};

macro_rules! reasons {
    ($($variant:ident $name:literal $policy:ident $meaning:literal $(=> $repair:literal)?,)*) => {
        /// Why an alert, a file or a label is worth a note. The list is the order of every table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $meaning] $variant,)* }

        impl Reason {
            /// Every reason, in table order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in TOML and tables.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence on what it means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What is done about it unless the user says otherwise.
            #[must_use]
            pub fn default_policy(self) -> Policy {
                match self { $(Self::$variant => Policy::$policy,)* }
            }

            /// How the alert can be mended, if it can.
            #[must_use]
            pub fn repair(self) -> Option<&'static str> {
                match self { $(Self::$variant => None$(.or(Some($repair)))?,)* }
            }
        }
    };
}

reasons! {
    OtherFile "other_file" Keep "A file of the folder is not called like one that holds alerts, or belongs to no row of `table`, and is not read.",
    Unreadable "unreadable" Skip "The file cannot be opened or read. `load` fails then, whatever is asked for: nothing is known of the file.",
    EmptyFile "empty_file" Skip "The file has no bytes.",
    NotAvro "not_avro" Skip "The file is no Avro object container (its first bytes are not `Obj\\x01`).",
    BadArchive "bad_archive" Skip "The tarball is damaged; what stands before the damage is used.",
    UnsafePath "unsafe_path" Skip "A member of the tarball has an absolute path or one with `..`; nothing is ever unpacked.",
    Link "link" Skip "A member of the tarball is a link or a device instead of a file.",
    TooLarge "too_large" Skip "A size exceeds the limit for what is held in memory at once.",
    BadHeader "bad_header" Skip "The container's header is damaged or has no schema.",
    UnsupportedCodec "unsupported_codec" Skip "The container's codec is not null, deflate, snappy or zstandard.",
    NoRecords "no_records" Skip "The container ends after its header.",
    BadSchema "bad_schema" Skip "The container's embedded schema cannot be parsed.",
    Truncated "truncated" Skip "The file ends inside its header or a block, or claims more bytes than follow.",
    BadSync "bad_sync" Skip "The sync marker after a block is wrong: bytes were lost or changed.",
    BadBlock "bad_block" Skip "A compressed block cannot be inflated or its checksum is wrong.",
    BadRecord "bad_record" Skip "A record cannot be decoded with the embedded schema; records after it in its block are lost.",
    MissingCandid "missing_candid" Skip "The record has no `candid`.",
    MissingObject "missing_object" Skip "The record has no `objectId`.",
    MissingCutout "missing_cutout" Skip "One of the three cutouts is absent or has no bytes.",
    NotFits "not_fits" Skip "A cutout is neither gzip nor FITS (alerts of 2017 hold JPEG).",
    BadGzip "bad_gzip" Skip "A cutout's gzip stream is damaged: header, deflate data, length or checksum.",
    BadFits "bad_fits" Skip "A cutout's FITS header is not that of a two-dimensional image of plain numbers.",
    TruncatedFits "truncated_fits" Skip "A cutout has fewer pixels than its FITS header says.",
    AllNan "all_nan" Skip "A cutout has no finite pixel.",
    ShapesDiffer "shapes_differ" Skip "The three cutouts differ in shape.",
    Oversized "oversized" Skip "A cutout has more than 63 pixels on a side."
        => "cut to 63 x 63 pixels about its centre",
    NotSquare "not_square" Keep "A cutout is not 63 x 63 pixels: cut at the edge of the detector."
        => "filled up with NaN on the side that was cut, as xpos and ypos say",
    NanPixels "nan_pixels" Keep "A cutout has NaN pixels: no data or masked.",
    HugePixels "huge_pixels" Keep "A cutout has pixels above 1e10 in size, such as -3.4e38: no fluxes."
        => "such pixels become NaN",
    OddIsdiffpos "odd_isdiffpos" Keep "`isdiffpos` is present but none of t, true, 1, f, false, 0, or, as a number, none of 1, 0, -1 and -999 (missing)."
        => "read by its first letter, if it is a word",
    MissingJd "missing_jd" Keep "The record has no date `jd`."
        => "taken from candid, which holds it to a second",
    WrongJd "wrong_jd" Repair "The date `jd` of a ZTF packet is not that of its `candid`, by 10 s or more: tests of brokers overwrite it."
        => "taken from candid, which holds it to a second",
    WrongPastJd "wrong_past_jd" Repair "Dates of a ZTF packet's earlier detections, upper limits or forced photometry are not those of their `candid` or `pid`, by 10 s or more."
        => "taken from candid or pid, which hold them to a second",
    Duplicate "duplicate" Skip "The same `candid` came before; the first one is used.",
    Unlabelled "unlabelled" Skip "The label table has no label for the alert, and only labelled ones are wanted.",
    OtherClass "other_class" Keep "The alert's label is not among `classes`, so it counts as unlabelled.",
    LabelConflict "label_conflict" Keep "Label tables disagree on the alert (the first one wins), or alerts of one object have different labels.",
    AmbiguousMatch "ambiguous_match" Keep "Sources with different labels are within `match_radius` of the alert; the nearest one wins.",
    LabelUnmatched "label_unmatched" Keep "The label table names a candid, an object or a place of which no alert was read.",
    Resized "resized" Keep "A cutout that is no ZTF packet's was cropped, or padded with NaN, to 63 x 63 pixels around its centre.",
    NoTable "no_table" Skip "Arrays and FITS images say nothing of themselves: the key `table` must name the csv that describes them.",
    BadArray "bad_array" Skip "The .npy or .npz is damaged, ends early, or is no array [row, y, x, 3] or [row, 3, y, x] of plain numbers.",
    MadeUpCandid "made_up_candid" Keep "The table gives no whole number as candid (absent or rounded); the alert gets a negative one, made of its row.",
    BadParquet "bad_parquet" Skip "The parquet file is damaged or lacks the columns of an alert; rows before the damage are used.",
    BadRow "bad_row" Skip "A row of `table` is no UTF-8, or has more or fewer cells than the header; its images are not used.",
}

impl Reason {
    /// Those of which the user may say what is done about them.
    pub fn choices() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|reason| *reason != Self::Unreadable)
    }

    /// The reason called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }
}

/// A reason and the numbers that belong to it, before it is known where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub reason: Reason,
    /// The particulars, a lower-case fragment.
    pub detail: String,
    /// Whether it was mended.
    pub repaired: bool,
}

impl Fault {
    /// A fault with its particulars, not mended.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), repaired: false }
    }
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the folder or pattern that was asked for; `night.tar.gz:123.avro` inside a tarball.
    pub file: Arc<str>,
    /// Number of the record in its file, from 0; none for the file itself.
    pub record: Option<u64>,
    /// Offset of the record's block in its file, bytes.
    pub offset: u64,
}

impl Place {
    /// The whole of `file`.
    #[must_use]
    pub fn file(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), record: None, offset: 0 }
    }
}

/// One reason found in one place: a row of `quality.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What is wrong.
    pub reason: Reason,
    /// What was done about it.
    pub policy: Policy,
    /// Where.
    pub place: Place,
    /// The alert, when known.
    pub candid: Option<i64>,
    /// Its object, when known.
    pub object_id: Option<String>,
    /// The particulars, a lower-case fragment.
    pub detail: String,
}

impl Occurrence {
    /// A fault in its place, of an alert that is not known.
    #[must_use]
    pub fn new(fault: Fault, place: &Place, policies: &Policies) -> Self {
        let reason = fault.reason;
        let policy = match policies.of(reason) {
            // what could not be mended is treated as if nobody had asked for it
            Policy::Repair if !fault.repaired => reason.default_policy(),
            policy => policy,
        };
        Self { reason, policy, place: place.clone(), candid: None, object_id: None, detail: fault.detail }
    }
}

impl std::fmt::Display for Occurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.place.file)?;
        if let Some(record) = self.place.record {
            write!(f, ", record {record} at byte {}", self.place.offset)?;
        }
        if let Some(candid) = self.candid {
            write!(f, ", candid {candid}")?;
        }
        if let Some(object) = &self.object_id {
            write!(f, " of {object}")?;
        }
        write!(f, ": {}", self.reason.name())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// How many alerts or files each reason concerns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Reason, u64>);

impl Totals {
    /// Counts `more` occurrences.
    pub fn add(&mut self, reason: Reason, more: u64) {
        *self.0.entry(reason).or_default() += more;
    }

    /// Counts each reason among `occurrences` once, however many cutouts of an alert it concerns.
    pub fn add_once_each(&mut self, occurrences: &[Occurrence]) {
        let reasons: BTreeSet<Reason> = occurrences.iter().map(|found| found.reason).collect();
        for reason in reasons {
            self.add(reason, 1);
        }
    }

    /// The count of `reason`.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// The reasons that occurred, in table order, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.name()), Some(*reason));
        }
        assert_eq!(Reason::parse("no such"), None);
        assert_eq!(Policy::parse("refuse"), Some(Policy::Refuse));
        assert_eq!(Policy::parse("Refuse"), None);
    }

    #[test]
    fn policies_only_get_stricter() {
        let mut policies = Policies::default();
        assert_eq!(policies.of(Reason::NotSquare), Policy::Keep);
        policies.tighten(Reason::NotSquare, Policy::Skip);
        assert_eq!(policies.of(Reason::NotSquare), Policy::Skip);
        policies.tighten(Reason::BadGzip, Policy::Keep);
        assert_eq!(policies.of(Reason::BadGzip), Policy::Skip);
    }

    #[test]
    fn what_was_not_mended_has_the_default_policy() {
        let mut policies = Policies::default();
        policies.repair(Reason::Oversized);
        policies.repair(Reason::BadGzip);
        let policy = |reason, repaired| {
            let fault = Fault { repaired, ..Fault::new(reason, "") };
            Occurrence::new(fault, &Place::file(&"a".into()), &policies).policy
        };
        assert_eq!(policy(Reason::Oversized, true), Policy::Repair);
        assert_eq!(policy(Reason::Oversized, false), Policy::Skip);
        assert_eq!(policy(Reason::BadGzip, false), Policy::Skip);
        assert!(Policy::Repair.uses() && !Policy::Skip.uses());
    }
}
