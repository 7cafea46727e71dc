//! One alert in memory, whichever file or simulator it came from.
//! Knows no file format.

/// Numeric candidate fields that are kept, in column order: the packet schema 4.02 without texts and identifiers.
/// `isdiffpos` is kept as 1 (science brighter than template) or 0.
pub const FIELDS: &[&str] = &[
    "jd",
    "fid",
    "ra",
    "dec",
    "magpsf",
    "sigmapsf",
    "isdiffpos",
    "diffmaglim",
    "programid",
    "rcid",
    "field",
    "xpos",
    "ypos",
    "chipsf",
    "magap",
    "sigmagap",
    "distnr",
    "magnr",
    "sigmagnr",
    "chinr",
    "sharpnr",
    "sky",
    "magdiff",
    "fwhm",
    "classtar",
    "mindtoedge",
    "magfromlim",
    "seeratio",
    "aimage",
    "bimage",
    "aimagerat",
    "bimagerat",
    "elong",
    "nneg",
    "nbad",
    "rb",
    "ssdistnr",
    "ssmagnr",
    "sumrat",
    "magapbig",
    "sigmagapbig",
    "ranr",
    "decnr",
    "sgmag1",
    "srmag1",
    "simag1",
    "szmag1",
    "sgscore1",
    "distpsnr1",
    "ndethist",
    "ncovhist",
    "jdstarthist",
    "jdendhist",
    "scorr",
    "sgmag2",
    "srmag2",
    "simag2",
    "szmag2",
    "sgscore2",
    "distpsnr2",
    "sgmag3",
    "srmag3",
    "simag3",
    "szmag3",
    "sgscore3",
    "distpsnr3",
    "nmtchps",
    "jdstartref",
    "jdendref",
    "nframesref",
    "dsnrms",
    "ssnrms",
    "dsdiff",
    "magzpsci",
    "magzpsciunc",
    "magzpscirms",
    "nmatches",
    "clrcoeff",
    "clrcounc",
    "zpclrcov",
    "zpmed",
    "clrmed",
    "clrrms",
    "neargaia",
    "neargaiabright",
    "maggaia",
    "maggaiabright",
    "exptime",
    "drb",
];

/// The three cutouts of an alert, in the order of every array that holds them.
pub const CUTOUTS: [&str; 3] = ["science", "template", "difference"];

/// Side of a complete ZTF cutout, pixels (about one arcsecond each).
pub const SIDE: usize = 63;

/// One image, row-major `[y, x]`, in DN; NaN where the survey has no data.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    /// Number of rows (y).
    pub rows: usize,
    /// Number of columns (x).
    pub columns: usize,
    /// `rows * columns` pixels.
    pub pixels: Vec<f32>,
}

/// One alert: identity, numeric candidate fields, three cutouts.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Identifier of the detection.
    pub candid: i64,
    /// Name of the object, e.g. `ZTF20abcdefg`.
    pub object_id: String,
    /// Values of [`FIELDS`], NaN where the packet has none (its sentinels such as -999 are kept as they are).
    pub values: Vec<f64>,
    /// Science, template, difference, with the packet's own sign of the difference.
    pub stamps: [Stamp; 3],
}

impl Alert {
    /// The value of the field `name`; NaN when the packet has none or no such field exists.
    #[must_use]
    pub fn value(&self, name: &str) -> f64 {
        field(name).map_or(f64::NAN, |i| self.values[i])
    }
}

/// Position of the field `name` in [`FIELDS`].
#[must_use]
pub fn field(name: &str) -> Option<usize> {
    FIELDS.iter().position(|f| *f == name)
}

/// How many of the pixels that a cutout of `length` pixels lacks on one axis are missing before its first one: all if the
/// low edge of the chip cut it, none if the high one did. At the low edge the source, at `position` (1 for the first pixel
/// of the chip), is nearer to the edge than half a cutout.
#[must_use]
pub fn missing_before(length: usize, position: f64) -> usize {
    if position < (SIDE / 2 + 2) as f64 { SIDE.saturating_sub(length) } else { 0 }
}
