//! Names of objects and numbers of detections in the survey's form, unique by construction.
//! Knows no content.

/// Name such as `ZTF19aabcdef`: two digits of the year and seven letters, a bijection of the object's index.
pub(super) fn object_id(index: usize, jd: f64) -> String {
    /// 26^6: names with the same first letter.
    const LETTERS: u64 = 308_915_776;
    /// Odd and not a multiple of 13, hence coprime to 26^6: multiplying permutes the names.
    const STEP: u64 = 179_424_691;
    let year = 18 + ((jd - 2_458_119.5) / 365.25).floor().clamp(0.0, 81.0) as u64;
    let index = index as u64;
    let mut rest = (index % LETTERS) * STEP % LETTERS;
    let mut letters = [b'a'; 7];
    for letter in letters[1..].iter_mut().rev() {
        *letter = b'a' + (rest % 26) as u8;
        rest /= 26;
    }
    letters[0] = b'a' + ((index / LETTERS) % 26) as u8;
    format!("ZTF{year:02}{}", letters.iter().copied().map(char::from).collect::<String>())
}

/// Number such as `1127174604415015005`: days since 2017-01-01 to the microday, then the object's index in nine digits
/// that start at 415, so that two detections differ by their time or by their object.
pub(super) fn candid(index: usize, jd: f64) -> i64 {
    let microdays = ((jd - 2_457_754.5) * 1e6).floor() as i64;
    microdays * 1_000_000_000 + (415_000_000 + index as i64) % 1_000_000_000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_do_not_repeat() {
        let names: BTreeSet<String> = (0..20_000).map(|i| object_id(i, 2_458_500.0)).collect();
        assert_eq!(names.len(), 20_000);
        assert!(names.iter().all(|n| n.len() == 12 && n.starts_with("ZTF19")));
    }

    #[test]
    fn numbers_look_like_the_surveys() {
        assert_eq!(candid(15_005, 2_458_881.674_604_7), 1_127_174_604_415_015_005);
    }
}
