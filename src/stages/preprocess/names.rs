//! Texts that rows have by number, since there may be as many rows as memory holds: names of objects, each once, and words that
//! many rows share, such as labels. Knows neither rows nor what the words are.

use std::collections::HashMap;

use crate::artifacts::texts::Texts;

/// The number of no word: of an empty text.
pub const NO_WORD: u32 = 0;

/// Names and words by number.
#[derive(Debug)]
pub struct Names {
    /// Names of objects, in order.
    objects: Texts,
    words: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self { objects: Texts::default(), words: Vec::new(), numbers: HashMap::new() };
        names.add_word("");
        names
    }
}

impl Names {
    /// The number of a word, which may be new.
    pub fn add_word(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = number(self.words.len());
        self.numbers.insert(word.into(), number);
        self.words.push(word.into());
        number
    }

    /// The number of an object, whose name is the last one or comes after it in the alphabet.
    pub fn add_object(&mut self, name: &str) -> u32 {
        if self.objects.last() != Some(name) {
            debug_assert!(self.objects.last().is_none_or(|last| last < name), "names are not in order");
            self.objects.push(name);
        }
        number(self.objects.len() - 1)
    }

    /// The word of this number.
    pub fn word(&self, number: u32) -> &str {
        &self.words[number as usize]
    }

    /// The object of this number.
    pub fn object(&self, number: u32) -> &str {
        &self.objects[number as usize]
    }

    /// The number of the object of this name.
    pub fn find_object(&self, name: &str) -> Option<u32> {
        self.objects.find(name).map(number)
    }

    /// Number of objects.
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Of each word by its number whether it is chosen.
    pub fn choose(&self, chosen: impl Fn(&str) -> bool) -> Vec<bool> {
        self.words.iter().map(|word| chosen(word)).collect()
    }
}

/// Half of a `usize`: 2^32 rows are more than memory holds.
pub fn number(position: usize) -> u32 {
    u32::try_from(position).expect("fewer than 2^32 alerts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back() {
        let mut names = Names::default();
        let words = ["SN", "", "AGN", "SN"].map(|word| names.add_word(word));
        assert_eq!((words, names.word(words[2])), ([1, NO_WORD, 2, 1], "AGN"));
        assert_eq!(names.choose(|word| word != "SN"), [true, false, true]);
        let objects = ["ZTF1", "ZTF1", "ZTF10", "ZTF2"].map(|name| names.add_object(name));
        assert_eq!((objects, names.object(1), names.objects()), ([0, 0, 1, 2], "ZTF10", 3));
        let found = ["ZTF1", "ZTF2", "", "ZTF11", "ZTF3"].map(|name| names.find_object(name));
        assert_eq!(found, [Some(0), Some(2), None, None, None]);
    }
}
