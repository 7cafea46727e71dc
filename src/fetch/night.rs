//! Nights of the public archive of ZTF alerts: dates, names, published sums.
//! Source: <https://ztf.uw.edu/alerts/public>, one `ztf_public_YYYYMMDD.tar.gz` a night, and `MD5SUMS` beside them.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use super::fault::Fault;
use super::http::Request;
use super::{Event, Fate, Fetch, Wanted};
use crate::ztf::tarball;

/// Where the archive is.
pub const ARCHIVE: &str = "https://ztf.uw.edu/alerts/public";

/// Name of the list of sums in the archive.
const SUMS: &str = "MD5SUMS";

/// Days from 1970 to [`Night::FIRST`].
const DAYS_TO_FIRST: u64 = 17_683;

/// A night, by its date in universal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Night {
    year: u32,
    month: u32,
    day: u32,
}

impl Night {
    /// The first one of the public archive.
    pub const FIRST: Self = Self { year: 2018, month: 6, day: 1 };

    /// The night of a time, seconds since 1970; not before the first one.
    pub fn at(seconds: u64) -> Self {
        let days = (seconds / 86_400).saturating_sub(DAYS_TO_FIRST);
        (0..days).fold(Self::FIRST, |night, _| night.next())
    }

    /// From `YYYYMMDD` or `YYYY-MM-DD`.
    fn parse(text: &str) -> Result<Self, String> {
        let digits = match text.split('-').collect::<Vec<_>>()[..] {
            [_] => text.to_string(),
            [year, month, day] if [year.len(), month.len(), day.len()] == [4, 2, 2] => [year, month, day].concat(),
            _ => String::new(),
        };
        let number = Some(&digits).filter(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_digit()));
        let number: u32 =
            number.and_then(|d| d.parse().ok()).ok_or_else(|| format!("`{text}` is no night: write 20240105"))?;
        let night = Self { year: number / 10_000, month: number / 100 % 100, day: number % 100 };
        let exists = (1..=12).contains(&night.month) && (1..=night.last_day()).contains(&night.day);
        if exists { Ok(night) } else { Err(format!("`{text}` is no date")) }
    }

    fn last_day(self) -> u32 {
        match self.month {
            2 if self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400)) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    fn next(self) -> Self {
        match self {
            Self { day, .. } if day < self.last_day() => Self { day: day + 1, ..self },
            Self { year, month: 12, .. } => Self { year: year + 1, month: 1, day: 1 },
            Self { year, month, .. } => Self { year, month: month + 1, day: 1 },
        }
    }

    /// Name of its file.
    fn file(self) -> String {
        format!("ztf_public_{self}.tar.gz")
    }
}

impl Display for Night {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        write!(f, "{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

/// The nights of `NIGHT` or `FIRST..LAST`, both of them included, until `today`.
pub fn parse(text: &str, today: Night) -> Result<Vec<Night>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (first, last) = (Night::parse(first)?, Night::parse(last)?);
    if last < first {
        return Err(format!("`{text}` ends before it begins: write {last}..{first}"));
    }
    if first < Night::FIRST {
        return Err(format!("the public archive begins with {}, not with {first}", Night::FIRST));
    }
    if last > today {
        return Err(format!("{last} is still to come: today is {today}"));
    }
    Ok(std::iter::successors(Some(first), |night| Some(night.next())).take_while(|night| *night <= last).collect())
}

/// Brings nights from the archive at `base`. A night without public alerts is [`Fate::Absent`].
pub fn fetch_nights(fetch: &mut Fetch, base: &str, nights: &[Night]) -> Result<(), Fault> {
    let mut sums = None;
    for night in nights {
        let name = night.file();
        fetch.bring(&name, |fetch| {
            if fetch.is_here(&name)? {
                return Ok(Fate::Kept);
            }
            let sums = match &sums {
                Some(sums) => sums,
                None => sums.insert(published(fetch, base)?),
            };
            let md5 = sums.get(&name).cloned();
            let request = Request::get(format!("{base}/{name}"));
            // With a published sum there is nothing more to find out.
            let has_sum = md5.is_some();
            let check = Box::new(move |path: &std::path::Path| match tarball::damage(path).filter(|_| !has_sum) {
                Some(fault) => Err(format!("what came is no whole .tar.gz ({})", fault.detail)),
                None => Ok(()),
            });
            fetch.file(&Wanted { name: name.clone(), request, md5, check })
        })?;
    }
    Ok(())
}

/// The sums that the archive publishes, by name of the file.
fn published(fetch: &mut Fetch, base: &str) -> Result<BTreeMap<String, String>, Fault> {
    let text = fetch.text(&Request::get(format!("{base}/{SUMS}")))?;
    if text.is_none() {
        let what = "the archive publishes no sums: nights are read to their end instead, to see whether they are whole";
        fetch.watch.hear(&Event::Note { name: SUMS, what });
    }
    let sums = read_sums(text.as_deref().unwrap_or_default());
    if text.is_some() && sums.is_empty() {
        let what = "what the server sends as the archive's sums has none: nights are read to their end instead";
        fetch.watch.hear(&Event::Note { name: SUMS, what });
    }
    Ok(sums)
}

/// Lines of `SUM  NAME`, as `md5sum` writes them; others are passed by.
fn read_sums(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        let is_sum = sum.len() == 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        let name = name.trim().trim_start_matches('*').rsplit('/').next()?;
        is_sum.then(|| (name.to_string(), sum.to_ascii_lowercase()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Night = Night { year: 2024, month: 3, day: 2 };

    fn names(text: &str) -> Vec<String> {
        parse(text, TODAY).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_hold_both_ends_and_every_day_between() {
        assert_eq!(names("20240105"), ["20240105"]);
        assert_eq!(names("2024-02-27..20240302"), ["20240227", "20240228", "20240229", "20240301", "20240302"]);
        assert_eq!(names("20221230..20230102"), ["20221230", "20221231", "20230101", "20230102"]);
        assert_eq!(names("20180601..20240302").len(), 2102);
    }

    /// `datetime.utcfromtimestamp(1_709_337_600)` is 2024-03-02, `(date(2018, 6, 1) - date(1970, 1, 1)).days` is 17683.
    #[test]
    fn a_time_has_its_night() {
        assert_eq!(Night::at(1_709_337_600), TODAY);
        assert_eq!(Night::at(1_709_337_599).to_string(), "20240301");
        assert_eq!(Night::at(0), Night::FIRST);
    }

    #[test]
    fn what_is_no_night_of_the_archive_is_refused() {
        for (text, says) in [
            ("2024", "is no night"),
            ("20240230", "is no date"),
            ("20241301", "is no date"),
            ("20240100", "is no date"),
            ("2024-1-05", "is no night"),
            ("+2024010", "is no night"),
            ("20240105..", "is no night"),
            ("20240106..20240105", "write 20240105..20240106"),
            ("20180531", "begins with 20180601"),
            ("20240303", "still to come"),
            ("20240105..20340105", "still to come"),
        ] {
            let error = parse(text, TODAY).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn sums_are_read_as_md5sum_writes_them() {
        let sum = "D41D8CD98F00B204E9800998ECF8427E";
        let text = format!("# sums\n{sum}  a.tar.gz\n{sum} *./b/b.tar.gz\nshort  c.tar.gz\n\n");
        let sums = read_sums(&text);
        assert_eq!(sums.keys().collect::<Vec<_>>(), ["a.tar.gz", "b.tar.gz"]);
        assert_eq!(sums["a.tar.gz"], sum.to_lowercase());
    }
}
