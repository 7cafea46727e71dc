//! What a stage needs of the machine while it runs: `cpu`, `mem`, `gpu`. Never part of a key.
//! Knows no other key of a stage.

use super::document::{Data, Node};
use super::draft::DraftStage;
use super::faults::Faults;

/// What a stage needs while it runs, or what a run may use in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Processor cores.
    pub cpu: u32,
    /// Bytes of memory; 0: not stated.
    pub mem: u64,
    /// Accelerators.
    pub gpu: u32,
}

impl Default for Needs {
    fn default() -> Self {
        Self { cpu: 1, mem: 0, gpu: 0 }
    }
}

impl Needs {
    /// The keys that state them.
    pub const KEYS: [&'static str; 3] = ["cpu", "mem", "gpu"];

    /// The needs that a stage states; what is wrong goes into `faults`.
    pub fn read(stage: &DraftStage, faults: &mut Faults) -> Self {
        let mut needs = Self::default();
        let mut whole = |key: &str, least: i64, default: u32| match stage.get(key) {
            None => default,
            Some(Node { data: Data::Int(n), .. }) if *n >= least && *n <= i64::from(u32::MAX) => *n as u32,
            Some(node) => {
                faults.add(node.place, format!("`{key}` must be a whole number, at least {least}"), None);
                default
            }
        };
        needs.cpu = whole("cpu", 1, needs.cpu);
        needs.gpu = whole("gpu", 0, needs.gpu);
        needs.mem = match stage.get("mem") {
            None => needs.mem,
            Some(Node { data: Data::Int(n), .. }) if *n >= 0 => *n as u64,
            Some(node) => node.text().and_then(|text| size(text).ok()).unwrap_or_else(|| {
                faults.add(node.place, "`mem` must be a size such as \"4G\", or a number of bytes".into(), None);
                needs.mem
            }),
        };
        needs
    }
}

/// Bytes from a number with a unit of 1024: `500M`, `20G`.
pub fn size(text: &str) -> Result<u64, String> {
    scaled(text, &[("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)], "size")
}

/// A whole number with one of these units.
pub fn scaled(text: &str, units: &[(&str, u64)], what: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let number: u64 = digits.parse().map_err(|_| format!("not a {what}: {text}"))?;
    let factor = units.iter().find(|(u, _)| u.eq_ignore_ascii_case(unit)).map(|(_, f)| *f);
    let names: Vec<&str> = units.iter().map(|(u, _)| *u).collect();
    let factor = factor.ok_or_else(|| format!("unknown unit `{unit}`; known: {}", names.join(", ")))?;
    number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"))
}
