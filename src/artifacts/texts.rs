//! Many texts as one: a `String` for each would take 24 bytes beside its own, and a block of its own.
//! Knows nothing of what they say.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Index;

/// Texts one after the other, with the place where each ends.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    /// None yet, with room for so many of so many bytes in all.
    pub fn with_capacity(texts: usize, bytes: usize) -> Self {
        Self { all: String::with_capacity(bytes), ends: Vec::with_capacity(texts) }
    }

    /// Appends one.
    pub fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The last one.
    pub fn last(&self) -> Option<&str> {
        self.iter().next_back()
    }

    /// The place of one among texts in alphabetical order.
    pub fn find(&self, text: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self[middle].cmp(text) {
                Ordering::Equal => return Some(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// All in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        (0..self.len()).map(|i| &self[i])
    }
}

impl Index<usize> for Texts {
    type Output = str;

    fn index(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.all[start..self.ends[i]]
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref()));
        all
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Texts {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        let given = ["", "ZTF18aaa", "", "Ünnamed", "b"];
        let texts: Texts = given.into_iter().collect();
        assert_eq!((texts.len(), &texts[1], texts.last()), (5, "ZTF18aaa", Some("b")));
        assert_eq!(texts, given);
        assert!(texts.iter().rev().eq(given.into_iter().rev()));
        assert_ne!(texts, ["", "ZTF18aaaÜ", "", "nnamed", "b"]);
        assert_eq!((Texts::default().last(), Texts::default().is_empty(), texts.is_empty()), (None, true, false));
        assert_eq!(format!("{:?}", ["a", "b"].into_iter().collect::<Texts>()), r#"["a", "b"]"#);
    }
}
